//! What a server admits with: its gate, verifier and stores, and the tasks and files that belong to them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use tokio::sync::Mutex as AsyncMutex;
use tokio::task::JoinHandle;
use tracing::{info, warn};

use super::endpoint;
use super::mesh::{MeshParts, MeshRun};
use super::node::Node;
use super::nonce_file::FileNonces;
use super::private_file;
use crate::addr::Address;
use crate::admission::{Doorkeeper, Gate, MemoryNonces, NonceStore, Presentation, Revocations, Verifier};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, TrustConfig};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::EndpointId;
use crate::limits;
use crate::mesh::{DriftConfig, Mesh};
use crate::sync::lock;
use crate::trust::{ConsumerAnswer, DelegatedPolicy, IidKeys};

const FOLDER: &str = "trust";
const NONCES: &str = "nonces.json";
const REVOKED: &str = "revoked.json";
const MESH_FOLDER: &str = "mesh";
const MESH_STATE: &str = "mesh_state.json";

/// What a server says about its part in the producers' mesh.
#[derive(Clone, Debug, Default)]
pub struct MeshOptions {
    /// How clocks are judged.
    pub drift: DriftConfig,
    /// Whether the state is kept over restarts: in `mesh_state_dir`, else in the storage, else in `~/.aster`.
    pub persist: bool,
    /// A state to begin with, as its file has it, instead of what is kept.
    pub state: Option<String>,
}

/// What a server is told about trust before it starts.
pub(super) struct TrustSettings {
    pub(super) gate: Arc<Gate>,
    pub(super) root_pubkey: [u8; 32],
    pub(super) config: TrustConfig,
    storage_path: Option<PathBuf>,
    clock: Arc<dyn Clock>,
    /// The host's own store of nonces.
    nonces: Mutex<Option<Arc<dyn NonceStore>>>,
    mesh: MeshOptions,
    /// Held while the list is written.
    revoking: AsyncMutex<()>,
}

/// A server's trust while it runs.
#[derive(Clone)]
pub(super) struct Trust {
    pub(super) verifier: Arc<Verifier>,
    pub(super) doorkeeper: Arc<Doorkeeper>,
    pub(super) gates_producers: bool,
    pub(super) policies: Arc<Vec<DelegatedPolicy>>,
    mesh: Option<Arc<MeshPlan>>,
    _reaper: Arc<Reaper>,
}

/// What the mesh is made of once the server's id is known.
struct MeshPlan {
    drift: DriftConfig,
    path: Option<PathBuf>,
    saved: Option<String>,
    /// Whether there is nobody to ask for the salt.
    is_founder: bool,
    made: OnceLock<Result<Arc<Mutex<Mesh>>>>,
}

/// The task that ends admissions; it ends with the last clone of its owner.
struct Reaper(JoinHandle<()>);

impl Drop for Reaper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl TrustSettings {
    pub(super) fn new(
        config: &Config,
        gate: Arc<Gate>,
        root_pubkey: [u8; 32],
        storage: Option<&str>,
        mesh: MeshOptions,
    ) -> Self {
        Self {
            gate,
            root_pubkey,
            config: config.trust(),
            storage_path: storage.map(PathBuf::from),
            clock: Arc::new(SystemClock),
            nonces: Mutex::default(),
            mesh,
            revoking: AsyncMutex::default(),
        }
    }

    /// Reads keys and files, and begins to end admissions in time.
    ///
    /// # Errors
    ///
    /// CONFIG or IO for a key or file that cannot be used: a server that forgot would admit.
    pub(super) async fn open(&self) -> Result<Trust> {
        let iid = IidKeys::new(&self.config.iid)?;
        if iid.is_empty() && !self.gate.is_open() {
            warn!(target: "aster::trust", "no keys for instance identities: credentials that ask for one are refused");
        }
        let own = self.own_nonces().clone();
        let nonces = match own {
            Some(store) => store,
            None => self.nonce_store().await?,
        };
        let verifier = Arc::new(Verifier {
            gate: self.gate.clone(),
            root_pubkey: self.root_pubkey,
            require_bound: self.config.require_bound_credentials,
            ttl_ms: i64::from(self.config.peer_ttl_s) * 1000,
            nonces: Some(nonces),
            iid,
        });
        let gate = self.gate.clone();
        let reaper = Arc::new(Reaper(tokio::spawn(async move { gate.reap().await })));
        let state = if self.gate.is_open() { "open" } else { "closed" };
        let root = hex::encode(self.root_pubkey);
        let (root, stores) = (root.get(..8), if self.storage_path.is_some() { "files" } else { "memory" });
        info!(target: "aster::trust", event = "trust.state", gate = state, root, stores);
        Ok(Trust {
            verifier,
            doorkeeper: Arc::default(),
            gates_producers: !self.config.allow_all_producers,
            policies: Arc::new(self.config.published.clone()),
            mesh: self.mesh_plan().await?.map(Arc::new),
            _reaper: reaper,
        })
    }

    /// Returns what the mesh is made of; `None`: the server takes no part in one.
    async fn mesh_plan(&self) -> Result<Option<MeshPlan>> {
        let TrustConfig { allow_all_producers, mesh_bootstrap, producer, .. } = &self.config;
        if *allow_all_producers && mesh_bootstrap.is_empty() {
            return Ok(None);
        }
        let wrong = |text: &str| Err(Error::new(ErrorKind::Config, text));
        match producer {
            Some(own) if own.expires_at <= self.gate.now_s() => return wrong("the producer credential has expired"),
            None if !mesh_bootstrap.is_empty() => return wrong("mesh_bootstrap: joining needs a producer credential"),
            _ => {}
        }
        let folder = self.config.mesh_state_dir.clone().map(PathBuf::from);
        let folder = folder.or_else(|| self.storage_path.as_ref().map(|storage| storage.join(MESH_FOLDER)));
        let folder = folder.or_else(|| self.config.home_folder.clone().map(PathBuf::from));
        let path = folder.filter(|_| self.mesh.persist).map(|folder| folder.join(MESH_STATE));
        let saved = match (self.mesh.state.clone(), path.clone()) {
            (Some(state), _) => Some(state),
            (None, Some(path)) => blocking(move || private_file::read(&path)).await?,
            (None, None) => None,
        };
        let is_founder = mesh_bootstrap.is_empty();
        Ok(Some(MeshPlan { drift: self.mesh.drift, path, saved, is_founder, made: OnceLock::new() }))
    }

    /// Begins to take part in the mesh.
    ///
    /// # Errors
    ///
    /// CONFIG for a state or an address that cannot be used, IO without randomness.
    pub(super) fn join_mesh(&self, trust: &Trust, node: &Node) -> Result<Option<Arc<MeshRun>>> {
        let Some(plan) = &trust.mesh else { return Ok(None) };
        let made = plan.made.get().cloned();
        let mesh = made.ok_or_else(|| Error::new(ErrorKind::Internal, "the mesh was not made"))??;
        let mut bootstrap = Vec::new();
        for text in &self.config.mesh_bootstrap {
            let target = endpoint::dial_target(&Address::parse(text)?)?;
            node.0.book.add(&target);
            bootstrap.push(target);
        }
        let present = |credential: &crate::trust::Credential| Presentation {
            credential_json: credential.to_json(),
            iid_token: self.config.iid_token.clone(),
        };
        let parts = MeshParts {
            mesh,
            verifier: trust.verifier.clone(),
            node: node.clone(),
            presentation: self.config.producer.as_ref().map(present),
            bootstrap,
            path: plan.path.clone(),
            listed_ms: u64::from(self.config.peer_ttl_s) * 1000,
            saved: AsyncMutex::default(),
        };
        Ok(Some(Arc::new(MeshRun::start(parts))))
    }

    /// Returns the host's own store of nonces.
    pub(super) fn own_nonces(&self) -> MutexGuard<'_, Option<Arc<dyn NonceStore>>> {
        lock(&self.nonces)
    }

    async fn nonce_store(&self) -> Result<Arc<dyn NonceStore>> {
        let Some(storage) = self.storage_path.clone() else {
            if !self.gate.is_open() {
                let text = "no storage_path: after a restart one-time tokens can be used again";
                warn!(target: "aster::trust", "{text}");
            }
            return Ok(Arc::new(MemoryNonces::new(self.clock.clone())));
        };
        let clock = self.clock.clone();
        let (nonces, revoked) = blocking(move || {
            let folder = storage.join(FOLDER);
            private_file::make_folder(&folder)?;
            Ok((FileNonces::open(&folder.join(NONCES), clock)?, read_revocations(&folder.join(REVOKED))?))
        })
        .await?;
        self.gate.set_revocations(revoked);
        Ok(Arc::new(nonces))
    }

    /// Keeps what is revoked in the file.
    ///
    /// # Errors
    ///
    /// IO if it holds in memory only.
    pub(super) async fn keep_revocations(&self) -> Result<()> {
        // One after the other, so that the file has the last list.
        let _revoking = self.revoking.lock().await;
        let Some(storage) = self.storage_path.clone() else {
            warn!(target: "aster::trust", "no storage_path: the revocation is forgotten when the server ends");
            return Ok(());
        };
        let text = self.gate.revocations().to_json();
        blocking(move || {
            let folder = storage.join(FOLDER);
            private_file::make_folder(&folder)?;
            private_file::replace(&folder.join(REVOKED), &text)
        })
        .await
    }
}

impl MeshPlan {
    fn make(&self, own: EndpointId, trust: &Trust) -> Result<Arc<Mutex<Mesh>>> {
        let root = trust.verifier.root_pubkey;
        let now_ms = u64::try_from(trust.verifier.gate.now_ms()).unwrap_or(0);
        let mesh = match &self.saved {
            Some(text) => Mesh::parse(text, own, root, self.drift, now_ms)?,
            None => {
                let mut salt = [0; 32];
                let random = getrandom::fill(&mut salt);
                random.map_err(|error| Error::new(ErrorKind::Io, format!("no randomness: {error}")))?;
                let mesh = Mesh::new(own, root, salt, self.drift, now_ms);
                // Whoever has to ask for the salt can tell nobody before.
                if self.is_founder { mesh } else { mesh.unsettled() }
            }
        };
        Ok(Arc::new(Mutex::new(mesh)))
    }
}

impl Trust {
    /// Makes the mesh for the server's id; `None` without one, or if it cannot be made, which the start then tells.
    pub(super) fn make_mesh(&self, own: EndpointId) -> Option<Arc<Mutex<Mesh>>> {
        let plan = self.mesh.as_ref()?;
        plan.made.get_or_init(|| plan.make(own, self)).as_ref().ok().cloned()
    }
}

/// Looks at the size of the answer that the admitted get.
///
/// # Errors
///
/// LIMIT if clients would refuse it.
pub(super) fn check_answer(answer: &ConsumerAnswer) -> Result<()> {
    let size = answer.to_json().len();
    if size > limits::MAX_ADMISSION_ANSWER {
        return Err(Error::limit("admission answer", limits::MAX_ADMISSION_ANSWER, size));
    }
    if size > limits::LEGACY_ADMISSION_ANSWER {
        warn!(target: "aster::trust", size, "the admission answer is too large for legacy clients");
    }
    Ok(())
}

fn read_revocations(path: &Path) -> Result<Revocations> {
    let text = private_file::read(path)?;
    let list = text.map(|text| Revocations::parse(&text)).transpose();
    Ok(list.map_err(|error| Error::new(error.kind(), format!("{}: {error}", path.display())))?.unwrap_or_default())
}

/// Runs work that waits for files.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| Error::new(ErrorKind::Internal, "a task that reads files failed"))?
}
