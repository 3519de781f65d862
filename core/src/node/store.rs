//! Blobs, documents and gossip of a node: made, served, and shut down together.

use std::path::Path;

use iroh::Endpoint;
use iroh::protocol::RouterBuilder;
use iroh_blobs::BlobsProtocol;
use iroh_blobs::api::Store;
use iroh_blobs::store::fs::{FsStore, options::Options as FsOptions};
use iroh_blobs::store::mem::{MemStore, Options as MemOptions};
use iroh_blobs::store::{GcConfig, ProtectCb, ProtectOutcome};
use iroh_docs::engine::ProtectCallbackHandler;
use iroh_docs::protocol::{Builder as DocsBuilder, Docs};
use iroh_gossip::net::Gossip;
use tokio_util::sync::CancellationToken;

use super::failure;
use super::handler::Guarded;
use super::storage::Storage;
use crate::error::Result;
use crate::limits::BLOB_COLLECTION_INTERVAL;

/// What a node keeps and serves beside connections.
pub(super) struct Content {
    pub(super) store: Store,
    pub(super) docs: Docs,
    pub(super) gossip: Gossip,
}

impl Content {
    /// The protocols that are served here.
    pub(super) const ALPNS: [&'static [u8]; 3] = [iroh_blobs::ALPN, iroh_docs::ALPN, iroh_gossip::ALPN];

    /// Makes content that ends with the node.
    pub(super) async fn memory(endpoint: &Endpoint, closing: &CancellationToken) -> Result<Self> {
        let (handler, collection) = collection(closing);
        let store = MemStore::new_with_opts(MemOptions { gc_config: Some(collection) });
        Self::make(endpoint, store.into(), Docs::memory().protect_handler(handler)).await
    }

    /// Makes content that persists.
    pub(super) async fn persistent(
        endpoint: &Endpoint,
        storage: &Storage,
        closing: &CancellationToken,
    ) -> Result<Self> {
        let (handler, collection) = collection(closing);
        let (blobs, docs) = (storage.folder("blobs").await?, storage.folder("docs").await?);
        let store = load(&blobs, collection).await?;
        let made = Self::make(endpoint, store.clone(), Docs::persistent(docs).protect_handler(handler)).await;
        if made.is_err() {
            let _ = store.shutdown().await;
        }
        made
    }

    async fn make(endpoint: &Endpoint, store: Store, docs: DocsBuilder) -> Result<Self> {
        let gossip = Gossip::builder().spawn(endpoint.clone());
        let docs = docs
            .spawn(endpoint.clone(), store.clone(), gossip.clone())
            .await
            .map_err(|error| failure::failed("cannot start documents", error))?;
        Ok(Self { store, docs, gossip })
    }

    /// Adds the protocols to a router.
    pub(super) fn serve(&self, router: RouterBuilder) -> RouterBuilder {
        router
            .accept(iroh_blobs::ALPN, Guarded(BlobsProtocol::new(&self.store, None)))
            .accept(iroh_gossip::ALPN, Guarded(self.gossip.clone()))
            .accept(iroh_docs::ALPN, Guarded(self.docs.clone()))
    }

    /// Releases what the router did not.
    pub(super) async fn shut_down(&self) {
        let _ = self.store.shutdown().await;
    }
}

async fn load(folder: &Path, collection: GcConfig) -> Result<Store> {
    let mut options = FsOptions::new(folder);
    options.gc = Some(collection);
    let loaded = FsStore::load_with_opts(folder.join("blobs.db"), options).await;
    loaded.map(Store::from).map_err(|error| failure::failed("cannot open the content store", error))
}

/// Sets up the removal of content that neither a tag nor a document names. It ends with the node.
fn collection(closing: &CancellationToken) -> (ProtectCallbackHandler, GcConfig) {
    let (handler, of_documents) = ProtectCallbackHandler::new();
    let closing = closing.clone();
    let protect: ProtectCb = std::sync::Arc::new(move |live| {
        let (of_documents, closing) = (of_documents.clone(), closing.clone());
        Box::pin(async move {
            // A closed store ends the collector, which an aborted run would not.
            if closing.is_cancelled() { ProtectOutcome::Continue } else { of_documents(live).await }
        })
    });
    (handler, GcConfig { interval: BLOB_COLLECTION_INTERVAL, add_protected: Some(protect) })
}
