//! A server's part in the producers' mesh: joining, listening, speaking (`trust.md` section 11).

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use iroh::EndpointAddr;
use tokio::sync::{Mutex as AsyncMutex, broadcast, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tracing::{debug, info, warn};

use super::docs::Peer;
use super::gossip::{Topic, TopicEvent};
use super::node::Node;
use super::private_file;
use super::transport::QuicConnection;
use super::trust::blocking;
use crate::admission::{AdmissionPath, PeerName, Presentation, Verifier, request_producer};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::EndpointId;
use crate::limits;
use crate::mesh::{Accepted, Effect, Envelope, Mesh, MessageKind, Notice};
use crate::registry::Herald;
use crate::sync::lock;
use crate::wire;

/// How often time passes for the mesh.
const TICK: Duration = Duration::from_secs(1);
/// How often the state is saved, if it has changed.
const SAVE_INTERVAL: Duration = Duration::from_secs(30);
/// Pause after a topic has ended.
const REJOIN_PAUSE: Duration = Duration::from_secs(1);
/// Notices that wait for their reader; the oldest are dropped then.
const MAX_NOTICES: usize = 1024;
/// Notices of ours that wait to be sent.
const MAX_OUTBOX: usize = 256;

/// What a server's part in the mesh is made of.
pub(super) struct MeshParts {
    pub(super) mesh: Arc<Mutex<Mesh>>,
    pub(super) verifier: Arc<Verifier>,
    pub(super) node: Node,
    /// What we present and introduce ourselves with; `None`: we only admit others.
    pub(super) presentation: Option<Presentation>,
    pub(super) bootstrap: Vec<EndpointAddr>,
    /// Where the state is kept.
    pub(super) path: Option<PathBuf>,
    /// How long ids hold that only a list names.
    pub(super) listed_ms: u64,
    /// What was saved last.
    pub(super) saved: AsyncMutex<String>,
}

/// A server's part in the mesh while it runs. It ends when it is dropped.
pub(super) struct MeshRun {
    parts: Arc<MeshParts>,
    notices: broadcast::Sender<(EndpointId, Notice)>,
    outbox: mpsc::Sender<Outgoing>,
    task: JoinHandle<()>,
}

enum Outgoing {
    Notice(Notice),
    Depart(tokio::sync::oneshot::Sender<()>),
}

impl Drop for MeshRun {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl MeshParts {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.verifier.gate.now_ms()).unwrap_or(0)
    }

    fn mesh(&self) -> MutexGuard<'_, Mesh> {
        lock(&self.mesh)
    }

    /// Signs a message of ours; `None` while we are silent.
    fn message(&self, kind: MessageKind, payload: Vec<u8>) -> Option<Vec<u8>> {
        let epoch_ms = {
            let mut mesh = self.mesh();
            if mesh.is_dead() && kind != MessageKind::Depart {
                return None;
            }
            mesh.next_epoch_ms(self.now_ms())
        };
        let signed = Envelope::sign(kind, payload, epoch_ms, &self.node.secret_key()).ok()?;
        Some(signed.to_json().into_bytes())
    }

    async fn say(&self, topic: &Topic, kind: MessageKind, payload: Vec<u8>) {
        let Some(message) = self.message(kind, payload) else { return };
        if let Err(error) = topic.broadcast(message.into()).await {
            warn!(target: "aster::mesh", %error, "a message was not sent");
        }
    }

    async fn introduce(&self, topic: &Topic) {
        if let Some(presentation) = &self.presentation {
            let credential = presentation.credential_json.clone().into_bytes();
            self.say(topic, MessageKind::Introduce, credential).await;
        }
    }

    /// Presents our credential to one of those that may know the mesh.
    async fn ask(&self, target: &EndpointAddr, presentation: &Presentation) -> Result<Accepted> {
        let asked = async {
            let dialled = self.node.0.endpoint.connect(target.clone(), wire::ALPN_PRODUCER_ADMISSION).await;
            let connection =
                QuicConnection::new(dialled.map_err(|error| Error::new(ErrorKind::Connect, format!("{error:#}")))?);
            let answer = request_producer(&connection, presentation, limits::MESH_JOIN_TIMEOUT).await;
            crate::rpc::Connection::close(&connection, wire::CLOSE_NORMAL, wire::CLIENT_CLOSE_TEXT);
            answer
        };
        let late = || Error::new(ErrorKind::Connect, "no answer in time");
        timeout(limits::MESH_JOIN_TIMEOUT, asked).await.map_err(|_| late())?
    }

    /// Asks everybody who may know the mesh, once. True: somebody answered.
    async fn join(&self) -> bool {
        let Some(presentation) = &self.presentation else { return true };
        let mut joined = self.bootstrap.is_empty();
        for target in &self.bootstrap {
            match self.ask(target, presentation).await {
                Ok(Accepted { salt, producers }) => {
                    let now = self.now_ms();
                    let mut mesh = self.mesh();
                    let moved = mesh.move_to(salt, now);
                    mesh.accept_listed(&producers, now.saturating_add(self.listed_ms), now);
                    info!(target: "aster::mesh", event = "mesh.join", producers = producers.len(), moved);
                    joined = true;
                }
                Err(error) => debug!(target: "aster::mesh", %error, "a producer did not let us join"),
            }
        }
        joined
    }

    async fn save(&self) {
        let Some(path) = self.path.clone() else { return };
        let text = self.mesh().to_json(self.now_ms());
        let mut last = self.saved.lock().await;
        if *last == text {
            return;
        }
        last.clone_from(&text);
        let saved = blocking(move || {
            if let Some(folder) = path.parent() {
                private_file::make_folder(folder)?;
            }
            private_file::replace(&path, &text)
        });
        if let Err(error) = saved.await {
            warn!(target: "aster::mesh", %error, "the state of the mesh was not saved");
        }
    }
}

impl MeshRun {
    /// Begins to take part; waits for nobody.
    pub(super) fn start(parts: MeshParts) -> Self {
        let (notices, _) = broadcast::channel(MAX_NOTICES);
        let (outbox, outgoing) = mpsc::channel(MAX_OUTBOX);
        let parts = Arc::new(parts);
        let listener = Listener {
            parts: parts.clone(),
            notices: notices.clone(),
            outgoing,
            introduced: None,
            is_new_to_somebody: false,
        };
        Self { parts, notices, outbox, task: tokio::spawn(listener.run()) }
    }

    /// Returns the topic, 64 hex digits.
    pub(super) fn topic(&self) -> String {
        hex::encode(self.parts.mesh().topic())
    }

    /// Returns the other members.
    pub(super) fn members(&self) -> Vec<EndpointId> {
        let now = self.parts.now_ms();
        self.parts.mesh().members(now).collect()
    }

    /// Returns what members tell registries from now on.
    pub(super) fn notices(&self) -> broadcast::Receiver<(EndpointId, Notice)> {
        self.notices.subscribe()
    }

    /// Leaves: the others are told, if that is quick, and the state is saved.
    pub(super) async fn leave(&self) {
        let (told, said) = tokio::sync::oneshot::channel();
        if self.outbox.try_send(Outgoing::Depart(told)).is_ok() {
            let _ = timeout(limits::CLOSE_FLUSH, said).await;
        }
        self.task.abort();
        self.parts.save().await;
    }
}

impl Herald for MeshRun {
    fn tell(&self, notice: Notice) {
        if self.outbox.try_send(Outgoing::Notice(notice)).is_err() {
            debug!(target: "aster::mesh", "too much waits: news of the registry are not told");
        }
    }
}

/// The task that takes part.
struct Listener {
    parts: Arc<MeshParts>,
    notices: broadcast::Sender<(EndpointId, Notice)>,
    outgoing: mpsc::Receiver<Outgoing>,
    /// When we introduced ourselves to somebody last.
    introduced: Option<Instant>,
    /// Whether a neighbour came since.
    is_new_to_somebody: bool,
}

impl Listener {
    async fn run(mut self) {
        let mut pause = limits::MESH_BACKOFF.0;
        loop {
            while !self.parts.join().await {
                sleep(pause).await;
                pause = (pause * 2).min(limits::MESH_BACKOFF.1);
            }
            pause = limits::MESH_BACKOFF.0;
            if let Err(error) = self.take_part().await {
                debug!(target: "aster::mesh", %error, "the topic of the mesh has ended");
                sleep(REJOIN_PAUSE).await;
            }
        }
    }

    /// Listens and speaks until it is time to join afresh.
    async fn take_part(&mut self) -> Result<()> {
        let (topic_id, members) = {
            let now = self.parts.now_ms();
            let mesh = self.parts.mesh();
            (mesh.topic(), mesh.members(now).collect::<Vec<_>>())
        };
        let bootstrap = self.parts.bootstrap.iter().map(|target| EndpointId(*target.id.as_bytes()));
        let peers = members.into_iter().chain(bootstrap).map(|id| Peer::Id(id.to_string())).collect();
        let topic = self.parts.node.gossip()?.subscribe(&topic_id, peers).await?;
        self.parts.introduce(&topic).await;
        self.parts.save().await;
        let until = Instant::now() + limits::MESH_REFRESH + jitter();
        let mut saved = Instant::now();
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                event = topic.next() => match event?.take() {
                    Some(Some(event)) => self.event(&topic, event).await,
                    _ => return Err(Error::new(ErrorKind::Closed, "left")),
                },
                outgoing = self.outgoing.recv() => match outgoing {
                    Some(Outgoing::Notice(notice)) => {
                        let (kind, payload) = notice.to_payload();
                        self.parts.say(&topic, kind, payload).await;
                    }
                    Some(Outgoing::Depart(told)) => {
                        self.parts.say(&topic, MessageKind::Depart, br#"{"reason":"shutdown"}"#.to_vec()).await;
                        let _ = told.send(());
                    }
                    None => std::future::pending().await,
                },
                _ = ticks.tick() => {
                    let effects = { let now = self.parts.now_ms(); self.parts.mesh().tick(now) };
                    for effect in effects {
                        self.apply(&topic, effect).await;
                    }
                    if saved.elapsed() >= SAVE_INTERVAL {
                        saved = Instant::now();
                        self.parts.save().await;
                    }
                    if self.is_new_to_somebody {
                        self.introduce(&topic).await;
                    }
                    if Instant::now() >= until || self.is_silent() {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Tells whether nobody has spoken for two heartbeats.
    fn is_silent(&self) -> bool {
        let now = self.parts.now_ms();
        let mut mesh = self.parts.mesh();
        let silent = now.saturating_sub(mesh.heard_ms()) > mesh.config().lease_heartbeat_ms.saturating_mul(2);
        if silent {
            mesh.hear(now); // The next look is two heartbeats later.
        }
        silent
    }

    /// Introduces us to the neighbours, unless that was a moment ago: then a later tick does it.
    async fn introduce(&mut self, topic: &Topic) {
        let soon = |at: Instant| at.elapsed() < limits::MESH_INTRODUCE_PAUSE;
        self.is_new_to_somebody = self.introduced.is_some_and(soon);
        if !self.is_new_to_somebody {
            self.introduced = Some(Instant::now());
            self.parts.introduce(topic).await;
        }
    }

    async fn event(&mut self, topic: &Topic, event: TopicEvent) {
        match event {
            TopicEvent::Received(message) => {
                let verifier = self.parts.verifier.clone();
                let verify = |credential: &_, sender| verifier.check(credential, "", sender);
                let now = self.parts.now_ms();
                let received = self.parts.mesh().receive(&message, now, &verify);
                match received {
                    Ok(effect) => self.apply(topic, effect).await,
                    Err(why) => debug!(target: "aster::mesh", event = "mesh.drop", cause = why.name()),
                }
            }
            TopicEvent::NeighborUp(_) => self.introduce(topic).await,
            TopicEvent::NeighborDown(_) | TopicEvent::Lagged => {}
        }
    }

    async fn apply(&mut self, topic: &Topic, effect: Effect) {
        let gate = &self.parts.verifier.gate;
        match effect {
            Effect::Joined(id, credential) => {
                let admission = self.parts.verifier.admission(&credential, AdmissionPath::Mesh);
                info!(target: "aster::mesh", event = "mesh.member", peer = id.short());
                // Who has just come has not heard us, and its gate keeps us from being its neighbour.
                let is_new = gate.admission(&id.into()).is_none();
                if let Err(cause) = gate.admit(id.into(), admission) {
                    debug!(target: "aster::mesh", cause = cause.name(), "a member is not on the allowlist");
                }
                if is_new {
                    self.introduce(topic).await;
                }
            }
            Effect::Left(id) => {
                info!(target: "aster::mesh", event = "mesh.depart", peer = id.short());
                let name = PeerName::from(id);
                let paths = [AdmissionPath::Mesh, AdmissionPath::Producer];
                if gate.admission(&name).is_some_and(|admission| paths.contains(&admission.path)) {
                    gate.remove(&name);
                }
            }
            Effect::Notice(id, notice) => drop(self.notices.send((id, notice))),
            Effect::SelfDepart => {
                warn!(target: "aster::mesh", event = "mesh.isolate", "our clock is wrong: we leave the mesh");
                self.parts.say(topic, MessageKind::Depart, br#"{"reason":"clock"}"#.to_vec()).await;
            }
            Effect::Rejoin => {
                self.introduced = None;
                self.introduce(topic).await;
            }
        }
    }
}

/// Up to a tenth of the interval, so that producers do not ask all at once.
fn jitter() -> Duration {
    let mut random = [0; 4];
    let _ = getrandom::fill(&mut random); // Without randomness all ask at once; nothing else depends on it.
    limits::MESH_REFRESH.mul_f64(f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX) / 10.0)
}
