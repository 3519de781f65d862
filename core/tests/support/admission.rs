//! Closed servers, credentials that open them, and clients.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aster_core::admission::{NonceStore, PeerName};
use aster_core::codec::{Record, Value, ValueSink, ValueSource};
use aster_core::config::{Config, IDENTITY_FILE, Role, Sources};
use aster_core::engine::{CallOptions, ClientCall, Event, Queue, ServicePlan};
use aster_core::error::{Error, Result};
use aster_core::keys;
use aster_core::node::{Client, ClientOptions, Node, NodeOptions, Server, ServerOptions};
use aster_core::rpc::{BoundService, Service};
use aster_core::trust::{Enrollment, EnrollmentKind};
use base64::Engine as _;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::support::{ECHO, Handlers, SILENT, answer};

pub const WAIT: Duration = Duration::from_secs(20);
pub const NODE_SEED: [u8; 32] = [0x11; 32];

pub fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

fn sources(pairs: &[(&str, &str)]) -> Sources {
    let mut env: BTreeMap<String, String> = BTreeMap::new();
    env.insert("ASTER_RELAY_MODE".to_owned(), "disabled".to_owned());
    env.insert("ASTER_BIND_ADDR".to_owned(), "127.0.0.1:0".to_owned());
    env.extend(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    Sources { env, ..Sources::default() }
}

fn settle(role: Role, pairs: &[(&str, &str)]) -> Result<Config> {
    Config::resolve(Sources { role: Some(role), ..sources(pairs) })
}

/// The configuration of a client.
pub fn config(pairs: &[(&str, &str)]) -> Config {
    settle(Role::Consumer, pairs).expect("configuration")
}

/// Who signs credentials.
pub struct Issuer {
    pub seed: [u8; 32],
    pub root: [u8; 32],
    nonces: AtomicU64,
    expiry: AtomicU64,
}

impl Issuer {
    pub fn new() -> Self {
        let (seed, root) = keys::generate().expect("a key");
        Self { seed, root, nonces: AtomicU64::new(0), expiry: AtomicU64::new(0) }
    }

    pub fn seed_base64(&self) -> String {
        base64::engine::general_purpose::STANDARD.encode(self.seed)
    }

    /// When the credential that was made last expires.
    pub fn last_expiry(&self) -> u64 {
        self.expiry.load(Ordering::Relaxed)
    }

    pub fn make(&self, kind: EnrollmentKind, endpoint: Option<&str>, ttl: u64, attributes: &[(&str, &str)]) -> String {
        let nonce = (kind == EnrollmentKind::OneTime).then(|| {
            let mut nonce = vec![0; 32];
            // Clients remember nonces in the whole process.
            nonce[..8].copy_from_slice(&self.nonces.fetch_add(1, Ordering::Relaxed).to_be_bytes());
            nonce[8..].copy_from_slice(&self.root[8..]);
            nonce
        });
        let expires_at = seconds() + ttl;
        self.expiry.store(expires_at, Ordering::Relaxed);
        let mut made = Enrollment {
            kind,
            nonce,
            endpoint_id: endpoint.map(str::to_owned),
            root_pubkey: self.root,
            expires_at,
            attributes: attributes.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            signature: Vec::new(),
        };
        made.signature = made.sign(&self.seed).expect("signed").to_vec();
        made.to_json()
    }

    pub fn policy(&self, ttl: u64, attributes: &[(&str, &str)]) -> String {
        self.make(EnrollmentKind::Policy, None, ttl, attributes)
    }

    pub fn bound_policy(&self, endpoint: &str, ttl: u64) -> String {
        self.make(EnrollmentKind::Policy, Some(endpoint), ttl, &[])
    }

    /// Writes the identity file of a producer.
    pub fn identity(&self, node_seed: [u8; 32], ttl: u64) -> String {
        let id = keys::endpoint_id(&node_seed).to_string();
        let made = self.make(EnrollmentKind::Producer, Some(&id), ttl, &[("aster.role", "producer")]);
        let made: serde_json::Value = serde_json::from_str(&made).expect("JSON");
        format!(
            "[node]\nsecret_key = '{}'\n[[peers]]\nname = 'p'\nrole = 'producer'\nroot_pubkey = {}\n\
             endpoint_id = {}\nexpires_at = {}\nsignature = {}\nattributes = {{ \"aster.role\" = 'producer' }}\n",
            base64::engine::general_purpose::STANDARD.encode(node_seed),
            made["root_pubkey"],
            made["endpoint_id"],
            made["expires_at"],
            made["signature"],
        )
    }

    pub fn token(&self, ttl: u64, attributes: &[(&str, &str)]) -> String {
        self.make(EnrollmentKind::OneTime, None, ttl, attributes)
    }
}

/// A server of `Echo` that trusts an issuer.
pub struct Running {
    pub server: Server,
    answering: JoinHandle<()>,
}

impl Running {
    pub async fn try_start(issuer: &Issuer, pairs: &[(&str, &str)]) -> Result<Self> {
        Self::start_with(issuer, pairs, |_| {}).await
    }

    pub async fn start(issuer: &Issuer, pairs: &[(&str, &str)]) -> Self {
        Self::try_start(issuer, pairs).await.expect("started")
    }

    pub async fn with_nonces(issuer: &Issuer, store: Arc<dyn NonceStore>) -> Self {
        let give = |server: &Server| server.set_nonce_store(store).expect("taken");
        Self::start_with(issuer, &[], give).await.expect("started")
    }

    async fn start_with(issuer: &Issuer, pairs: &[(&str, &str)], prepare: impl FnOnce(&Server)) -> Result<Self> {
        let root = hex::encode(issuer.root);
        let pairs: Vec<_> = [("ASTER_ROOT_PUBKEY", root.as_str())].into_iter().chain(pairs.iter().copied()).collect();
        Self::start_config(&settle(Role::Producer, &pairs)?, ServerOptions::default(), prepare).await
    }

    /// Starts a server with an identity file.
    pub async fn with_identity(identity: &str, pairs: &[(&str, &str)], options: ServerOptions) -> Result<Self> {
        let files = BTreeMap::from([(IDENTITY_FILE.to_owned(), identity.to_owned().into())]);
        let sources = Sources { files, role: Some(Role::Producer), now: Some(seconds()), ..sources(pairs) };
        Self::start_config(&Config::resolve(sources)?, options, |_| {}).await
    }

    async fn start_config(config: &Config, options: ServerOptions, prepare: impl FnOnce(&Server)) -> Result<Self> {
        let server = Server::new(config, options)?;
        prepare(&server);
        let (queue, notify) = queue();
        let plan = ServicePlan::from_json(ECHO).expect("description");
        server.register(Service { plan, queue: queue.clone(), tag: 7, initial_credit: 16 })?;
        server.start().await?;
        let answering = tokio::spawn(answer(Handlers::default(), queue, notify));
        Ok(Self { server, answering })
    }

    pub async fn stop(self) {
        timeout(WAIT, self.server.close()).await.expect("close ends");
        self.answering.abort();
    }
}

fn queue() -> (Arc<Queue>, Arc<Notify>) {
    let notify = Arc::new(Notify::new());
    let waker = notify.clone();
    (Queue::new(4096, move || waker.notify_one()), notify)
}

pub fn options(running: &Running, credential: &str) -> ClientOptions {
    ClientOptions {
        address: Some(running.server.address().expect("address")),
        credential_json: credential.to_owned(),
        ..ClientOptions::default()
    }
}

async fn connect_with(running: &Running, config: &Config, credential: &str) -> Result<Client> {
    let options = options(running, credential);
    timeout(WAIT, Client::connect(Handle::current(), config, options)).await.expect("connect ends")
}

/// Connects a node of its own.
pub async fn connect(running: &Running, credential: &str) -> Result<Client> {
    connect_with(running, &config(&[]), credential).await
}

/// Connects the node of a key.
pub async fn connect_as(running: &Running, seed: [u8; 32], credential: &str) -> Result<Client> {
    let key = base64::engine::general_purpose::STANDARD.encode(seed);
    connect_with(running, &config(&[("ASTER_SECRET_KEY", &key)]), credential).await
}

pub fn network() -> NodeOptions {
    let network = config(&[]).network().expect("network");
    NodeOptions { network, key_folder: None, alpns: Vec::new(), content: true }
}

pub async fn open_node(options: &NodeOptions) -> Node {
    Node::open(options.clone()).await.expect("a node")
}

pub fn peer_of(client: &Client) -> PeerName {
    PeerName::parse(&client.info().endpoint_id)
}

/// Calls of `Echo`.
pub struct Calls {
    service: BoundService,
    queue: Arc<Queue>,
    notify: Arc<Notify>,
}

impl Calls {
    pub fn new(client: &Client) -> Self {
        let (queue, notify) = queue();
        let plan = ServicePlan::from_json(ECHO).expect("description");
        Self { service: client.bind(&plan, None).expect("bound"), queue, notify }
    }

    fn begin(&self, message: &str) -> Arc<ClientCall> {
        let fields = vec![("message".into(), Value::Text(message.to_owned()))];
        let request = Value::Record(Record { tag: None, fields });
        let call = self.service.start(0, &CallOptions::default(), &self.queue, &mut ValueSource::new(), &&request);
        call.expect("sent")
    }

    async fn event(&self) -> Event {
        let mut events = Vec::new();
        let waited = timeout(WAIT, async {
            while self.queue.drain(1, &mut events) == 0 {
                self.notify.notified().await;
            }
        });
        waited.await.expect("an event comes");
        events.remove(0)
    }

    /// Starts a call that is never answered.
    pub fn start_silent(&self) -> u64 {
        self.begin(SILENT).ticket()
    }

    /// Waits for the failure of a call.
    pub async fn end_of(&self, waiting: u64) -> Error {
        match self.event().await {
            Event::Finished { ticket, status, .. } if ticket == waiting => Error::rpc(status),
            _ => panic!("not the end of the call"),
        }
    }

    pub async fn echo(&self, message: &str) -> Result<String> {
        let call = self.begin(message);
        match self.event().await {
            Event::Response { ticket, body } => {
                assert_eq!(ticket, call.ticket());
                let Value::Record(record) = call.decode_response(&body, &mut ValueSink)? else { panic!("no record") };
                match record.get("reply") {
                    Some(Value::Text(text)) => Ok(text.clone()),
                    other => panic!("no reply: {other:?}"),
                }
            }
            Event::Finished { status, .. } => Err(Error::rpc(status)),
            _ => panic!("not an event of a client"),
        }
    }
}

/// A folder that goes when it is dropped.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        let path = std::env::temp_dir().join(format!("aster-{}", aster_core::ids::random_uuid()));
        std::fs::create_dir(&path).expect("a folder");
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn text(&self) -> &str {
        self.0.to_str().expect("UTF-8")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
