//! Nodes on iroh: the endpoint, its router and stores, and servers and clients of calls on top.
//!
//! The only iroh imports of the crate are here, and no iroh type leaves: bindings see boxed futures and
//! handles. Rules of the protocol are in the layers below.
//!
//! A [`Node`] owns an endpoint with blobs, documents and gossip, in memory or in a folder; [`Server`] and
//! [`Client`] are built on it. [`Net`] gives raw connections.

mod blobs;
mod book;
mod client;
mod collection;
mod connection;
mod docs;
mod document;
mod endpoint;
mod failure;
mod gossip;
mod handler;
mod hooks;
mod inbox;
mod monitor;
mod net;
#[expect(clippy::module_inception, reason = "the node itself is one noun of its folder")]
mod node;
pub mod runtime;
mod server;
mod storage;
mod store;
mod stream;
mod transport;

pub use blobs::{BlobFormat, BlobState, Blobs, LocalContent, Tag};
pub use client::{Client, ClientInfo, ClientOptions};

pub use collection::CollectionFile;
pub use connection::{Closing, Incoming, PeerConnection, StreamPair};
pub use docs::{Docs, Peer};
pub use document::{Document, DocumentEvent, DocumentEvents, DownloadPolicy, Entry, ShareMode};
pub use gossip::{Gossip, Topic, TopicEvent};
pub use hooks::{Decision, Handshake, Handshakes, PendingHandshake};
pub use inbox::Taken;
pub use monitor::{ConnectionFacts, RemoteFacts};
pub use net::Net;
pub use node::{Node, NodeOptions};
pub use server::{Server, ServerOptions};
pub use stream::{ReceiveStream, SendStream, TakenBytes};
