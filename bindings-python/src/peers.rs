//! The allowlist of a gate: that of a server, or one that a program keeps (`trust.md` section 9).

use std::collections::BTreeMap;
use std::sync::Arc;

use aster_core::admission::{Admission, AdmissionPath, Doorkeeper, Gate, PeerName};
use aster_core::error::Error;
use aster_core::limits;
use aster_core::trust::Cause;
use pyo3::exceptions::{PyPermissionError, PyValueError};
use pyo3::prelude::*;

use crate::errors;

/// Peers that are admitted, for at most a time each.
#[pyclass(frozen, module = "aster._aster")]
pub struct Peers {
    pub(crate) gate: Arc<Gate>,
    pub(crate) ttl_ms: i64,
    /// What bounds admission that the program serves for this list.
    pub(crate) keeper: Arc<Doorkeeper>,
}

/// Handle, attributes, times of admission and of the end in seconds since 1970, and path.
type Entry = (String, BTreeMap<String, String>, f64, f64, &'static str);

impl Peers {
    /// Shows the list of a gate.
    pub fn of(gate: Arc<Gate>, ttl_ms: i64) -> Self {
        Self { gate, ttl_ms, keeper: Arc::default() }
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
    fn behind(&self, is_open: bool) -> Self {
        Self { gate: self.gate.with_same_peers(is_open), ttl_ms: self.ttl_ms, keeper: self.keeper.clone() }
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
        let path = AdmissionPath::parse(path)
            .ok_or_else(|| PyValueError::new_err(format!("admission_path: unknown path '{path}'")))?;
        let admitted_at = millis("admitted_at", admitted_at)?;
        let expires_at = match millis("expires_at", expires_at)? {
            0 => 0,
            // Rounded down to nothing it would be none.
            expiry => u64::try_from(expiry / 1000).unwrap_or(0).max(1),
        };
        let admission = Admission::until(path, attributes, expires_at, (admitted_at, self.ttl_ms));
        let admitted = self.gate.admit(PeerName::parse(peer), Admission { handle, ..admission });
        admitted.map_err(|cause| refused(py, cause))
    }

    /// Returns the admission of a peer, if it holds.
    fn get(&self, peer: &str) -> Option<Entry> {
        let Admission { handle, attributes, admitted_at_ms, deadline_ms, path, .. } =
            self.gate.admission(&PeerName::parse(peer))?;
        let seconds = |ms: i64| ms as f64 / 1000.0;
        Some((handle, attributes.into_iter().collect(), seconds(admitted_at_ms), seconds(deadline_ms), path.name()))
    }

    /// Ends the admission of a peer, and its connections. False: it had none.
    fn remove(&self, peer: &str) -> bool {
        self.gate.remove(&PeerName::parse(peer))
    }

    /// Forgets what has expired; returns how many peers that were.
    fn sweep(&self) -> usize {
        self.gate.sweep()
    }

    /// The peers whose admission holds.
    #[getter]
    fn names(&self) -> Vec<String> {
        self.gate.admissions().into_iter().map(|(peer, _)| peer.to_string()).collect()
    }

    /// Tells whether a peer may connect for a protocol now.
    fn should_allow(&self, peer: &str, alpn: &[u8]) -> bool {
        self.gate.should_allow(&PeerName::parse(peer), alpn)
    }

    /// Takes over what another list has.
    fn take_over(&self, other: &Self) {
        self.gate.take_over(&other.gate);
    }

    /// Whether every peer is admitted.
    #[getter]
    fn is_open(&self) -> bool {
        self.gate.is_open()
    }
}
