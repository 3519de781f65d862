//! A document that is followed: its small values in memory, and what of them is believed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
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
use crate::error::Result;
use crate::limits;

/// What is looked at; the value of `manifests/` only when it is wanted.
const FOLLOWED: [&str; 4] = ["contracts/", "manifests/", "services/", "_aster/"];
/// Pause between two looks at a document that changes all the time.
const PACE: Duration = Duration::from_millis(20);
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
            looking: AsyncMutex::default(),
            looks: watch::Sender::new(0),
            rotation: Rotation::default(),
        })
    }

    /// Follows the document until `closing`.
    pub async fn run(self: Arc<Self>, closing: CancellationToken) {
        let follow = async {
            let mut last_hint = None;
            let mut around = Instant::now() + LOOK_AROUND;
            loop {
                let next = Instant::now() + PACE;
                if let Err(error) = self.look().await {
                    warn!(target: "aster::registry", error = %error.message(), "cannot read the registry");
                }
                sleep_until(next).await;
                tokio::select! {
                    changed = self.ledger.changed() => if changed.is_err() { return },
                    () = self.hinted(&mut last_hint) => {}
                    () = sleep_until(around) => {
                        around = Instant::now() + LOOK_AROUND;
                        self.rejoin().await;
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

    /// Joins the document again if nobody shares it with us any more.
    async fn rejoin(&self) {
        if self.ledger.neighbours() > 0 {
            return;
        }
        let seen = self.seen();
        let of_lease = |lease: &EndpointLease| NodeAddr {
            endpoint_id: lease.endpoint_id.clone(),
            relay_url: lease.relay_url.clone(),
            direct_addresses: lease.direct_addrs.iter().take(limits::MAX_DIAL_ADDRESSES).cloned().collect(),
        };
        let now = self.clock.epoch_ms();
        let fresh = seen.leases.all().filter(|lease| lease.is_fresh(now, limits::LEASE_SKEW_MS));
        let mut peers: Vec<_> = fresh.map(of_lease).take(limits::MAX_REJOIN_PEERS).collect();
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
                let value = self.value(&before.snapshot, &record).await?;
                let Record { key, author, timestamp, hash, .. } = record;
                snapshot.add(key, Entry { author, timestamp, hash, value }, now);
            }
        }
        let circle = Circle::new(&snapshot, self.ledger.namespace(), self.standing);
        let mut leases = before.leases.clone();
        leases.update(&snapshot, &circle);
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(Seen { snapshot, circle, leases });
        self.looks.send_modify(|looks| *looks += 1);
        Ok(())
    }

    /// Returns a value that is small enough and here, from the look before if it is the same.
    async fn value(&self, before: &Snapshot, record: &Record) -> Result<Option<Bytes>> {
        if record.len > size_limit(&record.key) {
            return Ok(None);
        }
        let same = before.under(&record.key).iter().find(|entry| entry.hash == record.hash);
        if let Some(value) = same.and_then(|entry| entry.value.clone()) {
            return Ok(Some(value));
        }
        // Who withdraws a lease is often gone before its four bytes could be fetched.
        if record.hash == hex::encode(crate::keys::digest(b"null")) {
            return Ok(Some(Bytes::from_static(b"null")));
        }
        self.ledger.read(&record.hash).await
    }

    pub(super) fn seen(&self) -> Arc<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
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

fn size_limit(key: &str) -> u64 {
    match key {
        _ if key.starts_with("manifests/") => 0,
        _ if key.starts_with(keys::ACL_WRITERS) || key.starts_with(keys::ACL_ADMINS) => limits::MAX_ACL_BYTES,
        _ => limits::MAX_REGISTRY_RECORD as u64,
    }
}
