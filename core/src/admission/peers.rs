//! The allowlist: who was admitted, until when, with which attributes (`trust.md` sections 7 to 9).
//!
//! Pure: the time comes in. The gate holds one of these; programs see it as the peer store.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::ids::EndpointId;
use crate::limits::MAX_ALLOWED_PEERS;

/// Attributes of a peer, shared by its calls.
pub type Attributes = Arc<Vec<(String, String)>>;

/// Name of a peer: an endpoint id, or any text in stores that programs keep by themselves.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PeerName {
    /// A peer of the network.
    Endpoint(EndpointId),
    /// Anything else; no connection ever has this name.
    Other(Box<str>),
}

impl PeerName {
    /// Reads a name; only 64 lower-case hex digits are an endpoint id.
    pub fn parse(text: &str) -> Self {
        match EndpointId::parse(text) {
            Ok(id) if id.to_string() == text => Self::Endpoint(id),
            _ => Self::Other(text.into()),
        }
    }
}

impl From<EndpointId> for PeerName {
    fn from(id: EndpointId) -> Self {
        Self::Endpoint(id)
    }
}

impl std::fmt::Display for PeerName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Endpoint(id) => id.fmt(f),
            Self::Other(text) => f.write_str(text),
        }
    }
}

/// How a peer was admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdmissionPath {
    /// By a consumer's credential.
    Consumer,
    /// By a producer's credential.
    Producer,
    /// By an introduction on the mesh.
    Mesh,
    /// By a delegated grant.
    Delegated,
    /// By the program.
    Manual,
}

impl AdmissionPath {
    const NAMES: [(Self, &'static str); 5] = [
        (Self::Consumer, "consumer"),
        (Self::Producer, "producer"),
        (Self::Mesh, "mesh"),
        (Self::Delegated, "delegated"),
        (Self::Manual, "manual"),
    ];

    /// Returns its name.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(path, _)| *path == self).map_or("", |(_, name)| name)
    }

    /// Reads a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| *known == name).map(|(path, _)| *path)
    }
}

/// An admission, as it is granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    /// Text for display.
    pub handle: String,
    /// What was granted.
    pub attributes: Vec<(String, String)>,
    /// Milliseconds since 1970.
    pub admitted_at_ms: i64,
    /// Milliseconds since 1970; from then on it holds no longer. `i64::MAX`: for ever.
    pub deadline_ms: i64,
    /// How.
    pub path: AdmissionPath,
    /// The credential's revocation id, if there was one.
    pub credential: Option<[u8; 32]>,
    /// The only service that it is for; `None`: everything.
    pub service: Option<String>,
}

impl Admission {
    /// Makes an admission for everything that ends when a credential expires, in seconds since 1970, or when it has held
    /// for a time; an expiry of 0 means the time only.
    pub fn until(
        path: AdmissionPath,
        attributes: impl IntoIterator<Item = (String, String)>,
        expires_at: u64,
        (admitted_at_ms, ttl_ms): (i64, i64),
    ) -> Self {
        let expiry_ms = match expires_at {
            0 => i64::MAX,
            seconds => i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000),
        };
        Self {
            handle: String::new(),
            attributes: attributes.into_iter().collect(),
            admitted_at_ms,
            deadline_ms: expiry_ms.min(admitted_at_ms.saturating_add(ttl_ms)),
            path,
            credential: None,
            service: None,
        }
    }
}

#[derive(Debug)]
struct Grant {
    admission: Admission,
    attributes: Attributes,
}

/// A peer on the allowlist.
#[derive(Debug)]
struct Entry {
    /// What holds for everything.
    general: Option<Grant>,
    /// What holds for one service each.
    services: HashMap<String, Grant>,
    /// Counter of the list when the peer was last looked up.
    used: AtomicU64,
}

/// What a peer may do now.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// What was granted.
    pub attributes: Attributes,
    /// Whether admission, or the program, vouched for the peer; false: an open gate let it in.
    pub is_admitted: bool,
}

/// A bounded list of admitted peers.
#[derive(Debug)]
pub struct PeerList {
    entries: HashMap<PeerName, Entry>,
    capacity: usize,
    uses: AtomicU64,
    /// Lower bound of all deadlines.
    next_deadline_ms: i64,
}

impl Default for PeerList {
    fn default() -> Self {
        Self::with_capacity(MAX_ALLOWED_PEERS)
    }
}

impl Grant {
    fn holds(&self, now_ms: i64) -> bool {
        self.admission.deadline_ms > now_ms
    }
}

impl Entry {
    fn holds(&self, now_ms: i64) -> bool {
        self.grants().any(|grant| grant.holds(now_ms))
    }

    fn grants(&self) -> impl Iterator<Item = &Grant> {
        self.general.iter().chain(self.services.values())
    }
}

impl PeerList {
    /// Makes an empty list.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { entries: HashMap::new(), capacity, uses: AtomicU64::new(0), next_deadline_ms: i64::MAX }
    }

    /// Returns how many peers are on it, expired ones included until somebody looks.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Tells whether nobody is on it.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn entry(&self, peer: &PeerName, now_ms: i64) -> Option<&Entry> {
        let entry = self.entries.get(peer).filter(|entry| entry.holds(now_ms))?;
        entry.used.store(self.uses.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
        Some(entry)
    }

    /// Tells whether a peer has an entry that holds.
    pub fn admits(&self, peer: &PeerName, now_ms: i64) -> bool {
        self.entry(peer, now_ms).is_some()
    }

    /// Returns what a peer may do with a service; a grant for that service comes before one for everything.
    pub fn standing(&self, peer: &PeerName, service: &str, now_ms: i64) -> Option<Standing> {
        let entry = self.entry(peer, now_ms)?;
        let special = entry.services.get(service).filter(|grant| grant.holds(now_ms));
        let general = || entry.general.as_ref().filter(|grant| grant.holds(now_ms));
        special.or_else(general).map(|grant| Standing { attributes: grant.attributes.clone(), is_admitted: true })
    }

    /// Returns what a peer that has nothing but its entry is told: the attributes for everything, else those of its
    /// only service, else none.
    pub fn resumed(&self, peer: &PeerName, now_ms: i64) -> Option<Attributes> {
        let entry = self.entry(peer, now_ms)?;
        if let Some(general) = entry.general.as_ref().filter(|grant| grant.holds(now_ms)) {
            return Some(general.attributes.clone());
        }
        let mut services = entry.services.values().filter(|grant| grant.holds(now_ms));
        match (services.next(), services.next()) {
            (Some(only), None) => Some(only.attributes.clone()),
            _ => Some(Arc::default()),
        }
    }

    /// Returns the admission of a peer for everything, else one of those for a service.
    pub fn get(&self, peer: &PeerName, now_ms: i64) -> Option<&Admission> {
        let entry = self.entries.get(peer)?;
        entry.grants().find(|grant| grant.holds(now_ms)).map(|grant| &grant.admission)
    }

    /// Returns every admission that holds.
    pub fn all(&self, now_ms: i64) -> impl Iterator<Item = (&PeerName, &Admission)> {
        let held = move |grant: &&Grant| grant.holds(now_ms);
        self.entries
            .iter()
            .flat_map(move |(peer, entry)| entry.grants().filter(held).map(move |grant| (peer, &grant.admission)))
    }

    /// Tells whether a peer could be put on the list, beside `reserved` others.
    pub fn has_room(&self, peer: &PeerName, reserved: usize, now_ms: i64, is_open: &dyn Fn(&PeerName) -> bool) -> bool {
        let wanted = self.entries.len() + reserved;
        if self.entries.contains_key(peer) || wanted < self.capacity {
            return true;
        }
        let missing = wanted + 1 - self.capacity;
        let removable = self.entries.iter().filter(|(name, entry)| !entry.holds(now_ms) || !is_open(name));
        removable.take(missing).count() == missing
    }

    /// Puts a peer on the list, replacing what it had for the same purpose. When the list is full, expired entries go,
    /// then the one without open connection that was used least recently.
    ///
    /// False: there is no room.
    pub fn admit(
        &mut self,
        peer: PeerName,
        admission: Admission,
        now_ms: i64,
        is_open: &dyn Fn(&PeerName) -> bool,
    ) -> bool {
        if !self.entries.contains_key(&peer) && self.entries.len() >= self.capacity && !self.make_room(now_ms, is_open)
        {
            return false;
        }
        self.next_deadline_ms = self.next_deadline_ms.min(admission.deadline_ms);
        let used = self.uses.fetch_add(1, Ordering::Relaxed) + 1;
        let entry = self.entries.entry(peer).or_insert_with(|| Entry {
            general: None,
            services: HashMap::new(),
            used: AtomicU64::new(used),
        });
        entry.used.store(used, Ordering::Relaxed);
        let service = admission.service.clone();
        let grant = Grant { attributes: Arc::new(admission.attributes.clone()), admission };
        match service {
            Some(service) => drop(entry.services.insert(service, grant)),
            None => entry.general = Some(grant),
        }
        true
    }

    fn make_room(&mut self, now_ms: i64, is_open: &dyn Fn(&PeerName) -> bool) -> bool {
        if !self.sweep(now_ms).is_empty() {
            return true;
        }
        let idle = self.entries.iter().filter(|(name, _)| !is_open(name));
        let oldest = idle.min_by_key(|(_, entry)| entry.used.load(Ordering::Relaxed)).map(|(name, _)| name.clone());
        match oldest {
            Some(oldest) => self.remove(&oldest),
            None => false,
        }
    }

    /// Takes a peer from the list. False: it was not on it.
    pub fn remove(&mut self, peer: &PeerName) -> bool {
        self.entries.remove(peer).is_some()
    }

    /// Returns the admission of a peer for one service only.
    pub fn grant_of(&self, peer: &PeerName, service: &str) -> Option<&Admission> {
        self.entries.get(peer)?.services.get(service).map(|grant| &grant.admission)
    }

    /// Takes away a grant for a service that did not reach its peer; what it replaced holds again.
    pub fn withdraw(&mut self, peer: &PeerName, service: &str, previous: Option<Admission>) {
        let Some(entry) = self.entries.get_mut(peer) else { return };
        match previous {
            Some(admission) => {
                let attributes = Arc::new(admission.attributes.clone());
                entry.services.insert(service.to_owned(), Grant { attributes, admission });
            }
            None => drop(entry.services.remove(service)),
        }
        if entry.grants().next().is_none() {
            self.remove(peer);
        }
    }

    /// Takes every peer from the list whose entry was made by a credential; returns them.
    pub fn remove_credential(&mut self, credential: &[u8; 32]) -> Vec<PeerName> {
        let by = |grant: &Grant| grant.admission.credential.as_ref() == Some(credential);
        let found: Vec<_> =
            self.entries.iter().filter(|(_, entry)| entry.grants().any(by)).map(|(name, _)| name.clone()).collect();
        for name in &found {
            self.remove(name);
        }
        found
    }

    /// Takes away what has expired; returns the peers that have nothing left.
    pub fn sweep(&mut self, now_ms: i64) -> Vec<PeerName> {
        if now_ms < self.next_deadline_ms {
            return Vec::new();
        }
        let expired: Vec<_> =
            self.entries.iter().filter(|(_, entry)| !entry.holds(now_ms)).map(|(name, _)| name.clone()).collect();
        for name in &expired {
            self.remove(name);
        }
        for entry in self.entries.values_mut() {
            entry.services.retain(|_, grant| grant.holds(now_ms));
            entry.general.take_if(|grant| !grant.holds(now_ms));
        }
        let deadlines = self.entries.values().flat_map(Entry::grants).map(|grant| grant.admission.deadline_ms);
        self.next_deadline_ms = deadlines.min().unwrap_or(i64::MAX);
        expired
    }

    /// Returns a time before which nothing expires.
    pub fn next_deadline_ms(&self) -> i64 {
        self.next_deadline_ms
    }
}

#[cfg(test)]
#[path = "peers_tests.rs"]
mod tests;
