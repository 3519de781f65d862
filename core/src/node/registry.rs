//! The registry as a client reads it: joined at its first use, followed until the client closes.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};

use bytes::Bytes;
use tokio::fs;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::debug;

use super::docs::Peer;
use super::endpoint;
use super::ledger::{DocumentLedger, NodeArchive};
use super::node::Node;
use super::publication::join_board;
use super::storage;
use crate::addr::NodeAddr;
use crate::clock::SystemClock;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::EndpointId;
use crate::limits;
use crate::registry::{
    ArtifactRef, Bundle, Discovery, EndpointLease, Explained, Mirror, PREFIXES, Query, Standing, Wanted,
};
use crate::rpc::BoxFuture;
use crate::sync::lock;

/// Folder of the contracts that a client with a storage folder keeps.
const CONTRACTS: &str = "contracts";

/// Contracts that were verified in this process, the latest last: content that its own name proves.
static KNOWN: Mutex<VecDeque<Bundle>> = Mutex::new(VecDeque::new());

/// The registry of the producer that admitted a client. Clones are the same.
#[derive(Clone)]
pub struct ClientRegistry(Arc<Joined>);

struct Joined {
    node: Node,
    namespace: String,
    producer: EndpointId,
    mirror: Arc<Mirror>,
    ledger: Arc<DocumentLedger>,
    discovery: Discovery,
    since: Instant,
    /// One turn for each contract that is looked for, so that many who want it look once.
    turns: Mutex<HashMap<String, Weak<AsyncMutex<()>>>>,
    closing: CancellationToken,
    tasks: TaskTracker,
}

impl ClientRegistry {
    /// Joins a registry at the producer that named it; waits for nobody.
    pub(super) async fn join(node: &Node, namespace: &str, producer: NodeAddr) -> Result<Self> {
        let id = EndpointId::parse(&producer.endpoint_id)?;
        let (document, events) = node.docs()?.open_namespace(namespace).await?;
        let prefixes = PREFIXES.iter().map(|prefix| Bytes::from_static(prefix.as_bytes())).collect();
        document.set_download_policy("nothing_except", prefixes).await?;
        document.start_sync(vec![Peer::Addr(producer.clone())]).await?;
        let home = vec![producer];
        let targets = home.iter().filter_map(|addr| endpoint::addr_target(addr).ok()).collect();
        let board = join_board(node, &document, &home).await;
        let ledger = DocumentLedger::new(document, events, None, targets);
        let mirror = Mirror::new(ledger.clone(), board, Arc::new(SystemClock), Standing::AdmittedBy(id), home);
        let discovery = Discovery::new(mirror.clone(), Arc::new(NodeArchive(node.clone())));
        let (closing, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn(mirror.clone().run(closing.clone()));
        Ok(Self(Arc::new(Joined {
            node: node.clone(),
            namespace: namespace.to_owned(),
            producer: id,
            mirror,
            ledger,
            discovery,
            since: Instant::now(),
            turns: Mutex::default(),
            closing,
            tasks,
        })))
    }

    /// Returns the id of its document, 64 hex digits.
    pub fn namespace(&self) -> &str {
        &self.0.namespace
    }

    pub(super) fn mirror(&self) -> &Arc<Mirror> {
        &self.0.mirror
    }

    /// Returns the leases that can be used, the best first. In the first three seconds it waits for the document.
    ///
    /// # Errors
    ///
    /// NOT_FOUND if there is none.
    pub fn resolve_all(&self, query: Query) -> BoxFuture<'static, Result<Vec<EndpointLease>>> {
        let joined = self.0.clone();
        Box::pin(async move { joined.once_there(|mirror| mirror.resolve_all(&query)).await })
    }

    /// Returns every lease of a contract and why it was dropped, if it was.
    pub fn explain(&self, query: &Query) -> Vec<Explained> {
        self.0.mirror.explain(query)
    }

    /// Returns the artefacts of all contracts that are published; none if the document does not arrive in the first
    /// three seconds.
    pub fn artifacts(&self) -> BoxFuture<'static, Vec<ArtifactRef>> {
        let joined = self.0.clone();
        Box::pin(async move {
            let found = |mirror: &Mirror| match mirror.artifacts() {
                none if none.is_empty() => Err(Error::new(ErrorKind::NotFound, "nothing is published")),
                some => Ok(some),
            };
            joined.once_there(found).await.unwrap_or_default()
        })
    }

    /// Waits until the registry may have changed since the last wait with the same `seen`, and returns the next one.
    ///
    /// # Errors
    ///
    /// CLOSED once the client is closed.
    pub fn changed(&self, seen: u64) -> BoxFuture<'static, Result<u64>> {
        let joined = self.0.clone();
        Box::pin(async move {
            let mut looks = joined.mirror.looks();
            let closed = || Error::new(ErrorKind::Closed, "client is closed");
            tokio::select! {
                changed = looks.wait_for(|looks| *looks != seen) => changed.map(|looks| *looks).map_err(|_| closed()),
                () = joined.closing.cancelled() => Err(closed()),
            }
        })
    }

    /// Finds a verified contract: known already, kept on disk, in the document, or in a collection.
    pub(super) async fn contract(&self, service: &str, version: i32, id: &str, until: Instant) -> Result<Bundle> {
        let turn = self.0.turn(id);
        let Ok(_turn) = timeout_at(until, turn.lock()).await else {
            return Err(Error::new(ErrorKind::NotFound, "another search for the contract has not ended"));
        };
        if let Some(bundle) = known(id) {
            return Ok(bundle);
        }
        let folder = self.0.node.0.storage_path().map(|path| path.join(CONTRACTS));
        if let Some(bundle) = kept(folder.as_deref(), id).await {
            remember(&bundle);
            return Ok(bundle);
        }
        let (service, contract_id) = (service.to_owned(), id.to_owned());
        let wanted = Wanted { service, version, contract_id, producer: self.0.producer };
        let within = until.saturating_duration_since(Instant::now());
        let bundle = self.0.discovery.find(&wanted, within).await?;
        remember(&bundle);
        if let Some(folder) = folder {
            keep(&folder, &bundle).await;
        }
        Ok(bundle)
    }

    /// Stops following.
    pub(super) async fn close(&self) {
        self.0.closing.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    /// Stops following and leaves the document, which goes on living in the node.
    pub(super) async fn leave(&self) {
        self.close().await;
        let _ = tokio::time::timeout(limits::CLOSE_FLUSH, self.0.ledger.leave()).await;
    }
}

impl Joined {
    /// Returns what whoever looks for the contract holds.
    fn turn(&self, id: &str) -> Arc<AsyncMutex<()>> {
        let mut turns = lock(&self.turns);
        turns.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = turns.get(id).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::default();
        turns.insert(id.to_owned(), Arc::downgrade(&turn));
        turn
    }

    /// Looks for something; in the first three seconds as often as the document changes, until it is there.
    async fn once_there<T>(&self, find: impl Fn(&Mirror) -> Result<T>) -> Result<T> {
        let mut looks = self.mirror.looks();
        let until = self.since + limits::INLINE_MANIFEST_WAIT;
        loop {
            looks.mark_unchanged();
            match find(&self.mirror) {
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    if !matches!(timeout_at(until, looks.changed()).await, Ok(Ok(()))) {
                        return Err(error);
                    }
                }
                found => return found,
            }
        }
    }
}

/// Returns a contract that was verified in this process.
pub(super) fn known(id: &str) -> Option<Bundle> {
    let known = lock(&KNOWN);
    known.iter().find(|bundle| bundle.contract.id() == id).cloned()
}

fn remember(bundle: &Bundle) {
    let mut known = lock(&KNOWN);
    if known.len() >= limits::MAX_KNOWN_CONTRACTS {
        known.pop_front();
    }
    known.push_back(bundle.clone());
}

/// Returns a contract that was kept on disk, if it still verifies.
async fn kept(folder: Option<&Path>, id: &str) -> Option<Bundle> {
    let text = fs::read(file(folder?, id)).await.ok()?;
    Bundle::from_manifest(&text, id).ok()
}

async fn keep(folder: &Path, bundle: &Bundle) {
    let id = bundle.contract.id();
    let written = async {
        storage::make_folder(folder).await?;
        storage::write_private(folder, &format!("{id}.json"), &bundle.manifest).await
    };
    if let Err(error) = written.await {
        debug!(target: "aster::registry", error = %error.message(), "cannot keep a contract");
    }
}

fn file(folder: &Path, id: &str) -> PathBuf {
    folder.join(format!("{id}.json"))
}
