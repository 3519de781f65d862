//! The producers' mesh as programs see it: states, messages, clocks (`trust.md` section 11).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aster_core::clock::{Clock as _, SystemClock};
use aster_core::error::{Error, ErrorKind};
use aster_core::ids::EndpointId;
use aster_core::mesh::{self, DriftConfig, Envelope, MessageKind};
use aster_core::node::MeshOptions;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::node::checked;
use aster_core::sync::lock;

/// Window, tolerance, heartbeat and grace period in milliseconds, and offsets for a median.
pub type Drift = (u64, u64, u64, u64, usize);

fn config((replay_window_ms, drift_tolerance_ms, lease_heartbeat_ms, grace_period_ms, minimum): Drift) -> DriftConfig {
    DriftConfig {
        replay_window_ms,
        drift_tolerance_ms,
        lease_heartbeat_ms,
        grace_period_ms,
        min_peers_for_median: minimum,
    }
}

/// Makes the options of a server's part in the mesh.
pub fn options(drift: Option<Drift>, persist: bool, state: Option<String>) -> MeshOptions {
    MeshOptions { drift: drift.map(config).unwrap_or_default(), persist, state }
}

fn now_ms() -> u64 {
    u64::try_from(SystemClock.epoch_ms()).unwrap_or(0)
}

/// A mesh that a program admits producers to.
#[pyclass(frozen, module = "aster._aster")]
pub struct Mesh(pub(crate) Arc<Mutex<mesh::Mesh>>);

#[pymethods]
impl Mesh {
    /// Reads a state, as its file has it, for our endpoint.
    #[new]
    fn new(py: Python<'_>, state: &str, own_id: &str, root_pubkey: [u8; 32], drift: Option<Drift>) -> PyResult<Self> {
        let own = checked(py, EndpointId::parse(own_id))?;
        let drift = drift.map(config).unwrap_or_default();
        let read = checked(py, mesh::Mesh::parse(state, own, root_pubkey, drift, now_ms()))?;
        Ok(Self(Arc::new(Mutex::new(read))))
    }

    /// Returns the state as its file has it.
    fn to_json(&self) -> String {
        lock(&self.0).to_json(now_ms())
    }
}

/// Returns the topic of a deployment's mesh.
#[pyfunction]
pub fn mesh_topic<'py>(py: Python<'py>, root_pubkey: [u8; 32], salt: [u8; 32]) -> Bound<'py, PyBytes> {
    PyBytes::new(py, &mesh::topic(&root_pubkey, &salt))
}

/// Returns how clocks are judged if only an environment says something.
#[pyfunction]
pub fn drift_defaults(py: Python<'_>, env: BTreeMap<String, String>) -> PyResult<Drift> {
    let DriftConfig { replay_window_ms, drift_tolerance_ms, lease_heartbeat_ms, grace_period_ms, min_peers_for_median } =
        checked(py, DriftConfig::from_env(&env))?;
    Ok((replay_window_ms, drift_tolerance_ms, lease_heartbeat_ms, grace_period_ms, min_peers_for_median))
}

/// Returns the median of offsets in milliseconds, if there are enough of them.
#[pyfunction]
pub fn drift_median(drift: Drift, offsets: Vec<i64>) -> Option<i64> {
    config(drift).median(offsets)
}

/// Tells whether an offset differs too much from a median.
#[pyfunction]
pub fn drifts(drift: Drift, offset: i64, median: i64) -> bool {
    config(drift).drifts(offset, median)
}

fn kind(number: u64) -> PyResult<MessageKind> {
    MessageKind::of(number).ok_or_else(|| PyValueError::new_err(format!("unknown message type {number}")))
}

/// Makes a message of the mesh, signed with a node key.
#[pyfunction]
pub fn sign_mesh_message(
    py: Python<'_>,
    number: u64,
    payload: Vec<u8>,
    epoch_ms: u64,
    node_key: [u8; 32],
) -> PyResult<String> {
    checked(py, Envelope::sign(kind(number)?, payload, epoch_ms, &node_key)).map(|message| message.to_json())
}

/// Type, payload, sender, clock in milliseconds, and signature of a message.
type Message<'py> = (u8, Bound<'py, PyBytes>, String, u64, Bound<'py, PyBytes>);

/// Reads a message of the mesh and checks its signature.
#[pyfunction]
pub fn read_mesh_message<'py>(py: Python<'py>, data: &[u8]) -> PyResult<Message<'py>> {
    let wrong = |why: &str| Error::new(ErrorKind::InvalidArgument, format!("not a message of the mesh: {why}"));
    let read = Envelope::parse(data).map_err(|why| wrong(why.name()));
    let read = checked(py, read)?;
    if !read.is_signed() {
        return checked(py, Err(wrong("bad_signature")));
    }
    let Envelope { kind, payload, sender, epoch_ms, signature } = read;
    Ok((kind as u8, PyBytes::new(py, &payload), sender.to_string(), epoch_ms, PyBytes::new(py, &signature)))
}
