//! Core's errors as Python exceptions. Which class stands for which kind or status is said in `aster.errors`.

use std::collections::BTreeMap;

use aster_core::error::{Error, ErrorKind};
use aster_core::status::{RpcStatus, StatusCode};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

static FACTORY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// Turns an error of core into the Python exception for it.
pub fn exception(py: Python<'_>, error: &Error) -> PyErr {
    let code = error.status().map(|status| status.0);
    make(py, error.kind(), code, error.message(), error.details(), false)
}

/// Turns the status of a call into the Python exception for it. `lost`: the connection went away with it.
pub fn status_exception(py: Python<'_>, status: &RpcStatus, lost: bool) -> PyErr {
    make(py, ErrorKind::Rpc, Some(status.code.0), &status.message, &status.details, lost)
}

fn make(
    py: Python<'_>,
    kind: ErrorKind,
    code: Option<i32>,
    message: &str,
    details: &[(String, String)],
    lost: bool,
) -> PyErr {
    let details: BTreeMap<&str, &str> = details.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let made = FACTORY
        .import(py, "aster.errors", "make_error")
        .and_then(|factory| factory.call1((kind.name(), code, message, details, lost)));
    match made {
        Ok(value) => PyErr::from_value(value),
        Err(error) => error,
    }
}

/// Reads a status that Python code ends a call with.
pub fn status(code: i32, message: &str, details: BTreeMap<String, String>) -> RpcStatus {
    RpcStatus::new(StatusCode(code), message).with_details(details)
}
