//! A call in the hands of its handler.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use aster_core::engine::{Body, ServerCall as CoreCall};
use aster_core::error::Result;
use aster_core::status::{RpcStatus, StatusCode};
use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use crate::caller::accepted;
use crate::convert::{PySink, PySource};
use crate::errors;
use crate::mailbox::{End, Mailbox};
use crate::passing;
use crate::plan::Plan;
use crate::queue::Queue;
use crate::runtime::ProcessBound;

/// A started call: answered once, then released.
#[pyclass(frozen, module = "aster._aster")]
pub struct ServerCall {
    call: ProcessBound<Arc<CoreCall>>,
    plan: Py<Plan>,
    queue: Py<Queue>,
    mailbox: Mailbox,
    released: AtomicBool,
    cancelled: AtomicBool,
}

impl ServerCall {
    /// Makes the handle of a call. `credit`: request items that core lets in before more are asked for.
    pub fn new(py: Python<'_>, call: Arc<CoreCall>, plan: Py<Plan>, queue: Py<Queue>, credit: u32) -> Self {
        let mailbox = Mailbox::new(queue.get().create_future(py), credit);
        Self {
            call: ProcessBound::new(call),
            plan,
            queue,
            mailbox,
            released: AtomicBool::new(false),
            cancelled: AtomicBool::new(false),
        }
    }

    /// Makes the Python value of a request. `None`: core has refused it, and ended the call.
    pub fn decode(py: Python<'_>, call: &CoreCall, plan: &Plan, body: &Body) -> Option<Py<PyAny>> {
        if call.info().objects {
            let (_, bytes) = call.raw_request(body)?;
            return passing::unwrap(&call.info().call_id, &bytes).or_else(|| {
                Self::without_client(call);
                None
            });
        }
        let mut sink = PySink::new(py, &plan.hosts);
        call.decode_request(body, &mut sink).map(Bound::unbind)
    }

    /// Goes on with a call whose client is gone, its objects with it: a handler that has not started never does,
    /// one that runs is about to be cancelled, and what it would have read makes room for the cancellation.
    fn without_client(call: &CoreCall) {
        if call.method().description.pattern.streams_input() {
            let _ = call.grant(1);
        } else {
            let _ = call.finish(RpcStatus::new(StatusCode::CANCELLED, "cancelled"));
            call.release();
        }
    }

    /// Takes a request item from the queue.
    pub fn deliver(&self, py: Python<'_>, body: &Body) -> PyResult<()> {
        let Some(call) = self.call.if_same_process() else { return Ok(()) };
        match Self::decode(py, call, self.plan.get(), body) {
            Some(item) => self.mailbox.put(py, item, body.wire_len()),
            None => Ok(()),
        }
    }

    /// Learns that no more requests come.
    pub fn half_closed(&self, py: Python<'_>) -> PyResult<()> {
        self.mailbox.end(py, End::Clean)
    }

    /// Learns that there is room to send.
    pub fn has_room(&self, py: Python<'_>) -> PyResult<()> {
        self.mailbox.has_room(py)
    }

    /// Learns that the call is over; answers are ignored from here.
    pub fn set_cancelled(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Tells whether the handler has returned.
    pub fn is_released(&self) -> bool {
        self.released.load(Ordering::Relaxed)
    }

    /// Ends a call whose handler could not be started.
    pub fn abandon(&self, text: &str) {
        if let Some(call) = self.call.if_same_process() {
            let _ = call.fail(text);
            call.release();
        }
    }

    fn submit<R>(&self, py: Python<'_>, submission: impl FnOnce() -> R) -> R {
        Queue::submit(self.queue.bind(py), submission)
    }

    fn core(&self, py: Python<'_>) -> PyResult<&CoreCall> {
        self.call.get().map(|call| &**call).map_err(|error| errors::exception(py, &error))
    }
}

fn raised(py: Python<'_>, outcome: Result<()>) -> PyResult<()> {
    outcome.map_err(|error| errors::exception(py, &error))
}

#[pymethods]
impl ServerCall {
    /// Answers the call. A value that does not fit ends it with INTERNAL and raises here, for the log.
    #[pyo3(signature = (value, /))]
    fn reply(&self, py: Python<'_>, value: Bound<'_, PyAny>) -> PyResult<()> {
        let call = self.core(py)?;
        if call.info().objects {
            let body = passing::wrap(&call.info().call_id, &value);
            return raised(py, call.reply_raw(&body));
        }
        let mut source = PySource::new(py, &self.plan.get().hosts);
        self.submit(py, || call.reply(&mut source, &value)).map_err(|error| {
            let exception = errors::exception(py, &error);
            exception.set_cause(py, source.error.take());
            exception
        })
    }

    /// Sends an item. False: the window is full, or the call is over. A value that does not fit ends the call with
    /// INTERNAL and raises here, for the log.
    #[pyo3(signature = (value, /))]
    fn send(&self, py: Python<'_>, value: Bound<'_, PyAny>) -> PyResult<bool> {
        let call = self.core(py)?;
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(PyRuntimeError::new_err("the call is over"));
        }
        if call.info().objects {
            return accepted(py, call.send_raw(&passing::wrap(&call.info().call_id, &value)), None);
        }
        let mut source = PySource::new(py, &self.plan.get().hosts);
        let sent = self.submit(py, || call.send(&mut source, &value));
        accepted(py, sent, source.error.take())
    }

    /// Returns a future that is done when there is room to send.
    fn room(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.mailbox.room(py)
    }

    /// Takes the next request item; `None` if it has not come. Raises StopAsyncIteration after the last.
    fn take(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let taken = self.mailbox.take(py)?;
        if taken.is_some() {
            let due = self.mailbox.due_credit();
            if due > 0 {
                let call = self.core(py)?;
                raised(py, self.submit(py, || call.grant(due)))?;
            }
        }
        Ok(taken)
    }

    /// Returns a future that is done when a request item arrives.
    fn arrival(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.mailbox.arrival(py)
    }

    /// Compresses answers longer than this; -1: none.
    #[pyo3(signature = (threshold, /))]
    fn compress_above(&self, py: Python<'_>, threshold: i64) -> PyResult<()> {
        self.core(py)?.compress_above(threshold);
        Ok(())
    }

    /// Ends the call with a status.
    #[pyo3(signature = (code, message, details, /))]
    fn finish(&self, py: Python<'_>, code: i32, message: &str, details: BTreeMap<String, String>) -> PyResult<()> {
        let call = self.core(py)?;
        raised(py, self.submit(py, || call.finish(errors::status(code, message, details))))
    }

    /// Ends the call because of an exception. Core decides what the caller sees of the text.
    #[pyo3(signature = (text, /))]
    fn fail(&self, py: Python<'_>, text: &str) -> PyResult<()> {
        raised(py, self.core(py)?.fail(text))
    }

    /// Tells that the handler has returned. Repeatable.
    fn release(&self, py: Python<'_>) {
        if self.released.swap(true, Ordering::Relaxed) {
            return;
        }
        if let Some(call) = self.call.if_same_process() {
            self.queue.get().release(call.ticket());
            self.submit(py, || call.release());
        }
    }

    /// Releases the call; a callback for the task of its handler.
    #[pyo3(signature = (task, /))]
    fn task_done(&self, task: Bound<'_, PyAny>) {
        self.release(task.py());
    }

    /// Name of the service.
    #[getter]
    fn service(&self, py: Python<'_>) -> PyResult<&str> {
        Ok(self.core(py)?.plan().name())
    }

    /// Wire name of the method.
    #[getter]
    fn method(&self, py: Python<'_>) -> PyResult<&str> {
        Ok(&self.core(py)?.method().description.name)
    }

    /// Pattern of the method.
    #[getter]
    fn pattern(&self, py: Python<'_>) -> PyResult<&'static str> {
        Ok(self.core(py)?.method().description.pattern.name())
    }

    /// Ticket of the session.
    #[getter]
    fn session(&self, py: Python<'_>) -> PyResult<Option<u64>> {
        Ok(self.core(py)?.info().session.as_ref().map(|session| session.id()))
    }

    /// The client's id of the session.
    #[getter]
    fn session_id(&self, py: Python<'_>) -> PyResult<Option<&str>> {
        Ok(self.core(py)?.info().session.as_ref().map(|session| session.name()))
    }

    /// Whether the call has its answer.
    #[getter]
    fn answered(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.core(py)?.is_answered())
    }

    /// Whether the call is over although its handler runs.
    #[getter]
    fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Whether the method may be called again.
    #[getter]
    fn idempotent(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.core(py)?.method().description.idempotent)
    }

    /// The client's id of the call, or a random one.
    #[getter]
    fn call_id(&self, py: Python<'_>) -> PyResult<&str> {
        Ok(&self.core(py)?.info().call_id)
    }

    /// Endpoint id of the caller.
    #[getter]
    fn peer(&self, py: Python<'_>) -> PyResult<Option<String>> {
        Ok(self.core(py)?.info().peer.map(|peer| peer.to_string()))
    }

    /// Metadata of the application.
    #[getter]
    fn metadata(&self, py: Python<'_>) -> PyResult<HashMap<String, String>> {
        Ok(self.core(py)?.info().metadata.iter().cloned().collect())
    }

    /// Attributes that admission granted.
    #[getter]
    fn attributes(&self, py: Python<'_>) -> PyResult<HashMap<String, String>> {
        Ok(self.core(py)?.info().attributes.iter().cloned().collect())
    }

    /// Seconds until the call must have ended.
    #[getter]
    fn remaining(&self, py: Python<'_>) -> PyResult<Option<f64>> {
        let deadline = self.core(py)?.info().deadline;
        Ok(deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()).as_secs_f64()))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> std::result::Result<(), PyTraverseError> {
        self.mailbox.traverse(&visit)
    }

    fn __clear__(&self) {
        self.mailbox.clear();
    }
}
