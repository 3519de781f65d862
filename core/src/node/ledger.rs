//! What the registry needs of a node, on documents, blobs and gossip.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use iroh::EndpointAddr;
use iroh::endpoint::Connection;
use iroh_blobs::format::collection::Collection;
use iroh_blobs::get::request::get_hash_seq_and_sizes;
use iroh_blobs::{Hash, HashAndFormat};
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::blobs::{BlobFormat, Blobs, parse_hash};
use super::docs::Peer;
use super::document::{Document, DocumentEvents};
use super::endpoint;
use super::failure;
use super::gossip::{Topic, TopicEvent};
use super::node::{Node, NodeCore};
use super::store::Content;
use crate::addr::NodeAddr;
use crate::error::{Error, ErrorKind, Result};
use crate::limits;
use crate::registry::{Archive, Author, Board, Ledger, Record};
use crate::rpc::BoxFuture;
use crate::sync::lock;

/// Time to fetch a value from one peer.
const FETCH: Duration = Duration::from_secs(2);

/// A document of a node as the registry sees it.
pub(super) struct DocumentLedger {
    document: Document,
    /// Who writes; readers have none.
    author: Option<Author>,
    news: Arc<News>,
    /// Where the document comes from.
    home: Vec<EndpointAddr>,
    _pump: AbortOnDropHandle<()>,
}

#[derive(Default)]
struct News {
    changed: Notify,
    neighbours: Mutex<HashSet<String>>,
}

impl News {
    fn neighbours(&self) -> MutexGuard<'_, HashSet<String>> {
        lock(&self.neighbours)
    }
}

impl DocumentLedger {
    /// Takes a document and the events since it is here.
    pub(super) fn new(
        document: Document,
        events: DocumentEvents,
        author: Option<Author>,
        home: Vec<EndpointAddr>,
    ) -> Arc<Self> {
        let news = Arc::new(News::default());
        let pump = AbortOnDropHandle::new(tokio::spawn(follow(events, news.clone())));
        Arc::new(Self { document, author, news, home, _pump: pump })
    }

    /// Stops sharing the document.
    pub(super) async fn leave(&self) {
        let _ = self.document.leave().await;
    }
}

/// Counts neighbours and wakes the reader, who looks at everything that has happened at once.
async fn follow(events: DocumentEvents, news: Arc<News>) {
    while let Ok(taken) = events.next().await {
        let Some(event) = taken.take().flatten() else { break };
        match (event.kind, event.peer) {
            ("neighbor_up", Some(peer)) => drop(news.neighbours().insert(peer)),
            ("neighbor_down", Some(peer)) => drop(news.neighbours().remove(&peer)),
            _ => {}
        }
        news.changed.notify_one();
    }
}

impl Ledger for DocumentLedger {
    fn namespace(&self) -> [u8; 32] {
        self.document.namespace()
    }

    fn records(&self, prefix: &str) -> BoxFuture<'_, Result<Vec<Record>>> {
        let found = self.document.by_prefix(Bytes::copy_from_slice(prefix.as_bytes()));
        Box::pin(async move {
            let record = |entry: super::document::Entry| {
                Some(Record {
                    key: String::from_utf8(entry.key.to_vec()).ok()?,
                    author: Author::parse(&entry.author_id)?,
                    timestamp: entry.timestamp,
                    hash: entry.content_hash,
                    len: entry.content_len,
                })
            };
            Ok(found.await?.into_iter().filter_map(record).collect())
        })
    }

    fn read(&self, hash: &str) -> BoxFuture<'_, Result<Option<Bytes>>> {
        let read = self.document.read_at_most(hash, limits::MAX_MANIFEST_BYTES as u64);
        Box::pin(async move {
            match read.await {
                Ok(value) => Ok(Some(value)),
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Limit) => Ok(None),
                Err(error) => Err(error),
            }
        })
    }

    fn fetch(&self, hash: &str, max: u64) -> BoxFuture<'_, Result<()>> {
        let hash = parse_hash(hash);
        let near = self.news.neighbours().iter().take(limits::MAX_REJOIN_PEERS).cloned().collect::<Vec<_>>();
        Box::pin(async move {
            let hash = hash?;
            let near = near.iter().filter_map(|id| endpoint::peer(id).ok()).map(EndpointAddr::new);
            let mut last = failure::no_blob("nobody shares the document");
            for peer in self.home.iter().cloned().chain(near) {
                match timeout(FETCH, self.document.fetch_value(peer, hash, max)).await {
                    Ok(Ok(())) => return Ok(()),
                    Ok(Err(error)) => last = error,
                    Err(_) => last = late(),
                }
            }
            Err(last)
        })
    }

    fn write(&self, key: String, value: Bytes) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let author = self.author.ok_or_else(|| failure::bad_argument("this registry is only read"))?;
            self.document.set(&author.to_string(), Bytes::from(key), value).await.map(drop)
        })
    }

    fn changed(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async {
            self.news.changed.notified().await;
            Ok(())
        })
    }

    fn neighbours(&self) -> usize {
        self.news.neighbours().len()
    }

    fn join(&self, peers: Vec<NodeAddr>) -> BoxFuture<'_, Result<()>> {
        self.document.start_sync(peers.into_iter().map(Peer::Addr).collect())
    }
}

/// The content store of a node as the registry sees it.
pub(super) struct NodeArchive(pub(super) Node);

impl NodeArchive {
    fn blobs(&self) -> Blobs {
        Blobs(self.0.0.clone())
    }
}

impl Archive for NodeArchive {
    fn store(&self, files: Vec<(String, Bytes)>, tag: fn(&str) -> String) -> BoxFuture<'_, Result<String>> {
        let node = self.0.0.clone();
        Box::pin(async move {
            let work = async { node.content().await?.add_named_collection(files, tag).await };
            node.run(work).await.map(|hash| hash.to_string())
        })
    }

    fn has(&self, hash: &str) -> BoxFuture<'_, Result<bool>> {
        let local = self.blobs().local(hash, BlobFormat::HashSeq);
        Box::pin(async move { local.await.map(|local| local.is_complete) })
    }

    fn untag(&self, tag: String) -> BoxFuture<'_, Result<()>> {
        let deleted = self.blobs().tag_delete(&tag, false);
        Box::pin(async move { deleted.await.map(drop) })
    }

    fn ticket(&self, hash: &str) -> Result<String> {
        self.blobs().ticket(hash, BlobFormat::HashSeq)
    }

    fn fetch(
        &self,
        hash: &str,
        endpoint_id: &str,
        wanted: fn(&str) -> bool,
        within: Duration,
    ) -> BoxFuture<'_, Result<Vec<(String, Bytes)>>> {
        let (hash, peer) = (parse_hash(hash), endpoint::peer(endpoint_id));
        let node = self.0.0.clone();
        Box::pin(async move {
            let work = node.fetch_files(hash?, EndpointAddr::new(peer?), wanted);
            timeout(within, node.run(work)).await.map_err(|_| late())?
        })
    }

    fn fetch_blob(&self, hash: &str, endpoint_id: &str, within: Duration) -> BoxFuture<'_, Result<Bytes>> {
        let (hash, peer) = (parse_hash(hash), endpoint::peer(endpoint_id));
        let node = self.0.0.clone();
        Box::pin(async move {
            let work = async {
                let connection = node.dial(EndpointAddr::new(peer?), iroh_blobs::ALPN).await?;
                node.content().await?.take(&connection, hash?, limits::MAX_MANIFEST_BYTES as u64).await
            };
            timeout(within, node.run(work)).await.map_err(|_| late())?
        })
    }
}

fn late() -> Error {
    Error::new(ErrorKind::Timeout, "the producer did not send it in time")
}

fn not_sent(what: &str) -> impl Fn(&dyn std::fmt::Display) -> Error {
    let what = what.to_owned();
    move |cause| failure::no_blob(format!("{what} cannot be had: {cause:#}"))
}

impl NodeCore {
    /// Fetches the files of a collection whose names are wanted; sizes are known before anything large is.
    async fn fetch_files(
        &self,
        hash: Hash,
        from: EndpointAddr,
        wanted: fn(&str) -> bool,
    ) -> Result<Vec<(String, Bytes)>> {
        let content = self.content().await?;
        let kept = content.store.tags().temp_tag(HashAndFormat::hash_seq(hash)).await;
        let _kept = kept.map_err(|error| failure::failed("cannot keep the collection", error))?;
        let connection = self.dial(from, iroh_blobs::ALPN).await?;
        let max_list = (limits::MAX_BUNDLE_FILES as u64 + 1) * 32;
        let found = get_hash_seq_and_sizes(&connection, &hash, max_list, None).await;
        let (_, sizes) = found.map_err(|error| not_sent("the collection")(&error))?;
        content.take(&connection, hash, max_list).await?;
        let names = content.hash_seq_head(hash).await?;
        content.take(&connection, names, limits::MAX_COLLECTION_BYTES).await?;
        let no_collection = |error| failure::bad_argument(format!("{hash} is no collection: {error:#}"));
        let collection = Collection::load(hash, &content.store).await.map_err(no_collection)?;
        let (mut files, mut left) = (Vec::new(), limits::MAX_BUNDLE_BYTES);
        for ((name, file), size) in collection.iter().zip(sizes.iter().skip(1)).filter(|((name, _), _)| wanted(name)) {
            left = left.checked_sub(*size).ok_or_else(|| failure::bad_argument("the collection is too large"))?;
            files.push((name.clone(), content.take(&connection, *file, *size).await?));
        }
        Ok(files)
    }
}

impl Document {
    /// Fetches a value from a peer, unless it is here.
    async fn fetch_value(&self, from: EndpointAddr, hash: Hash, max: u64) -> Result<()> {
        let node = self.node();
        let work = async {
            let connection = node.dial(from, iroh_blobs::ALPN).await?;
            node.content().await?.take(&connection, hash, max).await.map(drop)
        };
        node.run(work).await
    }
}

impl Content {
    /// Adds files as a collection that a tag keeps.
    async fn add_named_collection(&self, files: Vec<(String, Bytes)>, tag: fn(&str) -> String) -> Result<Hash> {
        let (hash, _kept) = self.put_collection(files).await?;
        let set = self.store.tags().set(tag(&hash.to_string()), HashAndFormat::hash_seq(hash)).await;
        set.map_err(|error| failure::failed("cannot keep the collection", error))?;
        Ok(hash)
    }

    /// Returns the hash of the names of a collection whose list is here.
    async fn hash_seq_head(&self, hash: Hash) -> Result<Hash> {
        let list = self.read(hash, limits::MAX_COLLECTION_BYTES).await?;
        let first = list.get(..32).and_then(|first| <[u8; 32]>::try_from(first).ok());
        first.map(Hash::from_bytes).ok_or_else(|| failure::bad_argument(format!("{hash} is no collection")))
    }

    /// Returns a blob of at most `max` bytes, fetched over a connection unless it is here.
    async fn take(&self, connection: &Connection, hash: Hash, max: u64) -> Result<Bytes> {
        if self.state(hash).await?.status != "complete" {
            let size = iroh_blobs::get::request::get_verified_size(connection, &hash).await;
            let (size, _) = size.map_err(|error| not_sent("a file")(&error))?;
            if size > max {
                return Err(super::blobs::too_large(size, max));
            }
            let fetched = self.store.remote().fetch(connection.clone(), HashAndFormat::raw(hash)).complete().await;
            fetched.map_err(|error| not_sent("a file")(&error))?;
        }
        self.read(hash, max).await
    }
}

/// A topic of a node as the registry sees it.
pub(super) struct TopicBoard(pub(super) Topic);

impl Board for TopicBoard {
    fn send(&self, message: Bytes) -> BoxFuture<'_, Result<()>> {
        self.0.broadcast(message)
    }

    fn next(&self) -> BoxFuture<'_, Result<Bytes>> {
        Box::pin(async {
            loop {
                match self.0.next().await?.take().flatten() {
                    Some(TopicEvent::Received(message)) => return Ok(message),
                    Some(_) => {} // What was lost is in the document as well.
                    None => return Err(failure::node_closed()),
                }
            }
        })
    }
}
