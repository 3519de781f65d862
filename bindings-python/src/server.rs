//! Servers: start, drain and close on the runtime, calls through the queue.

use std::time::Duration;

use aster_core::admission::Revoked;
use aster_core::error::{Error, Result};
use aster_core::limits;
use aster_core::node::{RegistryChoice, RegistryOptions, Server as CoreServer, ServerOptions};
use aster_core::rpc::{BoxFuture, Service};
use aster_core::trust::ServiceSummary;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::caller::Caller;
use crate::config::Config;
use crate::errors;
use crate::mesh;
use crate::node::Node;
use crate::nonces::Nonces;
use crate::passing::Passing;
use crate::peers::Peers;
use crate::plan::Plan;
use crate::queue::{Operation, Queue};
use crate::registry::ServerRegistry;
use crate::runtime::{self, ProcessBound};

/// A node that serves.
#[pyclass(frozen, module = "aster._aster")]
pub struct Server {
    server: ProcessBound<CoreServer>,
    /// Milliseconds that an admission holds at most.
    ttl_ms: i64,
}

/// Name, version, contract id, channels, pattern and modes of a service.
pub type Summary<'a> = (&'a str, i32, &'a str, Vec<(&'a str, &'a str)>, &'a str, Vec<&'a str>);

/// Returns a summary in a form that becomes a Python tuple.
pub fn summary(service: &ServiceSummary) -> Summary<'_> {
    (
        &service.name,
        service.version,
        &service.contract_id,
        service.channels.iter().map(|(name, address)| (name.as_str(), address.as_str())).collect(),
        &service.pattern,
        service.serialization_modes.iter().map(String::as_str).collect(),
    )
}

/// Makes a queue host a service.
pub fn hosted(
    plan: &Bound<'_, Plan>,
    queue: &Bound<'_, Queue>,
    runners: Vec<Py<PyAny>>,
    sessions: Option<(Py<PyAny>, Py<PyAny>)>,
) -> PyResult<Service> {
    let core = queue.get().core().map_err(|error| errors::exception(plan.py(), &error))?.clone();
    let initial_credit = limits::INITIAL_CREDIT;
    let tag = queue.get().host(plan.clone().unbind(), runners, sessions, initial_credit);
    Ok(Service { plan: plan.get().plan.clone(), queue: core, tag, initial_credit })
}

/// Makes a future without a value succeed, as operations want it.
pub fn succeed(work: BoxFuture<'static, ()>) -> BoxFuture<'static, Result<()>> {
    Box::pin(async {
        work.await;
        Ok(())
    })
}

impl Server {
    fn core(&self, py: Python<'_>) -> PyResult<&CoreServer> {
        self.server.get().map_err(|error| errors::exception(py, &error))
    }

    fn spawn(&self, py: Python<'_>, queue: &Queue, work: BoxFuture<'static, Result<()>>) -> PyResult<Operation> {
        queue.spawn(py, work, |py, ()| Ok(py.None()), |()| ())
    }
}

#[pymethods]
impl Server {
    /// Makes a server; its gate is decided here.
    #[new]
    #[expect(clippy::too_many_arguments, reason = "core's ServerOptions, one by one")]
    fn new(
        py: Python<'_>,
        config: &Config,
        channel: String,
        max_concurrent_streams: u32,
        max_sessions_per_connection: u32,
        registry_namespace: Option<String>,
        registry_ticket: Option<String>,
        drift: Option<mesh::Drift>,
        persist_mesh_state: bool,
        mesh_state: Option<String>,
    ) -> PyResult<Self> {
        let choice = RegistryChoice { namespace: registry_namespace, ticket: registry_ticket };
        let registry = RegistryOptions { choice, language: "python" };
        let options = ServerOptions {
            channel,
            max_concurrent_streams,
            max_sessions_per_connection,
            registry,
            mesh: mesh::options(drift, persist_mesh_state, mesh_state),
        };
        let made = CoreServer::new(&config.0, options);
        let server = made.map_err(|error| errors::exception(py, &error))?;
        let ttl_ms = i64::from(config.0.trust().peer_ttl_s) * 1000;
        Ok(Self { server: ProcessBound::new(server), ttl_ms })
    }

    /// Adds a service; `runners` are called with call and request, by position of the method; `sessions` with ticket,
    /// id and peer of a session that opened, and with the ticket of one that closed.
    fn register(
        &self,
        plan: Bound<'_, Plan>,
        queue: Bound<'_, Queue>,
        runners: Vec<Py<PyAny>>,
        sessions: Option<(Py<PyAny>, Py<PyAny>)>,
    ) -> PyResult<()> {
        let py = plan.py();
        let service = hosted(&plan, &queue, runners, sessions)?;
        self.core(py)?.register(service).map_err(|error| errors::exception(py, &error))
    }

    /// Returns a caller of the services in this process. `objects`: bodies are not encoded.
    fn local_caller(&self, py: Python<'_>, objects: bool) -> PyResult<Caller> {
        let failed = |error: Error| errors::exception(py, &error);
        let runtime = runtime::handle(py).map_err(failed)?;
        let caller = self.core(py)?.local_caller(runtime, objects).map_err(failed)?;
        Ok(Caller::new(caller, if objects { Passing::Objects } else { Passing::Typed }))
    }

    /// Gives the program's manifests, a JSON array.
    fn set_manifests(&self, py: Python<'_>, text: String) -> PyResult<()> {
        self.core(py)?.set_manifests(text);
        Ok(())
    }

    /// Binds the endpoint and serves.
    fn start(&self, py: Python<'_>, queue: &Queue) -> PyResult<Operation> {
        let work = self.core(py)?.start();
        self.spawn(py, queue, work)
    }

    /// Refuses new calls and waits for the running ones.
    fn drain(&self, py: Python<'_>, queue: &Queue, grace: f64) -> PyResult<Operation> {
        let grace = Duration::try_from_secs_f64(grace.max(0.0)).unwrap_or(Duration::MAX);
        let work = self.core(py)?.drain(grace);
        self.spawn(py, queue, succeed(work))
    }

    /// Ends calls and connections and releases the endpoint.
    fn close(&self, py: Python<'_>, queue: &Queue) -> PyResult<Operation> {
        let work = self.core(py)?.close();
        self.spawn(py, queue, succeed(work))
    }

    /// Closes without anybody waiting; for objects that were dropped open.
    fn close_detached(&self, py: Python<'_>) {
        if let (Some(server), Ok(runtime)) = (self.server.if_same_process(), runtime::handle(py)) {
            runtime.spawn(server.close());
        }
    }

    /// Connections, calls and sessions that are served now.
    #[getter]
    fn load(&self, py: Python<'_>) -> PyResult<(u32, u32, u32)> {
        let load = self.core(py)?.load();
        Ok((load.connections, load.calls, load.sessions))
    }

    /// The ticket, current when read.
    #[getter]
    fn address(&self, py: Python<'_>) -> PyResult<String> {
        self.core(py)?.address().map_err(|error| errors::exception(py, &error))
    }

    /// The address as base64, current when read.
    #[getter]
    fn addr_b64(&self, py: Python<'_>) -> PyResult<String> {
        self.core(py)?.addr_b64().map_err(|error| errors::exception(py, &error))
    }

    /// The endpoint id, 64 hex digits.
    #[getter]
    fn endpoint_id(&self, py: Python<'_>) -> PyResult<String> {
        self.core(py)?.endpoint_id().map_err(|error| errors::exception(py, &error))
    }

    /// The server's node.
    #[getter]
    fn node(&self, py: Python<'_>) -> PyResult<Node> {
        self.core(py)?.node().map(Node::new).map_err(|error| errors::exception(py, &error))
    }

    /// The registry in which the server publishes.
    #[getter]
    fn registry(&self, py: Python<'_>) -> PyResult<ServerRegistry> {
        let registry = self.core(py)?.registry().map_err(|error| errors::exception(py, &error))?;
        Ok(ServerRegistry(ProcessBound::new(registry)))
    }

    /// The services as they are announced, as tuples.
    #[getter]
    fn services(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let services = self.core(py)?.services().map_err(|error| errors::exception(py, &error))?;
        let tuples: Vec<_> = services.iter().map(summary).collect();
        Ok(tuples.into_pyobject(py)?.unbind())
    }

    /// The public root key.
    #[getter]
    fn root_pubkey<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.core(py)?.root_pubkey()))
    }

    /// The peers that are admitted.
    #[getter]
    fn peers(&self, py: Python<'_>) -> PyResult<Peers> {
        Ok(Peers::of(self.core(py)?.gate().clone(), self.ttl_ms))
    }

    /// Takes a store of spent one-time tokens instead of core's.
    fn set_nonces(&self, py: Python<'_>, nonces: &Nonces) -> PyResult<()> {
        self.core(py)?.set_nonce_store(nonces.0.clone()).map_err(|error| errors::exception(py, &error))
    }

    /// Refuses an endpoint, or the credential with this signature, until a second since 1970 or for ever.
    fn revoke(
        &self,
        py: Python<'_>,
        queue: &Queue,
        endpoint_id: Option<&str>,
        credential: Option<Vec<u8>>,
        until: Option<u64>,
    ) -> PyResult<Operation> {
        let named = Revoked::named(endpoint_id, credential.as_deref());
        let what = named.map_err(|error| errors::exception(py, &error))?;
        let work = self.core(py)?.revoke(what, until);
        self.spawn(py, queue, work)
    }

    /// The other producers of the mesh.
    #[getter]
    fn mesh_members(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        Ok(self.core(py)?.mesh_members().iter().map(ToString::to_string).collect())
    }

    /// What the operator must be told about the gate.
    #[getter]
    fn warnings(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        Ok(self.core(py)?.warnings().to_vec())
    }

    /// What the operator must be told about services that everybody may call; `guarded`: names of those that the
    /// program guards itself.
    fn start_report(&self, py: Python<'_>, guarded: Vec<String>) -> PyResult<Vec<String>> {
        Ok(self.core(py)?.start_report(&guarded))
    }

    /// Whether every peer is admitted.
    #[getter]
    fn is_open(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.core(py)?.is_open())
    }
}
