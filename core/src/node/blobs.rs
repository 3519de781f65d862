//! Content by its hash: adding, reading, sharing and fetching blobs.

use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use iroh::EndpointAddr;
use iroh_blobs::api::blobs::{AddBytesOptions, BlobStatus};
use iroh_blobs::api::remote::GetProgressItem;
use iroh_blobs::api::tags::TagInfo;
use iroh_blobs::ticket::BlobTicket;
use iroh_blobs::{Hash, HashAndFormat};

use super::endpoint;
use super::failure;
use super::node::NodeCore;
use super::store::Content;
use crate::error::{Error, Result};
use crate::limits::{MAX_BLOB_BYTES, MAX_COLLECTION_BYTES};
use crate::rpc::BoxFuture;

/// Tags of what was added here begin so; the hash follows.
const KEPT: &str = "aster-blob/";

/// The content store of a node. Clones are the same store.
///
/// What was added is tagged `aster-blob/<hash>` and stays until that tag is deleted. What was fetched stays while a
/// tag or a document names it; else it is removed some minutes later.
#[derive(Clone)]
pub struct Blobs(pub(super) Arc<NodeCore>);

/// Whether a hash stands for bytes or for a list of hashes with what they name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobFormat {
    /// Bytes.
    Raw,
    /// A list of hashes, as collections are.
    HashSeq,
}

impl BlobFormat {
    /// Parses its name: `raw` or `hash_seq`.
    ///
    /// # Errors
    ///
    /// INVALID_ARGUMENT for anything else.
    pub fn parse(name: &str) -> Result<Self> {
        match name {
            "raw" => Ok(Self::Raw),
            "hash_seq" => Ok(Self::HashSeq),
            other => Err(failure::bad_argument(format!("unknown format '{other}': expected raw or hash_seq"))),
        }
    }

    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::HashSeq => "hash_seq",
        }
    }

    pub(super) fn with(self, hash: Hash) -> HashAndFormat {
        match self {
            Self::Raw => HashAndFormat::raw(hash),
            Self::HashSeq => HashAndFormat::hash_seq(hash),
        }
    }
}

impl From<iroh_blobs::BlobFormat> for BlobFormat {
    fn from(format: iroh_blobs::BlobFormat) -> Self {
        match format {
            iroh_blobs::BlobFormat::Raw => Self::Raw,
            iroh_blobs::BlobFormat::HashSeq => Self::HashSeq,
        }
    }
}

/// How much of a blob is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobState {
    /// `complete`, `partial` or `missing`.
    pub status: &'static str,
    /// Its size in bytes, 0 if unknown.
    pub size: u64,
}

/// How much of a blob, and of what it lists, is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalContent {
    /// Whether nothing is missing.
    pub is_complete: bool,
    /// Bytes that are here.
    pub bytes: u64,
}

/// A name for content, which keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// The name.
    pub name: String,
    /// What it names.
    pub hash: String,
    /// What the hash stands for.
    pub format: BlobFormat,
}

impl From<TagInfo> for Tag {
    fn from(tag: TagInfo) -> Self {
        let name = String::from_utf8_lossy(tag.name.as_ref()).into_owned();
        Self { name, hash: tag.hash.to_string(), format: tag.format.into() }
    }
}

pub(super) fn parse_hash(text: &str) -> Result<Hash> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| failure::bad_argument("a hash has 64 hex digits"))?;
    Ok(Hash::from_bytes(bytes))
}

impl Blobs {
    pub(super) fn perform<T, F>(
        &self,
        work: impl FnOnce(Arc<NodeCore>) -> F + Send + 'static,
    ) -> BoxFuture<'static, Result<T>>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let node = self.0.clone();
        Box::pin(async move { node.run(work(node.clone())).await })
    }

    /// Adds bytes, keeps them, and returns their hash.
    ///
    /// # Errors
    ///
    /// IO if the store fails, CLOSED once the node is closed; so for every function here.
    pub fn add_bytes(&self, data: Bytes) -> BoxFuture<'static, Result<String>> {
        self.perform(|node| async move {
            let hash = node.content().await?.add(data, BlobFormat::Raw).await?;
            Ok(hash.to_string())
        })
    }

    /// Reads a blob that is here.
    ///
    /// # Errors
    ///
    /// NOT_FOUND if it is not here in full, LIMIT if it has more than 1 GiB.
    pub fn read(&self, hash: &str) -> BoxFuture<'static, Result<Bytes>> {
        let hash = parse_hash(hash);
        self.perform(|node| async move { node.content().await?.read(hash?, MAX_BLOB_BYTES).await })
    }

    /// Returns a text with which others can fetch a blob, or a collection, from here.
    ///
    /// # Errors
    ///
    /// INVALID_ARGUMENT if the text is no hash.
    pub fn ticket(&self, hash: &str, format: BlobFormat) -> Result<String> {
        let content = format.with(parse_hash(hash)?);
        let addr = endpoint::addr_target(&endpoint::node_addr(&self.0.endpoint))?;
        Ok(BlobTicket::new(addr, content.hash, content.format).to_string())
    }

    /// Fetches what a ticket names and returns its bytes; for a collection those of its only file.
    ///
    /// # Errors
    ///
    /// ADDRESS for a text that is no ticket, CONNECT if its node is unreachable, NOT_FOUND if that has not got it,
    /// LIMIT for more than 1 GiB, INVALID_ARGUMENT for a collection of several files, which are here then.
    pub fn download_ticket(&self, ticket: &str) -> BoxFuture<'static, Result<Bytes>> {
        let ticket = BlobTicket::from_str(ticket).map_err(failure::bad_ticket);
        self.perform(|node| async move {
            let ticket = ticket?;
            node.book.add(ticket.addr());
            node.fetch(ticket.addr().clone(), ticket.hash_and_format()).await?;
            let content = node.content().await?;
            match BlobFormat::from(ticket.format()) {
                BlobFormat::Raw => content.read(ticket.hash(), MAX_BLOB_BYTES).await,
                BlobFormat::HashSeq => content.read_only_file(ticket.hash()).await,
            }
        })
    }

    /// Fetches a blob, or a list of hashes and what they name, from a node, and returns the bytes of the hash itself.
    ///
    /// # Errors
    ///
    /// As for [`download_ticket`](Self::download_ticket).
    pub fn download(&self, hash: &str, node_id: &str, format: BlobFormat) -> BoxFuture<'static, Result<Bytes>> {
        let (hash, peer) = (parse_hash(hash), endpoint::peer(node_id));
        self.perform(move |node| async move {
            let hash = hash?;
            node.fetch(EndpointAddr::new(peer?), format.with(hash)).await?;
            node.content().await?.read(hash, MAX_BLOB_BYTES).await
        })
    }

    /// Names content, so that it stays. A tag of that name is replaced.
    ///
    /// # Errors
    ///
    /// INVALID_ARGUMENT if the text is no hash.
    pub fn tag_set(&self, name: &str, hash: &str, format: BlobFormat) -> BoxFuture<'static, Result<()>> {
        let (name, hash) = (name.to_owned(), parse_hash(hash));
        self.perform(move |node| async move {
            let set = node.content().await?.store.tags().set(name, format.with(hash?)).await;
            set.map_err(|error| failure::failed("cannot set the tag", error))
        })
    }

    /// Returns a tag by its name.
    ///
    /// # Errors
    ///
    /// Only those of every function here.
    pub fn tag(&self, name: &str) -> BoxFuture<'static, Result<Option<Tag>>> {
        let name = name.to_owned();
        self.perform(|node| async move {
            let tag = node.content().await?.store.tags().get(name).await;
            tag.map(|tag| tag.map(Tag::from)).map_err(|error| failure::failed("cannot read the tag", error))
        })
    }

    /// Deletes the tag of a name, or every tag whose name begins so, and returns how many there were.
    ///
    /// # Errors
    ///
    /// Only those of every function here.
    pub fn tag_delete(&self, name: &str, is_prefix: bool) -> BoxFuture<'static, Result<u64>> {
        let name = name.to_owned();
        self.perform(move |node| async move {
            let content = node.content().await?;
            let tags = content.store.tags();
            let deleted = if is_prefix { tags.delete_prefix(name).await } else { tags.delete(name).await };
            deleted.map_err(|error| failure::failed("cannot delete tags", error))
        })
    }

    /// Returns the tags whose names begin so, in the order of their names; of one format, or of both.
    ///
    /// # Errors
    ///
    /// Only those of every function here.
    pub fn tags(&self, prefix: &str, only: Option<BlobFormat>) -> BoxFuture<'static, Result<Vec<Tag>>> {
        let prefix = prefix.to_owned();
        self.perform(move |node| async move {
            let failed = |error: &dyn std::fmt::Display| failure::failed("cannot list tags", error);
            let listed =
                node.content().await?.store.tags().list_prefix(prefix).await.map_err(|error| failed(&error))?;
            let mut listed = std::pin::pin!(listed);
            let mut tags = Vec::new();
            while let Some(tag) = listed.next().await {
                let tag = Tag::from(tag.map_err(|error| failed(&error))?);
                if only.is_none_or(|format| format == tag.format) {
                    tags.push(tag);
                }
            }
            Ok(tags)
        })
    }

    /// Tells how much of a blob is here.
    ///
    /// # Errors
    ///
    /// INVALID_ARGUMENT if the text is no hash; so below.
    pub fn state(&self, hash: &str) -> BoxFuture<'static, Result<BlobState>> {
        let hash = parse_hash(hash);
        self.perform(|node| async move { node.content().await?.state(hash?).await })
    }

    /// Returns whether a blob is whole, and its size, as verified so far: 0 if nothing is known.
    ///
    /// # Errors
    ///
    /// As for [`state`](Self::state).
    pub fn observe(&self, hash: &str) -> BoxFuture<'static, Result<(bool, u64)>> {
        let hash = parse_hash(hash);
        self.perform(|node| async move {
            let seen = node.content().await?.store.observe(hash?).await;
            let seen = seen.map_err(|error| failure::failed("cannot observe the blob", error))?;
            Ok((seen.is_complete(), seen.size()))
        })
    }

    /// Waits until a blob is whole.
    ///
    /// # Errors
    ///
    /// As for [`state`](Self::state).
    pub fn completed(&self, hash: &str) -> BoxFuture<'static, Result<()>> {
        let hash = parse_hash(hash);
        self.perform(|node| async move {
            let seen = node.content().await?.store.observe(hash?).await_completion().await;
            seen.map(|_| ()).map_err(|error| failure::failed("cannot observe the blob", error))
        })
    }

    /// Tells how much is here of a blob, or of a list of hashes with what they name.
    ///
    /// # Errors
    ///
    /// As for [`state`](Self::state).
    pub fn local(&self, hash: &str, format: BlobFormat) -> BoxFuture<'static, Result<LocalContent>> {
        let hash = parse_hash(hash);
        self.perform(move |node| async move {
            let local = node.content().await?.store.remote().local(format.with(hash?)).await;
            let local = local.map_err(|error| failure::failed("cannot look at the blob", error))?;
            Ok(LocalContent { is_complete: local.is_complete(), bytes: local.local_bytes() })
        })
    }
}

impl Content {
    /// Adds bytes and keeps them under a tag with their hash.
    pub(super) async fn add(&self, data: Bytes, format: BlobFormat) -> Result<Hash> {
        let failed = |error: &dyn std::fmt::Display| failure::failed("cannot add the blob", error);
        let options = AddBytesOptions { data, format: format.with(Hash::EMPTY).format };
        // Protects the blob until it has its tag.
        let added = self.store.add_bytes_with_opts(options).temp_tag().await.map_err(|error| failed(&error))?;
        self.keep(format.with(added.hash())).await?;
        Ok(added.hash())
    }

    pub(super) async fn keep(&self, content: HashAndFormat) -> Result<()> {
        let set = self.store.tags().set(format!("{KEPT}{}", content.hash), content).await;
        set.map_err(|error| failure::failed("cannot keep the blob", error))
    }

    pub(super) async fn state(&self, hash: Hash) -> Result<BlobState> {
        let status = self.store.status(hash).await;
        Ok(match status.map_err(|error| failure::failed("cannot look at the blob", error))? {
            BlobStatus::Complete { size } => BlobState { status: "complete", size },
            BlobStatus::Partial { size } => BlobState { status: "partial", size: size.unwrap_or(0) },
            BlobStatus::NotFound => BlobState { status: "missing", size: 0 },
        })
    }

    /// Reads a blob of at most `max` bytes.
    pub(super) async fn read(&self, hash: Hash, max: u64) -> Result<Bytes> {
        let state = self.state(hash).await?;
        if state.status != "complete" {
            return Err(failure::no_blob(format!("blob {hash} is {} here", state.status)));
        }
        if state.size > max {
            return Err(too_large(state.size, max));
        }
        let read = self.store.get_bytes(hash).await;
        read.map_err(|error| failure::failed("cannot read the blob", error))
    }
}

pub(super) fn too_large(size: u64, max: u64) -> Error {
    let number = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    Error::limit("blob", number(max), number(size))
}

impl NodeCore {
    /// Fetches what is not here yet, over a connection of its own, never more than may be read at once.
    pub(super) async fn fetch(&self, from: EndpointAddr, what: HashAndFormat) -> Result<()> {
        let content = self.content().await?;
        let store = &content.store;
        let failed = |error: &dyn std::fmt::Display| failure::failed("cannot look at the blob", error);
        // Protects what arrives until the caller has had a chance to tag it.
        let _kept = store.tags().temp_tag(what).await.map_err(|error| failed(&error))?;
        let local = store.remote().local(what).await.map_err(|error| failed(&error))?;
        if local.is_complete() {
            return Ok(());
        }
        let id = from.id.fmt_short();
        let connection = self.dial(from, iroh_blobs::ALPN).await?;
        let mut progress = std::pin::pin!(store.remote().fetch(connection.clone(), what).stream());
        while let Some(item) = progress.next().await {
            match item {
                GetProgressItem::Progress(bytes) if bytes > MAX_BLOB_BYTES + MAX_COLLECTION_BYTES => {
                    return Err(too_large(bytes, MAX_BLOB_BYTES));
                }
                GetProgressItem::Progress(_) => {}
                GetProgressItem::Done(_) => return Ok(()),
                GetProgressItem::Error(error) => {
                    if let Some(lost) = connection.close_reason() {
                        return Err(failure::connection_lost(&lost));
                    }
                    return Err(failure::no_blob(format!("blob {} cannot be had from {id}: {error:#}", what.hash)));
                }
            }
        }
        Err(failure::no_blob(format!("blob {} cannot be had from {id}", what.hash)))
    }
}
