//! What the registry needs of a node: a document, a content store, a topic. Nodes implement them on iroh.

use std::time::Duration;

use bytes::Bytes;

use super::snapshot::Author;
use crate::error::Result;
use crate::mesh::Notice;
use crate::rpc::BoxFuture;

/// An entry of a document, without its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The key.
    pub key: String,
    /// Who wrote it.
    pub author: Author,
    /// When, in microseconds since 1970.
    pub timestamp: u64,
    /// Hash of the value, 64 hex digits.
    pub hash: String,
    /// Bytes of the value.
    pub len: u64,
}

/// A document.
pub trait Ledger: Send + Sync {
    /// Returns its id.
    fn namespace(&self) -> [u8; 32];

    /// Returns what each author wrote last under every key that begins so.
    fn records(&self, prefix: &str) -> BoxFuture<'_, Result<Vec<Record>>>;

    /// Reads a value; `None` if it is not here yet.
    fn read(&self, hash: &str) -> BoxFuture<'_, Result<Option<Bytes>>>;

    /// Fetches a value of at most `max` bytes that does not arrive by itself, from those who share the document.
    fn fetch(&self, hash: &str, max: u64) -> BoxFuture<'_, Result<()>>;

    /// Writes a value as the author of this node.
    fn write(&self, key: String, value: Bytes) -> BoxFuture<'_, Result<()>>;

    /// Waits until something has happened since the last wait. Cancel-safe.
    fn changed(&self) -> BoxFuture<'_, Result<()>>;

    /// Tells how many nodes share the document with us now.
    fn neighbours(&self) -> usize;

    /// Synchronises with these endpoints, given as id and addresses.
    fn join(&self, peers: Vec<crate::addr::NodeAddr>) -> BoxFuture<'_, Result<()>>;
}

/// A content store.
pub trait Archive: Send + Sync {
    /// Stores named files as a collection under a tag, which keeps it, and returns its hash.
    fn store(&self, files: Vec<(String, Bytes)>, tag: fn(&str) -> String) -> BoxFuture<'_, Result<String>>;

    /// Tells whether a collection is here as a whole.
    fn has(&self, hash: &str) -> BoxFuture<'_, Result<bool>>;

    /// Removes a tag.
    fn untag(&self, tag: String) -> BoxFuture<'_, Result<()>>;

    /// Returns a text with which a collection can be fetched from here.
    fn ticket(&self, hash: &str) -> Result<String>;

    /// Fetches the files of a collection whose names are wanted from an endpoint, within the limits of section 9.
    fn fetch(
        &self,
        hash: &str,
        endpoint_id: &str,
        wanted: fn(&str) -> bool,
        within: Duration,
    ) -> BoxFuture<'_, Result<Vec<(String, Bytes)>>>;

    /// Fetches a single blob from an endpoint.
    fn fetch_blob(&self, hash: &str, endpoint_id: &str, within: Duration) -> BoxFuture<'_, Result<Bytes>>;
}

/// A gossip topic.
pub trait Board: Send + Sync {
    /// Sends a message to everybody who listens.
    fn send(&self, message: Bytes) -> BoxFuture<'_, Result<()>>;

    /// Waits for a message. Cancel-safe.
    fn next(&self) -> BoxFuture<'_, Result<Bytes>>;
}

/// The producers' mesh, which carries news of contracts and leases signed (`trust.md` section 11).
pub trait Herald: Send + Sync {
    /// Tells the other producers; lost if too much waits.
    fn tell(&self, notice: Notice);
}
