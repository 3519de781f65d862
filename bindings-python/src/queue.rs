//! The completion queue of one server or client, drained by its event loop.
//!
//! Everything here runs in the thread of that loop, apart from [`Signal::raise`] and the tasks that
//! [`Queue::spawn`] starts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aster_core::engine::{Body, ClientCall, Event, Queue as CoreQueue, ServerCall as CoreCall};
use aster_core::error::{Error, Result};
use aster_core::limits;
use aster_core::rpc::BoxFuture;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;
use tokio::sync::oneshot;

use crate::client::BoundService;
use crate::convert::PySink;
use crate::plan::Plan;
use crate::runtime::{self, ProcessBound};
use crate::server_call::ServerCall;
use crate::signal::Signal;
use crate::{errors, logs};

/// Batches that one wake-up drains before the loop does something else.
const BATCHES: usize = 4;

/// Events of core for one event loop.
#[pyclass(frozen, module = "aster._aster")]
pub struct Queue {
    core: ProcessBound<Arc<CoreQueue>>,
    signal: Arc<Signal>,
    event_loop: Py<PyAny>,
    create_future: Py<PyAny>,
    create_task: Py<PyAny>,
    tables: Mutex<Tables>,
}

/// Who waits for what.
#[derive(std::default::Default)]
struct Tables {
    /// Calls of a client, by ticket.
    calls: HashMap<u64, PendingCall>,
    /// Operations of the control plane, by number.
    operations: HashMap<u64, Py<PyAny>>,
    next_operation: u64,
    /// Handlers that run, by ticket.
    handlers: HashMap<u64, Handler>,
    /// Runners of methods, by tag of the service and position of the method.
    services: Vec<Arc<HostedService>>,
}

/// A service as a server runs it.
pub struct HostedService {
    plan: Py<Plan>,
    runners: Vec<Py<PyAny>>,
}

struct Handler {
    call: Py<ServerCall>,
    task: Py<PyAny>,
}

struct PendingCall {
    call: Arc<ClientCall>,
    service: Py<BoundService>,
    future: Py<PyAny>,
}

/// Makes the Python value of what an operation returned, or undoes the operation because nobody waits any more.
type Resolve = Box<dyn FnOnce(Option<Python<'_>>) -> PyResult<Option<Py<PyAny>>> + Send>;

/// The completion of an operation. `None`: it was aborted.
struct Completion {
    operation: u64,
    outcome: Option<Result<Resolve>>,
}

/// An operation of the control plane that runs.
#[pyclass(frozen, module = "aster._aster")]
pub struct Operation {
    #[pyo3(get)]
    future: Py<PyAny>,
    abort: Mutex<Option<oneshot::Sender<()>>>,
}

#[pymethods]
impl Operation {
    /// Ends the operation; what it made is released.
    fn abort(&self) {
        drop(self.abort.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> std::result::Result<(), PyTraverseError> {
        visit.call(&self.future)
    }
}

#[pymethods]
impl Queue {
    /// Makes the queue of an event loop. `create_task` starts the task of a handler.
    #[new]
    fn new(py: Python<'_>, event_loop: Bound<'_, PyAny>, create_task: Py<PyAny>) -> PyResult<Self> {
        let signal = Signal::new();
        let waker = signal.clone();
        logs::listen(py, &signal)?;
        Ok(Self {
            core: ProcessBound::new(CoreQueue::new(limits::QUEUE_CAPACITY, move || waker.raise())),
            signal,
            create_future: event_loop.getattr("create_future")?.unbind(),
            event_loop: event_loop.unbind(),
            create_task,
            tables: Mutex::default(),
        })
    }

    /// Starts to drain in the loop.
    fn open(slf: &Bound<'_, Self>) -> PyResult<()> {
        let this = slf.get();
        this.signal.watch(this.event_loop.bind(slf.py()), slf.getattr("drain")?)
    }

    /// Handles what has happened. The loop calls this when it is woken.
    fn drain(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        let Some(core) = this.core.if_same_process() else { return Ok(()) };
        this.signal.clear();
        let mut events = Vec::new();
        let mut quiet = false;
        for _ in 0..BATCHES {
            quiet = core.drain(limits::DRAIN_BATCH, &mut events) < limits::DRAIN_BATCH;
            for event in events.drain(..) {
                if let Err(error) = this.handle(slf, event) {
                    error.write_unraisable(py, None);
                }
            }
            if quiet {
                break;
            }
        }
        if !quiet {
            this.signal.raise();
        }
        logs::flush(py);
        Ok(())
    }

    /// Ends every call and stops to drain.
    fn close(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        let Some(core) = this.core.if_same_process() else { return Ok(()) };
        core.close();
        if !this.event_loop.bind(py).call_method0(intern!(py, "is_closed"))?.is_truthy()? {
            Self::drain(slf)?;
        }
        this.signal.unwatch(this.event_loop.bind(py))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> std::result::Result<(), PyTraverseError> {
        visit.call(&self.event_loop)?;
        visit.call(&self.create_future)?;
        visit.call(&self.create_task)?;
        // Only ever locked by the thread that holds the GIL, for moments without Python code.
        let Ok(tables) = self.tables.try_lock() else { return Ok(()) };
        for call in tables.calls.values() {
            visit.call(&call.future)?;
        }
        for future in tables.operations.values() {
            visit.call(future)?;
        }
        for handler in tables.handlers.values() {
            visit.call(&handler.call)?;
            visit.call(&handler.task)?;
        }
        for runner in tables.services.iter().flat_map(|service| &service.runners) {
            visit.call(runner)?;
        }
        Ok(())
    }

    fn __clear__(&self) {
        let tables = std::mem::take(&mut *self.tables());
        drop(tables);
    }
}

impl Queue {
    /// Returns the queue of core.
    pub fn core(&self) -> Result<&Arc<CoreQueue>> {
        self.core.get()
    }

    /// Locked for moments; no Python code runs under the lock.
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers who waits for a call.
    pub fn expect(&self, call: Arc<ClientCall>, service: Py<BoundService>, future: Py<PyAny>) {
        self.tables().calls.insert(call.ticket(), PendingCall { call, service, future });
    }

    /// Forgets a call that nobody waits for any more and returns it.
    pub fn forget(&self, ticket: u64) -> Option<Arc<ClientCall>> {
        let pending = self.tables().calls.remove(&ticket);
        pending.map(|pending| pending.call)
    }

    /// Adds the runners of a service and returns its tag.
    pub fn host(&self, plan: Py<Plan>, runners: Vec<Py<PyAny>>) -> u64 {
        let mut tables = self.tables();
        tables.services.push(Arc::new(HostedService { plan, runners }));
        tables.services.len() as u64 - 1
    }

    /// Forgets a handler that has returned.
    pub fn release(&self, ticket: u64) {
        let handler = self.tables().handlers.remove(&ticket);
        drop(handler);
    }

    /// Runs an operation of the control plane on the runtime; its future is settled by a drain.
    pub fn spawn<T: Send + 'static>(
        &self,
        py: Python<'_>,
        work: BoxFuture<'static, Result<T>>,
        finish: impl FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
        undo: impl FnOnce(T) + Send + 'static,
    ) -> PyResult<Operation> {
        let failed = |error: Error| errors::exception(py, &error);
        let runtime = runtime::handle(py).map_err(failed)?;
        let core = self.core().map_err(failed)?.clone();
        let future = self.create_future.call0(py)?;
        core.reserve_post().map_err(failed)?;
        let operation = {
            let mut tables = self.tables();
            tables.next_operation += 1;
            let operation = tables.next_operation;
            tables.operations.insert(operation, future.clone_ref(py));
            operation
        };
        let (abort, aborted) = oneshot::channel::<()>();
        runtime.spawn(async move {
            let outcome = tokio::select! {
                biased;
                result = work => Some(result.map(|value| -> Resolve {
                    Box::new(move |py| match py {
                        Some(py) => finish(py, value).map(Some),
                        None => {
                            undo(value);
                            Ok(None)
                        }
                    })
                })),
                _ = aborted => None,
            };
            core.post(Box::new(Completion { operation, outcome }));
        });
        Ok(Operation { future, abort: Mutex::new(Some(abort)) })
    }

    fn handle(&self, slf: &Bound<'_, Self>, event: Event) -> PyResult<()> {
        let py = slf.py();
        match event {
            Event::Response { ticket, body } => self.respond(py, ticket, &body),
            Event::Finished { ticket, status, connection_lost } => {
                let pending = self.tables().calls.remove(&ticket);
                let Some(PendingCall { future, .. }) = pending else { return Ok(()) };
                let error = errors::status_exception(py, &status, connection_lost);
                reject(future.bind(py), error)
            }
            Event::CallStarted { call, body: Some(body) } => self.start_handler(slf, call, &body),
            Event::Cancelled { call, .. } => self.cancel_handler(py, call.ticket()),
            Event::Posted(payload) => match payload.downcast::<Completion>() {
                Ok(completion) => self.complete(py, *completion),
                Err(_) => Ok(()),
            },
            // Streams and sessions are not offered by this version, so that they never start.
            _ => Ok(()),
        }
    }

    fn respond(&self, py: Python<'_>, ticket: u64, body: &Body) -> PyResult<()> {
        let pending = self.tables().calls.remove(&ticket);
        let Some(PendingCall { call, service, future }) = pending else { return Ok(()) };
        let mut sink = PySink::new(py, service.get().hosts());
        match call.decode_response(body, &mut sink) {
            Ok(value) => settle(future.bind(py), intern!(py, "set_result"), value),
            Err(error) => {
                let exception = errors::exception(py, &error);
                exception.set_cause(py, sink.error.take());
                reject(future.bind(py), exception)
            }
        }
    }

    fn start_handler(&self, slf: &Bound<'_, Self>, call: Arc<CoreCall>, body: &Body) -> PyResult<()> {
        let py = slf.py();
        let Some(service) = self.tables().services.get(call.info().tag as usize).cloned() else { return Ok(()) };
        let mut sink = PySink::new(py, &service.plan.get().hosts);
        let Some(request) = call.decode_request(body, &mut sink) else { return Ok(()) };
        let Some(runner) = service.runners.get(call.method_index()) else { return Ok(()) };
        let ticket = call.ticket();
        let handle = Bound::new(py, ServerCall::new(call, service.plan.clone_ref(py), slf.clone().unbind()))?;
        let coroutine = runner.call1(py, (&handle, request));
        match coroutine.and_then(|coroutine| self.create_task.call1(py, (coroutine,))) {
            Ok(task) => {
                // An eager task may be through already.
                if !handle.get().is_released() {
                    self.tables().handlers.insert(ticket, Handler { call: handle.unbind(), task });
                }
                Ok(())
            }
            Err(error) => {
                handle.get().abandon(&error.to_string());
                Err(error)
            }
        }
    }

    fn cancel_handler(&self, py: Python<'_>, ticket: u64) -> PyResult<()> {
        let handler = self.tables().handlers.get(&ticket).map(|h| (h.call.clone_ref(py), h.task.clone_ref(py)));
        let Some((call, task)) = handler else { return Ok(()) };
        task.call_method0(py, intern!(py, "cancel"))?;
        // A task that never made its first step does not come to release its call.
        let released = call.bind(py).getattr(intern!(py, "task_done"))?;
        task.call_method1(py, intern!(py, "add_done_callback"), (released,))?;
        Ok(())
    }

    fn complete(&self, py: Python<'_>, completion: Completion) -> PyResult<()> {
        let future = self.tables().operations.remove(&completion.operation);
        let (Some(future), Some(outcome)) = (future, completion.outcome) else { return Ok(()) };
        let future = future.bind(py);
        let resolve = match outcome {
            Ok(resolve) => resolve,
            Err(error) => return reject(future, errors::exception(py, &error)),
        };
        if future.call_method0(intern!(py, "done"))?.is_truthy()? {
            return resolve(None).map(|_| ());
        }
        match resolve(Some(py)) {
            Ok(value) => settle(future, intern!(py, "set_result"), value.into_pyobject(py)?.into_any()),
            Err(error) => reject(future, error),
        }
    }
}

/// Settles a future. One that its waiter has cancelled stays as it is.
fn settle<'py>(future: &Bound<'py, PyAny>, how: &Bound<'py, PyString>, value: Bound<'py, PyAny>) -> PyResult<()> {
    match future.call_method1(how, (value,)) {
        Ok(_) => Ok(()),
        Err(_) if future.call_method0(intern!(future.py(), "done"))?.is_truthy()? => Ok(()),
        Err(error) => Err(error),
    }
}

fn reject(future: &Bound<'_, PyAny>, error: PyErr) -> PyResult<()> {
    let py = future.py();
    settle(future, intern!(py, "set_exception"), error.into_value(py).into_bound(py).into_any())
}
