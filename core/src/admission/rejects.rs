//! Rejections for the log: those of one peer are summed for a while (`trust.md` section 17).

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Instant;

use tracing::info;

use crate::ids::EndpointId;
use crate::limits::REJECT_LOG_INTERVAL;
use crate::sync::lock;

/// Peers whose rejections are summed; beyond that each is logged.
const MAX_SUMMED: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Rejects(Mutex<HashMap<EndpointId, (Instant, u32)>>);

impl Rejects {
    /// Logs a rejection, or counts it for the next line.
    pub(super) fn log(&self, peer: EndpointId) {
        let now = Instant::now();
        if let Some(count) = self.count(peer, now) {
            info!(target: "aster::gate", event = "gate.reject", peer = peer.short(), count);
        }
    }

    fn count(&self, peer: EndpointId, now: Instant) -> Option<u32> {
        let mut peers = lock(&self.0);
        if let Some((since, count)) = peers.get_mut(&peer) {
            *count += 1;
            if now.duration_since(*since) < REJECT_LOG_INTERVAL {
                return None;
            }
            let summed = std::mem::take(count);
            *since = now;
            return Some(summed);
        }
        if peers.len() >= MAX_SUMMED {
            peers.retain(|_, (since, _)| now.duration_since(*since) < REJECT_LOG_INTERVAL);
        }
        if peers.len() < MAX_SUMMED {
            peers.insert(peer, (now, 0));
        }
        Some(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_rejections_are_summed() {
        let rejects = Rejects::default();
        let (peer, start) = (EndpointId([1; 32]), Instant::now());
        assert_eq!(rejects.count(peer, start), Some(1));
        for _ in 0..5 {
            assert_eq!(rejects.count(peer, start), None);
        }
        assert_eq!(rejects.count(EndpointId([2; 32]), start), Some(1));
        assert_eq!(rejects.count(peer, start + REJECT_LOG_INTERVAL), Some(6));
        for n in 0..3 * MAX_SUMMED {
            let mut id = [3; 32];
            id[..8].copy_from_slice(&n.to_be_bytes());
            assert_eq!(rejects.count(EndpointId(id), start), Some(1));
        }
        assert!(rejects.0.lock().unwrap().len() <= MAX_SUMMED);
    }
}
