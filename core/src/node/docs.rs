//! The documents of a node: replicated maps from keys to content, written by authors.

use std::str::FromStr;
use std::sync::Arc;

use iroh::EndpointAddr;
use iroh_docs::{Capability, DocTicket, NamespaceId};

use super::document::{Document, DocumentEvents};
use super::endpoint;
use super::failure;
use super::node::NodeCore;
use crate::addr::NodeAddr;
use crate::error::Result;
use crate::rpc::BoxFuture;

/// The documents of a node. Clones are the same.
#[derive(Clone)]
pub struct Docs(pub(super) Arc<NodeCore>);

pub(super) fn parse_id(text: &str, what: &str) -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| failure::bad_argument(format!("{what} has 64 hex digits")))?;
    Ok(bytes)
}

/// Where documents are synchronised with: an id that can be found, or an address.
#[derive(Clone, Debug)]
pub enum Peer {
    /// 64 hex digits.
    Id(String),
    /// An address.
    Addr(NodeAddr),
}

impl Peer {
    pub(super) fn target(&self) -> Result<EndpointAddr> {
        match self {
            Self::Id(id) => endpoint::peer(id).map(EndpointAddr::new),
            Self::Addr(addr) => endpoint::addr_target(addr),
        }
    }
}

impl Docs {
    /// Makes a document that this node may write.
    ///
    /// # Errors
    ///
    /// IO if the store fails, CLOSED once the node is closed; so for every function here.
    pub fn create(&self) -> BoxFuture<'static, Result<Document>> {
        let node = self.0.clone();
        Box::pin(async move {
            let made = node.run(async { node.document(node.content().await?.docs.create().await) }).await?;
            Ok(made)
        })
    }

    /// Makes an author whose key this node keeps, and returns its id.
    ///
    /// # Errors
    ///
    /// Only those of every function here.
    pub fn create_author(&self) -> BoxFuture<'static, Result<String>> {
        let node = self.0.clone();
        Box::pin(async move {
            let work = async {
                let made = node.content().await?.docs.author_create().await;
                made.map(|id| hex::encode(id.as_bytes())).map_err(|e| failure::failed("cannot make an author", e))
            };
            node.run(work).await
        })
    }

    /// Takes a shared document and begins to synchronise it with the nodes of the ticket.
    ///
    /// # Errors
    ///
    /// ADDRESS for a text that is no ticket.
    pub fn join(&self, ticket: &str) -> BoxFuture<'static, Result<Document>> {
        let joined = self.take(parse_ticket(ticket), false);
        Box::pin(async move { joined.await.map(|(document, _)| document) })
    }

    /// As [`join`](Self::join), with every event from the beginning on.
    ///
    /// # Errors
    ///
    /// As for [`join`](Self::join).
    pub fn join_and_subscribe(&self, ticket: &str) -> BoxFuture<'static, Result<(Document, DocumentEvents)>> {
        let taken = self.take(parse_ticket(ticket), true);
        Box::pin(async move {
            let (document, events) = taken.await?;
            Ok((document, events.ok_or_else(failure::node_closed)?))
        })
    }

    /// Takes a document by its id, for reading unless this node may write it already, and synchronises it with a
    /// peer.
    ///
    /// # Errors
    ///
    /// INVALID_ARGUMENT or ADDRESS for texts that are no ids.
    pub fn join_namespace(&self, id: &str, peer: &Peer) -> BoxFuture<'static, Result<(Document, DocumentEvents)>> {
        let read = parse_id(id, "a document id")
            .and_then(|id| Ok(DocTicket::new(Capability::Read(NamespaceId::from(&id)), vec![peer.target()?])));
        let taken = self.take(read, true);
        Box::pin(async move {
            let (document, events) = taken.await?;
            Ok((document, events.ok_or_else(failure::node_closed)?))
        })
    }

    /// Takes a document by its id, for reading, and subscribes to it, without synchronising it.
    pub(super) async fn open_namespace(&self, id: &str) -> Result<(Document, DocumentEvents)> {
        let node = self.0.clone();
        let id = NamespaceId::from(&parse_id(id, "a document id")?);
        let work = async {
            let document = node.document(node.content().await?.docs.import_namespace(Capability::Read(id)).await)?;
            let events = document.listen().await?;
            Ok((document, events))
        };
        node.run(work).await
    }

    fn take(
        &self,
        ticket: Result<DocTicket>,
        subscribe: bool,
    ) -> BoxFuture<'static, Result<(Document, Option<DocumentEvents>)>> {
        let node = self.0.clone();
        Box::pin(async move {
            let work = async {
                let ticket = ticket?;
                for peer in &ticket.nodes {
                    node.book.add(peer);
                }
                let document = node.document(node.content().await?.docs.import_namespace(ticket.capability).await)?;
                // Before anything can happen.
                let events = if subscribe { Some(document.listen().await?) } else { None };
                document.sync(ticket.nodes).await?;
                Ok((document, events))
            };
            node.run(work).await
        })
    }
}

fn parse_ticket(text: &str) -> Result<DocTicket> {
    DocTicket::from_str(text).map_err(failure::bad_ticket)
}
