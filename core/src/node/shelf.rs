//! When the content of a node is made: with the node if it persists, else at its first use.

use std::sync::{Arc, Mutex};

use iroh::Endpoint;
use iroh::endpoint::Connection;
use iroh::protocol::{AcceptError, ProtocolHandler, RouterBuilder};
use tokio::sync::Mutex as AsyncMutex;
use tokio_util::sync::CancellationToken;

use super::failure;
use super::handler::Guarded;
use super::store::Content;
use crate::error::Result;
use crate::sync::lock;

/// The place of a node's content. Most clients and servers only make calls and never need it.
#[derive(Debug)]
pub(super) struct Shelf {
    endpoint: Endpoint,
    closing: CancellationToken,
    /// Held while content is made.
    making: AsyncMutex<()>,
    /// Taken out when the node closes: stores keep threads as long as somebody knows them.
    content: Mutex<Option<Arc<Content>>>,
}

impl Shelf {
    /// Makes the place of content that is there already, or that lives in memory and is made when it is needed.
    pub(super) fn new(endpoint: Endpoint, closing: CancellationToken, content: Option<Content>) -> Arc<Self> {
        Arc::new(Self { endpoint, closing, making: AsyncMutex::default(), content: Mutex::new(content.map(Arc::new)) })
    }

    /// Returns the content.
    ///
    /// # Errors
    ///
    /// CLOSED once the node closes.
    pub(super) async fn content(self: &Arc<Self>) -> Result<Arc<Content>> {
        if let Some(content) = self.made() {
            return Ok(content);
        }
        let shelf = self.clone();
        // Made to the end even if nobody waits any more: half of it would keep the endpoint.
        let made = tokio::spawn(async move { shelf.make().await }).await;
        made.map_err(|_| failure::node_closed())?
    }

    async fn make(&self) -> Result<Arc<Content>> {
        let _making = self.making.lock().await;
        if let Some(content) = self.made() {
            return Ok(content);
        }
        if self.closing.is_cancelled() {
            return Err(failure::node_closed());
        }
        let content = Arc::new(Content::memory(&self.endpoint, &self.closing).await?);
        *self.lock() = Some(content.clone());
        Ok(content)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Arc<Content>>> {
        lock(&self.content)
    }

    fn made(&self) -> Option<Arc<Content>> {
        self.lock().clone()
    }

    /// Returns the content if there is any, once none is made any more: the node is closing.
    pub(super) async fn last(&self) -> Option<Arc<Content>> {
        let _making = self.making.lock().await;
        self.made()
    }

    /// Forgets the content.
    pub(super) fn clear(&self) {
        *self.lock() = None;
    }

    /// Adds the protocols of the content to a router; the first connection makes it.
    pub(super) fn serve(self: &Arc<Self>, router: RouterBuilder) -> RouterBuilder {
        Content::ALPNS
            .iter()
            .fold(router, |router, alpn| router.accept(alpn, Guarded(Shelved { shelf: self.clone(), alpn })))
    }
}

/// One protocol of content that may not be made yet.
#[derive(Debug)]
struct Shelved {
    shelf: Arc<Shelf>,
    alpn: &'static [u8],
}

impl ProtocolHandler for Shelved {
    async fn accept(&self, connection: Connection) -> std::result::Result<(), AcceptError> {
        let content = self.shelf.content().await.map_err(AcceptError::from_err)?;
        match content.handler(self.alpn) {
            Some(handler) => handler.accept(connection).await,
            None => Ok(()),
        }
    }

    async fn shutdown(&self) {
        if let Some(content) = self.shelf.made()
            && let Some(handler) = content.handler(self.alpn)
        {
            handler.shutdown().await;
        }
    }
}
