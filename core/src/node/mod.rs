//! Nodes on iroh: the endpoint, its router and stores, and servers and clients of calls on top.
//!
//! The only iroh imports of the crate are here, and no iroh type leaves: bindings see boxed futures and
//! handles. Rules of the protocol are in the layers below.
//!
//! A [`Node`] owns an endpoint with blobs, documents and gossip, in memory or in a folder; [`Server`] and
//! [`Client`] are built on it. [`Net`] gives raw connections.

mod admission;
mod blobs;
mod book;
mod client;
mod collection;
mod connection;
mod dialer;
mod discovery;
mod docs;
mod document;
mod endpoint;
mod failure;
mod fleet;
mod gossip;
mod handler;
mod home;
mod hooks;
mod inbox;
mod ledger;
mod mesh;
mod monitor;
mod net;
#[expect(clippy::module_inception, reason = "the node itself is one noun of its folder")]
mod node;
mod nonce_file;
mod private_file;
mod publication;
mod registry;
mod server;
mod shelf;
mod start_report;
mod storage;
mod store;
mod stream;
mod transport;
mod trust;

/// Tasks that a thread of the host's runtime may run before it looks at its sockets again (`event_interval` of
/// tokio's builder).
///
/// A connection's task takes at most 128 datagrams in one turn (tokio's cooperative budget), and iroh drops what the
/// same turn wants to send if there were more. A connection sends 20 datagrams in a turn, so with a sender and a
/// receiver on one thread seven turns without a look at the sockets lose packets already; with tokio's own 61 a busy
/// receiver loses most of what it sends, for as long as it is busy.
pub const EVENT_INTERVAL: u32 = 5;

pub use blobs::{BlobFormat, BlobState, Blobs, LocalContent, Tag};
pub use client::{Client, ClientInfo, ClientOptions};

pub use collection::CollectionFile;
pub use connection::{Closing, Incoming, PeerConnection, StreamPair};
pub use docs::{Docs, Peer};
pub use document::{Document, DocumentEvent, DocumentEvents, DownloadPolicy, Entry, ShareMode};
pub use gossip::{Gossip, Topic, TopicEvent};
pub use home::RegistryChoice;
pub use hooks::{Decision, Handshake, Handshakes, PendingHandshake};
pub use inbox::Taken;
pub use monitor::{ConnectionFacts, RemoteFacts};
pub use net::Net;
pub use node::{Node, NodeOptions};
pub use nonce_file::FileNonces;
pub use private_file::create as create_private_file;
pub use publication::{RegistryOptions, ServerRegistry};
pub use registry::ClientRegistry;
pub use server::{Server, ServerOptions};
pub use stream::{ReceiveStream, SendStream, TakenBytes};
pub use trust::MeshOptions;
