//! What a wait has brought, until the program has it.
//!
//! A task may be cancelled between the end of its wait and its next step. What was brought must then go back to
//! where it came from, so that the program takes it only when it runs.

use std::sync::{Mutex, PoisonError};

use aster_core::error::{Error, ErrorKind, Result};
use aster_core::node::{Taken, TakenBytes};
use aster_core::rpc::BoxFuture;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::node::{checked, object, start};
use crate::queue::{Operation, Queue};
use crate::runtime::ProcessBound;

type Make = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;

/// Something that arrived and was not taken yet.
#[pyclass(frozen, module = "aster._aster")]
pub struct Arrival(ProcessBound<Mutex<Option<Make>>>);

impl Arrival {
    fn of(
        py: Python<'_>,
        make: impl FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send + 'static,
    ) -> PyResult<Py<PyAny>> {
        object(py, Self(ProcessBound::new(Mutex::new(Some(Box::new(make))))))
    }

    fn out(&self, py: Python<'_>) -> PyResult<Option<Make>> {
        Ok(checked(py, self.0.get())?.lock().unwrap_or_else(PoisonError::into_inner).take())
    }
}

#[pymethods]
impl Arrival {
    /// Returns what arrived, once.
    fn take(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let nothing = || Error::new(ErrorKind::State, "taken already");
        let make = self.out(py)?;
        checked(py, make.ok_or_else(nothing))?(py)
    }

    /// Lets it go back to where it came from.
    fn give_back(&self, py: Python<'_>) -> PyResult<()> {
        drop(self.out(py)?);
        Ok(())
    }
}

/// Starts a wait; its result is an [`Arrival`].
pub fn start_wait<T: Send + 'static>(
    py: Python<'_>,
    queue: &Queue,
    work: BoxFuture<'static, Result<Taken<T>>>,
    finish: impl FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
) -> PyResult<Operation> {
    start(py, queue, work, |py, taken| {
        Arrival::of(py, move |py| {
            let nothing = || Error::new(ErrorKind::Internal, "nothing has arrived");
            finish(py, checked(py, taken.take().ok_or_else(nothing))?)
        })
    })
}

/// Starts a read; its result is an [`Arrival`] of bytes.
pub fn start_read(py: Python<'_>, queue: &Queue, work: BoxFuture<'static, Result<TakenBytes>>) -> PyResult<Operation> {
    start(py, queue, work, |py, taken| {
        Arrival::of(py, move |py| Ok(PyBytes::new(py, &taken.take()).into_any().unbind()))
    })
}

/// Starts to make something that has to be undone if nobody takes it.
pub fn start_guarded<T: Send + 'static>(
    py: Python<'_>,
    queue: &Queue,
    work: BoxFuture<'static, Result<T>>,
    finish: impl FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
    undo: impl FnOnce(T) + Send + 'static,
) -> PyResult<Operation> {
    let work = Box::pin(async move { Ok(Guard { value: Some(work.await?), undo: Some(undo) }) });
    start(py, queue, work, |py, mut guard| {
        Arrival::of(py, move |py| {
            let nothing = || Error::new(ErrorKind::Internal, "nothing was made");
            finish(py, checked(py, guard.value.take().ok_or_else(nothing))?)
        })
    })
}

struct Guard<T, U: FnOnce(T)> {
    value: Option<T>,
    undo: Option<U>,
}

impl<T, U: FnOnce(T)> Drop for Guard<T, U> {
    fn drop(&mut self) {
        if let (Some(value), Some(undo)) = (self.value.take(), self.undo.take()) {
            undo(value);
        }
    }
}
