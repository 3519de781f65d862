//! The allowlist of a gate: that of a server, or one that a program keeps (`trust.md` section 9).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aster_core::admission::{Admission, AdmissionPath, Doorkeeper, Gate, PeerName};
use aster_core::error::Error;
use aster_core::limits;
use aster_core::trust::Cause;
use pyo3::exceptions::{PyPermissionError, PyValueError};
use pyo3::prelude::*;

use crate::errors;
use crate::node::bound;
use crate::runtime::ProcessBound;

/// Peers that are admitted, for at most a time each.
#[pyclass(frozen, module = "aster._aster")]
pub struct Peers(ProcessBound<List>);

/// What is shared with those who admit to the list.
#[derive(Clone)]
pub struct List {
    /// The gate whose list it is.
    pub gate: Arc<Gate>,
    /// Milliseconds that an admission holds at most.
    pub ttl_ms: i64,
    /// What bounds admission that the program serves for this list.
    pub keeper: Arc<Doorkeeper>,
}

/// Handle, attributes, times of admission and of the end in seconds since 1970, and path.
type Entry = (String, BTreeMap<String, String>, f64, f64, &'static str);

impl Peers {
    /// Shows the list of a gate.
    pub fn of(gate: Arc<Gate>, ttl_ms: i64) -> Self {
        Self(ProcessBound::new(List { gate, ttl_ms, keeper: Arc::default() }))
    }

    /// Returns the list, unless it is one of the parent process, whose locks may never be given back.
    pub fn list(&self, py: Python<'_>) -> PyResult<&List> {
        bound(py, &self.0)
    }
}

fn millis(field: &str, seconds: f64) -> PyResult<i64> {
    match seconds {
        // Beyond that the number of milliseconds is not exact any more.
        seconds if (0.0..9e12).contains(&seconds) => Ok((seconds * 1000.0) as i64),
        _ => Err(PyValueError::new_err(format!("{field}: expected seconds since 1970"))),
    }
}

fn refused(py: Python<'_>, cause: Cause) -> PyErr {
    match cause {
        Cause::Capacity => {
            let limit = limits::MAX_ALLOWED_PEERS;
            errors::exception(py, &Error::limit("admitted peers", limit, limit + 1))
        }
        cause => PyPermissionError::new_err(cause.name()),
    }
}

#[pymethods]
impl Peers {
    /// Makes an empty list of a gate that no server has.
    #[new]
    fn new(is_open: bool, ttl_s: u32) -> Self {
        Self::of(Gate::new(is_open), i64::from(ttl_s) * 1000)
    }

    /// Returns the same list behind a gate that is open, or is not.
    fn behind(&self, py: Python<'_>, is_open: bool) -> PyResult<Self> {
        let list = self.list(py)?;
        Ok(Self(ProcessBound::new(List { gate: list.gate.with_same_peers(is_open), ..list.clone() })))
    }

    /// Puts a peer on the list; `expires_at` 0 means the list's own time only.
    #[expect(clippy::too_many_arguments, reason = "an admission, field by field")]
    fn admit(
        &self,
        py: Python<'_>,
        peer: &str,
        handle: String,
        attributes: BTreeMap<String, String>,
        admitted_at: f64,
        expires_at: f64,
        path: &str,
    ) -> PyResult<()> {
        let List { gate, ttl_ms, .. } = self.list(py)?;
        let path = AdmissionPath::parse(path)
            .ok_or_else(|| PyValueError::new_err(format!("admission_path: unknown path '{path}'")))?;
        let admitted_at = millis("admitted_at", admitted_at)?;
        let expires_at = match millis("expires_at", expires_at)? {
            0 => 0,
            // Rounded down to nothing it would be none.
            expiry => u64::try_from(expiry / 1000).unwrap_or(0).max(1),
        };
        let admission = Admission::until(path, attributes, expires_at, (admitted_at, *ttl_ms));
        let admitted = gate.admit(PeerName::parse(peer), Admission { handle, ..admission });
        admitted.map_err(|cause| refused(py, cause))
    }

    /// Returns the admission of a peer, if it holds.
    fn get(&self, py: Python<'_>, peer: &str) -> PyResult<Option<Entry>> {
        let seconds = |ms: i64| ms as f64 / 1000.0;
        let entry = |admission: Admission| {
            let Admission { handle, attributes, admitted_at_ms, deadline_ms, path, .. } = admission;
            (handle, attributes.into_iter().collect(), seconds(admitted_at_ms), seconds(deadline_ms), path.name())
        };
        Ok(self.list(py)?.gate.admission(&PeerName::parse(peer)).map(entry))
    }

    /// Ends the admission of a peer, and its connections. False: it had none.
    fn remove(&self, py: Python<'_>, peer: &str) -> PyResult<bool> {
        Ok(self.list(py)?.gate.remove(&PeerName::parse(peer)))
    }

    /// Forgets what has expired; returns how many peers that were.
    fn sweep(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.list(py)?.gate.sweep())
    }

    /// The peers whose admission holds.
    #[getter]
    fn names(&self, py: Python<'_>) -> PyResult<BTreeSet<String>> {
        Ok(self.list(py)?.gate.admissions().into_iter().map(|(peer, _)| peer.to_string()).collect())
    }

    /// Tells whether a peer may connect for a protocol now.
    fn should_allow(&self, py: Python<'_>, peer: &str, alpn: &[u8]) -> PyResult<bool> {
        Ok(self.list(py)?.gate.should_allow(&PeerName::parse(peer), alpn))
    }

    /// Takes over what another list has.
    fn take_over(&self, py: Python<'_>, other: &Self) -> PyResult<()> {
        self.list(py)?.gate.take_over(&other.list(py)?.gate);
        Ok(())
    }

    /// Whether every peer is admitted.
    #[getter]
    fn is_open(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.list(py)?.gate.is_open())
    }
}
