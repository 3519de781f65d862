//! Spent one-time tokens in a file that several processes may share (`trust.md` section 9).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::private_file::{self, read, replace};
use crate::admission::{NONCE_LEN, NonceStore, Nonces};
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::HOST_DECISION_TIMEOUT;
use crate::rpc::BoxFuture;

/// A store in a file.
#[derive(Clone, Debug)]
pub struct FileNonces {
    path: PathBuf,
    clock: Arc<dyn Clock>,
}

impl FileNonces {
    /// Opens a store; the file is made when the first token is spent. Blocks for the time of reading it.
    ///
    /// # Errors
    ///
    /// IO if the file cannot be read, CONFIG if it is damaged: a store that forgot would admit twice.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self> {
        let store = Self { path: path.to_owned(), clock };
        store.load()?;
        Ok(store)
    }

    fn load(&self) -> Result<Nonces> {
        let text = read(&self.path)?;
        let nonces = text.map(|text| Nonces::parse(&text)).transpose();
        Ok(nonces
            .map_err(|error| Error::new(error.kind(), format!("{}: {error}", self.path.display())))?
            .unwrap_or_default())
    }

    /// Spends under the lock: read again, add, replace, and only then say so.
    fn spend(&self, nonce: [u8; NONCE_LEN], expires_at: u64) -> Result<bool> {
        let mut lock = self.path.clone().into_os_string();
        lock.push(".lock");
        let lock_path = PathBuf::from(lock);
        let _locked = private_file::lock(&lock_path, Instant::now() + HOST_DECISION_TIMEOUT)?;
        let mut nonces = self.load()?;
        let now = u64::try_from(self.clock.epoch_ms() / 1000).unwrap_or(0);
        if !nonces.consume(nonce, expires_at, now)? {
            return Ok(false);
        }
        nonces.purge(now);
        replace(&self.path, &nonces.to_json()).map(|()| true)
    }

    fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> BoxFuture<'static, Result<T>> {
        let store = self.clone();
        Box::pin(async move {
            let done = tokio::task::spawn_blocking(move || work(&store)).await;
            done.map_err(|_| Error::new(ErrorKind::Internal, "the nonce store failed"))?
        })
    }
}

impl NonceStore for FileNonces {
    fn consume(&self, nonce: [u8; NONCE_LEN], expires_at: u64) -> BoxFuture<'_, Result<bool>> {
        self.run(move |store| store.spend(nonce, expires_at))
    }

    fn is_consumed(&self, nonce: [u8; NONCE_LEN]) -> BoxFuture<'_, Result<bool>> {
        self.run(move |store| Ok(store.load()?.contains(&nonce)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::FixedClock;

    /// A folder that goes when it is dropped.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new() -> Self {
            let path = std::env::temp_dir().join(format!("aster-{}", crate::ids::random_uuid()));
            std::fs::create_dir(&path).unwrap();
            Self(path)
        }

        fn path(&self) -> &Path {
            &self.0
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn open(path: &Path) -> Result<FileNonces> {
        FileNonces::open(path, Arc::new(FixedClock::new(1_000_000)))
    }

    #[test]
    fn a_token_is_spent_once_across_restarts() {
        let folder = Scratch::new();
        let path = folder.path().join("nonces.json");
        assert!(open(&path).unwrap().spend([1; 32], 2000).unwrap());
        let again = open(&path).unwrap();
        assert!(!again.spend([1; 32], 2000).unwrap());
        assert!(again.load().unwrap().contains(&[1; 32]));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "the file and its lock");
    }

    #[test]
    fn of_many_at_once_one_spends() {
        let folder = Scratch::new();
        let path = folder.path().join("nonces.json");
        // Each has its own store, as processes have.
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let store = open(&path).unwrap();
                std::thread::spawn(move || (0..10).filter(|n| store.spend([*n; 32], 2000).unwrap()).count())
            })
            .collect();
        assert_eq!(threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>(), 10);
    }

    #[test]
    fn a_damaged_file_is_refused_at_start_and_later() {
        let folder = Scratch::new();
        let path = folder.path().join("nonces.json");
        let store = open(&path).unwrap();
        assert!(store.spend([1; 32], 2000).unwrap());
        let whole = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        assert!(open(&path).is_err() && store.spend([2; 32], 2000).is_err() && store.spend([1; 32], 2000).is_err());
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(open(&path).is_err());
    }

    #[test]
    fn what_has_expired_is_forgotten() {
        let folder = Scratch::new();
        let path = folder.path().join("nonces.json");
        let clock = Arc::new(FixedClock::new(1_000_000));
        let store = FileNonces::open(&path, clock.clone()).unwrap();
        assert!(store.spend([1; 32], 1500).unwrap());
        clock.set(1_499_999);
        assert!(store.spend([2; 32], 9000).unwrap() && store.load().unwrap().contains(&[1; 32]));
        clock.set(1_500_000);
        assert!(store.spend([3; 32], 9000).unwrap() && !store.load().unwrap().contains(&[1; 32]));
    }
}
