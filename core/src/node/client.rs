//! A client: an endpoint that was admitted by one server and calls its services.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use iroh::EndpointAddr;
use tokio::runtime::Handle;
use tokio::sync::Mutex as AsyncMutex;
use tokio::task::JoinHandle;
use tracing::warn;

use super::dialer::{QuicDialer, keep_presenting};
use super::endpoint;
use super::fleet::Fleet;
use super::node::{Node, NodeOptions};
use super::registry::ClientRegistry;
use crate::addr::Address;
use crate::admission::{Delegation, Presentation};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::engine::ServicePlan;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::EndpointId;
use crate::limits;
use crate::rpc::{BoundService, BoxFuture, Caller};
use crate::sync::lock;
use crate::trust::{ConsumerAnswer, ServiceSummary};
use crate::wire;

/// What a client takes beside its configuration.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Ticket, base64 NodeAddr or 64 hex digits; `None`: `endpoint_addr` of the configuration.
    pub address: Option<String>,
    /// Channel of services to use.
    pub channel: String,
    /// Credential to present, as JSON text; empty: none.
    pub credential_json: String,
    /// Time for dialling, admission included.
    pub connect_timeout: Duration,
    /// Whether services may point to another endpoint than the admitted one.
    pub allow_foreign_channels: bool,
    /// What another authority grants for one of the server's services; shown before the credential.
    pub delegation: Option<Delegation>,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            address: None,
            channel: "rpc".to_owned(),
            credential_json: String::new(),
            connect_timeout: limits::CONNECT_TIMEOUT,
            allow_foreign_channels: false,
            delegation: None,
        }
    }
}

/// What the server told at admission.
#[derive(Clone, Debug)]
pub struct ClientInfo {
    /// The client's own endpoint id.
    pub endpoint_id: String,
    /// The server's endpoint id.
    pub server_id: String,
    /// Whether the client was admitted without a credential.
    pub open_gate: bool,
    /// The admission answer.
    pub answer: ConsumerAnswer,
}

/// A connected client. Clones are the same client.
#[derive(Clone)]
pub struct Client(pub(super) Arc<Inner>);

pub(super) struct Inner {
    first: Arc<ClientInfo>,
    options: ClientOptions,
    caller: Arc<Caller>,
    dialer: Arc<QuicDialer>,
    node: Node,
    warned: Mutex<Vec<(String, i32)>>,
    _presenting: Option<Presenting>,
    pub(super) runtime: Handle,
    /// Joined at the first use, and left when the client connects afresh.
    pub(super) registry: AsyncMutex<Option<ClientRegistry>>,
    pub(super) fleet: Arc<Fleet>,
}

impl Inner {
    /// Returns where the client was connected to.
    pub(super) fn home(&self) -> EndpointAddr {
        self.dialer.target.clone()
    }

    async fn leave_registry(&self) {
        if let Some(registry) = self.registry.lock().await.take() {
            registry.leave().await;
        }
    }

    /// Stops following the registry; its document ends with the node.
    async fn close_registry(&self) {
        if let Some(registry) = self.registry.lock().await.take() {
            registry.close().await;
        }
    }
}

/// Presents a policy again while the client lives.
struct Presenting(JoinHandle<()>);

impl Drop for Presenting {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Client {
    /// Opens a node, dials the server and runs admission; waits neither for relays nor for discovery that is
    /// switched off. A failure, and dropping the future, release everything.
    ///
    /// The node is a full one, and open: whoever reaches it may fetch what it has by hash. Peers of documents and
    /// of gossip have to.
    ///
    /// # Errors
    ///
    /// ADDRESS for text that is no address, CONFIG without one, CONNECT if the server is unreachable or its
    /// answer unusable, ADMISSION_DENIED if it refuses, CREDENTIAL if it trusts another root key, IO if the storage
    /// folder is in use.
    pub fn connect(runtime: Handle, config: &Config, options: ClientOptions) -> BoxFuture<'static, Result<Self>> {
        let prepared = prepare(config, &options);
        let presentation =
            Presentation { credential_json: options.credential_json.clone(), iid_token: config.trust().iid_token };
        Box::pin(async move {
            let (network, target, root_pubkey) = prepared?;
            let persists = network.storage_path.is_some();
            let options_of_node = NodeOptions { network, key_folder: None, alpns: Vec::new(), content: true };
            let node = OpenedNode(Some(Node::open(options_of_node).await?));
            node.get()?.0.book.add(&target);
            let timeout = options.connect_timeout;
            let mut dialer = QuicDialer::new(node.get()?.clone(), target, timeout, presentation, root_pubkey);
            dialer.delegation = options.delegation.clone();
            let dialer = Arc::new(dialer);
            let admitted = dialer.admit().await;
            let id = node.get()?.id();
            // Without a root key of ours the server says what it is.
            let told = || admitted.as_ref().ok().map(|info| info.answer.root_pubkey.clone());
            let root = root_pubkey.map(hex::encode).or_else(told);
            if root.is_some_and(|root| root.eq_ignore_ascii_case(&id)) {
                warn!(target: "aster::trust", "secret_key: the node key of this client is the root key, which is never one");
            }
            if admitted.is_err() && persists {
                // Whoever tries again must find the folder free.
                node.get()?.close().await;
            }
            let first = admitted.map_err(|error| error.with_detail("our_endpoint_id", id))?;
            let node = node.keep()?;
            let presenting = dialer.presentation.is_policy().then(|| {
                let dialer = dialer.clone();
                let present = async move || dialer.admit().await.map(drop);
                Presenting(runtime.spawn(keep_presenting(present)))
            });
            let caller = Caller::new(runtime.clone(), dialer.clone(), Arc::new(SystemClock), None);
            let home = (EndpointId(*dialer.target.id.as_bytes()), caller.clone());
            let fleet = Fleet::new(runtime.clone(), dialer.to_others(), home);
            Ok(Self(Arc::new(Inner {
                first,
                options,
                caller,
                dialer,
                node,
                warned: Mutex::default(),
                _presenting: presenting,
                runtime,
                registry: AsyncMutex::default(),
                fleet,
            })))
        })
    }

    /// Returns the client's own node.
    pub fn node(&self) -> &Node {
        &self.0.node
    }

    /// Returns what the server told at admission.
    pub fn info(&self) -> Arc<ClientInfo> {
        self.0.dialer.info().unwrap_or_else(|| self.0.first.clone())
    }

    /// Returns what calls of any service go through.
    pub fn caller(&self) -> &Arc<Caller> {
        &self.0.caller
    }

    /// Connects afresh: admission is repeated, what the server told is forgotten, calls and sessions end. Five
    /// attempts, with growing waits between them.
    ///
    /// # Errors
    ///
    /// CONNECT if every attempt failed; ADMISSION_DENIED and CREDENTIAL at once.
    pub fn reconnect(&self) -> BoxFuture<'static, Result<()>> {
        let inner = self.0.clone();
        Box::pin(async move {
            inner.caller.disconnect();
            inner.leave_registry().await;
            for wait in limits::RECONNECT_WAITS {
                tokio::time::sleep(wait).await;
                match inner.dialer.admit().await {
                    Ok(_) => {
                        lock(&inner.warned).clear();
                        return Ok(());
                    }
                    Err(error) if error.kind() == ErrorKind::Connect => {}
                    Err(error) => {
                        let id = inner.node.0.endpoint.id().to_string();
                        return Err(error.with_detail("our_endpoint_id", id));
                    }
                }
            }
            let text = format!("Failed to reconnect after {} attempts", limits::RECONNECT_WAITS.len());
            Err(Error::new(ErrorKind::Connect, text))
        })
    }

    /// Binds a service description to the server: it must offer that name and version on a channel, ours by default. A
    /// differing contract id is logged once and allowed; the codec refuses what does not fit.
    ///
    /// # Errors
    ///
    /// NOT_FOUND if the service, version or channel is not offered; ADMISSION_DENIED if the channel points to
    /// another endpoint than the admitted one.
    pub fn bind(&self, plan: &Arc<ServicePlan>, channel: Option<&str>) -> Result<BoundService> {
        let (name, version) = (plan.name(), plan.version());
        let info = self.info();
        let services = &info.answer.services;
        let offered = services
            .iter()
            .find(|service| service.name == name && service.version == version)
            .ok_or_else(|| not_offered(name, version, services))?;
        self.check_channel(&info, offered, channel.unwrap_or(&self.0.options.channel))?;
        self.compare_contract(plan, &offered.contract_id, name, version);
        let choice = wire::choose(&offered.serialization_modes);
        Ok(BoundService::new(self.0.caller.clone(), plan.clone(), choice))
    }

    fn check_channel(&self, info: &ClientInfo, offered: &ServiceSummary, channel: &str) -> Result<()> {
        let address = offered.channels.get(channel).ok_or_else(|| {
            let available: Vec<_> = offered.channels.keys().map(|name| format!("'{name}'")).collect();
            let text = format!(
                "service '{}' has no channel '{channel}' (available: [{}])",
                offered.name,
                available.join(", ")
            );
            Error::new(ErrorKind::NotFound, text)
        })?;
        let id = Address::parse(address)?.endpoint_id.to_string();
        if id != info.server_id && !self.0.options.allow_foreign_channels {
            let text = format!("channel '{channel}' of service '{}' is at another endpoint", offered.name);
            return Err(Error::new(ErrorKind::AdmissionDenied, text));
        }
        Ok(())
    }

    /// Logs once per service that its contract differs from ours; versions of a service may meet.
    pub(super) fn compare_contract(&self, plan: &ServicePlan, offered: &str, name: &str, version: i32) {
        if plan.contract().id() == offered {
            return;
        }
        let service = (name.to_owned(), version);
        let mut warned = lock(&self.0.warned);
        if !warned.contains(&service) {
            warn!(
                target: "aster::client",
                service = %service.0, version = service.1, ours = plan.contract().id(), theirs = offered,
                "the contract of the service differs from ours"
            );
            warned.push(service);
        }
    }

    /// Ends every call, closes the connection and releases the endpoint. Idempotent.
    pub fn close(&self) -> BoxFuture<'static, ()> {
        let inner = self.0.clone();
        Box::pin(async move {
            inner.caller.close().await;
            inner.fleet.close().await;
            inner.close_registry().await;
            inner.node.close().await;
        })
    }
}

/// A node that is closed if the client does not come about.
struct OpenedNode(Option<Node>);

impl OpenedNode {
    fn get(&self) -> Result<&Node> {
        self.0.as_ref().ok_or_else(super::failure::node_closed)
    }

    fn keep(mut self) -> Result<Node> {
        self.0.take().ok_or_else(super::failure::node_closed)
    }
}

impl Drop for OpenedNode {
    fn drop(&mut self) {
        if let (Some(node), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(node.close());
        }
    }
}

type Prepared = (crate::config::NetworkConfig, EndpointAddr, Option<[u8; 32]>);

fn prepare(config: &Config, options: &ClientOptions) -> Result<Prepared> {
    let text = options
        .address
        .as_deref()
        .or(config.endpoint_addr())
        .ok_or_else(|| Error::new(ErrorKind::Config, "a client requires an endpoint address"))?;
    let target = endpoint::dial_target(&Address::parse(text)?)?;
    Ok((config.network()?, target, config.root_pubkey()))
}

fn not_offered(name: &str, version: i32, services: &[ServiceSummary]) -> Error {
    let got: Vec<_> = services.iter().map(|service| format!("('{}', {})", service.name, service.version)).collect();
    let text = format!("service '{name}' v{version} not offered by producer (got: [{}])", got.join(", "));
    Error::new(ErrorKind::NotFound, text).with_status(crate::status::StatusCode::NOT_FOUND)
}
