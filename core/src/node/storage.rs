//! The folder in which a node persists: one process at a time, readable by its user only, with the node key.

use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use serde::{Deserialize, Serialize};
use tokio::fs;
use tokio::io::AsyncWriteExt;

use crate::error::{Error, ErrorKind, Result};

const LOCK: &str = "lock";
const KEY: &str = "node.key";

/// A folder that this process has for itself as long as the value lives.
pub(super) struct Storage {
    path: PathBuf,
    /// An open file holds the lock, which ends with the process, however it ends.
    _lock: Box<dyn Send + Sync>,
}

#[derive(Serialize, Deserialize)]
struct KeyFile {
    secret_key: String,
    node_id: String,
}

fn unusable(path: &Path, cause: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Io, format!("{}: {cause}", path.display()))
}

impl Storage {
    /// Takes a folder, making it if it does not exist.
    ///
    /// # Errors
    ///
    /// IO if it cannot be made, or if another node uses it.
    pub(super) async fn open(path: &Path) -> Result<Self> {
        make_folder(path).await?;
        let lock = path.join(LOCK);
        let mut options = fs::OpenOptions::new();
        options.create(true).truncate(false).write(true);
        private(&mut options);
        let file = options.open(&lock).await.map_err(|error| unusable(&lock, error))?.into_std().await;
        if file.try_lock().is_err() {
            let text = format!("{}: in use by another node; one at a time may use a storage folder", path.display());
            return Err(Error::new(ErrorKind::Io, text).with_detail("in_use", "true"));
        }
        Ok(Self { path: path.to_owned(), _lock: Box::new(file) })
    }

    /// Returns its path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a folder below this one and returns its path.
    pub(super) async fn folder(&self, name: &str) -> Result<PathBuf> {
        let path = self.path.join(name);
        make_folder(&path).await?;
        Ok(path)
    }

    /// Returns the node key, made at the first time.
    ///
    /// # Errors
    ///
    /// IO if the file cannot be read or written, CONFIG if it holds no key.
    pub(super) async fn node_key(&self) -> Result<[u8; 32]> {
        let path = self.path.join(KEY);
        match fs::read_to_string(&path).await {
            Ok(text) => read_key(&path, &text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => self.make_key().await,
            Err(error) => Err(unusable(&path, error)),
        }
    }

    async fn make_key(&self) -> Result<[u8; 32]> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| unusable(&self.path, error))?;
        let node_id = hex::encode(SigningKey::from_bytes(&seed).verifying_key().to_bytes());
        let text = serde_json::to_string_pretty(&KeyFile { secret_key: hex::encode(seed), node_id })
            .map_err(|error| unusable(&self.path, error))?;
        write_private(&self.path, KEY, &text).await?;
        Ok(seed)
    }
}

/// Writes a file of a folder that this process has for itself; for its user only. Beside, and renamed, so that a
/// crash leaves the new content as a whole or the old one.
///
/// # Errors
///
/// IO if it cannot be written.
pub(super) async fn write_private(folder: &Path, name: &str, text: &str) -> Result<()> {
    let (path, new) = (folder.join(name), folder.join(format!(".{name}.new")));
    let _ = fs::remove_file(&new).await; // Left by a crash; the lock says that nobody else writes it.
    let written = async {
        let mut options = fs::OpenOptions::new();
        options.create_new(true).write(true);
        private(&mut options);
        let mut file = options.open(&new).await?;
        file.write_all(text.as_bytes()).await?;
        file.sync_all().await?;
        fs::rename(&new, &path).await?;
        fs::File::open(folder).await?.sync_all().await
    };
    written.await.map_err(|error| unusable(&path, error))
}

fn read_key(path: &Path, text: &str) -> Result<[u8; 32]> {
    let broken = || Error::new(ErrorKind::Config, format!("{}: not a node key", path.display()));
    let file: KeyFile = serde_json::from_str(text).map_err(|_| broken())?;
    let mut seed = [0; 32];
    hex::decode_to_slice(&file.secret_key, &mut seed).map_err(|_| broken())?;
    let id = hex::encode(SigningKey::from_bytes(&seed).verifying_key().to_bytes());
    if id.eq_ignore_ascii_case(&file.node_id) { Ok(seed) } else { Err(broken()) }
}

/// Makes a folder that only its user may enter, and those above it.
///
/// # Errors
///
/// IO if it cannot be made.
pub(super) async fn make_folder(path: &Path) -> Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    builder.mode(0o700);
    builder.create(path).await.map_err(|error| unusable(path, error))
}

fn private(options: &mut fs::OpenOptions) {
    #[cfg(unix)]
    options.mode(0o600);
    #[cfg(not(unix))]
    let _ = options;
}
