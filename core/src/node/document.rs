//! One document: entries, sharing, synchronisation and its events.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use iroh::EndpointAddr;
use iroh_docs::api::Doc;
use iroh_docs::api::protocol::{AddrInfoOptions, ShareMode as IrohShareMode};
use iroh_docs::engine::LiveEvent;
use iroh_docs::store::{DownloadPolicy as IrohPolicy, FilterKind, Query};
use iroh_docs::{AuthorId, Entry as IrohEntry};
use tokio::sync::{Mutex as AsyncMutex, mpsc};
use tokio_util::task::AbortOnDropHandle;

use super::blobs::parse_hash;
use super::docs::{Peer, parse_id};
use super::endpoint;
use super::failure;
use super::inbox::{Inbox, Taken};
use super::node::NodeCore;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::{MAX_BLOB_BYTES, MAX_DOCUMENT_EVENTS, MAX_QUERY_ENTRIES};
use crate::rpc::BoxFuture;

/// A document that a node has. Clones are the same document.
#[derive(Clone)]
pub struct Document {
    node: Arc<NodeCore>,
    doc: Doc,
}

/// What a ticket allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShareMode {
    /// Reading.
    Read,
    /// Reading and writing.
    Write,
}

impl ShareMode {
    /// Parses its name: `read` or `write`.
    ///
    /// # Errors
    ///
    /// INVALID_ARGUMENT for anything else.
    pub fn parse(name: &str) -> Result<Self> {
        match name {
            "read" => Ok(Self::Read),
            "write" => Ok(Self::Write),
            other => Err(failure::bad_argument(format!("unknown mode '{other}': expected read or write"))),
        }
    }
}

/// One version of a key, by one author.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Who wrote it, 64 hex digits.
    pub author_id: String,
    /// The key.
    pub key: Bytes,
    /// Hash of the value.
    pub content_hash: String,
    /// Bytes of the value.
    pub content_len: u64,
    /// When it was written, by the author's clock: microseconds since 1970.
    pub timestamp: u64,
}

impl From<&IrohEntry> for Entry {
    fn from(entry: &IrohEntry) -> Self {
        Self {
            author_id: hex::encode(entry.author().as_bytes()),
            key: Bytes::copy_from_slice(entry.key()),
            content_hash: entry.content_hash().to_string(),
            content_len: entry.content_len(),
            timestamp: entry.timestamp(),
        }
    }
}

/// Which values are fetched as soon as their keys are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DownloadPolicy {
    /// `everything`, `everything_except` or `nothing_except`.
    pub mode: &'static str,
    /// Beginnings of keys that are the exceptions.
    pub prefixes: Vec<Bytes>,
}

impl NodeCore {
    pub(super) fn document<E: std::fmt::Display>(self: &Arc<Self>, made: Result<Doc, E>) -> Result<Document> {
        let doc = made.map_err(|error| failure::failed("cannot open the document", error))?;
        Ok(Document { node: self.clone(), doc })
    }
}

impl Document {
    fn perform<T, F>(&self, work: impl FnOnce(Self) -> F + Send + 'static) -> BoxFuture<'static, Result<T>>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let this = self.clone();
        Box::pin(async move { this.node.run(work(this.clone())).await })
    }

    /// Says what is wrong: with the document itself, or with what was wanted of it.
    async fn explain(&self, what: &str, error: impl std::fmt::Display) -> Error {
        let failed = failure::failed(what, error);
        let Ok(content) = self.node.content().await else { return failed };
        match content.docs.open(self.doc.id()).await {
            Ok(_) => failed,
            Err(_) => failure::no_document(format!("document {} is not on this node", self.id())),
        }
    }

    pub(super) fn node(&self) -> &Arc<NodeCore> {
        &self.node
    }

    pub(super) fn namespace(&self) -> [u8; 32] {
        *self.doc.id().as_bytes()
    }

    /// Returns the document's id, 64 hex digits.
    pub fn id(&self) -> String {
        hex::encode(self.doc.id().as_bytes())
    }

    /// Writes a value under a key, as an author of this node, and returns the hash of the value.
    ///
    /// # Errors
    ///
    /// NOT_FOUND if the author is not of this node, INVALID_ARGUMENT for an empty key or value, IO if the document may only
    /// be read; CLOSED once the node is closed, as for every function here.
    pub fn set(&self, author: &str, key: Bytes, value: Bytes) -> BoxFuture<'static, Result<String>> {
        let author = parse_author(author);
        self.perform(|this| async move {
            let author = author?;
            // An entry without bytes is how documents mark a deletion.
            if key.is_empty() || value.is_empty() {
                return Err(failure::bad_argument("a key and a value have at least one byte each"));
            }
            if let Ok(None) = this.node.content().await?.docs.author_export(author).await {
                let text = format!("author {} is not of this node", hex::encode(author.as_bytes()));
                return Err(Error::new(ErrorKind::NotFound, text));
            }
            match this.doc.set_bytes(author, key, value).await {
                Ok(hash) => Ok(hash.to_string()),
                Err(error) => Err(this.explain("cannot write to the document", error).await),
            }
        })
    }

    /// Returns what an author wrote last under a key.
    ///
    /// # Errors
    ///
    /// INVALID_ARGUMENT if the text is no author id.
    pub fn get(&self, author: &str, key: Bytes) -> BoxFuture<'static, Result<Option<Entry>>> {
        let author = parse_author(author);
        self.perform(|this| async move {
            match this.doc.get_exact(author?, key, false).await {
                Ok(entry) => Ok(entry.as_ref().map(Entry::from)),
                Err(error) => Err(this.explain("cannot read the document", error).await),
            }
        })
    }

    /// Returns what each author wrote last under a key.
    ///
    /// # Errors
    ///
    /// LIMIT for more than 100,000 entries.
    pub fn by_key(&self, key: Bytes) -> BoxFuture<'static, Result<Vec<Entry>>> {
        self.query(Query::key_exact(key).build())
    }

    /// Returns what each author wrote last under every key that begins so.
    ///
    /// # Errors
    ///
    /// As for [`by_key`](Self::by_key).
    pub fn by_prefix(&self, prefix: Bytes) -> BoxFuture<'static, Result<Vec<Entry>>> {
        self.query(Query::key_prefix(prefix).build())
    }

    fn query(&self, query: Query) -> BoxFuture<'static, Result<Vec<Entry>>> {
        self.perform(|this| async move {
            let found = match this.doc.get_many(query).await {
                Ok(found) => found,
                Err(error) => return Err(this.explain("cannot read the document", error).await),
            };
            let mut found = std::pin::pin!(found);
            let mut entries = Vec::new();
            while let Some(entry) = found.next().await {
                let entry = entry.map_err(|error| failure::failed("cannot read the document", error))?;
                if entries.len() == MAX_QUERY_ENTRIES {
                    return Err(Error::limit("entries", MAX_QUERY_ENTRIES, MAX_QUERY_ENTRIES + 1));
                }
                entries.push(Entry::from(&entry));
            }
            Ok(entries)
        })
    }

    /// Reads a value by its hash.
    ///
    /// # Errors
    ///
    /// NOT_FOUND if it is not here in full, LIMIT if it has more than 1 GiB.
    pub fn read(&self, hash: &str) -> BoxFuture<'static, Result<Bytes>> {
        self.read_at_most(hash, MAX_BLOB_BYTES)
    }

    pub(super) fn read_at_most(&self, hash: &str, max: u64) -> BoxFuture<'static, Result<Bytes>> {
        let hash = parse_hash(hash);
        self.perform(move |this| async move { this.node.content().await?.read(hash?, max).await })
    }

    /// Returns a ticket for the document that names this node, with its addresses or by its id only.
    ///
    /// # Errors
    ///
    /// IO for a ticket to write from a node that may only read.
    pub fn share(&self, mode: ShareMode, with_addr: bool) -> BoxFuture<'static, Result<String>> {
        self.perform(move |this| async move {
            let mode = match mode {
                ShareMode::Read => IrohShareMode::Read,
                ShareMode::Write => IrohShareMode::Write,
            };
            let mut ticket = match this.doc.share(mode, AddrInfoOptions::Id).await {
                Ok(ticket) => ticket,
                Err(error) => return Err(this.explain("cannot share the document", error).await),
            };
            if with_addr {
                ticket.nodes = vec![endpoint::addr_target(&endpoint::node_addr(&this.node.endpoint))?];
            }
            Ok(ticket.to_string())
        })
    }

    /// Subscribes to what happens from now on.
    ///
    /// # Errors
    ///
    /// Only those of every function here.
    pub fn subscribe(&self) -> BoxFuture<'static, Result<DocumentEvents>> {
        self.perform(|this| async move { this.listen().await })
    }

    pub(super) async fn listen(&self) -> Result<DocumentEvents> {
        match self.doc.subscribe().await {
            Ok(events) => Ok(DocumentEvents::pump(self.node.clone(), events)),
            Err(error) => Err(self.explain("cannot subscribe to the document", error).await),
        }
    }

    /// Synchronises with these peers, and goes on as long as the document is not left.
    ///
    /// # Errors
    ///
    /// ADDRESS for a text that is no id.
    pub fn start_sync(&self, peers: Vec<Peer>) -> BoxFuture<'static, Result<()>> {
        self.perform(|this| async move {
            let peers: Vec<EndpointAddr> = peers.iter().map(Peer::target).collect::<Result<_>>()?;
            for peer in &peers {
                this.node.book.add(peer);
            }
            this.sync(peers).await
        })
    }

    pub(super) async fn sync(&self, peers: Vec<EndpointAddr>) -> Result<()> {
        match self.doc.start_sync(peers).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.explain("cannot synchronise the document", error).await),
        }
    }

    /// Ends synchronisation. What is here stays.
    ///
    /// # Errors
    ///
    /// Only those of every function here.
    pub fn leave(&self) -> BoxFuture<'static, Result<()>> {
        self.perform(|this| async move {
            match this.doc.leave().await {
                Ok(()) => Ok(()),
                Err(error) => Err(this.explain("cannot leave the document", error).await),
            }
        })
    }

    /// Says which values are fetched: `everything`, `everything_except`, `nothing` or `nothing_except` of the keys
    /// that begin so.
    ///
    /// # Errors
    ///
    /// INVALID_ARGUMENT for another mode, and for prefixes with a mode that has no exceptions.
    pub fn set_download_policy(&self, mode: &str, prefixes: Vec<Bytes>) -> BoxFuture<'static, Result<()>> {
        let policy = policy(mode, prefixes);
        self.perform(|this| async move {
            match this.doc.set_download_policy(policy?).await {
                Ok(()) => Ok(()),
                Err(error) => Err(this.explain("cannot set the download policy", error).await),
            }
        })
    }

    /// Returns which values are fetched.
    ///
    /// # Errors
    ///
    /// Only those of every function here.
    pub fn download_policy(&self) -> BoxFuture<'static, Result<DownloadPolicy>> {
        self.perform(|this| async move {
            match this.doc.get_download_policy().await {
                Ok(policy) => Ok(policy.into()),
                Err(error) => Err(this.explain("cannot read the download policy", error).await),
            }
        })
    }
}

fn parse_author(text: &str) -> Result<AuthorId> {
    Ok(AuthorId::from(&parse_id(text, "an author id")?))
}

fn policy(mode: &str, prefixes: Vec<Bytes>) -> Result<IrohPolicy> {
    let filters: Vec<_> = prefixes.into_iter().map(FilterKind::Prefix).collect();
    match (mode, filters.is_empty()) {
        ("everything", true) | ("everything_except", _) => Ok(IrohPolicy::EverythingExcept(filters)),
        ("nothing", true) | ("nothing_except", _) => Ok(IrohPolicy::NothingExcept(filters)),
        ("everything" | "nothing", false) => {
            Err(failure::bad_argument(format!("mode '{mode}' has no exceptions: use '{mode}_except'")))
        }
        _ => Err(failure::bad_argument(format!(
            "unknown mode '{mode}': expected everything, everything_except, nothing or nothing_except"
        ))),
    }
}

impl From<IrohPolicy> for DownloadPolicy {
    fn from(policy: IrohPolicy) -> Self {
        let (mode, filters) = match policy {
            IrohPolicy::EverythingExcept(filters) if filters.is_empty() => ("everything", filters),
            IrohPolicy::EverythingExcept(filters) => ("everything_except", filters),
            IrohPolicy::NothingExcept(filters) => ("nothing_except", filters),
        };
        let beginning = |filter| match filter {
            FilterKind::Prefix(bytes) | FilterKind::Exact(bytes) => bytes,
        };
        Self { mode, prefixes: filters.into_iter().map(beginning).collect() }
    }
}

/// Something that happened to a document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DocumentEvent {
    /// `insert_local`, `insert_remote`, `content_ready`, `pending_content_ready`, `neighbor_up`, `neighbor_down`,
    /// `sync_finished`, or `lagged` if events were dropped because nobody read them.
    pub kind: &'static str,
    /// What was inserted.
    pub entry: Option<Entry>,
    /// Who sent it.
    pub from_peer: Option<String>,
    /// Hash of the value that is here now.
    pub hash: Option<String>,
    /// The neighbour, or the peer that was synchronised with.
    pub peer: Option<String>,
}

const LAGGED: DocumentEvent = DocumentEvent { kind: "lagged", entry: None, from_peer: None, hash: None, peer: None };

impl From<LiveEvent> for DocumentEvent {
    fn from(event: LiveEvent) -> Self {
        let of = |kind| Self { kind, ..Self::default() };
        match event {
            LiveEvent::InsertLocal { entry } => Self { entry: Some((&entry).into()), ..of("insert_local") },
            LiveEvent::InsertRemote { from, entry, .. } => {
                Self { entry: Some((&entry).into()), from_peer: Some(from.to_string()), ..of("insert_remote") }
            }
            LiveEvent::ContentReady { hash } => Self { hash: Some(hash.to_string()), ..of("content_ready") },
            LiveEvent::PendingContentReady => of("pending_content_ready"),
            LiveEvent::NeighborUp(peer) => Self { peer: Some(peer.to_string()), ..of("neighbor_up") },
            LiveEvent::NeighborDown(peer) => Self { peer: Some(peer.to_string()), ..of("neighbor_down") },
            LiveEvent::SyncFinished(sync) => Self { peer: Some(sync.peer.to_string()), ..of("sync_finished") },
        }
    }
}

/// A subscription to a document. Clones are the same subscription.
///
/// A task of its own takes the events, because documents wait for slow readers: one who does not read must not stop
/// the node. Of more than 16,384 unread events the later ones are dropped, and `lagged` stands in their place.
#[derive(Clone)]
pub struct DocumentEvents(Arc<Subscribed>);

struct Subscribed {
    node: Arc<NodeCore>,
    events: AsyncMutex<mpsc::Receiver<DocumentEvent>>,
    inbox: Arc<Inbox<Option<DocumentEvent>>>,
    _pump: AbortOnDropHandle<()>,
}

impl DocumentEvents {
    fn pump<E: 'static>(
        node: Arc<NodeCore>,
        source: impl Stream<Item = Result<LiveEvent, E>> + Send + Unpin + 'static,
    ) -> Self {
        let (queue, events) = mpsc::channel(MAX_DOCUMENT_EVENTS);
        let pump = AbortOnDropHandle::new(tokio::spawn(forward(source, queue)));
        Self(Arc::new(Subscribed { node, events: AsyncMutex::new(events), inbox: Arc::default(), _pump: pump }))
    }

    /// Waits for the next event; `None` once the subscription has ended. Cancel-safe.
    ///
    /// # Errors
    ///
    /// CLOSED once the node is closed.
    pub fn next(&self) -> BoxFuture<'static, Result<Taken<Option<DocumentEvent>>>> {
        let this = self.0.clone();
        Box::pin(async move {
            let fresh = async { Ok(this.events.lock().await.recv().await) };
            this.node.run(this.inbox.next(fresh)).await
        })
    }
}

async fn forward<E>(
    mut source: impl Stream<Item = Result<LiveEvent, E>> + Send + Unpin + 'static,
    queue: mpsc::Sender<DocumentEvent>,
) {
    let mut lagging = false;
    while let Some(Ok(event)) = source.next().await {
        if lagging && queue.try_send(LAGGED).is_ok() {
            lagging = false;
        }
        if lagging {
            continue;
        }
        match queue.try_send(event.into()) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => lagging = true,
            Err(mpsc::error::TrySendError::Closed(_)) => return,
        }
    }
    if lagging {
        let _ = queue.send(LAGGED).await;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    #[tokio::test]
    async fn dropped_events_are_told() {
        let events = (0..5).map(|_| Ok::<_, String>(LiveEvent::PendingContentReady));
        let (queue, mut taken) = mpsc::channel(2);
        let pump = tokio::spawn(forward(stream::iter(events), queue));
        let mut kinds = Vec::new();
        // The pump is through with its source before anything is read.
        tokio::task::yield_now().await;
        while let Some(event) = taken.recv().await {
            kinds.push(event.kind);
        }
        assert_eq!(kinds, ["pending_content_ready", "pending_content_ready", "lagged"]);
        pump.await.unwrap();
    }

    #[test]
    fn policies_come_back_as_they_were_set() {
        for (mode, prefixes, again) in [
            ("everything", vec![], "everything"),
            ("everything_except", vec![Bytes::from_static(b"a")], "everything_except"),
            ("nothing", vec![], "nothing_except"),
            ("nothing_except", vec![Bytes::from_static(b"a")], "nothing_except"),
        ] {
            let back = DownloadPolicy::from(policy(mode, prefixes.clone()).unwrap());
            assert_eq!((back.mode, back.prefixes), (again, prefixes));
        }
        assert!(policy("nothing", vec![Bytes::from_static(b"a")]).is_err());
        assert!(policy("some", vec![]).is_err());
    }
}
