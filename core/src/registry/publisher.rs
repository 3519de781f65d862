//! What a producer writes: its contracts, pointers and leases, and how it takes them back (`registry.md` sections 2
//! and 5).

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::{Mutex as AsyncMutex, Notify};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::bundle::Bundle;
use super::circle::list_by;
use super::hint::{Hint, HintKind};
use super::keys;
use super::lease::{EndpointLease, Health};
use super::mirror::Mirror;
use super::records::{ArtifactRef, Owner};
use super::snapshot::{Author, Snapshot};
use super::stores::{Archive, Board, Herald, Ledger};
use crate::addr::NodeAddr;
use crate::clock::Clock;
use crate::contract::Contract;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::EndpointId;
use crate::mesh::Notice;
use crate::sync::lock;
use crate::{VERSION, limits, wire};

/// Looks of a producer at itself, for news that its leases must tell, between two writes of a lease.
const LOOKS_PER_REFRESH: u32 = 15;
/// Time for the last words to leave, if somebody listens.
const LAST_WORDS: Duration = Duration::from_millis(250);
/// From this load on an endpoint is degraded.
const BUSY: f64 = 0.9;

/// A service that is published.
#[derive(Clone, Debug)]
pub struct Offer {
    /// Its contract.
    pub contract: Arc<Contract>,
    /// Tokens of the modes that it accepts.
    pub modes: Vec<String>,
}

/// What a producer tells about itself in every lease.
pub trait Vitals: Send + Sync {
    /// Returns where it can be dialled now.
    fn addr(&self) -> NodeAddr;

    /// Returns its running calls by its capacity.
    fn load(&self) -> f64;
}

/// Who publishes, and how.
#[derive(Clone, Debug)]
pub struct PublisherOptions {
    /// The producer's endpoint.
    pub endpoint: EndpointId,
    /// Seed of the producer's node key, which signs who its author is.
    pub node_seed: [u8; 32],
    /// The producer's author, and the registry's creator.
    pub owner: Owner,
    /// Channel that points to the contracts.
    pub channel: String,
    /// Language of the producer.
    pub language: &'static str,
    /// Start of the producer in milliseconds, greater than at every start before.
    pub lease_epoch: i64,
    /// Time between two writes of a lease, give or take a tenth.
    pub refresh: Duration,
    /// The producer's own manifests, which may know more than declarations: docs, versions.
    pub manifests: Vec<Value>,
}

/// Where the news of a producer go, beside its document.
#[derive(Clone, Default)]
pub struct Outlets {
    /// Who reads the document.
    pub board: Option<Arc<dyn Board>>,
    /// The other producers.
    pub mesh: Option<Arc<dyn Herald>>,
}

/// Publishes the services of a producer, as long as somebody [runs](Self::run) it.
pub struct Publisher {
    mirror: Arc<Mirror>,
    ledger: Arc<dyn Ledger>,
    archive: Arc<dyn Archive>,
    outlets: Outlets,
    clock: Arc<dyn Clock>,
    vitals: Arc<dyn Vitals>,
    options: PublisherOptions,
    offers: Vec<Offer>,
    health: Mutex<Health>,
    news: Notify,
    sequence: AtomicU64,
    is_failing: AtomicBool,
    /// Held while leases are written; true once they were withdrawn.
    withdrawn: AsyncMutex<bool>,
}

impl std::fmt::Debug for Publisher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Publisher").field("options", &self.options.owner).finish_non_exhaustive()
    }
}

/// What a lease tells beside its time.
#[derive(Clone, Debug, PartialEq)]
struct State {
    addr: NodeAddr,
    health: Health,
    /// Load in tenths.
    load: u64,
}

/// A step of the publication that failed.
struct Failed(&'static str, Error);

impl Publisher {
    /// Makes the publisher of a producer's services.
    pub fn new(
        mirror: Arc<Mirror>,
        archive: Arc<dyn Archive>,
        outlets: Outlets,
        clock: Arc<dyn Clock>,
        vitals: Arc<dyn Vitals>,
        options: PublisherOptions,
        offers: Vec<Offer>,
    ) -> Arc<Self> {
        Arc::new(Self {
            ledger: mirror.ledger().clone(),
            mirror,
            archive,
            outlets,
            clock,
            vitals,
            options,
            offers,
            health: Mutex::new(Health::Ready),
            news: Notify::new(),
            sequence: AtomicU64::new(0),
            is_failing: AtomicBool::new(false),
            withdrawn: AsyncMutex::new(false),
        })
    }

    /// Publishes, and keeps the leases alive until `closing`.
    pub async fn run(self: Arc<Self>, closing: CancellationToken) {
        let work = async {
            self.publish_all().await;
            self.keep_leases().await;
        };
        tokio::select! {
            () = closing.cancelled() => {}
            () = work => {}
        }
    }

    /// Tells whether something could not be published yet.
    pub fn is_failing(&self) -> bool {
        self.is_failing.load(Ordering::Relaxed)
    }

    /// Returns the producer's author and the registry's creator.
    pub fn owner(&self) -> Owner {
        self.options.owner
    }

    /// Says how the endpoint feels: `ready` or `degraded`.
    ///
    /// # Errors
    ///
    /// INVALID_ARGUMENT for anything else: the rest goes by itself.
    pub fn set_health(&self, name: &str) -> Result<()> {
        let health = Health::parse(name).filter(|health| matches!(health, Health::Ready | Health::Degraded));
        let unknown = || Error::new(ErrorKind::InvalidArgument, format!("health is ready or degraded, not '{name}'"));
        self.change_health(health.ok_or_else(unknown)?);
        Ok(())
    }

    /// Makes the leases say that no new calls are taken.
    pub fn drain(&self) {
        self.change_health(Health::Draining);
    }

    fn change_health(&self, health: Health) {
        let mut now = lock(&self.health);
        if *now != Health::Draining {
            *now = health;
        }
        drop(now);
        self.news.notify_one();
    }

    /// Lets another author write.
    ///
    /// # Errors
    ///
    /// INVALID_ARGUMENT for a text that is no author id, ADMISSION_DENIED unless we are creator or admin.
    pub async fn allow_author(&self, id: &str) -> Result<()> {
        let text = "an author id has 64 lower-case hex digits";
        let author = Author::parse(id).ok_or_else(|| Error::new(ErrorKind::InvalidArgument, text))?;
        self.mirror.look().await?;
        let (seen, us) = (self.mirror.seen(), self.options.owner.author);
        if !seen.circle.is_admin(&us) {
            return Err(Error::new(ErrorKind::AdmissionDenied, "only creator and admins of a registry add writers"));
        }
        let mut writers = list_by(&seen.snapshot, keys::ACL_WRITERS, &us).unwrap_or_default();
        if !writers.insert(author) {
            return Ok(());
        }
        if writers.len() > limits::MAX_ACL_AUTHORS {
            return Err(Error::limit("writers", limits::MAX_ACL_AUTHORS, writers.len()));
        }
        let list: Vec<_> = writers.iter().map(Author::to_string).collect();
        let list = serde_json::to_string(&list).unwrap_or_default();
        self.ledger.write(keys::ACL_WRITERS.to_owned(), list.into()).await?;
        let hint = Hint { key_prefix: Some("_aster/acl/".to_owned()), ..self.hint(HintKind::AclChanged) };
        self.send(hint).await;
        Ok(())
    }

    /// Publishes every service, again and again until it works.
    async fn publish_all(&self) {
        let mut done = BTreeSet::new();
        let mut wait = Duration::from_secs(1);
        loop {
            match self.publish_rest(&mut done).await {
                Ok(()) => break,
                Err(Failed(_, error)) if error.kind() == ErrorKind::Closed => return,
                Err(Failed(step, error)) => {
                    self.is_failing.store(true, Ordering::Relaxed);
                    warn!(
                        target: "aster::registry", step, error = %error.message(), retry_s = wait.as_secs(),
                        "publication failed; it will be tried again"
                    );
                }
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(limits::MAX_PUBLICATION_RETRY);
        }
        self.is_failing.store(false, Ordering::Relaxed);
        debug!(target: "aster::registry", services = self.offers.len(), "published");
    }

    async fn publish_rest(&self, done: &mut BTreeSet<usize>) -> Result<(), Failed> {
        self.mirror.look().await.map_err(|error| Failed("read", error))?;
        self.claim().await.map_err(|error| Failed("owner", error))?;
        for (number, offer) in self.offers.iter().enumerate() {
            if !done.contains(&number) {
                self.publish(offer).await?;
                done.insert(number);
            }
        }
        Ok(())
    }

    /// Says, signed by the node, who its author is.
    async fn claim(&self) -> Result<()> {
        let key = keys::owner_key(&self.options.endpoint.to_string());
        let record = self.options.owner.to_json(&self.ledger.namespace(), &self.options.node_seed)?;
        self.write_if_new(&self.mirror.seen().snapshot, key, record.into()).await.map(drop)
    }

    /// Writes unless we wrote the same before; tells whether it did.
    async fn write_if_new(&self, snapshot: &Snapshot, key: String, value: Bytes) -> Result<bool> {
        if snapshot.value_by(&key, &self.options.owner.author) == Some(&value) {
            return Ok(false);
        }
        self.ledger.write(key, value).await?;
        Ok(true)
    }

    async fn publish(&self, offer: &Offer) -> Result<(), Failed> {
        let (author, contract) = (self.options.owner.author, &offer.contract);
        let seen = self.mirror.seen();
        let given = self
            .options
            .manifests
            .iter()
            .find(|manifest| manifest.get("contract_id").and_then(Value::as_str) == Some(contract.id()));
        let bundle = Bundle::publish(contract, given, &author, self.clock.epoch_ms());
        let key = keys::contract_key(contract.id());
        let before = seen.snapshot.value_by(&key, &author).and_then(|value| ArtifactRef::parse(value, contract.id()));
        let collection_hash = match &before {
            Some(before) if self.is_published(&seen.snapshot, &bundle, before).await => before.collection_hash.clone(),
            _ => self.store(&bundle, before.as_ref()).await?,
        };
        let id = Bytes::copy_from_slice(contract.id().as_bytes());
        let description = contract.description();
        let version = keys::version_key(&description.service, description.version);
        let channel = keys::channel_key(&description.service, &self.options.channel);
        for key in [version, channel] {
            self.write_if_new(&seen.snapshot, key, id.clone()).await.map_err(|error| Failed("pointers", error))?;
        }
        self.send(self.hint_of(HintKind::ContractPublished, offer)).await;
        let (service, version) = (description.service.clone(), i64::from(description.version));
        self.tell(Notice::Contract { service, version, collection_hash });
        Ok(())
    }

    /// Tells whether all of this, publication time aside, is published already.
    async fn is_published(&self, snapshot: &Snapshot, bundle: &Bundle, before: &ArtifactRef) -> bool {
        if before.collection_format != "index" {
            return false;
        }
        let author = self.options.owner.author;
        let written = snapshot.newest(&keys::manifest_key(bundle.contract.id()), |other| *other == author);
        let Some(written) = written else { return false };
        let Ok(Some(text)) = self.ledger.read(&written.hash).await else { return false };
        let timeless = |text: &[u8]| {
            let mut manifest: Value = serde_json::from_slice(text).ok()?;
            manifest.as_object_mut()?.remove("published_at_epoch_ms");
            Some(manifest)
        };
        timeless(&text).is_some()
            && timeless(&text) == timeless(bundle.manifest.as_bytes())
            && self.archive.has(&before.collection_hash).await.unwrap_or(false)
    }

    /// Publishes a collection in place of the one before; returns its hash.
    async fn store(&self, bundle: &Bundle, before: Option<&ArtifactRef>) -> Result<String, Failed> {
        let hash =
            self.archive.store(bundle.files(), collection_tag).await.map_err(|error| Failed("collection", error))?;
        let contract_id = bundle.contract.id();
        let reference = ArtifactRef {
            contract_id: contract_id.to_owned(),
            collection_hash: hash.clone(),
            provider_endpoint_id: Some(self.options.endpoint.to_string()),
            relay_url: self.vitals.addr().relay_url,
            ticket: Some(self.archive.ticket(&hash).map_err(|error| Failed("ticket", error))?),
            published_by: self.options.owner.author.to_string(),
            published_at_epoch_ms: self.clock.epoch_ms(),
            collection_format: "index".to_owned(),
        };
        let written = self.ledger.write(keys::contract_key(contract_id), reference.to_json().into()).await;
        written.map_err(|error| Failed("contract", error))?;
        let compact = bundle.compact();
        if compact.len() <= limits::MAX_INLINE_MANIFEST {
            let written = self.ledger.write(keys::manifest_key(contract_id), compact.into()).await;
            written.map_err(|error| Failed("manifest", error))?;
        }
        if let Some(old) = before.map(|before| &before.collection_hash).filter(|old| **old != hash) {
            self.archive.untag(collection_tag(old)).await.map_err(|error| Failed("old tag", error))?;
        }
        Ok(hash)
    }

    fn state(&self) -> State {
        let load = self.vitals.load();
        let health = match *lock(&self.health) {
            Health::Ready if load >= BUSY => Health::Degraded,
            health => health,
        };
        State { addr: self.vitals.addr(), health, load: tenths(load) }
    }

    /// Writes leases when they are due and when there is news.
    async fn keep_leases(&self) {
        let pulse = self.options.refresh / LOOKS_PER_REFRESH;
        let mut told: Option<State> = None;
        let mut due = Instant::now();
        loop {
            let state = self.state();
            if told.as_ref() != Some(&state) || due <= Instant::now() {
                match self.write_leases(&state).await {
                    Ok(()) => {
                        told = Some(state);
                        due = Instant::now() + jittered(self.options.refresh);
                        self.is_failing.store(false, Ordering::Relaxed);
                    }
                    Err(error) if error.kind() == ErrorKind::Closed => return,
                    Err(error) => {
                        self.is_failing.store(true, Ordering::Relaxed);
                        warn!(target: "aster::registry", step = "lease", error = %error.message(), "cannot write leases");
                        (told, due) = (None, Instant::now() + pulse);
                        sleep_until(due).await;
                        continue;
                    }
                }
            }
            tokio::select! {
                () = self.news.notified() => {}
                () = sleep_until((Instant::now() + pulse).min(due)) => {}
            }
        }
    }

    async fn write_leases(&self, state: &State) -> Result<()> {
        let withdrawn = self.withdrawn.lock().await;
        if *withdrawn {
            return Ok(());
        }
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed) + 1;
        for offer in &self.offers {
            let lease = self.lease(offer, state, sequence);
            let key = keys::lease_key(&lease.service, &lease.contract_id, &lease.endpoint_id);
            self.ledger.write(key, lease.to_json().into()).await?;
            self.send(self.hint_of(HintKind::LeaseUpserted, offer)).await;
            self.tell(news_of(lease));
        }
        Ok(())
    }

    fn lease(&self, offer: &Offer, state: &State, lease_seq: u64) -> EndpointLease {
        let description = offer.contract.description();
        let now = self.clock.epoch_ms();
        EndpointLease {
            endpoint_id: self.options.endpoint.to_string(),
            contract_id: offer.contract.id().to_owned(),
            service: description.service.clone(),
            version: description.version,
            lease_expires_epoch_ms: now + limits::LEASE_MS,
            lease_seq,
            alpn: String::from_utf8_lossy(wire::ALPN_RPC).into_owned(),
            serialization_modes: offer.modes.clone(),
            feature_flags: Vec::new(),
            relay_url: state.addr.relay_url.clone(),
            direct_addrs: state.addr.direct_addresses.clone(),
            load: Some(self.vitals.load()),
            language_runtime: self.options.language.to_owned(),
            aster_version: VERSION.to_owned(),
            policy_realm: None,
            health_status: state.health.name().to_owned(),
            tags: Vec::new(),
            updated_at_epoch_ms: now,
            lease_epoch: self.options.lease_epoch,
        }
    }

    /// Takes the leases back, within two seconds; failures are ignored, because leases run out by themselves.
    pub async fn withdraw(&self) {
        let work = async {
            let mut withdrawn = self.withdrawn.lock().await;
            if std::mem::replace(&mut *withdrawn, true) || self.sequence.load(Ordering::Relaxed) == 0 {
                return;
            }
            for offer in &self.offers {
                let id = self.options.endpoint.to_string();
                let key = keys::lease_key(&offer.contract.description().service, offer.contract.id(), &id);
                let _ = self.ledger.write(key, Bytes::from_static(b"null")).await;
                self.send(self.hint_of(HintKind::EndpointDown, offer)).await;
            }
            if self.ledger.neighbours() > 0 {
                tokio::time::sleep(LAST_WORDS).await;
            }
        };
        let _ = timeout(limits::LEASE_WITHDRAWAL, work).await;
    }

    fn hint(&self, kind: HintKind) -> Hint {
        Hint::new(kind, self.clock.epoch_ms())
    }

    fn hint_of(&self, kind: HintKind, offer: &Offer) -> Hint {
        let description = offer.contract.description();
        let of_contract = kind == HintKind::ContractPublished;
        Hint {
            service: Some(description.service.clone()),
            version: (kind != HintKind::EndpointDown).then_some(description.version),
            contract_id: Some(offer.contract.id().to_owned()),
            endpoint_id: (!of_contract).then(|| self.options.endpoint.to_string()),
            ..self.hint(kind)
        }
    }

    /// Tells the other producers.
    fn tell(&self, notice: Notice) {
        if let Some(mesh) = &self.outlets.mesh {
            mesh.tell(notice);
        }
    }

    /// Sends a hint; a lost one costs readers a second, no more.
    async fn send(&self, hint: Hint) {
        let Some(board) = &self.outlets.board else { return };
        if let Err(error) = board.send(hint.to_json().into()).await {
            debug!(target: "aster::registry", error = %error.message(), "cannot send a hint");
        }
    }
}

/// Returns what the mesh is told of a lease.
fn news_of(lease: EndpointLease) -> Notice {
    Notice::Lease {
        addressing: json!({"relay_url": lease.relay_url, "direct_addrs": lease.direct_addrs}),
        service: lease.service,
        version: i64::from(lease.version),
        contract_id: lease.contract_id,
        health: lease.health_status.to_ascii_uppercase(),
    }
}

/// Returns the tag that keeps a collection.
fn collection_tag(hash: &str) -> String {
    format!("aster-collection/{}", hash.get(..16).unwrap_or(hash))
}

fn tenths(load: f64) -> u64 {
    // A group, not a number: a share of one times ten.
    (load.clamp(0.0, 1.0) * 10.0) as u64
}

/// Returns a time that differs by up to a tenth, so that producers do not write all at once.
fn jittered(time: Duration) -> Duration {
    let share = getrandom::u32().map_or(0.5, |number| f64::from(number) / f64::from(u32::MAX));
    time.mul_f64(0.9 + 0.2 * share)
}

#[cfg(test)]
mod tests;
