//! The registry of a running server: its document, its publisher, and what else it needs to be found.

use std::sync::Arc;

use iroh::Endpoint;
use serde_json::Value;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::debug;

use super::document::{Document, ShareMode};
use super::endpoint;
use super::home::{Home, RegistryChoice};
use super::ledger::{DocumentLedger, NodeArchive, TopicBoard};
use super::mesh::MeshRun;
use super::node::Node;
use crate::addr::NodeAddr;
use crate::clock::SystemClock;
use crate::error::Result;
use crate::ids::EndpointId;
use crate::limits;
use crate::mesh::Notice;
use crate::registry::{
    self, Board, Herald, Mirror, Offer, Outlets, Owner, Publisher, PublisherOptions, Standing, Vitals,
};
use crate::rpc::{BoxFuture, Dispatcher};

/// What a server says about its registry.
#[derive(Clone, Debug, Default)]
pub struct RegistryOptions {
    /// Which registry it is.
    pub choice: RegistryChoice,
    /// Language of the server's program, for leases.
    pub language: &'static str,
}

/// The registry of a running server.
pub(super) struct Publication {
    document: Document,
    owner: Owner,
    publisher: Arc<Publisher>,
    closing: CancellationToken,
    tasks: TaskTracker,
}

/// What leases tell of a server.
struct Pulse {
    endpoint: Endpoint,
    dispatcher: Arc<Dispatcher>,
    calls: u32,
}

impl Vitals for Pulse {
    fn addr(&self) -> NodeAddr {
        endpoint::node_addr(&self.endpoint)
    }

    fn load(&self) -> f64 {
        let load = self.dispatcher.load();
        // Each connection may run that many calls.
        f64::from(load.calls) / (f64::from(self.calls.max(1)) * f64::from(load.connections.max(1)))
    }
}

impl Publication {
    /// Opens the registry and begins to publish; failures from here on are told in the log and tried again.
    ///
    /// # Errors
    ///
    /// As for [`Home::open`].
    pub(super) async fn start(
        node: &Node,
        folder: Option<&str>,
        options: &RegistryOptions,
        (channel, manifests): (&str, Option<&str>),
        (dispatcher, calls): (Arc<Dispatcher>, u32),
        mesh: Option<Arc<MeshRun>>,
        offers: Vec<Offer>,
    ) -> Result<Arc<Self>> {
        let clock = Arc::new(SystemClock);
        let home = Home::open(node, folder, &options.choice, crate::clock::Clock::epoch_ms(&*clock)).await?;
        let endpoint = EndpointId(*node.0.endpoint.id().as_bytes());
        let owner = home.owner;
        let document = home.document.clone();
        let peers: Vec<_> = home.peers.iter().map(endpoint::addr_of).collect();
        let ledger = DocumentLedger::new(home.document, home.events, Some(owner.author), home.peers);
        let board = join_board(node, &document, &peers).await;
        let standing = Standing::Member { endpoint, owner };
        let mirror = Mirror::new(ledger, board.clone(), clock.clone(), standing, peers);
        let vitals = Arc::new(Pulse { endpoint: node.0.endpoint.clone(), dispatcher, calls });
        let publisher = Publisher::new(
            mirror.clone(),
            Arc::new(NodeArchive(node.clone())),
            Outlets { board, mesh: mesh.clone().map(|mesh| mesh as Arc<dyn Herald>) },
            clock,
            vitals,
            PublisherOptions {
                endpoint,
                node_seed: node.secret_key(),
                owner,
                channel: channel.to_owned(),
                language: options.language,
                lease_epoch: home.lease_epoch,
                refresh: limits::LEASE_REFRESH,
                manifests: manifests.map(read_manifests).unwrap_or_default(),
            },
            offers,
        );
        let (closing, tasks) = (CancellationToken::new(), TaskTracker::new());
        if let Some(mesh) = mesh {
            tasks.spawn(heed(mesh.notices(), mirror.clone(), closing.clone()));
        }
        tasks.spawn(mirror.run(closing.clone()));
        tasks.spawn(publisher.clone().run(closing.clone()));
        Ok(Arc::new(Self { document, owner, publisher, closing, tasks }))
    }

    pub(super) fn namespace(&self) -> String {
        self.document.id()
    }

    pub(super) fn publisher(&self) -> &Arc<Publisher> {
        &self.publisher
    }

    /// Takes the leases back and ends.
    pub(super) async fn close(&self) {
        self.publisher.withdraw().await;
        self.closing.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Publication {
    fn drop(&mut self) {
        self.closing.cancel();
    }
}

/// Looks at the document when other producers tell news: at most once a second.
async fn heed(mut notices: Receiver<(EndpointId, Notice)>, mirror: Arc<Mirror>, closing: CancellationToken) {
    let heed = async {
        while !matches!(notices.recv().await, Err(RecvError::Closed)) {
            // What else has come is the same reason to look.
            notices = notices.resubscribe();
            if let Err(error) = mirror.look().await {
                debug!(target: "aster::registry", error = %error.message(), "cannot read the registry");
            }
            sleep(limits::HINT_PAUSE).await;
        }
    };
    tokio::select! {
        () = closing.cancelled() => {}
        () = heed => {}
    }
}

/// Joins the topic of hints; without it readers look a little later.
pub(super) async fn join_board(node: &Node, document: &Document, peers: &[NodeAddr]) -> Option<Arc<dyn Board>> {
    let topic = registry::topic(&document.namespace());
    let peers = peers.iter().cloned().map(super::docs::Peer::Addr).collect();
    let joined = async { node.gossip()?.subscribe(&topic, peers).await };
    match joined.await {
        Ok(topic) => Some(Arc::new(TopicBoard(topic))),
        Err(error) => {
            tracing::warn!(target: "aster::registry", error = %error.message(), "no hints: cannot join their topic");
            None
        }
    }
}

/// Reads what may be one manifest or an array; what is neither was refused before the server started.
fn read_manifests(text: &str) -> Vec<Value> {
    match serde_json::from_str(text) {
        Ok(Value::Array(manifests)) => manifests,
        Ok(manifest) => vec![manifest],
        Err(_) => Vec::new(),
    }
}

/// The registry that a server writes. Clones are the same.
#[derive(Clone)]
pub struct ServerRegistry(pub(super) Arc<Publication>);

impl ServerRegistry {
    /// Returns the id of its document, 64 hex digits.
    pub fn namespace(&self) -> String {
        self.0.namespace()
    }

    /// Returns the server's author, 64 hex digits.
    pub fn author_id(&self) -> String {
        self.0.owner.author.to_string()
    }

    /// Returns a ticket with which others read it, or write in it: then it is a secret.
    ///
    /// # Errors
    ///
    /// INVALID_ARGUMENT for another mode, IO, CLOSED.
    pub fn share(&self, mode: &str) -> BoxFuture<'static, Result<String>> {
        let (publication, mode) = (self.0.clone(), ShareMode::parse(mode));
        Box::pin(async move { Home::share(&publication.document, &publication.owner, mode?).await })
    }

    /// Lets another author write.
    ///
    /// # Errors
    ///
    /// As for [`Publisher::allow_author`].
    pub fn allow_author(&self, id: &str) -> BoxFuture<'static, Result<()>> {
        let (publication, id) = (self.0.clone(), id.to_owned());
        Box::pin(async move { publication.publisher.allow_author(&id).await })
    }

    /// Says how the server feels: `ready` or `degraded`.
    ///
    /// # Errors
    ///
    /// INVALID_ARGUMENT for anything else.
    pub fn set_health(&self, name: &str) -> Result<()> {
        self.0.publisher.set_health(name)
    }

    /// Tells whether something could not be published yet.
    pub fn is_failing(&self) -> bool {
        self.0.publisher.is_failing()
    }
}
