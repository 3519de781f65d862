//! The producers' mesh as programs see it: its state, its clocks (`trust.md` section 11).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aster_core::clock::{Clock as _, SystemClock};
use aster_core::error::Result;
use aster_core::ids::EndpointId;
use aster_core::mesh::{self, DriftConfig};
use aster_core::sync::lock;
use napi::Env;
use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;

use crate::engine::Engine;
use crate::enrollment::{key, thrown};
use crate::js::Js;

/// How clocks are judged, in milliseconds.
#[napi(object)]
pub struct Drift {
    pub replay_window_ms: f64,
    pub drift_tolerance_ms: f64,
    pub lease_heartbeat_ms: f64,
    pub grace_period_ms: f64,
    pub min_peers_for_median: u32,
}

impl From<Drift> for DriftConfig {
    fn from(drift: Drift) -> Self {
        Self {
            replay_window_ms: drift.replay_window_ms as u64,
            drift_tolerance_ms: drift.drift_tolerance_ms as u64,
            lease_heartbeat_ms: drift.lease_heartbeat_ms as u64,
            grace_period_ms: drift.grace_period_ms as u64,
            min_peers_for_median: drift.min_peers_for_median as usize,
        }
    }
}

/// A mesh that a program admits producers to.
#[napi]
pub struct Mesh(pub(crate) Arc<Mutex<mesh::Mesh>>);

fn now_ms() -> u64 {
    u64::try_from(SystemClock.epoch_ms()).unwrap_or(0)
}

fn read(salt: &Uint8Array, document: Option<&str>, own_id: &str, root_pubkey: &Uint8Array) -> Result<Mesh> {
    let (own, root, drift) = (EndpointId::parse(own_id)?, key("rootPubkey", root_pubkey)?, DriftConfig::default());
    let made = match document {
        Some(document) => mesh::Mesh::parse(document, own, root, drift, now_ms())?,
        None => mesh::Mesh::new(own, root, key("salt", salt)?, drift, now_ms()),
    };
    Ok(Mesh(Arc::new(Mutex::new(made))))
}

#[napi]
impl Mesh {
    /// Returns the state as its file has it.
    #[napi]
    pub fn document(&self) -> String {
        lock(&self.0).to_json(now_ms())
    }
}

#[napi]
impl Engine {
    /// Reads a state, as its file has it, for an endpoint of ours, or begins one; returns it or an error.
    #[napi]
    pub fn mesh(
        &self,
        env: &Env,
        salt: Uint8Array,
        document: Option<String>,
        own_id: String,
        root_pubkey: Uint8Array,
    ) -> Js {
        self.object(env, read(&salt, document.as_deref(), &own_id, &root_pubkey))
    }
}

/// Returns how clocks are judged if only an environment says something.
#[napi]
pub fn drift_defaults(env: BTreeMap<String, String>) -> napi::Result<Drift> {
    let DriftConfig { replay_window_ms, drift_tolerance_ms, lease_heartbeat_ms, grace_period_ms, min_peers_for_median } =
        thrown(DriftConfig::from_env(&env))?;
    Ok(Drift {
        replay_window_ms: replay_window_ms as f64,
        drift_tolerance_ms: drift_tolerance_ms as f64,
        lease_heartbeat_ms: lease_heartbeat_ms as f64,
        grace_period_ms: grace_period_ms as f64,
        min_peers_for_median: min_peers_for_median as u32,
    })
}

/// Returns the median of offsets in milliseconds, if there are enough of them.
#[napi]
pub fn drift_median(drift: Drift, offsets: Vec<i64>) -> Option<i64> {
    DriftConfig::from(drift).median(offsets)
}

/// Tells whether an offset differs too much from a median.
#[napi]
pub fn drifts(drift: Drift, offset: i64, median: i64) -> bool {
    DriftConfig::from(drift).drifts(offset, median)
}
