//! The gate: a synchronous look-up that connections and calls pass (`trust.md` sections 7 and 8).
//!
//! Whatever goes wrong here refuses: a poisoned lock admits nobody, and no host code runs.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tracing::{info, warn};

use super::connections::Connections;
use super::{Admission, Attributes, LiveConnection, PeerList, PeerName, Rejects, Revocations, Revoked, Standing};
use crate::clock::{Clock, SystemClock};
use crate::error::Result;
use crate::ids::EndpointId;
use crate::limits;
use crate::trust::{Cause, Credential};
use crate::wire;

/// Decides which peers may connect and call.
pub struct Gate {
    open: bool,
    clock: Arc<dyn Clock>,
    state: Arc<RwLock<State>>,
    /// Whether anything is in the state that an open gate has to look at.
    is_used: Arc<AtomicBool>,
    /// The attributes of a peer without any, shared by all of them.
    none: Attributes,
    changed: Arc<Notify>,
    rejects: Rejects,
}

#[derive(Default)]
struct State {
    peers: PeerList,
    revoked: Revocations,
    connections: Connections,
    /// Places on the list that admissions under way will need.
    reserved: usize,
    anonymous: VecDeque<(EndpointId, i64)>,
}

/// A place on the allowlist for an admission under way; given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    gate: Arc<Gate>,
    peer: EndpointId,
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").field("open", &self.open).finish_non_exhaustive()
    }
}

impl Gate {
    /// Makes a gate; a closed one admits nobody before a credential was verified.
    pub fn new(open: bool) -> Arc<Self> {
        Self::with_clock(open, Arc::new(SystemClock))
    }

    /// Makes a gate that takes the time from a clock.
    pub fn with_clock(open: bool, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            open,
            clock,
            state: Arc::default(),
            is_used: Arc::default(),
            none: Arc::default(),
            changed: Arc::default(),
            rejects: Rejects::default(),
        })
    }

    /// Makes a gate with the same list of peers; one of both may be open.
    pub fn with_same_peers(&self, open: bool) -> Arc<Self> {
        Arc::new(Self {
            open,
            clock: self.clock.clone(),
            state: self.state.clone(),
            is_used: self.is_used.clone(),
            none: self.none.clone(),
            changed: self.changed.clone(),
            rejects: Rejects::default(),
        })
    }

    /// Tells whether every peer is admitted.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Returns the wall clock in milliseconds.
    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.epoch_ms()
    }

    /// Returns the wall clock in seconds.
    pub(crate) fn now_s(&self) -> u64 {
        u64::try_from(self.now_ms() / 1000).unwrap_or(0)
    }

    /// A poisoned lock is a defect that refuses everybody.
    fn read(&self) -> Option<RwLockReadGuard<'_, State>> {
        self.state.read().ok()
    }

    fn write(&self) -> Option<RwLockWriteGuard<'_, State>> {
        let guard = self.state.write().ok()?;
        self.is_used.store(true, Ordering::Release);
        Some(guard)
    }

    fn is_plain(&self) -> bool {
        self.open && !self.is_used.load(Ordering::Acquire)
    }

    fn passes(&self, state: &State, peer: &EndpointId) -> bool {
        let revoked = !state.revoked.is_empty() && state.revoked.has_endpoint(peer, self.now_s());
        !revoked && (self.open || state.peers.admits(&(*peer).into(), self.now_ms()))
    }

    /// Tells whether a peer may connect and call now.
    pub fn admits(&self, peer: &EndpointId) -> bool {
        self.is_plain() || self.read().is_some_and(|state| self.passes(&state, peer))
    }

    /// Tells whether a peer may connect for a protocol now: those of admission are open to everybody.
    pub fn should_allow(&self, peer: &PeerName, alpn: &[u8]) -> bool {
        wire::ADMISSION_ALPNS.contains(&alpn)
            || match peer {
                PeerName::Endpoint(id) => self.admits(id),
                PeerName::Other(_) => self.read().is_some_and(|state| state.peers.admits(peer, self.now_ms())),
            }
    }

    /// Takes over what another gate, that no server has, has admitted.
    pub fn take_over(&self, other: &Self) {
        for (peer, admission) in other.admissions() {
            if let Err(cause) = self.admit(peer, admission) {
                warn!(target: "aster::gate", cause = cause.name(), "an admission was not taken over");
            }
        }
    }

    /// Lets a connection of a peer in, or not; what is let in is closed when the peer's admission ends.
    pub fn enter(&self, peer: EndpointId, connection: Box<dyn LiveConnection>) -> bool {
        // One lock for both: a removal comes before, and refuses, or after, and closes.
        match self.state.write() {
            Ok(mut state) if self.passes(&state, &peer) => {
                state.connections.add(peer, connection);
                true
            }
            _ => {
                self.rejects.log(peer);
                false
            }
        }
    }

    /// Returns the flag that is lowered when a peer's connections are closed.
    pub(crate) fn liveness(&self, peer: EndpointId) -> Arc<AtomicBool> {
        match self.state.write() {
            Ok(mut state) => state.connections.liveness(peer),
            Err(_) => Arc::default(),
        }
    }

    /// Returns what a peer may do with a service; `None`: nothing.
    pub fn standing(&self, peer: &EndpointId, service: &str) -> Option<Standing> {
        let anonymous = || Standing { attributes: self.none.clone(), is_admitted: false };
        if self.is_plain() {
            return Some(anonymous());
        }
        let state = self.read()?;
        if !self.passes(&state, peer) {
            return None;
        }
        let standing = state.peers.standing(&(*peer).into(), service, self.now_ms());
        standing.or_else(|| self.open.then(anonymous))
    }

    /// Returns what a peer is told that resumes its entry; `None`: it has none.
    pub fn attributes(&self, peer: &EndpointId) -> Option<Attributes> {
        self.read()?.peers.resumed(&(*peer).into(), self.now_ms())
    }

    /// Tells whether a credential, or the endpoint it is bound to, is revoked for a peer.
    pub(super) fn is_revoked(&self, peer: &EndpointId, credential: Option<&Credential>) -> bool {
        let now = self.now_s();
        // Nobody knows what the list says: refuse.
        let Some(state) = self.read() else { return true };
        let by_id = |credential: &Credential| state.revoked.has_credential(&credential.revocation_id(), now);
        !state.revoked.is_empty() && (state.revoked.has_endpoint(peer, now) || credential.is_some_and(by_id))
    }

    /// Keeps a place on the list for an admission that is under way.
    pub(super) fn reserve(self: &Arc<Self>, peer: EndpointId) -> std::result::Result<Place, Cause> {
        let mut state = self.write().ok_or(Cause::Failed)?;
        let State { peers, connections, reserved, .. } = &mut *state;
        if !peers.has_room(&peer.into(), *reserved, self.now_ms(), &|name| is_connected(connections, name)) {
            return Err(Cause::Capacity);
        }
        *reserved += 1;
        Ok(Place { gate: self.clone(), peer })
    }

    /// Puts a peer on the list.
    ///
    /// # Errors
    ///
    /// REVOKED, CAPACITY or FAILED.
    pub fn admit(&self, peer: PeerName, admission: Admission) -> std::result::Result<(), Cause> {
        let (now, now_ms) = (self.now_s(), self.now_ms());
        let mut state = self.write().ok_or(Cause::Failed)?;
        let State { peers, connections, revoked, .. } = &mut *state;
        // Revoked since it was verified.
        let by_credential = admission.credential.is_some_and(|id| revoked.has_credential(&id, now));
        if by_credential || matches!(&peer, PeerName::Endpoint(id) if revoked.has_endpoint(id, now)) {
            return Err(Cause::Revoked);
        }
        if !peers.admit(peer, admission, now_ms, &|name| is_connected(connections, name)) {
            return Err(Cause::Capacity);
        }
        self.changed.notify_one();
        Ok(())
    }

    /// Remembers, for display, that an open gate let a peer in.
    pub(super) fn note_anonymous(&self, peer: EndpointId) {
        let now = self.now_ms();
        let Ok(mut state) = self.state.write() else { return };
        state.anonymous.push_back((peer, now));
        if state.anonymous.len() > limits::MAX_ANONYMOUS_PEERS {
            state.anonymous.pop_front();
        }
    }

    /// Returns the peers that an open gate let in last, with the time in milliseconds since 1970.
    pub fn anonymous(&self) -> Vec<(EndpointId, i64)> {
        self.read().map(|state| state.anonymous.iter().copied().collect()).unwrap_or_default()
    }

    /// Returns the admission of a peer.
    pub fn admission(&self, peer: &PeerName) -> Option<Admission> {
        self.read()?.peers.get(peer, self.now_ms()).cloned()
    }

    /// Returns every admission that holds.
    pub fn admissions(&self) -> Vec<(PeerName, Admission)> {
        let now = self.now_ms();
        let all = |state: RwLockReadGuard<'_, State>| {
            state.peers.all(now).map(|(name, admission)| (name.clone(), admission.clone())).collect()
        };
        self.read().map(all).unwrap_or_default()
    }

    /// Ends the admission of a peer and its connections; it may be admitted again. False: it had none.
    pub fn remove(&self, peer: &PeerName) -> bool {
        let Some(mut state) = self.write() else { return false };
        let was_there = state.peers.remove(peer);
        let closed = close(&mut state, peer);
        if was_there || closed > 0 {
            info!(target: "aster::gate", event = "peer.remove", peer = shown(peer), closed);
        }
        was_there
    }

    /// Returns the admission of a peer for one service only.
    pub(super) fn grant_of(&self, peer: &EndpointId, service: &str) -> Option<Admission> {
        self.read()?.peers.grant_of(&(*peer).into(), service).cloned()
    }

    /// Takes away a grant for a service that did not reach its peer; what it replaced holds again.
    pub(super) fn withdraw(&self, peer: EndpointId, service: &str, previous: Option<Admission>) {
        if let Some(mut state) = self.write() {
            state.peers.withdraw(&peer.into(), service, previous);
            if !self.passes(&state, &peer) {
                close(&mut state, &peer.into());
            }
        }
    }

    /// Returns the revocation list.
    pub fn revocations(&self) -> Revocations {
        self.read().map(|state| state.revoked.clone()).unwrap_or_default()
    }

    /// Takes over a revocation list, such as that of a file.
    pub fn set_revocations(&self, list: Revocations) {
        if let Some(mut state) = self.write() {
            state.revoked = list;
        }
    }

    /// Refuses an endpoint or a credential until a second since 1970, or for ever, and ends what it has.
    ///
    /// # Errors
    ///
    /// LIMIT if the list is full; INVALID_ARGUMENT for a time that has passed.
    pub fn revoke(&self, what: Revoked, until: Option<u64>) -> Result<()> {
        let now = self.now_s();
        let mut state = self.write().ok_or_else(|| crate::error::Error::from(Cause::Failed))?;
        state.revoked.add(what, until, now)?;
        let gone = match what {
            Revoked::Endpoint(id) => {
                state.peers.remove(&id.into());
                vec![PeerName::Endpoint(id)]
            }
            Revoked::Credential(id) => state.peers.remove_credential(&id),
        };
        let closed: usize = gone.iter().map(|peer| close(&mut state, peer)).sum();
        info!(target: "aster::gate", event = "peer.revoke", peers = gone.len(), closed);
        Ok(())
    }

    /// Ends what has expired; returns how many peers that were. On an open gate their connections stay.
    pub fn sweep(&self) -> usize {
        let now = self.now_ms();
        let Ok(mut state) = self.state.write() else { return 0 };
        let expired = state.peers.sweep(now);
        if !self.open {
            for peer in &expired {
                let closed = close(&mut state, peer);
                info!(target: "aster::gate", event = "gate.close", peer = shown(peer), closed);
            }
        }
        expired.len()
    }

    /// Ends admissions when their time has come, until it is dropped. The wall clock may jump: it is read again and
    /// again.
    pub async fn reap(&self) {
        loop {
            self.sweep();
            let next = self.read().map_or(i64::MAX, |state| state.peers.next_deadline_ms());
            let left = u64::try_from(next.saturating_sub(self.now_ms())).unwrap_or(0).max(1);
            let wait = Duration::from_millis(left).min(limits::CLOCK_INTERVAL);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.changed.notified() => {}
            }
        }
    }
}

fn is_connected(connections: &Connections, peer: &PeerName) -> bool {
    matches!(peer, PeerName::Endpoint(id) if connections.has(id))
}

fn close(state: &mut State, peer: &PeerName) -> usize {
    match peer {
        PeerName::Endpoint(id) => state.connections.close(id),
        PeerName::Other(_) => 0,
    }
}

fn shown(peer: &PeerName) -> String {
    match peer {
        PeerName::Endpoint(id) => id.short(),
        PeerName::Other(_) => "-".to_owned(),
    }
}

impl Place {
    /// Puts the peer on the list.
    ///
    /// # Errors
    ///
    /// As for [`Gate::admit`].
    pub(super) fn take(self, admission: Admission) -> std::result::Result<(), Cause> {
        self.gate.admit(self.peer.into(), admission)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Ok(mut state) = self.gate.state.write() {
            state.reserved = state.reserved.saturating_sub(1);
        }
    }
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
