//! Addresses of peers that a node was told by its application, by tickets and by dials.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex};

use iroh::address_lookup::memory::MemoryLookup;
use iroh::{EndpointAddr, EndpointId};

use crate::limits::MAX_KNOWN_PEERS;
use crate::sync::lock;

/// A bounded set of addresses that dials by id find.
#[derive(Clone, Debug, Default)]
pub(super) struct AddressBook {
    lookup: MemoryLookup,
    order: Arc<Mutex<Order>>,
}

#[derive(Debug, Default)]
struct Order {
    oldest_first: VecDeque<EndpointId>,
    known: HashSet<EndpointId>,
}

impl AddressBook {
    /// Returns what the endpoint asks.
    pub(super) fn lookup(&self) -> MemoryLookup {
        self.lookup.clone()
    }

    /// Adds where a peer may be reached. An address without anything but the id says nothing.
    pub(super) fn add(&self, addr: &EndpointAddr) {
        if addr.is_empty() {
            return;
        }
        let mut order = lock(&self.order);
        // What is told last is true: earlier addresses would only pile up.
        self.lookup.set_endpoint_info(addr.clone());
        if order.known.insert(addr.id) {
            order.oldest_first.push_back(addr.id);
        }
        if order.oldest_first.len() > MAX_KNOWN_PEERS
            && let Some(oldest) = order.oldest_first.pop_front()
        {
            order.known.remove(&oldest);
            self.lookup.remove_endpoint_info(oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use iroh::{SecretKey, TransportAddr};

    use super::*;

    #[test]
    fn forgets_the_oldest_peer() {
        let book = AddressBook::default();
        let id = |n: u64| {
            let mut seed = [0; 32];
            seed[..8].copy_from_slice(&n.to_be_bytes());
            SecretKey::from_bytes(&seed).public()
        };
        let at = TransportAddr::Ip(([127, 0, 0, 1], 1).into());
        for n in 0..=MAX_KNOWN_PEERS as u64 {
            book.add(&EndpointAddr::from_parts(id(n), [at.clone()]));
        }
        assert!(book.lookup().get_endpoint_info(id(0)).is_none());
        assert!(book.lookup().get_endpoint_info(id(1)).is_some());
        assert_eq!(book.order.lock().unwrap().oldest_first.len(), MAX_KNOWN_PEERS);
    }
}
