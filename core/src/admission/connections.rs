//! Open connections by peer, so that the end of an admission ends them too.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use crate::ids::EndpointId;
use crate::rpc::Connection;
use crate::wire;

/// Something of a peer that can be closed. It must not keep the connection alive.
pub trait LiveConnection: Send + Sync {
    /// Tells whether it is still open.
    fn is_open(&self) -> bool;
    /// Closes it with a code and a text for the peer.
    fn close(&self, code: u32, reason: &str);
}

/// A connection that a program made.
pub struct HeldConnection(pub Weak<dyn Connection>);

impl LiveConnection for HeldConnection {
    fn is_open(&self) -> bool {
        self.0.upgrade().is_some_and(|connection| connection.close_cause().is_none())
    }

    fn close(&self, code: u32, reason: &str) {
        if let Some(connection) = self.0.upgrade() {
            connection.close(code, reason);
        }
    }
}

/// The connections of every peer that has some.
#[derive(Default)]
pub(super) struct Connections {
    peers: HashMap<EndpointId, Held>,
    /// Size at which the closed ones are sought and forgotten.
    sweep_at: usize,
}

struct Held {
    live: Arc<AtomicBool>,
    handles: Vec<Box<dyn LiveConnection>>,
}

const SWEEP_AT: usize = 64;

impl Held {
    fn is_used(&self) -> bool {
        Arc::strong_count(&self.live) > 1 || self.handles.iter().any(|handle| handle.is_open())
    }
}

impl Connections {
    fn held(&mut self, peer: EndpointId) -> &mut Held {
        if self.peers.len() >= self.sweep_at.max(SWEEP_AT) {
            self.peers.retain(|_, held| held.is_used());
            self.sweep_at = self.peers.len() * 2;
        }
        self.peers.entry(peer).or_insert_with(|| Held { live: Arc::new(AtomicBool::new(true)), handles: Vec::new() })
    }

    /// Adds a connection of a peer.
    pub(super) fn add(&mut self, peer: EndpointId, handle: Box<dyn LiveConnection>) {
        let held = self.held(peer);
        held.handles.retain(|handle| handle.is_open());
        held.handles.push(handle);
    }

    /// Returns the flag that is lowered when the connections of a peer are closed.
    pub(super) fn liveness(&mut self, peer: EndpointId) -> Arc<AtomicBool> {
        self.held(peer).live.clone()
    }

    /// Tells whether a peer has an open connection.
    pub(super) fn has(&self, peer: &EndpointId) -> bool {
        self.peers.get(peer).is_some_and(Held::is_used)
    }

    /// Closes what a peer has; returns how many connections that were.
    pub(super) fn close(&mut self, peer: &EndpointId) -> usize {
        let Some(held) = self.peers.remove(peer) else { return 0 };
        held.live.store(false, Ordering::Release);
        let open = held.handles.iter().filter(|handle| handle.is_open());
        open.map(|handle| handle.close(wire::CLOSE_NOT_ADMITTED, wire::NOT_ADMITTED_TEXT)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Fake(Arc<AtomicBool>);

    impl LiveConnection for Fake {
        fn is_open(&self) -> bool {
            !self.0.load(Ordering::Relaxed)
        }

        fn close(&self, code: u32, reason: &str) {
            assert_eq!((code, reason), (403, "not admitted"));
            self.0.store(true, Ordering::Relaxed);
        }
    }

    #[test]
    fn closed_connections_are_forgotten_without_anybody_telling() {
        let mut connections = Connections::default();
        let id = |n: u32| {
            let mut id = [0; 32];
            id[..4].copy_from_slice(&n.to_be_bytes());
            EndpointId(id)
        };
        let kept = Fake::default();
        connections.add(id(0), Box::new(kept.clone()));
        let live = connections.liveness(id(1));
        for n in 2..10_000 {
            let fake = Fake::default();
            connections.add(id(n), Box::new(fake.clone()));
            fake.close(403, "not admitted");
            assert!(connections.peers.len() <= 2 * SWEEP_AT);
        }
        assert!(connections.has(&id(0)) && connections.has(&id(1)) && !connections.has(&id(2)));
        assert_eq!(connections.close(&id(0)), 1);
        assert!(!kept.is_open() && !connections.has(&id(0)));
        assert_eq!(connections.close(&id(1)), 0);
        assert!(!live.load(Ordering::Relaxed));
        assert!(connections.liveness(id(1)).load(Ordering::Relaxed), "later connections live");
    }
}
