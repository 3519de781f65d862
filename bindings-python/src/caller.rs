//! Calls of a client, submitted here and now; what comes back goes through the queue.

use std::sync::Arc;

use aster_core::engine::{Body, CallOptions, ClientCall as CoreCall, Timeout};
use aster_core::error::{Error, ErrorKind, Result};
use aster_core::rpc::{self, BoundService as CoreService, BoxFuture, Caller as CoreCaller};
use aster_core::wire::{self, Mode};
use pyo3::exceptions::PyValueError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyBytesMethods, PyDict, PyMapping};

use crate::convert::{HostTypes, PySink, PySource};
use crate::errors;
use crate::mailbox::{End, Mailbox};
use crate::net::PeerConnection;
use crate::passing::{self, HostCodec, Passing};
use crate::plan::Plan;
use crate::queue::{Operation, Queue};
use crate::runtime::{self, ProcessBound};
use crate::server::succeed;

/// Calls over one connection, of any service; in process, or over a connection that the host made.
#[pyclass(frozen, module = "aster._aster")]
pub struct Caller {
    caller: ProcessBound<Arc<CoreCaller>>,
    passing: Passing,
}

/// A service of one server, or one session of it.
#[pyclass(frozen, module = "aster._aster")]
pub struct BoundService {
    service: ProcessBound<CoreService>,
    plan: Py<Plan>,
    queue: Py<Queue>,
    passing: Passing,
}

/// A call that streams: what arrives waits here for the host.
#[pyclass(frozen, module = "aster._aster")]
pub struct ClientCall {
    call: ProcessBound<Arc<CoreCall>>,
    service: Py<BoundService>,
    mailbox: Mailbox,
    objects: Option<String>,
}

impl Caller {
    pub fn new(caller: Arc<CoreCaller>, passing: Passing) -> Self {
        Self { caller: ProcessBound::new(caller), passing }
    }
}

#[pymethods]
impl Caller {
    /// Makes calls over a connection that the host made.
    #[staticmethod]
    fn over(py: Python<'_>, connection: &PeerConnection) -> PyResult<Self> {
        let runtime = runtime::handle(py).map_err(|error| errors::exception(py, &error))?;
        Ok(Self::new(rpc::connected_caller(runtime, connection.transport(py)?), Passing::Typed))
    }

    /// Binds a service. `modes`: the tokens that the server lists, else those of our own servers. `codec`: functions of the host that encode a
    /// message, and decode whether a body is JSON and the body.
    fn bind(
        &self,
        plan: Bound<'_, Plan>,
        queue: Bound<'_, Queue>,
        modes: Option<Vec<String>>,
        codec: Option<(Py<PyAny>, Py<PyAny>)>,
    ) -> PyResult<BoundService> {
        let py = plan.py();
        let caller = self.caller.get().map_err(|error| errors::exception(py, &error))?;
        let core = plan.get().plan.clone();
        let modes = modes.unwrap_or_else(|| core.advertised_modes());
        let service = CoreService::new(caller.clone(), core, wire::choose(&modes));
        let passing = match codec {
            Some((encode, decode)) => Passing::Host(HostCodec::new(encode, decode)),
            None => self.passing.clone(),
        };
        Ok(BoundService::new(service, plan.unbind(), queue.unbind(), passing))
    }

    /// Ends every call, and the connection they go over.
    fn close(&self, py: Python<'_>, queue: &Queue) -> PyResult<Operation> {
        let caller = self.caller.get().map_err(|error| errors::exception(py, &error))?.clone();
        let work: BoxFuture<'static, ()> = Box::pin(async move { caller.close().await });
        queue.spawn(py, succeed(work), |py, ()| Ok(py.None()), |()| ())
    }
}

impl BoundService {
    pub fn new(service: CoreService, plan: Py<Plan>, queue: Py<Queue>, passing: Passing) -> Self {
        Self { service: ProcessBound::new(service), plan, queue, passing }
    }

    /// Returns the Python side of its types.
    pub fn hosts(&self) -> &HostTypes {
        &self.plan.get().hosts
    }

    fn core(&self, py: Python<'_>) -> PyResult<&CoreService> {
        self.service.get().map_err(|error| errors::exception(py, &error))
    }

    /// Reads the options of a call, and lets it pass objects if it does.
    fn options(
        &self,
        py: Python<'_>,
        timeout: Option<f64>,
        metadata: Option<Bound<'_, PyMapping>>,
        mode: Option<u8>,
        call_id: Option<String>,
    ) -> PyResult<CallOptions> {
        let mut options = CallOptions {
            timeout: match timeout {
                Some(seconds) => Timeout::Millis(milliseconds(seconds)?),
                None => Timeout::Declared,
            },
            metadata: metadata.map(pairs).transpose()?.unwrap_or_default(),
            mode: mode.and_then(Mode::from_number),
            call_id,
            ..CallOptions::default()
        };
        if matches!(self.passing, Passing::Objects) {
            let id = match options.call_id {
                Some(id) => id,
                None => self.core(py)?.next_call_id(),
            };
            passing::begin(&id);
            options.call_id = Some(id);
        }
        Ok(options)
    }

    /// Submits a call with its only request.
    fn submit(
        &self,
        py: Python<'_>,
        method: usize,
        request: &Bound<'_, PyAny>,
        options: &CallOptions,
    ) -> PyResult<Arc<CoreCall>> {
        let failed = |error: Error| errors::exception(py, &error);
        let (service, queue) = (self.core(py)?, self.queue.get().core().map_err(failed)?);
        match (&self.passing, &options.call_id) {
            (Passing::Objects, Some(id)) => {
                let body = passing::wrap(id, request);
                service.start_raw(method, options, queue, &body).map_err(|error| {
                    passing::end(id);
                    failed(error)
                })
            }
            (Passing::Host(codec), _) => {
                let body = codec.encode(request)?;
                service.start_raw(method, options, queue, body.as_bytes()).map_err(failed)
            }
            _ => {
                let mut source = PySource::new(py, self.hosts());
                service.start(method, options, queue, &mut source, request).map_err(|error| {
                    let exception = failed(error);
                    exception.set_cause(py, source.error.take());
                    exception
                })
            }
        }
    }

    fn objects(&self, options: CallOptions) -> Option<String> {
        options.call_id.filter(|_| matches!(self.passing, Passing::Objects))
    }

    fn streaming(slf: &Bound<'_, Self>, call: Arc<CoreCall>, options: CallOptions) -> PyResult<Py<ClientCall>> {
        let (py, this) = (slf.py(), slf.get());
        let ticket = call.ticket();
        let mailbox = Mailbox::new(this.queue.get().create_future(py), options.credit);
        let objects = this.objects(options);
        let handle = ClientCall { call: ProcessBound::new(call), service: slf.clone().unbind(), mailbox, objects };
        let handle = Py::new(py, handle)?;
        this.queue.get().expect_stream(ticket, handle.clone_ref(py));
        Ok(handle)
    }

    /// Makes the Python value of a response or item.
    pub fn decode(&self, py: Python<'_>, call: &CoreCall, body: &Body, objects: Option<&str>) -> PyResult<Py<PyAny>> {
        let failed = |error: Error| errors::exception(py, &error);
        match (&self.passing, objects) {
            (Passing::Objects, Some(id)) => {
                let (_, bytes) = call.raw_response(body).map_err(failed)?;
                passing::unwrap(id, &bytes).ok_or_else(|| failed(Error::new(ErrorKind::Internal, "no such object")))
            }
            (Passing::Host(codec), _) => {
                let (encoding, bytes) = call.raw_response(body).map_err(failed)?;
                codec.decode(py, encoding, &bytes)
            }
            _ => {
                let mut sink = PySink::new(py, self.hosts());
                call.decode_response(body, &mut sink).map(Bound::unbind).map_err(|error| {
                    let exception = failed(error);
                    exception.set_cause(py, sink.error.take());
                    exception
                })
            }
        }
    }
}

#[pymethods]
impl BoundService {
    /// Submits a unary call, encoded here and now, and returns its ticket. `future` gets the response.
    #[pyo3(signature = (future, method, request, timeout, metadata, mode, call_id=None, /))]
    #[expect(clippy::too_many_arguments, reason = "the path of every call: no object is made for them")]
    fn start(
        slf: &Bound<'_, Self>,
        future: Bound<'_, PyAny>,
        method: usize,
        request: Bound<'_, PyAny>,
        timeout: Option<f64>,
        metadata: Option<Bound<'_, PyMapping>>,
        mode: Option<u8>,
        call_id: Option<String>,
    ) -> PyResult<u64> {
        let (py, this) = (future.py(), slf.get());
        let options = this.options(py, timeout, metadata, mode, call_id)?;
        let call = Queue::submit(this.queue.bind(py), || this.submit(py, method, &request, &options))?;
        let ticket = call.ticket();
        this.queue.get().expect(call, slf.clone().unbind(), future.unbind(), this.objects(options));
        Ok(ticket)
    }

    /// Submits a server-stream call, encoded here and now.
    #[pyo3(signature = (method, request, timeout, metadata, mode, call_id=None, /))]
    fn subscribe(
        slf: &Bound<'_, Self>,
        method: usize,
        request: Bound<'_, PyAny>,
        timeout: Option<f64>,
        metadata: Option<Bound<'_, PyMapping>>,
        mode: Option<u8>,
        call_id: Option<String>,
    ) -> PyResult<Py<ClientCall>> {
        let (py, this) = (request.py(), slf.get());
        let options = this.options(py, timeout, metadata, mode, call_id)?;
        let call = Queue::submit(this.queue.bind(py), || this.submit(py, method, &request, &options))?;
        Self::streaming(slf, call, options)
    }

    /// Submits a client-stream or bidi call; its requests follow.
    #[pyo3(signature = (method, timeout, metadata, mode, call_id=None, /))]
    fn open(
        slf: &Bound<'_, Self>,
        method: usize,
        timeout: Option<f64>,
        metadata: Option<Bound<'_, PyMapping>>,
        mode: Option<u8>,
        call_id: Option<String>,
    ) -> PyResult<Py<ClientCall>> {
        let (py, this) = (slf.py(), slf.get());
        let failed = |error: Error| errors::exception(py, &error);
        let options = this.options(py, timeout, metadata, mode, call_id)?;
        let queue = this.queue.get().core().map_err(failed)?;
        let service = this.core(py)?;
        let opened = Queue::submit(this.queue.bind(py), || service.open(method, &options, queue));
        match opened {
            Ok(call) => Self::streaming(slf, call, options),
            Err(error) => {
                this.objects(options).iter().for_each(|id| passing::end(id));
                Err(failed(error))
            }
        }
    }

    /// Cancels a call that nobody waits for any more.
    #[pyo3(signature = (ticket, /))]
    fn cancel(&self, ticket: u64) {
        if let Some(call) = self.queue.get().forget(ticket)
            && self.service.if_same_process().is_some()
        {
            call.cancel();
        }
    }

    /// Returns an id for a call that nobody else has.
    fn next_call_id(&self, py: Python<'_>) -> PyResult<String> {
        Ok(self.core(py)?.next_call_id())
    }

    /// Opens a session and returns the service in it. `closed` is settled when the session has ended.
    #[pyo3(signature = (closed, /))]
    fn open_session(&self, closed: Bound<'_, PyAny>) -> PyResult<Self> {
        let py = closed.py();
        let failed = |error: Error| errors::exception(py, &error);
        let queue = self.queue.get();
        let service = self.core(py)?.open_session(queue.core().map_err(failed)?).map_err(failed)?;
        if let Some(session) = service.session() {
            queue.expect_end(session.ticket(), closed.unbind());
        }
        Ok(Self::new(service, self.plan.clone_ref(py), self.queue.clone_ref(py), self.passing.clone()))
    }

    /// Returns another service of the same server, in the same session if this is in one.
    fn with_plan(&self, plan: Bound<'_, Plan>) -> PyResult<Self> {
        let py = plan.py();
        let service = self.core(py)?.with_plan(plan.get().plan.clone());
        Ok(Self::new(service, plan.unbind(), self.queue.clone_ref(py), self.passing.clone()))
    }

    /// The session's id on the wire.
    #[getter]
    fn session_id(&self, py: Python<'_>) -> PyResult<Option<&str>> {
        Ok(self.core(py)?.session().map(|session| session.id()))
    }

    /// Ends the session.
    fn close_session(&self) {
        if let Some(session) = self.service.if_same_process().and_then(CoreService::session) {
            session.close();
        }
    }

    /// Cancels the call that runs in the session.
    fn cancel_running(&self, py: Python<'_>) -> PyResult<()> {
        if let Some(session) = self.core(py)?.session() {
            session.cancel_running();
        }
        Ok(())
    }
}

impl ClientCall {
    fn core(&self, py: Python<'_>) -> PyResult<&Arc<CoreCall>> {
        self.call.get().map_err(|error| errors::exception(py, &error))
    }

    fn submit<R>(&self, py: Python<'_>, submission: impl FnOnce() -> R) -> R {
        Queue::submit(self.service.get().queue.bind(py), submission)
    }

    /// Takes an item or response from the queue.
    pub fn deliver(&self, py: Python<'_>, body: &Body, last: bool) -> PyResult<()> {
        let Some(call) = self.call.if_same_process() else { return Ok(()) };
        match self.service.get().decode(py, call, body, self.objects.as_deref()) {
            Ok(value) => self.mailbox.put(py, value, body.wire_len())?,
            Err(error) => {
                self.mailbox.end(py, End::Failed(error))?;
                call.cancel();
            }
        }
        if last { self.finish(py, End::Clean) } else { Ok(()) }
    }

    /// Takes the end from the queue.
    pub fn finish(&self, py: Python<'_>, end: End) -> PyResult<()> {
        self.objects.iter().for_each(|id| passing::end(id));
        self.mailbox.end(py, end)
    }

    /// Learns that there is room to send.
    pub fn has_room(&self, py: Python<'_>) -> PyResult<()> {
        self.mailbox.has_room(py)
    }
}

#[pymethods]
impl ClientCall {
    /// Takes the next item or the response; `None` if it has not come. Raises what the call failed with, and
    /// StopAsyncIteration after the last.
    fn take(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let taken = self.mailbox.take(py)?;
        if taken.is_some() {
            let due = self.mailbox.due_credit();
            if due > 0 {
                let call = self.core(py)?;
                self.submit(py, || call.grant(due)).map_err(|error| errors::exception(py, &error))?;
            }
        }
        Ok(taken)
    }

    /// Returns a future that is done when something arrives.
    fn arrival(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.mailbox.arrival(py)
    }

    /// Sends an item. False: the window is full, or the call has ended.
    #[pyo3(signature = (value, /))]
    fn send(&self, value: Bound<'_, PyAny>) -> PyResult<bool> {
        let py = value.py();
        let call = self.core(py)?;
        let service = self.service.get();
        let mut source = PySource::new(py, service.hosts());
        let sent = match (&service.passing, &self.objects) {
            (Passing::Objects, Some(id)) => call.send_raw(&passing::wrap(id, &value)),
            (Passing::Host(codec), _) => call.send_raw(codec.encode(&value)?.as_bytes()),
            _ => self.submit(py, || call.send(&mut source, &value)),
        };
        accepted(py, sent, source.error.take())
    }

    /// Returns a future that is done when there is room to send, or the call has ended.
    fn room(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.mailbox.room(py)
    }

    /// Ends the requests.
    fn end_input(&self, py: Python<'_>) -> PyResult<()> {
        let call = self.core(py)?;
        self.submit(py, || call.end_input());
        Ok(())
    }

    /// Cancels the call. Repeatable.
    fn cancel(&self) {
        if let Some(call) = self.call.if_same_process() {
            call.cancel();
        }
    }

    /// Whether the end of the answer is known, if not yet taken.
    #[getter]
    fn ended(&self) -> bool {
        self.mailbox.is_ended()
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> std::result::Result<(), PyTraverseError> {
        self.mailbox.traverse(&visit)
    }

    fn __clear__(&self) {
        self.mailbox.clear();
    }
}

/// Tells whether an item was accepted. Full and ended are no failures.
pub fn accepted(py: Python<'_>, sent: Result<()>, cause: Option<PyErr>) -> PyResult<bool> {
    match sent {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Cancelled) => Ok(false),
        Err(error) => {
            let exception = errors::exception(py, &error);
            exception.set_cause(py, cause);
            Err(exception)
        }
    }
}

/// Reads seconds with a resolution of a millisecond; what is above zero stays above.
fn milliseconds(seconds: f64) -> PyResult<i64> {
    if seconds.is_nan() {
        return Err(PyValueError::new_err("timeout must be a number of seconds"));
    }
    let rounded = (seconds * 1000.0).round() as i64;
    Ok(if seconds > 0.0 { rounded.max(1) } else { rounded })
}

fn pairs(metadata: Bound<'_, PyMapping>) -> PyResult<Vec<(String, String)>> {
    if let Ok(dict) = metadata.cast::<PyDict>() {
        return dict.iter().map(|(key, value)| Ok((key.extract()?, value.extract()?))).collect();
    }
    metadata.items()?.iter().map(|pair| pair.extract()).collect()
}
