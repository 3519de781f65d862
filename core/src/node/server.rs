//! A server: a node that hosts services and admits consumers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ed25519_dalek::SigningKey;
use iroh::Endpoint;
use tokio::runtime::Handle;
use tokio::sync::{Mutex as AsyncMutex, broadcast, watch};
use tracing::{debug, warn};

use super::admission;
use super::endpoint;
use super::handler::{CallHandler, Guarded, Held};
use super::mesh::MeshRun;
use super::node::{Hosting, Node, NodeOptions, Protocol};
use super::publication::{Publication, RegistryOptions, ServerRegistry};
use super::trust::{MeshOptions, Trust, TrustSettings, check_answer};
use crate::addr::NodeAddr;
use crate::admission::{Gate, NonceStore, PeerName, Revoked};
use crate::clock::SystemClock;
use crate::config::{Config, NetworkConfig};
use crate::engine::ServicePlan;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::EndpointId;
use crate::limits;
use crate::mesh::Notice;
use crate::registry::Offer;
use crate::rpc::{self, BoxFuture, Caller, Dispatcher, DispatcherOptions, Load, Service};
use crate::sync::lock;
use crate::trust::{ConsumerAnswer, ServiceSummary};
use crate::wire;

/// What a server takes beside its configuration.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Name of the channel that services are announced on.
    pub channel: String,
    /// Calls and sessions at once on one connection.
    pub max_concurrent_streams: u32,
    /// Sessions at once on one connection.
    pub max_sessions_per_connection: u32,
    /// How it is found by others.
    pub registry: RegistryOptions,
    /// Its part in the producers' mesh.
    pub mesh: MeshOptions,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            channel: "rpc".to_owned(),
            max_concurrent_streams: limits::MAX_CONCURRENT_STREAMS,
            max_sessions_per_connection: limits::MAX_SESSIONS_PER_CONNECTION,
            registry: RegistryOptions::default(),
            mesh: MeshOptions::default(),
        }
    }
}

/// A server of services on one endpoint. Clones are the same server.
#[derive(Clone)]
pub struct Server(Arc<Inner>);

struct Inner {
    network: NetworkConfig,
    gate: Arc<Gate>,
    trust: TrustSettings,
    root_pubkey: [u8; 32],
    warnings: Vec<String>,
    options: ServerOptions,
    dispatcher_options: DispatcherOptions,
    services: Mutex<Vec<Service>>,
    /// The program's manifests.
    manifests: Mutex<Option<String>>,
    running: Mutex<Option<Running>>,
    /// Whether `running` is there; admission waits for it.
    is_up: watch::Sender<bool>,
    /// Held over start and close, so that each happens once.
    turn: AsyncMutex<Phase>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    New,
    Started,
    Closed,
}

#[derive(Clone)]
struct Running {
    node: Node,
    dispatcher: Arc<Dispatcher>,
    publication: Arc<Publication>,
    mesh: Option<Arc<MeshRun>>,
    /// Ends with the server.
    _trust: Trust,
}

impl Server {
    /// Makes a server; decides its gate and root key (`trust.md` section 5).
    ///
    /// # Errors
    ///
    /// CONFIG for settings that contradict each other.
    pub fn new(config: &Config, options: ServerOptions) -> Result<Self> {
        let network = config.network()?;
        let gate = config.gate()?;
        for warning in &gate.warnings {
            warn!(target: "aster::trust", "{warning}");
        }
        let root_pubkey = match gate.root_pubkey {
            Some(key) => key,
            None => ephemeral_root()?,
        };
        if let Some(secret) = &network.secret_key
            && SigningKey::from_bytes(secret).verifying_key().to_bytes() == root_pubkey
        {
            return Err(Error::new(ErrorKind::Config, "secret_key: the root key is never a node key"));
        }
        let (open, warnings) = (gate.open, gate.warnings);
        let gate = Gate::new(open);
        let storage = network.storage_path.as_deref();
        let trust = TrustSettings::new(config, gate.clone(), root_pubkey, storage, options.mesh.clone());
        Ok(Self(Arc::new(Inner {
            network,
            gate,
            trust,
            root_pubkey,
            warnings,
            dispatcher_options: DispatcherOptions {
                max_concurrent_streams: options.max_concurrent_streams,
                max_sessions_per_connection: options.max_sessions_per_connection,
                expose_errors: config.expose_errors().unwrap_or(open),
                ..DispatcherOptions::default()
            },
            options,
            services: Mutex::default(),
            manifests: Mutex::default(),
            running: Mutex::default(),
            is_up: watch::Sender::new(false),
            turn: AsyncMutex::new(Phase::New),
        })))
    }

    /// Adds a service. Its events go to its queue from the start on.
    ///
    /// # Errors
    ///
    /// STATE once the server is started, ALREADY_EXISTS for a name and version that is there.
    pub fn register(&self, service: Service) -> Result<()> {
        if self.0.running().is_some() {
            return Err(Error::new(ErrorKind::State, "services are registered before the start"));
        }
        let mut services = lock(&self.0.services);
        let (name, version) = (service.plan.name(), service.plan.version());
        if services.iter().any(|other| other.plan.name() == name && other.plan.version() == version) {
            let text = format!("service '{name}' v{version} is registered twice");
            return Err(Error::new(ErrorKind::AlreadyExists, text));
        }
        services.push(service);
        Ok(())
    }

    /// Gives the program's manifests as JSON text, one or an array: what is published takes docs and versions from those
    /// that are of its contracts.
    pub fn set_manifests(&self, text: String) {
        *lock(&self.0.manifests) = Some(text);
    }

    /// Binds the endpoint and serves; waits neither for relays nor for the network. Idempotent.
    ///
    /// # Errors
    ///
    /// INVALID_ARGUMENT without services, CONFIG or IO if the endpoint cannot be bound, CLOSED after close.
    pub fn start(&self) -> BoxFuture<'static, Result<()>> {
        let inner = self.0.clone();
        Box::pin(async move {
            let mut phase = inner.turn.lock().await;
            match *phase {
                Phase::Started => return Ok(()),
                Phase::Closed => return Err(Error::new(ErrorKind::Closed, "server is closed")),
                Phase::New => {}
            }
            let running = inner.launch().await?;
            *lock(&inner.running) = Some(running);
            inner.is_up.send_replace(true);
            *phase = Phase::Started;
            Ok(())
        })
    }

    /// Returns how many connections, calls and sessions are served now.
    pub fn load(&self) -> Load {
        self.0.running().map(|running| running.dispatcher.load()).unwrap_or_default()
    }

    /// Returns a caller of the services in this process (`wire.md` section 19).
    ///
    /// # Errors
    ///
    /// STATE before the start.
    pub fn local_caller(&self, runtime: Handle, objects: bool) -> Result<Arc<Caller>> {
        let running = self.0.running().ok_or_else(|| Error::new(ErrorKind::State, "server is not started"))?;
        Ok(rpc::local_caller(runtime, running.dispatcher, objects))
    }

    /// Refuses new calls, waits until the running ones ended or `grace` is over, then cancels the rest.
    pub fn drain(&self, grace: Duration) -> BoxFuture<'static, ()> {
        let inner = self.0.clone();
        Box::pin(async move {
            if let Some(running) = inner.running() {
                running.publication.publisher().drain();
                running.dispatcher.drain(grace).await;
            }
        })
    }

    /// Ends every call, closes every connection and releases the endpoint. Idempotent.
    pub fn close(&self) -> BoxFuture<'static, ()> {
        let inner = self.0.clone();
        Box::pin(async move {
            let mut phase = inner.turn.lock().await;
            let first = *phase == Phase::Started;
            *phase = Phase::Closed;
            if first && let Some(running) = inner.running() {
                running.publication.publisher().drain();
                running.dispatcher.drain(Duration::ZERO).await;
                if let Some(mesh) = &running.mesh {
                    mesh.leave().await;
                }
                running.publication.close().await;
                running.node.close().await;
            }
        })
    }

    /// Returns the `aster1` ticket, current when read.
    ///
    /// # Errors
    ///
    /// STATE before the start.
    pub fn address(&self) -> Result<String> {
        endpoint::ticket(&self.0.addr()?)?.to_text()
    }

    /// Returns the address as base64 of its NodeAddr, current when read.
    ///
    /// # Errors
    ///
    /// STATE before the start.
    pub fn addr_b64(&self) -> Result<String> {
        Ok(self.0.addr()?.to_base64())
    }

    /// Returns the endpoint id, 64 hex digits.
    ///
    /// # Errors
    ///
    /// STATE before the start.
    pub fn endpoint_id(&self) -> Result<String> {
        Ok(self.0.addr()?.endpoint_id)
    }

    /// Returns the server's node: blobs, documents, gossip and raw connections beside calls.
    ///
    /// # Errors
    ///
    /// STATE before the start.
    pub fn node(&self) -> Result<Node> {
        let running = self.0.running().ok_or_else(not_started)?;
        Ok(running.node)
    }

    /// Returns the registry in which the server publishes.
    ///
    /// # Errors
    ///
    /// STATE before the start.
    pub fn registry(&self) -> Result<ServerRegistry> {
        let running = self.0.running().ok_or_else(not_started)?;
        Ok(ServerRegistry(running.publication))
    }

    /// Returns the services as they are announced.
    ///
    /// # Errors
    ///
    /// STATE before the start.
    pub fn services(&self) -> Result<Vec<ServiceSummary>> {
        Ok(self.0.summaries(&self.0.addr()?))
    }

    /// Returns the public root key; in dev mode an ephemeral one.
    pub fn root_pubkey(&self) -> [u8; 32] {
        self.0.root_pubkey
    }

    /// Returns what is served.
    pub(super) fn plans(&self) -> Vec<Arc<ServicePlan>> {
        lock(&self.0.services).iter().map(|service| service.plan.clone()).collect()
    }

    /// Returns what the operator must be told about the gate, such as dev mode. It is logged, too.
    pub fn warnings(&self) -> &[String] {
        &self.0.warnings
    }

    /// Takes the host's own store of spent one-time tokens instead of core's.
    ///
    /// # Errors
    ///
    /// STATE once the server is started.
    pub fn set_nonce_store(&self, store: Arc<dyn NonceStore>) -> Result<()> {
        if self.0.running().is_some() {
            return Err(Error::new(ErrorKind::State, "the nonce store is given before the start"));
        }
        *self.0.trust.own_nonces() = Some(store);
        Ok(())
    }

    /// Returns the gate with its allowlist.
    pub fn gate(&self) -> &Arc<Gate> {
        &self.0.gate
    }

    /// Admits a peer without a credential, with attributes, until a second since 1970 (0: none) and at most for the
    /// configured time.
    ///
    /// # Errors
    ///
    /// LIMIT if the list is full, STATE if the endpoint is revoked, INVALID_ARGUMENT for a time that has passed.
    pub fn admit_peer(&self, peer: EndpointId, attributes: BTreeMap<String, String>, expires_at: u64) -> Result<()> {
        self.0.gate.admit_by_hand(peer, attributes, expires_at, self.0.trust.config.peer_ttl_s)
    }

    /// Ends the admission of a peer and its connections within a second; it may be admitted again. False: it had none.
    pub fn remove_peer(&self, peer: &PeerName) -> bool {
        self.0.gate.remove(peer)
    }

    /// Refuses an endpoint or a credential until a second since 1970, or for ever; what it has ends within a second.
    ///
    /// # Errors
    ///
    /// LIMIT if the list is full, INVALID_ARGUMENT for a time that has passed, IO if it could not be written and holds
    /// in memory only.
    pub fn revoke(&self, what: Revoked, until: Option<u64>) -> BoxFuture<'static, Result<()>> {
        self.revoke_at_once(what, until).unwrap_or_else(|error| Box::pin(std::future::ready(Err(error))))
    }

    /// As [`revoke`](Self::revoke), and done when it returns; the future ends when it is written.
    ///
    /// # Errors
    ///
    /// LIMIT and INVALID_ARGUMENT at once, IO from the future.
    pub fn revoke_at_once(&self, what: Revoked, until: Option<u64>) -> Result<BoxFuture<'static, Result<()>>> {
        self.0.gate.revoke(what, until)?;
        let inner = self.0.clone();
        Ok(Box::pin(async move { inner.trust.keep_revocations().await }))
    }

    /// Returns the other producers of the mesh.
    pub fn mesh_members(&self) -> Vec<EndpointId> {
        self.0.running().and_then(|running| Some(running.mesh?.members())).unwrap_or_default()
    }

    /// Returns what other producers tell registries from now on; `None` without a mesh.
    pub fn mesh_notices(&self) -> Option<broadcast::Receiver<(EndpointId, Notice)>> {
        Some(self.0.running()?.mesh?.notices())
    }

    /// Tells whether every peer is admitted.
    pub fn is_open(&self) -> bool {
        self.0.gate.is_open()
    }
}

impl Inner {
    fn running(&self) -> Option<Running> {
        lock(&self.running).clone()
    }

    fn addr(&self) -> Result<NodeAddr> {
        Ok(self.running().ok_or_else(not_started)?.node.addr())
    }

    fn summaries(&self, addr: &NodeAddr) -> Vec<ServiceSummary> {
        let channels = BTreeMap::from([(self.options.channel.clone(), addr.to_base64())]);
        let summary = |service: &Service| {
            let description = service.plan.contract().description();
            ServiceSummary {
                name: description.service.clone(),
                version: description.version,
                contract_id: service.plan.contract().id().to_owned(),
                channels: channels.clone(),
                pattern: description.scope.name().to_owned(),
                serialization_modes: service.plan.advertised_modes(),
            }
        };
        lock(&self.services).iter().map(summary).collect()
    }

    async fn launch(self: &Arc<Self>) -> Result<Running> {
        let services = lock(&self.services).clone();
        if services.is_empty() {
            return Err(Error::new(ErrorKind::InvalidArgument, "a server requires at least one service"));
        }
        let names: Vec<_> = services.iter().map(|service| service.plan.name().to_owned()).collect();
        let offer = |service: &Service| Offer {
            contract: service.plan.contract().clone(),
            modes: service.plan.advertised_modes(),
        };
        let offers = services.iter().map(offer).collect();
        let options = self.dispatcher_options.clone();
        let calls = options.max_concurrent_streams;
        let dispatcher = Dispatcher::new(services, self.gate.clone(), Arc::new(SystemClock), options)?;
        let trust = self.trust.open().await?;
        let node = self.host(calls, dispatcher.clone(), &trust).await?;
        let shown = async {
            let mesh = self.join_mesh(&trust, &node)?;
            let publication = self.publish(&node, (dispatcher.clone(), calls), mesh.clone(), offers).await?;
            Ok((mesh, publication))
        };
        let (mesh, publication) = match shown.await {
            Ok(shown) => shown,
            Err(error) => {
                node.close().await;
                return Err(error);
            }
        };
        let mode = if self.gate.is_open() { "open-gate" } else { "trusted" };
        debug!(target: "aster::server", services = ?names, mode, "server started");
        Ok(Running { node, dispatcher, publication, mesh, _trust: trust })
    }

    fn join_mesh(&self, trust: &Trust, node: &Node) -> Result<Option<Arc<MeshRun>>> {
        check_answer(&ConsumerAnswer { services: self.summaries(&node.addr()), ..ConsumerAnswer::denial() })?;
        self.trust.join_mesh(trust, node)
    }

    async fn publish(
        &self,
        node: &Node,
        served: (Arc<Dispatcher>, u32),
        mesh: Option<Arc<MeshRun>>,
        offers: Vec<Offer>,
    ) -> Result<Arc<Publication>> {
        let folder = self.network.storage_path.as_deref();
        let manifests = lock(&self.manifests).clone();
        let named = (self.options.channel.as_str(), manifests.as_deref());
        Publication::start(node, folder, &self.options.registry, named, served, mesh, offers).await
    }

    /// Opens the node of the server, with calls and admission beside its content.
    async fn host(self: &Arc<Self>, calls: u32, dispatcher: Arc<Dispatcher>, trust: &Trust) -> Result<Node> {
        let (server, trust) = (self.clone(), trust.clone());
        let protocols = move |endpoint: &Endpoint| -> Vec<Protocol> {
            let hosted = server.summaries(&endpoint::node_addr(endpoint));
            let admission = admission::protocols(&trust, endpoint, server.directory(endpoint), &hosted);
            let held = |(alpn, handler): Protocol| -> Protocol {
                (alpn, Box::new(Guarded(Held { handler, is_up: server.is_up.subscribe() })))
            };
            let mut protocols: Vec<Protocol> = admission.into_iter().map(held).collect();
            protocols.push((wire::ALPN_RPC.to_vec(), Box::new(Guarded(CallHandler(dispatcher)))));
            protocols
        };
        let hosting = Hosting { gate: Some(self.gate.clone()), calls, protocols: Box::new(protocols) };
        let options = NodeOptions { network: self.network.clone(), key_folder: None, alpns: Vec::new(), content: true };
        let node = Node::host(options, hosting).await?;
        // A key that the folder keeps is known only now.
        if node.id() == hex::encode(self.root_pubkey) {
            node.close().await;
            return Err(Error::new(ErrorKind::Config, "secret_key: the root key is never a node key"));
        }
        Ok(node)
    }

    fn directory(self: &Arc<Self>, endpoint: &Endpoint) -> crate::admission::Directory {
        let server = Arc::downgrade(self);
        let endpoint = endpoint.clone();
        Box::new(move || {
            let Some(server) = server.upgrade() else { return ConsumerAnswer::denial() };
            ConsumerAnswer {
                admitted: true,
                services: server.summaries(&endpoint::node_addr(&endpoint)),
                gossip_topic: server.running().and_then(|r| Some(r.mesh?.topic())).unwrap_or_default(),
                registry_namespace: server.running().map(|r| r.publication.namespace()).unwrap_or_default(),
                root_pubkey: hex::encode(server.root_pubkey),
                ..ConsumerAnswer::denial()
            }
        })
    }
}

fn not_started() -> Error {
    Error::new(ErrorKind::State, "server is not started")
}

/// Makes the public half of a root key that lives as long as the server.
fn ephemeral_root() -> Result<[u8; 32]> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| Error::new(ErrorKind::Io, format!("no randomness: {error}")))?;
    Ok(SigningKey::from_bytes(&seed).verifying_key().to_bytes())
}
