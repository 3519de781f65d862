//! Clients: connected to one server, admitted by it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};

use aster_core::config::{Config, Role};
use aster_core::engine::ServicePlan;
use aster_core::error::{Error, ErrorKind, Result};
use aster_core::node::{Client, ClientOptions};
use aster_core::rpc::BoundService;
use aster_core::rpc::BoxFuture;
use aster_core::trust::Credential;
use serde_json::{Map, Value};

use crate::config::{aster_config_t, read_switch};
use crate::cq::aster_cq_t;
use crate::errors::{aster_error_t, aster_result_t};
use crate::guard;
use crate::handle::{Home, borrow, handle, out, take};
use crate::later::aster_node_t;
use crate::op::{Outcome, Submission, aster_op_t};
use crate::options::{self, Growing};
use crate::runtime::{Child, Runtime, aster_runtime_t, duration};
use crate::slice::{aster_bytes_t, aster_str_t};
use aster_core::sync::lock;

/// Bound services that a client remembers; more are bound again at each call.
const MAX_BOUND: usize = 64;

/// Settings of a client. Make it with `ASTER_CLIENT_OPTIONS_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct aster_client_options_t {
    /// Size of this struct.
    pub struct_size: usize,
    /// NULL: the client has a node of its own.
    pub node: *mut aster_node_t,
    /// Ticket, base64 node address or endpoint id; absent: `endpoint_addr` of the configuration.
    pub address: aster_str_t,
    /// Channel of the services; absent: `rpc`.
    pub channel: aster_str_t,
    /// Path of the credential to present, or of an identity file with one, whose node key is then used unless there is
    /// another; absent: the entry of the identity file, else the file of the configuration, if any.
    pub credential_path: aster_str_t,
    /// The credential itself, JSON text; beats the path. Empty: none is presented.
    pub credential_json: aster_str_t,
    /// Time for dialling and admission; 0: 30 s, negative: no limit.
    pub connect_timeout_ms: i64,
    /// Whether channels may point to another endpoint than the admitted one: 0 as configured, 1 yes, -1 no.
    pub allow_foreign_channels: i32,
    /// Zero.
    pub reserved: u32,
}

// SAFETY: repr(C), struct_size first, numbers and nullable pointers.
unsafe impl Growing for aster_client_options_t {}

/// A client that was admitted by a server.
pub struct aster_client_t {
    home: Home,
    pub(crate) client: Arc<ClientState>,
}

handle!(aster_client_t);

/// A client as its handle, its calls and its runtime share it.
pub(crate) struct ClientState {
    /// Keeps the threads alive.
    pub(crate) runtime: Arc<Runtime>,
    client: Client,
    bound: Mutex<Vec<BoundService>>,
}

impl ClientState {
    /// Binds a service, once per contract.
    pub(crate) fn bind(&self, plan: &Arc<ServicePlan>) -> Result<BoundService> {
        let mut bound = lock(&self.bound);
        if let Some(known) = bound.iter().find(|known| Arc::ptr_eq(known.plan(), plan)) {
            return Ok(known.clone());
        }
        let new = self.client.bind(plan, None)?;
        if bound.len() < MAX_BOUND {
            bound.push(new.clone());
        }
        Ok(new)
    }

    fn info(&self) -> Result<String> {
        let info = self.client.info();
        let mut fields = Map::new();
        let services = serde_json::to_value(&info.answer.services);
        let attributes = serde_json::to_value(&info.answer.attributes);
        let broken = |error| Error::new(ErrorKind::Internal, format!("cannot write JSON: {error}"));
        fields.insert("endpoint_id".to_owned(), info.endpoint_id.clone().into());
        fields.insert("server_id".to_owned(), info.server_id.clone().into());
        fields.insert("services".to_owned(), services.map_err(broken)?);
        fields.insert("open_gate".to_owned(), info.open_gate.into());
        fields.insert("registry_namespace".to_owned(), info.answer.registry_namespace.clone().into());
        fields.insert("attributes".to_owned(), attributes.map_err(broken)?);
        Ok(Value::Object(fields).to_string())
    }
}

impl Child for ClientState {
    fn close(&self) -> BoxFuture<'static, ()> {
        self.client.close()
    }
}

/// Returns what beats every other source of the configuration.
///
/// # Safety
///
/// The texts of `options` are valid for reading.
unsafe fn arguments(options: &aster_client_options_t) -> Result<BTreeMap<String, Value>> {
    let mut arguments = BTreeMap::new();
    // SAFETY: passed on from the caller.
    if let Some(path) = unsafe { options.credential_path.optional("credential_path") }? {
        arguments.insert("enrollment_credential_file".to_owned(), path.into());
    }
    if let Some(foreign) = read_switch(options.allow_foreign_channels, "allow_foreign_channels")? {
        arguments.insert("allow_foreign_channels".to_owned(), foreign.into());
    }
    Ok(arguments)
}

/// Reads the options of a connection.
///
/// # Safety
///
/// The texts of `options` are valid for reading.
unsafe fn read_options(options: &aster_client_options_t, settled: &Config) -> Result<ClientOptions> {
    if !options.node.is_null() {
        return Err(Error::new(ErrorKind::Unsupported, "clients on a shared node come with a later version"));
    }
    let mut read = ClientOptions::default();
    // SAFETY: passed on from the caller.
    let (address, channel, credential) = unsafe {
        (
            options.address.read("address")?,
            options.channel.read("channel")?,
            options.credential_json.read("credential_json")?,
        )
    };
    read.address = address.map(str::to_owned);
    if let Some(channel) = channel {
        read.channel = channel.to_owned();
    }
    read.credential_json = match credential {
        Some("") => String::new(),
        Some(document) => Credential::parse_file(document.as_bytes())?.to_json(),
        None => configured(settled)?,
    };
    read.connect_timeout = duration(options.connect_timeout_ms, read.connect_timeout);
    let foreign = settled.get("allow_foreign_channels").and_then(|(value, _)| value.as_bool());
    read.allow_foreign_channels = foreign.unwrap_or(read.allow_foreign_channels);
    Ok(read)
}

/// Returns the credential of the configuration; a file or an entry that is none is a bad credential, not a bad setting.
fn configured(settled: &Config) -> Result<String> {
    match settled.credential() {
        Ok(presented) => Ok(presented.map(|presented| presented.json.clone()).unwrap_or_default()),
        Err(error) if error.kind() == ErrorKind::Config => Err(error.with_kind(ErrorKind::Credential)),
        Err(error) => Err(error),
    }
}

/// Dials a server and asks for admission; the operation yields the client. `config` NULL: defaults.
///
/// Any thread; may wait for files. Errors, at once or of the operation: ADDRESS, CONFIG without an address, CONNECT,
/// ADMISSION_DENIED if the server refuses, which is final, CREDENTIAL for a bad credential and for a server that trusts
/// another root key than the configured one, IO for a credential file that is missing, UNSUPPORTED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_client_connect(
    runtime: *mut aster_runtime_t,
    config: *const aster_config_t,
    options: *const aster_client_options_t,
    cq: *mut aster_cq_t,
    tag: u64,
    op: *mut *mut aster_op_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let runtime = borrow(runtime, "runtime")?.runtime.clone();
            let defaults;
            let config = match crate::handle::borrow_optional(config, "config")? {
                Some(config) => config,
                None => {
                    defaults = aster_config_t::defaults()?;
                    &defaults
                }
            };
            let options = options::read(options, "options")?;
            let settled = config.settled(Role::Consumer, arguments(&options)?)?;
            let options = read_options(&options, &settled)?;
            runtime.check_open()?;
            check_address(&options, &settled)?;
            let connecting = Client::connect(runtime.tokio().clone(), &settled, options);
            let parent = runtime.clone();
            let work = async move {
                let client = connecting.await?;
                let state = Arc::new(ClientState { runtime: parent.clone(), client, bound: Mutex::default() });
                let weak: Weak<ClientState> = Arc::downgrade(&state);
                parent.adopt(weak);
                Ok(Outcome::Client(Box::new(aster_client_t { home: Home::here(), client: state })))
            };
            Submission { cq, tag, op }.submit(&runtime, work)
        })
    }
}

/// Tells about a bad address at once, not when the operation ends.
fn check_address(options: &ClientOptions, config: &Config) -> Result<()> {
    match options.address.as_deref().or(config.endpoint_addr()) {
        Some(text) => aster_core::addr::Address::parse(text).map(drop),
        None => Err(Error::new(ErrorKind::Config, "a client requires an endpoint address")),
    }
}

/// Writes what the server told at admission, a JSON object: `endpoint_id` (ours), `server_id`, `services`, `open_gate`,
/// `registry_namespace`, `attributes`. The caller owns it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_client_info(
    client: *mut aster_client_t,
    json: *mut aster_bytes_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let (client, slot) = (borrow(client, "client")?, out(json, "json")?);
            slot.write(aster_bytes_t::give(client.client.info()?.into_bytes()));
            Ok(())
        })
    }
}

/// Ends the calls of the client and closes its connection. Idempotent; the handle is still to be freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_client_close(
    client: *mut aster_client_t,
    cq: *mut aster_cq_t,
    tag: u64,
    op: *mut *mut aster_op_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let client = borrow(client, "client")?.client.clone();
            let runtime = client.runtime.clone();
            let work = async move {
                client.close().await;
                Ok(Outcome::Nothing)
            };
            Submission { cq, tag, op }.submit(&runtime, work)
        })
    }
}

/// Releases a client; without `aster_client_close` that is abrupt for the peer. NULL does nothing. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_client_free(client: *mut aster_client_t) {
    // SAFETY: the caller passes NULL or a live client, and gives it up.
    unsafe { guard::quiet(|| drop(take(client))) }
}
