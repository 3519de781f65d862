//! The endpoint of a node as raw network: dialling, accepting, facts about peers.

use std::sync::Arc;

use iroh::EndpointAddr;
use tokio::time::timeout;

use super::connection::{Incoming, PeerConnection};
use super::endpoint;
use super::inbox::Taken;
use super::monitor::RemoteFacts;
use super::node::NodeCore;
use crate::addr::NodeAddr;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::CONNECT_TIMEOUT;
use crate::rpc::BoxFuture;

/// The endpoint of a node. Clones are the same endpoint.
#[derive(Clone)]
pub struct Net(pub(super) Arc<NodeCore>);

impl Net {
    /// Dials a peer by its id, 64 hex digits: at addresses that the node was told, or through discovery.
    ///
    /// # Errors
    ///
    /// ADDRESS for anything else, CONNECT if the peer is unreachable within 30 s or does not know the protocol.
    pub fn connect(&self, id: &str, alpn: &[u8]) -> BoxFuture<'static, Result<PeerConnection>> {
        let target = endpoint::peer(id).map(EndpointAddr::new);
        self.dial(target, alpn)
    }

    /// Dials a peer at an address, which the node remembers.
    ///
    /// # Errors
    ///
    /// As for [`connect`](Self::connect).
    pub fn connect_addr(&self, addr: &NodeAddr, alpn: &[u8]) -> BoxFuture<'static, Result<PeerConnection>> {
        let target = endpoint::addr_target(addr);
        if let Ok(target) = &target {
            self.0.book.add(target);
        }
        self.dial(target, alpn)
    }

    fn dial(&self, target: Result<EndpointAddr>, alpn: &[u8]) -> BoxFuture<'static, Result<PeerConnection>> {
        let (node, alpn) = (self.0.clone(), alpn.to_vec());
        Box::pin(async move {
            let target = target?;
            let connection = node.run(node.dial(target, &alpn)).await?;
            Ok(PeerConnection::new(connection, node.closing.clone()))
        })
    }

    /// Waits for the next connection of the protocols that the application accepts. Cancel-safe.
    ///
    /// # Errors
    ///
    /// STATE if there are none, CLOSED once the node is closed.
    pub fn accept(&self) -> BoxFuture<'static, Result<Taken<Incoming>>> {
        let node = self.0.clone();
        Box::pin(async move { node.run(node.accept()).await })
    }

    /// Resolves when the endpoint is closed.
    pub fn closed(&self) -> BoxFuture<'static, ()> {
        let node = self.0.clone();
        Box::pin(async move { node.closed.cancelled().await })
    }

    /// Tells whether facts about peers are kept.
    pub fn has_monitoring(&self) -> bool {
        self.0.monitor.is_some()
    }

    /// Returns what is known of a peer; `None` without monitoring, or if it never was connected.
    ///
    /// # Errors
    ///
    /// ADDRESS if the text is no endpoint id.
    pub fn remote(&self, id: &str) -> Result<Option<RemoteFacts>> {
        let id = endpoint::peer(id)?;
        Ok(self.0.monitor.as_ref().and_then(|monitor| monitor.remote(&id)))
    }

    /// Returns what is known of every peer; empty without monitoring.
    pub fn remotes(&self) -> Vec<RemoteFacts> {
        self.0.monitor.as_ref().map(|monitor| monitor.remotes()).unwrap_or_default()
    }
}

impl NodeCore {
    /// Dials, never for longer than peers are waited for.
    pub(super) async fn dial(&self, target: EndpointAddr, alpn: &[u8]) -> Result<iroh::endpoint::Connection> {
        let id = target.id.fmt_short();
        let unreachable = |cause: String| Error::new(ErrorKind::Connect, format!("could not reach {id}: {cause}"));
        match timeout(CONNECT_TIMEOUT, self.endpoint.connect(target.clone(), alpn)).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(unreachable(format!("{error:#}"))),
            Err(_) => Err(unreachable(format!("no answer within {} s", CONNECT_TIMEOUT.as_secs()))),
        }
    }
}
