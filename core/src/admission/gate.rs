//! The gate: a synchronous look-up that connections and calls pass.

use std::sync::Arc;

use crate::ids::EndpointId;

/// Decides which peers may call. Look-ups take no lock and run no host code.
#[derive(Debug)]
pub struct Gate {
    open: bool,
    /// The attributes of a peer without any, shared by all of them.
    none: Arc<Vec<(String, String)>>,
}

impl Gate {
    /// Makes a gate; a closed one admits nobody before a credential was verified.
    pub fn new(open: bool) -> Arc<Self> {
        Arc::new(Self { open, none: Arc::default() })
    }

    /// Tells whether every peer is admitted.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Tells whether a peer may call now.
    pub fn admits(&self, _peer: &EndpointId) -> bool {
        self.open
    }

    /// Tells whether a peer was admitted by a credential, not just by an open gate.
    pub fn has_credential(&self, _peer: &EndpointId) -> bool {
        false // Nobody verifies credentials yet.
    }

    /// Returns the attributes that admission granted to a peer. Anonymous peers of an open gate have none.
    pub fn attributes(&self, _peer: &EndpointId) -> Arc<Vec<(String, String)>> {
        self.none.clone()
    }
}
