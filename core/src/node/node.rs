//! A node: one endpoint with its router, content store, documents and gossip, in memory or in a folder.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use iroh::Endpoint;
use iroh::protocol::{DynProtocolHandler, Router, RouterBuilder};
use iroh_metrics::{MetricsSource, Registry};
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::blobs::Blobs;
use super::book::AddressBook;
use super::connection::Incoming;
use super::docs::Docs;
use super::endpoint::{self, Binding};
use super::failure;
use super::gossip::Gossip;
use super::handler::{Guarded, IncomingHandler};
use super::hooks::{ApplicationHook, Handshakes};
use super::inbox::{Inbox, Taken};
use super::monitor::Monitor;
use super::net::Net;
use super::shelf::Shelf;
use super::storage::Storage;
use super::store::{Content, PoolEnd};
use crate::addr::NodeAddr;
use crate::admission::Gate;
use crate::config::NetworkConfig;
use crate::error::{Error, ErrorKind, Result};
use crate::limits;
use crate::rpc::BoxFuture;
use crate::sync::lock;

/// What a node is opened with.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    /// Settings of the endpoint; `storage_path` is the folder in which the node persists.
    pub network: NetworkConfig,
    /// Folder that keeps the node key only, for nodes without `storage_path`.
    pub key_folder: Option<PathBuf>,
    /// Protocols whose connections the application accepts.
    pub alpns: Vec<Vec<u8>>,
    /// Whether there are blobs, documents and gossip; without them the node is an endpoint.
    pub content: bool,
}

/// What servers add to a node.
pub(super) struct Hosting {
    /// Decides which inbound connections live.
    pub(super) gate: Option<Arc<Gate>>,
    /// How many calls one connection may run.
    pub(super) calls: u32,
    /// Makes the handlers of further protocols.
    pub(super) protocols: Protocols,
}

/// Makes protocols for an endpoint.
pub(super) type Protocols = Box<dyn FnOnce(&Endpoint) -> Vec<Protocol> + Send>;

/// A protocol and what serves it.
pub(super) type Protocol = (Vec<u8>, Box<dyn DynProtocolHandler>);

impl Default for Hosting {
    fn default() -> Self {
        Self { gate: None, calls: limits::MAX_CONCURRENT_STREAMS, protocols: Box::new(|_| Vec::new()) }
    }
}

/// A node. Clones are the same node; it runs until it is closed, or until its last clone is gone.
#[derive(Clone)]
pub struct Node(pub(super) Arc<NodeCore>);

/// What every face of a node shares.
pub(super) struct NodeCore {
    pub(super) endpoint: Endpoint,
    pub(super) book: AddressBook,
    pub(super) monitor: Option<Arc<Monitor>>,
    /// Cancelled when the node begins to close: waits end here.
    pub(super) closing: CancellationToken,
    /// Cancelled when everything is released.
    pub(super) closed: CancellationToken,
    shelf: Option<Arc<Shelf>>,
    router: Router,
    incoming: Option<Accepted>,
    has_hooks: bool,
    handshakes: Mutex<Option<Handshakes>>,
    storage: Mutex<Option<Storage>>,
}

struct Accepted {
    queue: AsyncMutex<mpsc::Receiver<Incoming>>,
    inbox: Arc<Inbox<Incoming>>,
}

impl Node {
    /// Opens a node; waits neither for relays nor for discovery. A failure, and dropping the future, release
    /// everything.
    ///
    /// # Errors
    ///
    /// CONFIG for settings that leave no transport, IO if a socket cannot be bound or the folder is in use or
    /// unreadable, INVALID_ARGUMENT for protocols that are empty or the node's own.
    pub fn open(options: NodeOptions) -> BoxFuture<'static, Result<Self>> {
        Box::pin(Self::host(options, Hosting::default()))
    }

    /// Opens a node that hosts more. It is opened to the end even if nobody waits any more, and closed then: stores
    /// that are half open would keep their files.
    pub(super) async fn host(options: NodeOptions, hosting: Hosting) -> Result<Self> {
        let (opened, wanted) = oneshot::channel();
        tokio::spawn(async move {
            if let Err(Ok(unwanted)) = opened.send(Self::build(options, hosting).await) {
                unwanted.close().await;
            }
        });
        wanted.await.map_err(|_| failure::node_closed())?
    }

    async fn build(options: NodeOptions, hosting: Hosting) -> Result<Self> {
        check_protocols(&options)?;
        let mut network = options.network;
        let folder = network.storage_path.as_ref().map(PathBuf::from).or(options.key_folder);
        let storage = match &folder {
            Some(path) => Some(Storage::open(path).await?),
            None => None,
        };
        if let (None, Some(storage)) = (&network.secret_key, &storage) {
            network.secret_key = Some(storage.node_key().await?);
        }
        let book = AddressBook::default();
        let monitor = network.enable_monitoring.then(Arc::default);
        let closing = CancellationToken::new();
        let patience = Duration::from_millis(network.hook_timeout_ms);
        let (application, handshakes) =
            network.enable_hooks.then(|| ApplicationHook::new(patience, closing.clone())).unzip();
        let binding = Binding {
            gate: hosting.gate,
            application,
            monitor: monitor.clone(),
            book: book.clone(),
            pool_end: PoolEnd::new(closing.clone()),
            calls: hosting.calls,
        };
        let endpoint = Unfinished(Some(endpoint::bind(&network, binding).await?));
        let content = match (options.content, &storage) {
            (false, _) => None,
            (true, Some(storage)) if network.storage_path.is_some() => {
                Some(Content::persistent(endpoint.get()?, storage, &closing).await?)
            }
            (true, _) => None,
        };
        let endpoint = endpoint.finish()?;
        let shelf = options.content.then(|| Shelf::new(endpoint.clone(), closing.clone(), content));
        let mut router = Router::builder(endpoint.clone());
        for (alpn, handler) in (hosting.protocols)(&endpoint) {
            router = router.accept(alpn, handler);
        }
        let (router, incoming) = accept_application(router, options.alpns, &closing);
        let router = match &shelf {
            Some(shelf) => shelf.serve(router),
            None => router,
        };
        Ok(Self(Arc::new(NodeCore {
            book,
            monitor,
            closing,
            closed: CancellationToken::new(),
            shelf,
            router: router.spawn(),
            incoming,
            has_hooks: handshakes.is_some(),
            handshakes: Mutex::new(handshakes),
            storage: Mutex::new(storage),
            endpoint,
        })))
    }

    /// Returns the endpoint id, 64 hex digits.
    pub fn id(&self) -> String {
        self.0.endpoint.id().to_string()
    }

    /// Returns where the node can be dialled now.
    pub fn addr(&self) -> NodeAddr {
        endpoint::node_addr(&self.0.endpoint)
    }

    /// Tells the node where a peer may be reached.
    ///
    /// # Errors
    ///
    /// ADDRESS if the id is none.
    pub fn add_addr(&self, addr: &NodeAddr) -> Result<()> {
        self.0.book.add(&endpoint::addr_target(addr)?);
        Ok(())
    }

    /// Returns the seed of the node key. It is the node: whoever has it is this endpoint.
    pub fn secret_key(&self) -> [u8; 32] {
        self.0.endpoint.secret_key().to_bytes()
    }

    /// Returns counters of the transport as Prometheus reads them.
    ///
    /// # Errors
    ///
    /// IO if they cannot be written as text.
    pub fn metrics(&self) -> Result<String> {
        let mut registry = Registry::default();
        registry.register_all(self.0.endpoint.metrics());
        registry.encode_openmetrics_to_string().map_err(|error| failure::failed("metrics", error))
    }

    /// Returns the raw network.
    pub fn net(&self) -> Net {
        Net(self.0.clone())
    }

    /// Returns the content store.
    ///
    /// # Errors
    ///
    /// STATE for a node without content; so for documents and gossip.
    pub fn blobs(&self) -> Result<Blobs> {
        self.0.check_content().map(|_| Blobs(self.0.clone()))
    }

    /// Returns the documents.
    ///
    /// # Errors
    ///
    /// As for [`blobs`](Self::blobs).
    pub fn docs(&self) -> Result<Docs> {
        self.0.check_content().map(|_| Docs(self.0.clone()))
    }

    /// Returns the gossip.
    ///
    /// # Errors
    ///
    /// As for [`blobs`](Self::blobs).
    pub fn gossip(&self) -> Result<Gossip> {
        self.0.check_content().map(|_| Gossip(self.0.clone()))
    }

    /// Tells whether the application decides about handshakes.
    pub fn has_hooks(&self) -> bool {
        self.0.has_hooks
    }

    /// Returns the handshakes that wait for the application, once; `None` without hooks.
    pub fn take_handshakes(&self) -> Option<Handshakes> {
        lock(&self.0.handshakes).take()
    }

    /// Tells whether the node is open.
    pub fn is_open(&self) -> bool {
        !self.0.closing.is_cancelled()
    }

    /// Ends every wait and connection and releases endpoint, stores and folder. Idempotent; goes on if nobody
    /// waits any more.
    pub fn close(&self) -> BoxFuture<'static, ()> {
        let node = self.0.clone();
        Box::pin(async move {
            if !node.closing.is_cancelled() {
                node.closing.cancel();
                tokio::spawn(node.clone().shut_down());
            }
            let persists = lock(&node.storage).is_some();
            let closed = node.closed.cancelled();
            if persists {
                // Whoever opens the folder next must find it free.
                closed.await;
            } else {
                // Dials that were given up take seconds to end; nobody has to wait for them.
                let _ = tokio::time::timeout(limits::CLOSE_FLUSH, closed).await;
            }
        })
    }
}

impl NodeCore {
    async fn shut_down(self: Arc<Self>) {
        drop(lock(&self.handshakes).take());
        let content = match &self.shelf {
            Some(shelf) => shelf.last().await,
            None => None,
        };
        if let Some(content) = &content {
            content.end_downloads(self.endpoint.id()).await;
        }
        if let Err(error) = self.router.shutdown().await {
            warn!(target: "aster::node", %error, "router ended abnormally");
        }
        if let (Some(content), Some(shelf)) = (content, &self.shelf) {
            shelf.clear();
            content.shut_down().await;
        }
        drop(lock(&self.storage).take());
        self.closed.cancel();
    }

    fn check_content(&self) -> Result<&Arc<Shelf>> {
        let text = "this node is an endpoint only, without blobs, documents and gossip";
        self.shelf.as_ref().ok_or_else(|| Error::new(ErrorKind::State, text))
    }

    /// Returns the folder in which the node persists, if it does and is open.
    pub(super) fn storage_path(&self) -> Option<PathBuf> {
        lock(&self.storage).as_ref().map(|storage| storage.path().to_owned())
    }

    pub(super) async fn content(&self) -> Result<Arc<Content>> {
        self.check_content()?.content().await
    }

    /// Runs an operation until it ends or the node closes.
    pub(super) async fn run<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        if self.closing.is_cancelled() {
            return Err(failure::node_closed());
        }
        tokio::select! {
            biased;
            result = work => result,
            () = self.closing.cancelled() => Err(failure::node_closed()),
        }
    }

    pub(super) async fn accept(&self) -> Result<Taken<Incoming>> {
        let accepted = self
            .incoming
            .as_ref()
            .ok_or_else(|| Error::new(ErrorKind::State, "no protocols were given that the application accepts"))?;
        let fresh = async { accepted.queue.lock().await.recv().await.ok_or_else(failure::node_closed) };
        accepted.inbox.next(fresh).await
    }
}

fn check_protocols(options: &NodeOptions) -> Result<()> {
    for alpn in &options.alpns {
        if alpn.is_empty() || alpn.len() > 255 {
            return Err(failure::bad_argument("a protocol name has 1 to 255 bytes"));
        }
        if options.content && Content::ALPNS.contains(&alpn.as_slice()) {
            let name = String::from_utf8_lossy(alpn);
            return Err(failure::bad_argument(format!("the node serves protocol '{name}' itself")));
        }
    }
    Ok(())
}

fn accept_application(
    mut router: RouterBuilder,
    alpns: Vec<Vec<u8>>,
    closing: &CancellationToken,
) -> (RouterBuilder, Option<Accepted>) {
    if alpns.is_empty() {
        return (router, None);
    }
    let (queue, taken) = mpsc::channel(limits::MAX_INCOMING_CONNECTIONS);
    for alpn in alpns {
        let handler = IncomingHandler { queue: queue.clone(), closing: closing.clone() };
        router = router.accept(alpn, Guarded(handler));
    }
    (router, Some(Accepted { queue: AsyncMutex::new(taken), inbox: Arc::default() }))
}

/// An endpoint that is closed if the node does not come about.
struct Unfinished(Option<Endpoint>);

impl Unfinished {
    fn get(&self) -> Result<&Endpoint> {
        self.0.as_ref().ok_or_else(failure::node_closed)
    }

    fn finish(mut self) -> Result<Endpoint> {
        self.0.take().ok_or_else(failure::node_closed)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let (Some(endpoint), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move { endpoint.close().await });
        }
    }
}
