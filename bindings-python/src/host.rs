//! Services that are served without a node: to clients of this process, and over connections that the host made.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aster_core::admission::{Gate, HeldConnection};
use aster_core::clock::SystemClock;
use aster_core::error::{Error, ErrorKind, Result};
use aster_core::rpc::{self, BoxFuture, Dispatcher, DispatcherOptions, Service};
use pyo3::prelude::*;

use crate::caller::Caller;
use crate::errors;
use crate::net::PeerConnection;
use crate::passing::Passing;
use crate::peers::Peers;
use crate::plan::Plan;
use crate::queue::{Operation, Queue};
use crate::runtime::{self, ProcessBound};
use crate::server::{hosted, succeed};
use aster_core::sync::lock;

/// Services and what serves them, once the first client or connection is there.
#[pyclass(frozen, module = "aster._aster")]
pub struct Host(ProcessBound<Inner>);

struct Inner {
    gate: Arc<Gate>,
    options: DispatcherOptions,
    services: Mutex<Vec<Service>>,
    dispatcher: Mutex<Option<Arc<Dispatcher>>>,
}

impl Inner {
    fn dispatcher(&self) -> Result<Arc<Dispatcher>> {
        let mut place = lock(&self.dispatcher);
        if let Some(dispatcher) = &*place {
            return Ok(dispatcher.clone());
        }
        let services = lock(&self.services).clone();
        let made = Dispatcher::new(services, self.gate.clone(), Arc::new(SystemClock), self.options.clone())?;
        *place = Some(made.clone());
        Ok(made)
    }
}

impl Host {
    fn inner(&self, py: Python<'_>) -> PyResult<&Inner> {
        self.0.get().map_err(|error| errors::exception(py, &error))
    }

    /// Returns what serves connections.
    pub fn dispatcher(&self, py: Python<'_>) -> PyResult<Arc<Dispatcher>> {
        self.inner(py)?.dispatcher().map_err(|error| errors::exception(py, &error))
    }
}

#[pymethods]
impl Host {
    /// Makes a host without services; without a list of peers it serves everybody.
    #[new]
    #[pyo3(signature = (max_concurrent_streams, max_sessions_per_connection, expose_errors, peers = None))]
    fn new(
        py: Python<'_>,
        max_concurrent_streams: u32,
        max_sessions_per_connection: u32,
        expose_errors: bool,
        peers: Option<&Peers>,
    ) -> PyResult<Self> {
        let gate = match peers {
            Some(peers) => peers.list(py)?.gate.clone(),
            None => Gate::new(true),
        };
        let options = DispatcherOptions {
            max_concurrent_streams,
            max_sessions_per_connection,
            expose_errors,
            ..DispatcherOptions::default()
        };
        Ok(Self(ProcessBound::new(Inner { gate, options, services: Mutex::default(), dispatcher: Mutex::default() })))
    }

    /// Adds a service, as a server does. Not possible any more once something is served.
    fn register(
        &self,
        plan: Bound<'_, Plan>,
        queue: Bound<'_, Queue>,
        runners: Vec<Py<PyAny>>,
        sessions: Option<(Py<PyAny>, Py<PyAny>)>,
    ) -> PyResult<()> {
        let inner = self.inner(plan.py())?;
        if lock(&inner.dispatcher).is_some() {
            let error = Error::new(ErrorKind::State, "services are registered before something is served");
            return Err(errors::exception(plan.py(), &error));
        }
        let service = hosted(&plan, &queue, runners, sessions)?;
        lock(&inner.services).push(service);
        Ok(())
    }

    /// Returns a caller of the services in this process. `objects`: bodies are not encoded.
    fn local_caller(&self, py: Python<'_>, objects: bool) -> PyResult<Caller> {
        let runtime = runtime::handle(py).map_err(|error| errors::exception(py, &error))?;
        let caller = rpc::local_caller(runtime, self.dispatcher(py)?, objects);
        Ok(Caller::new(caller, if objects { Passing::Objects } else { Passing::Typed }))
    }

    /// Serves a connection until it ends.
    fn serve(&self, py: Python<'_>, queue: &Queue, connection: &PeerConnection) -> PyResult<Operation> {
        let (dispatcher, connection) = (self.dispatcher(py)?, connection.transport(py)?);
        if let Some(peer) = connection.remote() {
            // Whom the gate does not know the dispatcher refuses.
            self.inner(py)?.gate.enter(peer, Box::new(HeldConnection(Arc::downgrade(&connection))));
        }
        let gate = self.inner(py)?.gate.clone();
        let work: BoxFuture<'static, ()> = Box::pin(async move {
            tokio::select! {
                _ = dispatcher.serve(connection) => {}
                // Nobody else ends admissions in time.
                () = gate.reap() => {}
            }
        });
        queue.spawn(py, succeed(work), |py, ()| Ok(py.None()), |()| ())
    }

    /// Refuses new calls and waits for the running ones.
    fn drain(&self, py: Python<'_>, queue: &Queue, grace: f64) -> PyResult<Operation> {
        let grace = Duration::try_from_secs_f64(grace.max(0.0)).unwrap_or(Duration::MAX);
        let dispatcher = self.dispatcher(py)?;
        let work: BoxFuture<'static, ()> = Box::pin(async move { dispatcher.drain(grace).await });
        queue.spawn(py, succeed(work), |py, ()| Ok(py.None()), |()| ())
    }
}
