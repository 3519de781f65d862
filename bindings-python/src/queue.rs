//! The completion queue of one server or client, drained by its event loop.
//!
//! Everything here runs in the thread of that loop, apart from [`Signal::raise`] and the tasks that
//! [`Queue::spawn`] starts.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::thread::{self, ThreadId};

use aster_core::engine::{
    Body, ClientCall as CoreClientCall, Event, Queue as CoreQueue, ServerCall as CoreCall, ServerSession,
};
use aster_core::error::{Error, Result};
use aster_core::limits;
use aster_core::rpc::BoxFuture;
use aster_core::status::RpcStatus;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;
use tokio::sync::oneshot;

use crate::caller::{BoundService, ClientCall};
use crate::mailbox::End;
use crate::passing;
use crate::plan::Plan;
use crate::runtime::{self, ProcessBound};
use crate::server_call::ServerCall;
use crate::signal::Signal;
use crate::{errors, logs};
use aster_core::sync::lock;

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
    /// The thread of the loop.
    home: OnceLock<ThreadId>,
    /// Whether the loop will call `ring`.
    ringing: AtomicBool,
}

/// Who waits for what.
#[derive(std::default::Default)]
struct Tables {
    /// Calls of a client, by ticket.
    calls: HashMap<u64, PendingCall>,
    /// Futures of the ends of a client's sessions, by ticket.
    session_ends: HashMap<u64, Py<PyAny>>,
    /// Sessions that a server holds, by ticket.
    sessions: HashMap<u64, Arc<ServerSession>>,
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
    /// What is told of sessions: opened with ticket, id and peer, and closed with the ticket.
    sessions: Option<(Py<PyAny>, Py<PyAny>)>,
    credit: u32,
}

struct Handler {
    call: Py<ServerCall>,
    task: Py<PyAny>,
}

enum PendingCall {
    /// A unary call; `objects` names the call that passes them.
    Response { call: Arc<CoreClientCall>, service: Py<BoundService>, future: Py<PyAny>, objects: Option<String> },
    /// A call that streams.
    Stream(Py<ClientCall>),
}

/// Makes the Python value of what an operation returned, or undoes the operation because nobody waits any more.
type Resolve = Box<dyn FnOnce(Option<Python<'_>>) -> PyResult<Option<Py<PyAny>>> + Send>;

/// Something that core wants done in the loop. Dropped undone if the loop is gone.
pub struct Errand(pub Box<dyn FnOnce(Python<'_>) -> PyResult<()> + Send>);

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
        drop(lock(&self.abort).take());
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
            home: OnceLock::new(),
            ringing: AtomicBool::new(false),
        })
    }

    /// Starts to drain in the loop.
    fn open(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        let failed = |error: Error| errors::exception(py, &error);
        let porter = this.core().map_err(failed)?.porter();
        runtime::handle(py).map_err(failed)?.spawn(porter);
        let _ = this.home.set(thread::current().id());
        this.signal.watch(this.event_loop.bind(py), slf.getattr("drain")?)
    }

    /// Hands over what was submitted in the turn of the loop that is over.
    fn ring(&self) {
        self.ringing.store(false, Ordering::Relaxed);
        if let Some(core) = self.core.if_same_process() {
            core.ring();
        }
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

    /// Tells that the close hook of a session has returned.
    fn release_session(&self, ticket: u64) {
        if self.core.if_same_process().is_some() {
            self.release_held(ticket);
        }
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
            match call {
                PendingCall::Response { future, .. } => visit.call(future)?,
                PendingCall::Stream(call) => visit.call(call)?,
            }
        }
        for future in tables.session_ends.values() {
            visit.call(future)?;
        }
        for future in tables.operations.values() {
            visit.call(future)?;
        }
        for handler in tables.handlers.values() {
            visit.call(&handler.call)?;
            visit.call(&handler.task)?;
        }
        for service in &tables.services {
            for runner in &service.runners {
                visit.call(runner)?;
            }
            if let Some((opened, closed)) = &service.sessions {
                visit.call(opened)?;
                visit.call(closed)?;
            }
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

    /// Makes a submission. Calls that are submitted in one turn of the loop leave together.
    pub fn submit<R>(slf: &Bound<'_, Self>, submission: impl FnOnce() -> R) -> R {
        let this = slf.get();
        let core = match this.core.if_same_process() {
            Some(core) if this.home.get() == Some(&thread::current().id()) => core,
            _ => return submission(),
        };
        let (result, due) = core.gather(submission);
        if due && !this.ringing.swap(true, Ordering::Relaxed) && this.ring_soon(slf).is_err() {
            this.ring(); // The loop is closed.
        }
        result
    }

    fn ring_soon(&self, slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let ring = slf.getattr(intern!(py, "ring"))?;
        self.event_loop.bind(py).call_method1(intern!(py, "call_soon"), (ring,)).map(drop)
    }

    /// Locked for moments; no Python code runs under the lock.
    fn tables(&self) -> MutexGuard<'_, Tables> {
        lock(&self.tables)
    }

    /// Returns what makes futures of the loop.
    pub fn create_future(&self, py: Python<'_>) -> Py<PyAny> {
        self.create_future.clone_ref(py)
    }

    /// Remembers who waits for a unary call.
    pub fn expect(
        &self,
        call: Arc<CoreClientCall>,
        service: Py<BoundService>,
        future: Py<PyAny>,
        objects: Option<String>,
    ) {
        let ticket = call.ticket();
        self.tables().calls.insert(ticket, PendingCall::Response { call, service, future, objects });
    }

    /// Remembers where the events of a streaming call go.
    pub fn expect_stream(&self, ticket: u64, call: Py<ClientCall>) {
        self.tables().calls.insert(ticket, PendingCall::Stream(call));
    }

    /// Remembers who waits for the end of a session.
    pub fn expect_end(&self, ticket: u64, future: Py<PyAny>) {
        self.tables().session_ends.insert(ticket, future);
    }

    /// Forgets a unary call that nobody waits for any more and returns it.
    pub fn forget(&self, ticket: u64) -> Option<Arc<CoreClientCall>> {
        let pending = self.tables().calls.remove(&ticket);
        match pending {
            Some(PendingCall::Response { call, objects, .. }) => {
                objects.iter().for_each(|id| passing::end(id));
                Some(call)
            }
            Some(PendingCall::Stream(_)) | None => None,
        }
    }

    /// Adds the runners of a service and returns its tag.
    pub fn host(
        &self,
        plan: Py<Plan>,
        runners: Vec<Py<PyAny>>,
        sessions: Option<(Py<PyAny>, Py<PyAny>)>,
        credit: u32,
    ) -> u64 {
        let mut tables = self.tables();
        tables.services.push(Arc::new(HostedService { plan, runners, sessions, credit }));
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
            Event::Item { ticket, body } => self.streaming(py, ticket, |call| call.deliver(py, &body, false)),
            Event::CallWritable { ticket } => self.streaming(py, ticket, |call| call.has_room(py)),
            Event::Finished { ticket, status, connection_lost } => self.finish(py, ticket, &status, connection_lost),
            Event::CallStarted { call, body } => self.start_handler(slf, call, body.as_ref()),
            Event::RequestItem { call, body } => self.handling(py, call.ticket(), |call| call.deliver(py, &body)),
            Event::HalfClosed { call } => self.handling(py, call.ticket(), |call| call.half_closed(py)),
            Event::Writable { call } => self.handling(py, call.ticket(), |call| call.has_room(py)),
            Event::Cancelled { call, .. } => self.cancel_handler(py, call.ticket()),
            Event::SessionOpened { session } => self.session_opened(py, session),
            Event::SessionClosed { session } => self.session_closed(py, &session),
            Event::ClientSessionClosed { ticket, .. } => {
                let ended = self.tables().session_ends.remove(&ticket);
                let Some(future) = ended else { return Ok(()) };
                settle(future.bind(py), intern!(py, "set_result"), py.None().into_bound(py))
            }
            Event::Posted(payload) => match payload.downcast::<Completion>() {
                Ok(completion) => self.complete(py, *completion),
                Err(other) => other.downcast::<Errand>().map_or(Ok(()), |errand| (errand.0)(py)),
            },
            Event::ClientSessionOpened { .. } | Event::QueueClosed => Ok(()),
        }
    }

    /// Gives an event to a streaming call of the client, if its host still holds it.
    fn streaming(&self, py: Python<'_>, ticket: u64, give: impl FnOnce(&ClientCall) -> PyResult<()>) -> PyResult<()> {
        let call = match self.tables().calls.get(&ticket) {
            Some(PendingCall::Stream(call)) => call.clone_ref(py),
            _ => return Ok(()),
        };
        give(call.get())
    }

    /// Gives an event to a call whose handler runs.
    fn handling(&self, py: Python<'_>, ticket: u64, give: impl FnOnce(&ServerCall) -> PyResult<()>) -> PyResult<()> {
        let call = self.tables().handlers.get(&ticket).map(|handler| handler.call.clone_ref(py));
        call.map_or(Ok(()), |call| give(call.get()))
    }

    fn respond(&self, py: Python<'_>, ticket: u64, body: &Body) -> PyResult<()> {
        let pending = self.tables().calls.remove(&ticket);
        match pending {
            Some(PendingCall::Response { call, service, future, objects }) => {
                let decoded = service.get().decode(py, &call, body, objects.as_deref());
                objects.iter().for_each(|id| passing::end(id));
                match decoded {
                    Ok(value) => settle(future.bind(py), intern!(py, "set_result"), value.into_bound(py)),
                    Err(error) => reject(future.bind(py), error),
                }
            }
            Some(PendingCall::Stream(call)) => call.get().deliver(py, body, true),
            None => Ok(()),
        }
    }

    fn finish(&self, py: Python<'_>, ticket: u64, status: &RpcStatus, lost: bool) -> PyResult<()> {
        let pending = self.tables().calls.remove(&ticket);
        let error = || errors::status_exception(py, status, lost);
        match pending {
            Some(PendingCall::Response { future, objects, .. }) => {
                objects.iter().for_each(|id| passing::end(id));
                reject(future.bind(py), error())
            }
            Some(PendingCall::Stream(call)) => {
                call.get().finish(py, if status.is_ok() { End::Clean } else { End::Failed(error()) })
            }
            None => Ok(()),
        }
    }

    fn start_handler(&self, slf: &Bound<'_, Self>, call: Arc<CoreCall>, body: Option<&Body>) -> PyResult<()> {
        let py = slf.py();
        let Some(service) = self.tables().services.get(call.info().tag as usize).cloned() else { return Ok(()) };
        let request = match body {
            Some(body) => match ServerCall::decode(py, &call, service.plan.get(), body) {
                Some(request) => request,
                None => return Ok(()), // Core has refused it.
            },
            None => py.None(),
        };
        let Some(runner) = service.runners.get(call.method_index()) else { return Ok(()) };
        let ticket = call.ticket();
        let handle = ServerCall::new(py, call, service.plan.clone_ref(py), slf.clone().unbind(), service.credit);
        let handle = Bound::new(py, handle)?;
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

    fn session_opened(&self, py: Python<'_>, session: Arc<ServerSession>) -> PyResult<()> {
        let service = self.tables().services.get(session.tag() as usize).cloned();
        let Some((opened, _)) = service.as_ref().and_then(|service| service.sessions.as_ref()) else { return Ok(()) };
        let (ticket, peer) = (session.id(), session.peer().map(|peer| peer.to_string()));
        let name = session.name().to_owned();
        self.tables().sessions.insert(ticket, session);
        opened.call1(py, (ticket, name, peer)).map(drop)
    }

    fn session_closed(&self, py: Python<'_>, session: &ServerSession) -> PyResult<()> {
        let service = self.tables().services.get(session.tag() as usize).cloned();
        let told = match service.as_ref().and_then(|service| service.sessions.as_ref()) {
            Some((_, closed)) => closed.call1(py, (session.id(),)).map(drop),
            None => Ok(()),
        };
        if told.is_err() {
            self.release_held(session.id());
        }
        told
    }

    fn release_held(&self, ticket: u64) {
        let session = self.tables().sessions.remove(&ticket);
        if let Some(session) = session {
            session.release();
        }
    }

    fn cancel_handler(&self, py: Python<'_>, ticket: u64) -> PyResult<()> {
        let handler = self.tables().handlers.get(&ticket).map(|h| (h.call.clone_ref(py), h.task.clone_ref(py)));
        let Some((call, task)) = handler else { return Ok(()) };
        call.get().set_cancelled();
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
