//! A document that is followed: its small values in memory, and what of them is believed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{Mutex as AsyncMutex, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::circle::{Circle, Standing};
use super::hint::Hint;
use super::keys;
use super::lease::EndpointLease;
use super::leases::LeaseBook;
use super::resolve::{Explained, Query, Rotation};
use super::snapshot::{Entry, Snapshot};
use super::stores::{Board, Ledger, Record};
use crate::addr::NodeAddr;
use crate::clock::Clock;
use crate::error::{ErrorKind, Result};
use crate::ids::EndpointId;
use crate::limits;
use crate::sync::lock;

/// What is looked at; the value of `manifests/` only when it is wanted.
const FOLLOWED: [&str; 4] = ["contracts/", "manifests/", "services/", "_aster/"];
/// Pause between two looks at a document that changes all the time.
const PACE: Duration = Duration::from_millis(20);
/// Time in which a value arrives by itself; then it is fetched.
const PATIENCE: Duration = Duration::from_millis(300);
/// Time after which a value that could not be fetched is tried again.
const RETRY: Duration = Duration::from_secs(3);
/// Values that are fetched at once; as many again may begin while these are under way.
const MAX_FETCHES: usize = 8;
/// First time at which what we have is compared again; the times between double.
const FIRST_LOOK_AROUND: Duration = Duration::from_secs(1);
/// How often a document without neighbours is joined again, and looked at in any case.
const LOOK_AROUND: Duration = Duration::from_secs(15);

/// What was seen at the last look.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) snapshot: Snapshot,
    pub(super) circle: Circle,
    pub(super) leases: LeaseBook,
}

/// Follows a document as long as somebody [runs](Self::run) it.
pub struct Mirror {
    ledger: Arc<dyn Ledger>,
    board: Option<Arc<dyn Board>>,
    clock: Arc<dyn Clock>,
    standing: Standing,
    /// Where the document can be had, beside the endpoints of leases.
    home: Vec<NodeAddr>,
    seen: Mutex<Arc<Seen>>,
    /// Manifests that somebody waits for, by hash.
    wanted: Mutex<BTreeSet<String>>,
    /// Held while the document is looked at.
    looking: AsyncMutex<()>,
    looks: watch::Sender<u64>,
    rotation: Rotation,
}

impl std::fmt::Debug for Mirror {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mirror").field("standing", &self.standing).finish_non_exhaustive()
    }
}

impl Mirror {
    /// Makes a mirror; `board` brings hints, `home` says where the document comes from.
    pub fn new(
        ledger: Arc<dyn Ledger>,
        board: Option<Arc<dyn Board>>,
        clock: Arc<dyn Clock>,
        standing: Standing,
        home: Vec<NodeAddr>,
    ) -> Arc<Self> {
        Arc::new(Self {
            ledger,
            board,
            clock,
            standing,
            home,
            seen: Mutex::default(),
            wanted: Mutex::default(),
            looking: AsyncMutex::default(),
            looks: watch::Sender::new(0),
            rotation: Rotation::default(),
        })
    }

    /// Follows the document until `closing`.
    pub async fn run(self: Arc<Self>, closing: CancellationToken) {
        let follow = async {
            let mut last_hint = None;
            let mut pause = FIRST_LOOK_AROUND;
            let mut around = Instant::now() + pause;
            let mut missing = BTreeMap::new();
            let mut fetches = FuturesUnordered::new();
            loop {
                let next = Instant::now() + PACE;
                if let Err(error) = self.look().await {
                    if error.kind() == ErrorKind::Closed {
                        return;
                    }
                    warn!(target: "aster::registry", error = %error.message(), "cannot read the registry");
                }
                sleep_until(next).await;
                let due = self.note_missing(&mut missing);
                tokio::select! {
                    changed = self.ledger.changed() => if changed.is_err() { return },
                    () = self.hinted(&mut last_hint) => {}
                    // Beside the looks: peers that are gone cost seconds.
                    Some(hash) = fetches.next(), if !fetches.is_empty() => {
                        missing.entry(hash).and_modify(|value| value.due = Some(Instant::now() + RETRY));
                    }
                    () = sleep_until(due.unwrap_or(around)), if due.is_some() && fetches.len() < MAX_FETCHES => {
                        fetches.extend(due_values(&mut missing).map(|(hash, max)| self.fetch(hash, max)));
                    }
                    () = sleep_until(around) => {
                        // What was written while we joined may have passed by: soon asked for again.
                        let is_settled = pause >= LOOK_AROUND;
                        pause = (pause * 2).min(LOOK_AROUND);
                        around = Instant::now() + pause;
                        self.rejoin(is_settled).await;
                    }
                }
            }
        };
        tokio::select! {
            () = closing.cancelled() => {}
            () = follow => {}
        }
    }

    /// Waits for a hint that makes a look worth while: at most one a second.
    async fn hinted(&self, last: &mut Option<Instant>) {
        let Some(board) = &self.board else { return std::future::pending().await };
        loop {
            let Ok(message) = board.next().await else { return std::future::pending().await };
            let soon = last.is_some_and(|last| last.elapsed() < limits::HINT_PAUSE);
            if Hint::parse(&message).is_some() && !soon {
                *last = Some(Instant::now());
                return;
            }
        }
    }

    /// Notes since when values are missing; returns when it is time to fetch one.
    fn note_missing(&self, missing: &mut BTreeMap<String, Missing>) -> Option<Instant> {
        let seen = self.seen();
        let mut now_missing = BTreeMap::new();
        for prefix in FOLLOWED {
            for (key, entries) in seen.snapshot.beginning(prefix) {
                let max = size_limit(key);
                let lacks = entries.iter().filter(|entry| max > 0 && entry.is_stale && entry.len <= max);
                now_missing.extend(lacks.map(|entry| (entry.hash.clone(), max)));
            }
        }
        let manifests = lock(&self.wanted).clone();
        now_missing.extend(manifests.into_iter().map(|hash| (hash, limits::MAX_INLINE_MANIFEST as u64)));
        missing.retain(|hash, _| now_missing.contains_key(hash));
        for (hash, max) in now_missing.into_iter().take(limits::MAX_MISSING_VALUES) {
            missing.entry(hash).or_insert_with(|| Missing { due: Some(Instant::now() + PATIENCE), max });
        }
        missing.values().filter_map(|value| value.due).min()
    }

    async fn fetch(&self, hash: String, max: u64) -> String {
        if let Err(error) = self.ledger.fetch(&hash, max).await {
            debug!(target: "aster::registry", error = %error.message(), "a value of the registry is missing");
        }
        hash
    }

    /// Begins to wait for manifests.
    pub(super) fn waits(&self) -> Waits<'_> {
        Waits { mirror: self, hashes: BTreeSet::new() }
    }

    /// Joins the document again: in the beginning, and if nobody shares it with us any more.
    async fn rejoin(&self, is_settled: bool) {
        if is_settled && self.ledger.neighbours() > 0 {
            return;
        }
        let seen = self.seen();
        let now = self.clock.epoch_ms();
        let fresh = seen.leases.all().filter(|lease| lease.is_fresh(now, limits::LEASE_SKEW_MS));
        let mut peers: Vec<_> = fresh.map(EndpointLease::addr).take(limits::MAX_REJOIN_PEERS).collect();
        peers.extend(self.home.iter().cloned());
        peers.retain(|peer| !self.is_us(&peer.endpoint_id));
        if !peers.is_empty()
            && let Err(error) = self.ledger.join(peers).await
        {
            debug!(target: "aster::registry", error = %error.message(), "cannot join the registry again");
        }
    }

    fn is_us(&self, endpoint_id: &str) -> bool {
        matches!(self.standing, Standing::Member { endpoint, .. } if endpoint.to_string() == endpoint_id)
    }

    /// Looks at the document now.
    ///
    /// # Errors
    ///
    /// IO if it cannot be read, CLOSED once the node is closed.
    pub async fn look(&self) -> Result<()> {
        // Two looks at once could put the older result last.
        let _looking = self.looking.lock().await;
        let before = self.seen();
        let mut snapshot = Snapshot::default();
        let now = self.clock.epoch_ms();
        for prefix in FOLLOWED {
            for record in self.ledger.records(prefix).await? {
                let (value, is_stale) = self.value(&before.snapshot, &record).await?;
                let Record { key, author, timestamp, hash, len } = record;
                snapshot.add(key, Entry { author, timestamp, hash, len, value, is_stale }, now);
            }
        }
        let circle = Circle::new(&snapshot, self.ledger.namespace(), self.standing);
        let mut leases = before.leases.clone();
        leases.update(&snapshot, &circle);
        *lock(&self.seen) = Arc::new(Seen { snapshot, circle, leases });
        self.looks.send_modify(|looks| *looks += 1);
        Ok(())
    }

    /// Returns a value that is small enough and here, from the look before if it is the same. Until a new one is here
    /// the author's old one counts, and is marked as stale: a list that is rewritten must not be empty for a moment.
    async fn value(&self, before: &Snapshot, record: &Record) -> Result<(Option<Bytes>, bool)> {
        if record.len > size_limit(&record.key) {
            return Ok((None, false));
        }
        let ours = |entry: &&Entry| entry.author == record.author && entry.value.is_some();
        let known = before.under(&record.key).iter().find(ours);
        if let Some(same) = known.filter(|entry| entry.hash == record.hash && !entry.is_stale) {
            return Ok((same.value.clone(), false));
        }
        // Who withdraws a lease is often gone before its four bytes could be fetched.
        if record.hash == hex::encode(crate::keys::digest(b"null")) {
            return Ok((Some(Bytes::from_static(b"null")), false));
        }
        match self.ledger.read(&record.hash).await? {
            Some(value) => Ok((Some(value), false)),
            None => Ok((known.and_then(|entry| entry.value.clone()), true)),
        }
    }

    pub(super) fn seen(&self) -> Arc<Seen> {
        lock(&self.seen).clone()
    }

    pub(super) fn ledger(&self) -> &Arc<dyn Ledger> {
        &self.ledger
    }

    /// Returns a counter of looks, which changes whenever the document may have.
    pub fn looks(&self) -> watch::Receiver<u64> {
        self.looks.subscribe()
    }

    /// Returns the leases that can be used, the best first (section 7).
    ///
    /// # Errors
    ///
    /// NOT_FOUND if there is none.
    pub fn resolve_all(&self, query: &Query) -> Result<Vec<EndpointLease>> {
        let seen = self.seen();
        query.resolve_all(&seen.snapshot, &seen.circle, &seen.leases, &self.rotation, self.clock.epoch_ms())
    }

    /// Returns the endpoints that leases of any service name.
    pub fn endpoints(&self) -> BTreeSet<EndpointId> {
        self.seen().leases.all().filter_map(EndpointLease::endpoint).collect()
    }

    /// Returns every lease of the contract and why it was dropped, if it was.
    pub fn explain(&self, query: &Query) -> Vec<Explained> {
        let seen = self.seen();
        query.explain(&seen.snapshot, &seen.circle, &seen.leases, self.clock.epoch_ms())
    }

    /// Returns the artefacts that trusted authors published, by contract id.
    pub fn artifacts(&self) -> Vec<super::ArtifactRef> {
        let seen = self.seen();
        let read = |(key, _): (&str, _)| {
            let entry = seen.snapshot.newest(key, |author| seen.circle.trusts_artefacts(author))?;
            super::ArtifactRef::parse(entry.value.as_ref()?, key.strip_prefix("contracts/")?)
        };
        seen.snapshot.beginning("contracts/").filter_map(read).collect()
    }
}

/// A value that has not arrived.
struct Missing {
    /// When to fetch it; none while that is under way.
    due: Option<Instant>,
    max: u64,
}

/// Takes some of the values that are due.
fn due_values(missing: &mut BTreeMap<String, Missing>) -> impl Iterator<Item = (String, u64)> {
    let now = Instant::now();
    let due = missing.iter_mut().filter(move |(_, value)| value.due.is_some_and(|due| due <= now));
    due.take(MAX_FETCHES).map(|(hash, value)| {
        value.due = None;
        (hash.clone(), value.max)
    })
}

/// The manifests that somebody waits for, until it is dropped.
pub(super) struct Waits<'a> {
    mirror: &'a Mirror,
    hashes: BTreeSet<String>,
}

impl Waits<'_> {
    /// Waits for one more.
    pub(super) fn want(&mut self, hash: &str) {
        self.hashes.insert(hash.to_owned());
        lock(&self.mirror.wanted).insert(hash.to_owned());
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        lock(&self.mirror.wanted).retain(|hash| !self.hashes.contains(hash));
    }
}

fn size_limit(key: &str) -> u64 {
    match key {
        _ if key.starts_with("manifests/") => 0,
        _ if key.starts_with(keys::ACL_WRITERS) || key.starts_with(keys::ACL_ADMINS) => limits::MAX_ACL_BYTES,
        _ => limits::MAX_REGISTRY_RECORD as u64,
    }
}
