//! Handshakes that the application decides about.

use std::sync::{Mutex, PoisonError};

use aster_core::node::{Decision, Handshakes as CoreHandshakes, PendingHandshake as CorePending};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::arrival::start_wait;
use crate::node::{bound, object};
use crate::queue::{Operation, Queue};
use crate::runtime::ProcessBound;

/// The handshakes of a node.
#[pyclass(frozen, module = "aster._aster")]
pub struct Handshakes(ProcessBound<CoreHandshakes>);

impl Handshakes {
    /// Wraps handshakes.
    pub fn new(handshakes: CoreHandshakes) -> Self {
        Self(ProcessBound::new(handshakes))
    }
}

#[pymethods]
impl Handshakes {
    /// Waits for the next handshake: peer, protocol, and what takes the decision.
    fn next(&self, py: Python<'_>, queue: &Queue) -> PyResult<Operation> {
        start_wait(py, queue, bound(py, &self.0)?.next(), |py, pending| {
            let handshake = pending.handshake.clone();
            let alpn = PyBytes::new(py, &handshake.alpn);
            object(py, (handshake.remote_id, alpn, PendingHandshake::new(pending)))
        })
    }
}

/// A handshake that waits for a decision.
#[pyclass(frozen, module = "aster._aster")]
pub struct PendingHandshake(ProcessBound<Mutex<Option<CorePending>>>);

impl PendingHandshake {
    fn new(pending: CorePending) -> Self {
        Self(ProcessBound::new(Mutex::new(Some(pending))))
    }
}

#[pymethods]
impl PendingHandshake {
    /// Decides, once. `denial` is code and reason of the close. Returns false if it came too late.
    fn decide(&self, py: Python<'_>, denial: Option<(u64, String)>) -> PyResult<bool> {
        let pending = bound(py, &self.0)?.lock().unwrap_or_else(PoisonError::into_inner).take();
        let pending = pending.ok_or_else(|| PyRuntimeError::new_err("the decision was sent already"))?;
        Ok(pending.decide(match denial {
            None => Decision::Allow,
            Some((code, reason)) => Decision::Deny { code, reason },
        }))
    }
}
