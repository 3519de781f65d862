//! Blobs, documents and gossip of a node: made, served, and shut down together.

use std::panic::resume_unwind;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use iroh::endpoint::{BeforeConnectOutcome, EndpointHooks};
use iroh::protocol::DynProtocolHandler;
use iroh::{Endpoint, EndpointAddr, EndpointId};
use iroh_blobs::api::Store;
use iroh_blobs::api::downloader::Downloader;
use iroh_blobs::store::fs::{FsStore, options::Options as FsOptions};
use iroh_blobs::store::mem::{MemStore, Options as MemOptions};
use iroh_blobs::store::{GcConfig, ProtectCb, ProtectOutcome};
use iroh_blobs::{BlobsProtocol, Hash};
use iroh_docs::engine::{DefaultAuthorStorage, Engine, ProtectCallbackHandler};
use iroh_docs::protocol::Docs;
use iroh_docs::store::Store as DocsStore;
use iroh_gossip::net::Gossip;
use tokio_util::sync::CancellationToken;

use super::failure;
use super::storage::Storage;
use crate::error::Result;
use crate::limits::BLOB_COLLECTION_INTERVAL;

/// What a node keeps and serves beside connections.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) store: Store,
    pub(super) docs: Docs,
    pub(super) gossip: Gossip,
    downloader: Downloader,
    handlers: [Box<dyn DynProtocolHandler>; 3],
    ending: Ending,
}

/// Where documents and their authors are kept.
type DocsPlace = (DocsStore, DefaultAuthorStorage);

/// Pause of the collector between two runs, beside the interval.
const COLLECTOR_PAUSE: Duration = Duration::from_millis(100);

/// When the collector of unnamed content stops.
#[derive(Clone, Debug)]
struct Ending {
    /// The node closes.
    closing: CancellationToken,
    /// The store is shut down.
    shut: CancellationToken,
}

/// Time for the pool of connections to end.
const POOL_END: Duration = Duration::from_secs(1);

/// Ends the pool of connections with which values of documents are fetched.
///
/// The task of that pool owns a sender to itself (iroh-util 0.6): it never ends, and keeps the endpoint's socket
/// for ever. A dial of the node to itself, which nothing else makes, ends the task from within when the node
/// closes. It unwinds without being a panic: no hook runs and nothing is printed.
#[derive(Clone, Debug)]
pub(super) struct PoolEnd {
    me: Arc<OnceLock<EndpointId>>,
    closing: CancellationToken,
}

impl PoolEnd {
    pub(super) fn new(closing: CancellationToken) -> Self {
        Self { me: Arc::default(), closing }
    }

    /// Tells which dials are those to itself.
    pub(super) fn know(&self, endpoint: &Endpoint) {
        let _ = self.me.set(endpoint.id());
    }
}

impl EndpointHooks for PoolEnd {
    async fn before_connect<'a>(&'a self, to: &'a EndpointAddr, alpn: &'a [u8]) -> BeforeConnectOutcome {
        let to_itself = self.me.get() == Some(&to.id) && alpn == iroh_blobs::ALPN;
        if to_itself && self.closing.is_cancelled() && cfg!(panic = "unwind") {
            resume_unwind(Box::new("the node is closing"));
        }
        BeforeConnectOutcome::Accept
    }
}

impl Content {
    /// The protocols that are served here.
    pub(super) const ALPNS: [&'static [u8]; 3] = [iroh_blobs::ALPN, iroh_docs::ALPN, iroh_gossip::ALPN];

    /// Makes content that ends with the node.
    pub(super) async fn memory(endpoint: &Endpoint, closing: &CancellationToken) -> Result<Self> {
        let ending = Ending { closing: closing.clone(), shut: CancellationToken::new() };
        let (handler, collection) = collection(&ending);
        let store = MemStore::new_with_opts(MemOptions { gc_config: Some(collection) });
        Self::make(endpoint, store.into(), (DocsStore::memory(), DefaultAuthorStorage::Mem), handler, ending).await
    }

    /// Makes content that persists.
    pub(super) async fn persistent(
        endpoint: &Endpoint,
        storage: &Storage,
        closing: &CancellationToken,
    ) -> Result<Self> {
        let ending = Ending { closing: closing.clone(), shut: CancellationToken::new() };
        let (handler, collection) = collection(&ending);
        let (blobs, docs) = (storage.folder("blobs").await?, storage.folder("docs").await?);
        let store = load(&blobs, collection).await?;
        let made = match DocsStore::persistent(docs.join("docs.redb")) {
            Ok(replicas) => {
                let authors = DefaultAuthorStorage::Persistent(docs.join("default-author"));
                Self::make(endpoint, store.clone(), (replicas, authors), handler, ending.clone()).await
            }
            Err(error) => Err(failure::failed("cannot open the documents", error)),
        };
        if made.is_err() {
            let _ = store.shutdown().await;
            ending.shut.cancel();
        }
        made
    }

    async fn make(
        endpoint: &Endpoint,
        store: Store,
        (replicas, authors): DocsPlace,
        protect: ProtectCallbackHandler,
        ending: Ending,
    ) -> Result<Self> {
        let gossip = Gossip::builder().spawn(endpoint.clone());
        let downloader = store.downloader(endpoint);
        let engine = Engine::spawn(
            endpoint.clone(),
            gossip.clone(),
            replicas,
            store.clone(),
            downloader.clone(),
            authors,
            Some(protect),
        );
        let engine = engine.await.map_err(|error| failure::failed("cannot start documents", error))?;
        let docs = Docs::new(engine);
        let handlers: [Box<dyn DynProtocolHandler>; 3] =
            [Box::new(BlobsProtocol::new(&store, None)), Box::new(docs.clone()), Box::new(gossip.clone())];
        Ok(Self { store, docs, gossip, downloader, handlers, ending })
    }

    /// Returns what serves a protocol of [`Self::ALPNS`].
    pub(super) fn handler(&self, alpn: &[u8]) -> Option<&dyn DynProtocolHandler> {
        let position = Self::ALPNS.iter().position(|known| *known == alpn)?;
        self.handlers.get(position).map(Box::as_ref)
    }

    /// Ends the fetching of values; before the endpoint closes, which then dials no more.
    pub(super) async fn end_downloads(&self, me: EndpointId) {
        let ended = self.downloader.download(Hash::new(b"the node is closing"), vec![me]);
        let _ = tokio::time::timeout(POOL_END, ended).await;
    }

    /// Releases what the router did not.
    pub(super) async fn shut_down(&self) {
        let _ = self.store.shutdown().await;
        self.ending.shut.cancel();
    }
}

/// Opens the content store. It has threads of its own, of which one stays behind when it is closed: its runtime is
/// dropped by its own worker and waits for itself (iroh-blobs 0.103).
async fn load(folder: &Path, collection: GcConfig) -> Result<Store> {
    let mut options = FsOptions::new(folder);
    options.gc = Some(collection);
    let loaded = FsStore::load_with_opts(folder.join("blobs.db"), options).await;
    loaded.map(Store::from).map_err(|error| failure::failed("cannot open the content store", error))
}

/// Sets up the removal of content that neither a tag nor a document names.
fn collection(ending: &Ending) -> (ProtectCallbackHandler, GcConfig) {
    let (handler, of_documents) = ProtectCallbackHandler::new();
    let ending = ending.clone();
    let protect: ProtectCb = Arc::new(move |live| {
        let (of_documents, ending) = (of_documents.clone(), ending.clone());
        Box::pin(async move {
            tokio::select! {
                biased;
                // Nothing can be removed any more. The collector fails at the store and ends, which it would not if
                // its run were aborted; as long as it runs it keeps the threads of the store.
                () = ending.shut.cancelled() => ProtectOutcome::Continue,
                // The interval is spent here, where it can be cut short.
                () = tokio::time::sleep(BLOB_COLLECTION_INTERVAL) => match ending.closing.is_cancelled() {
                    // Documents may not tell any more what they need.
                    true => ProtectOutcome::Abort,
                    false => of_documents(live).await,
                },
            }
        })
    });
    (handler, GcConfig { interval: COLLECTOR_PAUSE, add_protected: Some(protect) })
}
