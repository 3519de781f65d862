//! Lists of admitted peers: that of a server's gate, or one that a program keeps (`trust.md` section 9).

use std::collections::BTreeMap;
use std::sync::Arc;

use aster_core::admission::{Admission, AdmissionPath, Gate, PeerName};
use aster_core::error::{Error, Result};
use aster_core::limits;
use aster_core::trust::Cause;
use napi::Env;
use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;

use crate::engine::Engine;
use crate::enrollment::wrong;
use crate::js::{Js, Scope};

/// Peers that are admitted, for at most a time each.
#[napi]
pub struct Peers {
    pub(crate) gate: Arc<Gate>,
    /// Milliseconds that an admission holds at most.
    pub(crate) ttl_ms: i64,
}

/// An admission. Times are in milliseconds since 1970.
#[napi(object)]
pub struct AdmissionParts {
    pub handle: String,
    /// A JSON object of texts.
    pub attributes: String,
    pub admitted_at: f64,
    /// 0: the time of the list only.
    pub expires_at: f64,
    pub path: String,
}

impl AdmissionParts {
    fn read(self, ttl_ms: i64) -> Result<Admission> {
        let path = AdmissionPath::parse(&self.path)
            .ok_or_else(|| wrong(format!("admissionPath: unknown path '{}'", self.path)))?;
        let attributes: BTreeMap<String, String> =
            serde_json::from_str(&self.attributes).map_err(|error| wrong(format!("attributes: {error}")))?;
        let expires_at = match self.expires_at as u64 {
            0 => 0,
            // Rounded down to nothing it would be none.
            expiry => (expiry / 1000).max(1),
        };
        let admission = Admission::until(path, attributes, expires_at, (self.admitted_at as i64, ttl_ms));
        Ok(Admission { handle: self.handle, ..admission })
    }
}

fn refused(cause: Cause) -> Error {
    match cause {
        Cause::Capacity => {
            let limit = limits::MAX_ALLOWED_PEERS;
            Error::limit("admitted peers", limit, limit + 1)
        }
        cause => cause.into(),
    }
}

#[napi]
impl Peers {
    /// Makes an empty list of a gate that no server has.
    #[napi(constructor)]
    pub fn new(ttl_ms: Option<f64>) -> Self {
        Self { gate: Gate::new(false), ttl_ms: ttl_ms.map_or(i64::from(limits::PEER_TTL_S) * 1000, |ms| ms as i64) }
    }

    /// Returns the same list behind a gate that is open, or is not.
    #[napi]
    pub fn behind(&self, is_open: bool) -> Self {
        Self { gate: self.gate.with_same_peers(is_open), ttl_ms: self.ttl_ms }
    }

    /// Returns the admission of a peer, if it holds.
    #[napi]
    pub fn get(&self, peer: String) -> Option<AdmissionParts> {
        let Admission { handle, attributes, admitted_at_ms, deadline_ms, path, .. } =
            self.gate.admission(&PeerName::parse(&peer))?;
        let attributes: BTreeMap<_, _> = attributes.into_iter().collect();
        Some(AdmissionParts {
            handle,
            attributes: serde_json::json!(attributes).to_string(),
            admitted_at: admitted_at_ms as f64,
            expires_at: deadline_ms as f64,
            path: path.name().to_owned(),
        })
    }

    /// Ends the admission of a peer, and its connections. False: it had none.
    #[napi]
    pub fn remove(&self, peer: String) -> bool {
        self.gate.remove(&PeerName::parse(&peer))
    }

    /// Forgets what has expired; returns how many peers that were.
    #[napi]
    pub fn sweep(&self) -> f64 {
        self.gate.sweep() as f64
    }

    /// Returns the peers whose admission holds.
    #[napi]
    pub fn names(&self) -> Vec<String> {
        self.gate.admissions().into_iter().map(|(peer, _)| peer.to_string()).collect()
    }

    /// Tells whether a peer may connect for a protocol now.
    #[napi]
    pub fn should_allow(&self, peer: String, alpn: Uint8Array) -> bool {
        self.gate.should_allow(&PeerName::parse(&peer), &alpn)
    }

    /// Takes over what another list has.
    #[napi]
    pub fn take_over(&self, other: &Peers) {
        self.gate.take_over(&other.gate);
    }
}

#[napi]
impl Engine {
    /// Puts a peer on a list; returns undefined or an error.
    #[napi]
    pub fn admit_peer(&self, env: &Env, peers: &Peers, peer: String, admission: AdmissionParts) -> Js {
        let scope = Scope::new(env);
        let admitted = admission.read(peers.ttl_ms).and_then(|admission| {
            peers.gate.admit(PeerName::parse(&peer), admission).map(|()| scope.undefined()).map_err(refused)
        });
        self.shared.errors.either(scope, admitted)
    }
}
