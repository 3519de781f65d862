//! A call in the hands of its handler.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use aster_core::engine::ServerCall as CoreCall;
use aster_core::error::Result;
use pyo3::prelude::*;

use crate::convert::PySource;
use crate::errors;
use crate::plan::Plan;
use crate::queue::Queue;
use crate::runtime::ProcessBound;

/// A started call: answered once, then released.
#[pyclass(frozen, module = "aster._aster")]
pub struct ServerCall {
    call: ProcessBound<Arc<CoreCall>>,
    plan: Py<Plan>,
    queue: Py<Queue>,
    released: AtomicBool,
}

impl ServerCall {
    pub fn new(call: Arc<CoreCall>, plan: Py<Plan>, queue: Py<Queue>) -> Self {
        Self { call: ProcessBound::new(call), plan, queue, released: AtomicBool::new(false) }
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
        let mut source = PySource::new(py, &self.plan.get().hosts);
        self.core(py)?.reply(&mut source, &value).map_err(|error| {
            let exception = errors::exception(py, &error);
            exception.set_cause(py, source.error.take());
            exception
        })
    }

    /// Ends the call with a status.
    #[pyo3(signature = (code, message, details, /))]
    fn finish(&self, py: Python<'_>, code: i32, message: &str, details: BTreeMap<String, String>) -> PyResult<()> {
        raised(py, self.core(py)?.finish(errors::status(code, message, details)))
    }

    /// Ends the call because of an exception. Core decides what the caller sees of the text.
    #[pyo3(signature = (text, /))]
    fn fail(&self, py: Python<'_>, text: &str) -> PyResult<()> {
        raised(py, self.core(py)?.fail(text))
    }

    /// Tells that the handler has returned. Repeatable.
    fn release(&self) {
        if self.released.swap(true, Ordering::Relaxed) {
            return;
        }
        if let Some(call) = self.call.if_same_process() {
            self.queue.get().release(call.ticket());
            call.release();
        }
    }

    /// Releases the call; a callback for the task of its handler.
    #[pyo3(signature = (_task, /))]
    fn task_done(&self, _task: Bound<'_, PyAny>) {
        self.release();
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
}
