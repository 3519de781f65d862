//! Topics that many nodes share: every message reaches all of them, with luck.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use iroh_gossip::api::{Event, GossipReceiver, GossipSender};
use tokio::sync::Mutex as AsyncMutex;

use super::docs::Peer;
use super::failure;
use super::inbox::{Inbox, Taken};
use super::node::NodeCore;
use crate::error::{Error, Result};
use crate::rpc::BoxFuture;

/// What a message needs beside its bytes, at most.
const MESSAGE_OVERHEAD: usize = 128;

/// The gossip of a node. Clones are the same.
#[derive(Clone)]
pub struct Gossip(pub(super) Arc<NodeCore>);

/// A topic that was joined. Clones are the same; it is left when the last one is gone.
#[derive(Clone)]
pub struct Topic(Arc<Joined>);

struct Joined {
    node: Arc<NodeCore>,
    sender: GossipSender,
    receiver: AsyncMutex<GossipReceiver>,
    inbox: Arc<Inbox<Option<TopicEvent>>>,
}

/// Something that happened on a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TopicEvent {
    /// A message.
    Received(Bytes),
    /// A neighbour, 64 hex digits.
    NeighborUp(String),
    /// A neighbour has gone.
    NeighborDown(String),
    /// Messages were dropped because nobody read them.
    Lagged,
}

impl Gossip {
    /// Joins a topic through these peers, without waiting for any of them.
    ///
    /// # Errors
    ///
    /// INVALID_ARGUMENT unless the topic has 32 bytes, ADDRESS for a text that is no id, CLOSED once the node is
    /// closed.
    pub fn subscribe(&self, topic: &[u8], peers: Vec<Peer>) -> BoxFuture<'static, Result<Topic>> {
        let node = self.0.clone();
        let topic = <[u8; 32]>::try_from(topic).map_err(|_| failure::bad_argument("a topic has 32 bytes"));
        Box::pin(async move {
            let work = async {
                let mut ids = Vec::with_capacity(peers.len());
                for peer in &peers {
                    let target = peer.target()?;
                    node.book.add(&target);
                    ids.push(target.id);
                }
                let joined = node.content().await?.gossip.subscribe(topic?.into(), ids).await;
                let joined = joined.map_err(|error| failure::failed("cannot join the topic", error))?;
                let (sender, receiver) = joined.split();
                let receiver = AsyncMutex::new(receiver);
                Ok(Topic(Arc::new(Joined { node: node.clone(), sender, receiver, inbox: Arc::default() })))
            };
            node.run(work).await
        })
    }
}

impl Topic {
    /// Sends a message to everybody on the topic.
    ///
    /// # Errors
    ///
    /// LIMIT for a message of more than some 4 KB, CLOSED once the node is closed.
    pub fn broadcast(&self, message: Bytes) -> BoxFuture<'static, Result<()>> {
        let this = self.0.clone();
        Box::pin(async move {
            let work = async {
                let max = this.node.content().await?.gossip.max_message_size().saturating_sub(MESSAGE_OVERHEAD);
                if message.len() > max {
                    return Err(Error::limit("gossip message", max, message.len()));
                }
                let sent = this.sender.broadcast(message).await;
                sent.map_err(|error| failure::failed("cannot send to the topic", error))
            };
            this.node.run(work).await
        })
    }

    /// Waits for the next event; `None` once the topic has ended. Cancel-safe.
    ///
    /// # Errors
    ///
    /// CLOSED once the node is closed.
    pub fn next(&self) -> BoxFuture<'static, Result<Taken<Option<TopicEvent>>>> {
        let this = self.0.clone();
        Box::pin(async move {
            let fresh = async {
                match this.receiver.lock().await.next().await {
                    Some(Ok(event)) => Ok(Some(event.into())),
                    Some(Err(error)) => Err(failure::failed("the topic failed", error)),
                    None => Ok(None),
                }
            };
            this.node.run(this.inbox.next(fresh)).await
        })
    }
}

impl From<Event> for TopicEvent {
    fn from(event: Event) -> Self {
        match event {
            Event::Received(message) => Self::Received(message.content),
            Event::NeighborUp(id) => Self::NeighborUp(id.to_string()),
            Event::NeighborDown(id) => Self::NeighborDown(id.to_string()),
            Event::Lagged => Self::Lagged,
        }
    }
}
