//! Servers: services on one endpoint, whose calls report to completion queues.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, Weak};

use aster_core::config::Role;
use aster_core::contract::{MethodPattern, ScopeKind};
use aster_core::engine::ServicePlan;
use aster_core::error::{Error, ErrorKind, Result};
use aster_core::limits;
use aster_core::node::{Server, ServerOptions};
use aster_core::rpc::{BoxFuture, Service};
use serde_json::Value;

use crate::config::{aster_config_t, read_switch};
use crate::contract::aster_contract_t;
use crate::cq::aster_cq_t;
use crate::errors::{aster_error_t, aster_result_t};
use crate::guard;
use crate::handle::{Home, borrow, borrow_optional, give, handle, out, take};
use crate::later::aster_node_t;
use crate::op::{Outcome, Submission, aster_op_t};
use crate::options::{self, Growing};
use crate::payload::Deliver;
use crate::runtime::{Child, Runtime, aster_runtime_t, duration};
use crate::slice::{aster_bytes_t, aster_str_t};

/// Settings of a server. Make it with `ASTER_SERVER_OPTIONS_INIT`. Switches: 0 as configured, 1 on, -1 off.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct aster_server_options_t {
    /// Size of this struct.
    pub struct_size: usize,
    /// NULL: the server has a node of its own.
    pub node: *mut aster_node_t,
    /// Channel that the services are announced on; absent: `rpc`.
    pub channel: aster_str_t,
    /// Whether every consumer is admitted.
    pub allow_all_consumers: i32,
    /// Whether every producer is admitted.
    pub allow_all_producers: i32,
    /// Whether the texts of failed handlers reach callers.
    pub expose_errors: i32,
    /// Whether services are published in the registry. Comes with a later version: 1 is UNSUPPORTED.
    pub register_leases: i32,
    /// Calls and sessions at once on one connection; 0: 1024.
    pub max_concurrent_streams: u32,
    /// Sessions at once on one connection; 0: 1024.
    pub max_sessions_per_connection: u32,
}

// SAFETY: repr(C), struct_size first, numbers and nullable pointers.
unsafe impl Growing for aster_server_options_t {}

/// Settings of a service. Make it with `ASTER_SERVICE_OPTIONS_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct aster_service_options_t {
    /// Size of this struct.
    pub struct_size: usize,
    /// Form of requests, `ASTER_PAYLOAD_*`; 0: JSON.
    pub deliver: u32,
    /// Unfinished calls at once. Comes with a later version: other than 0 is UNSUPPORTED.
    pub max_inflight: u32,
    /// Items that a stream may send before a grant; 0: 16.
    pub initial_credit: u32,
    /// Zero.
    pub reserved: u32,
}

// SAFETY: repr(C), struct_size first, plain numbers.
unsafe impl Growing for aster_service_options_t {}

/// A server: a node that hosts services.
pub struct aster_server_t {
    home: Home,
    server: Arc<ServerState>,
}

handle!(aster_server_t);

impl aster_server_t {
    /// Returns the server of core.
    pub(crate) fn core(&self) -> &Server {
        &self.server.server
    }

    /// Returns the threads that it runs on.
    pub(crate) fn runtime(&self) -> &Arc<Runtime> {
        &self.server.runtime
    }
}

/// A server as its handle, its calls and its runtime share it.
pub(crate) struct ServerState {
    runtime: Arc<Runtime>,
    server: Server,
    endpoint_id: OnceLock<String>,
}

impl Child for ServerState {
    fn close(&self) -> BoxFuture<'static, ()> {
        self.server.close()
    }
}

/// A service as the queue that it reports to knows it.
pub(crate) struct HostedService {
    /// The caller's name for it.
    pub(crate) tag: u64,
    /// Form of requests.
    pub(crate) deliver: Deliver,
    /// The server; calls keep it alive, its services do not.
    pub(crate) server: Weak<ServerState>,
}

/// Makes a server; decides who is admitted. `config` NULL: defaults.
///
/// Any thread. Errors: CONFIG for settings that contradict each other, CLOSED, UNSUPPORTED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_server_new(
    runtime: *mut aster_runtime_t,
    config: *const aster_config_t,
    options: *const aster_server_options_t,
    out: *mut *mut aster_server_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let slot = self::out(out, "out")?;
            let runtime = borrow(runtime, "runtime")?.runtime.clone();
            let config = borrow_optional(config, "config")?;
            let options = options::read(options, "options")?;
            let channel = options.channel.read("channel")?;
            runtime.check_open()?;
            let arguments = arguments(&options)?;
            let config = match config {
                Some(config) => config.settled(Role::Producer, arguments)?,
                None => aster_config_t::defaults()?.settled(Role::Producer, arguments)?,
            };
            let server = Server::new(&config, server_options(&options, channel))?;
            let state = Arc::new(ServerState { runtime: runtime.clone(), server, endpoint_id: OnceLock::new() });
            let weak: Weak<ServerState> = Arc::downgrade(&state);
            runtime.adopt(weak);
            slot.write(give(aster_server_t { home: Home::here(), server: state }));
            Ok(())
        })
    }
}

/// Returns the switches as arguments of the configuration, which beat every other source.
fn arguments(options: &aster_server_options_t) -> Result<BTreeMap<String, Value>> {
    if !options.node.is_null() {
        return Err(later("servers on a shared node"));
    }
    if read_switch(options.register_leases, "register_leases")? == Some(true) {
        return Err(later("leases in the registry"));
    }
    let switches = [
        ("allow_all_consumers", options.allow_all_consumers),
        ("allow_all_producers", options.allow_all_producers),
        ("expose_errors", options.expose_errors),
    ];
    let mut arguments = BTreeMap::new();
    for (name, value) in switches {
        if let Some(value) = read_switch(value, name)? {
            arguments.insert(name.to_owned(), value.into());
        }
    }
    Ok(arguments)
}

fn server_options(options: &aster_server_options_t, channel: Option<&str>) -> ServerOptions {
    let mut read = ServerOptions::default();
    read.registry.language = "c";
    if let Some(channel) = channel {
        read.channel = channel.to_owned();
    }
    if options.max_concurrent_streams != 0 {
        read.max_concurrent_streams = options.max_concurrent_streams;
    }
    if options.max_sessions_per_connection != 0 {
        read.max_sessions_per_connection = options.max_sessions_per_connection;
    }
    read
}

fn later(what: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("{what} come with a later version"))
}

/// Adds a service, whose calls are reported to `cq` with `tag`. `options` NULL: defaults. Before the start.
///
/// Any thread. Errors: STATE once started, ALREADY_EXISTS, UNSUPPORTED for streaming methods and session services.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_server_register(
    server: *mut aster_server_t,
    contract: *const aster_contract_t,
    options: *const aster_service_options_t,
    cq: *mut aster_cq_t,
    tag: u64,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let server = &borrow(server, "server")?.server;
            let plan = borrow(contract, "contract")?.plan.clone();
            let options = options::read(options, "options")?;
            let queue = &borrow(cq, "cq")?.queue;
            let deliver = Deliver::read(options.deliver)?;
            check_service(&plan)?;
            if options.max_inflight != 0 {
                return Err(later("limits of single services"));
            }
            let initial_credit = match options.initial_credit {
                0 => limits::INITIAL_CREDIT,
                n if n <= limits::MAX_CREDIT => n,
                n => return Err(Error::limit("initial_credit", limits::MAX_CREDIT as usize, n as usize)),
            };
            let weak = Arc::downgrade(server);
            let number = queue.add_service(HostedService { tag, deliver, server: weak });
            server.server.register(Service { plan, queue: queue.engine().clone(), tag: number, initial_credit })
        })
    }
}

fn check_service(plan: &ServicePlan) -> Result<()> {
    if plan.contract().description().scope != ScopeKind::Shared {
        return Err(later("session services"));
    }
    match plan.methods().iter().find(|method| method.description.pattern != MethodPattern::Unary) {
        Some(_) => Err(later("streaming methods")),
        None => Ok(()),
    }
}

/// Binds the endpoint and serves; waits neither for relays nor for the network.
///
/// Errors of the operation: INVALID_ARGUMENT without services, CONFIG, IO, CLOSED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_server_start(
    server: *mut aster_server_t,
    cq: *mut aster_cq_t,
    tag: u64,
    op: *mut *mut aster_op_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let server = borrow(server, "server")?.server.clone();
            let runtime = server.runtime.clone();
            let work = async move {
                server.server.start().await?;
                server.server.start_report(&[]); // It is in the log.
                let _ = server.endpoint_id.set(server.server.endpoint_id()?);
                Ok(Outcome::Nothing)
            };
            Submission { cq, tag, op }.submit(&runtime, work)
        })
    }
}

/// Returns the endpoint id, 64 hex digits, borrowed from the server; absent before the start.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_server_endpoint_id(server: *const aster_server_t) -> aster_str_t {
    // SAFETY: the caller passes NULL or a live server.
    unsafe {
        guard::value(aster_str_t::ABSENT, || {
            let id = borrow(server, "server")?.server.endpoint_id.get();
            Ok(id.map_or(aster_str_t::ABSENT, |id| aster_str_t::lend(id)))
        })
    }
}

/// Writes the `aster1` ticket, current when read. The caller owns it. Errors: STATE before the start.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_server_address(
    server: *mut aster_server_t,
    out: *mut aster_bytes_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe { read_text(server, out, err, |server| server.address()) }
}

/// Writes the base64 form of the node address, current when read. The caller owns it. Errors: STATE before the start.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_server_addr_b64(
    server: *mut aster_server_t,
    out: *mut aster_bytes_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe { read_text(server, out, err, |server| server.addr_b64()) }
}

/// Writes the services as they are announced, a JSON array. The caller owns it. Errors: STATE before the start.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_server_services(
    server: *mut aster_server_t,
    json: *mut aster_bytes_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    let services = |server: &Server| {
        serde_json::to_string(&server.services()?)
            .map_err(|error| Error::new(ErrorKind::Internal, format!("cannot write JSON: {error}")))
    };
    // SAFETY: pointers are NULL or as the header says.
    unsafe { read_text(server, json, err, services) }
}

/// Writes a text that core gives.
///
/// # Safety
///
/// Pointers are NULL or as the header says.
unsafe fn read_text(
    server: *mut aster_server_t,
    out: *mut aster_bytes_t,
    err: *mut *mut aster_error_t,
    text: impl FnOnce(&Server) -> Result<String>,
) -> aster_result_t {
    // SAFETY: passed on from the caller.
    unsafe {
        guard::run(err, || {
            let (server, slot) = (borrow(server, "server")?, self::out(out, "out")?);
            slot.write(aster_bytes_t::give(text(&server.server.server)?.into_bytes()));
            Ok(())
        })
    }
}

/// Refuses new calls, waits until the running ones ended or `grace_ms` is over (0: 10 s), then cancels the rest.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_server_drain(
    server: *mut aster_server_t,
    grace_ms: i64,
    cq: *mut aster_cq_t,
    tag: u64,
    op: *mut *mut aster_op_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let server = borrow(server, "server")?.server.clone();
            let runtime = server.runtime.clone();
            let work = async move {
                server.server.drain(duration(grace_ms, limits::DRAIN_GRACE)).await;
                Ok(Outcome::Nothing)
            };
            Submission { cq, tag, op }.submit(&runtime, work)
        })
    }
}

/// Ends every call, closes every connection and releases the endpoint. Idempotent; the handle is still to be freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_server_close(
    server: *mut aster_server_t,
    cq: *mut aster_cq_t,
    tag: u64,
    op: *mut *mut aster_op_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let server = borrow(server, "server")?.server.clone();
            let runtime = server.runtime.clone();
            let work = async move {
                server.close().await;
                Ok(Outcome::Nothing)
            };
            Submission { cq, tag, op }.submit(&runtime, work)
        })
    }
}

/// Releases a server; without `aster_server_close` that is abrupt for its peers. NULL does nothing. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_server_free(server: *mut aster_server_t) {
    // SAFETY: the caller passes NULL or a live server, and gives it up.
    unsafe { guard::quiet(|| drop(take(server))) }
}
