//! What a server admits with: its gate, verifier and stores, and the tasks and files that belong to them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Mutex as AsyncMutex;
use tokio::task::JoinHandle;
use tracing::{info, warn};

use super::nonce_file::FileNonces;
use super::private_file;
use crate::admission::{Doorkeeper, Gate, MemoryNonces, NonceStore, Revocations, Revoked, Verifier};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, TrustConfig};
use crate::error::{Error, ErrorKind, Result};
use crate::trust::IidKeys;

const FOLDER: &str = "trust";
const NONCES: &str = "nonces.json";
const REVOKED: &str = "revoked.json";

/// What a server is told about trust before it starts.
pub(super) struct TrustSettings {
    pub(super) gate: Arc<Gate>,
    pub(super) root_pubkey: [u8; 32],
    pub(super) config: TrustConfig,
    storage_path: Option<PathBuf>,
    clock: Arc<dyn Clock>,
    /// The host's own store of nonces.
    nonces: Mutex<Option<Arc<dyn NonceStore>>>,
    /// Held while the list is written.
    revoking: AsyncMutex<()>,
}

/// A server's trust while it runs.
#[derive(Clone)]
pub(super) struct Trust {
    pub(super) verifier: Arc<Verifier>,
    pub(super) doorkeeper: Arc<Doorkeeper>,
    _reaper: Arc<Reaper>,
}

/// The task that ends admissions; it ends with the last clone of its owner.
struct Reaper(JoinHandle<()>);

impl Drop for Reaper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl TrustSettings {
    pub(super) fn new(config: &Config, gate: Arc<Gate>, root_pubkey: [u8; 32], storage: Option<&str>) -> Self {
        Self {
            gate,
            root_pubkey,
            config: config.trust(),
            storage_path: storage.map(PathBuf::from),
            clock: Arc::new(SystemClock),
            nonces: Mutex::default(),
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
        Ok(Trust { verifier, doorkeeper: Arc::default(), _reaper: reaper })
    }

    /// Returns the host's own store of nonces.
    pub(super) fn own_nonces(&self) -> MutexGuard<'_, Option<Arc<dyn NonceStore>>> {
        self.nonces.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Revokes, and keeps it in the file.
    ///
    /// # Errors
    ///
    /// LIMIT, INVALID_ARGUMENT, and IO if it holds in memory only.
    pub(super) async fn revoke(&self, what: Revoked, until: Option<u64>) -> Result<()> {
        // One after the other, so that the file has the last list.
        let _revoking = self.revoking.lock().await;
        self.gate.revoke(what, until)?;
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
