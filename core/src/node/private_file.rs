//! Files that keep trust: private, whole or not there at all (`trust.md` section 2).
//!
//! Blocking: callers run these on threads that may wait.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind as IoKind, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result};
use crate::limits::MAX_TRUST_FILE;

/// Pause between two looks at a lock that another process holds.
const LOCK_PAUSE: Duration = Duration::from_millis(2);

fn unusable(path: &Path, cause: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Io, format!("{}: {cause}", path.display()))
}

fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// Makes a folder that only its user may enter, with those above it.
pub(super) fn make_folder(path: &Path) -> Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|error| unusable(path, error))
}

/// A lock between processes, held until it is dropped.
pub(super) struct Locked(#[expect(dead_code, reason = "the open file is the lock")] File);

/// Takes a lock, making its file at the first time; waits until a time for others.
///
/// # Errors
///
/// IO if the file cannot be made, or if the lock is not free in time.
pub(super) fn lock(path: &Path, until: Instant) -> Result<Locked> {
    let mut options = OpenOptions::new();
    let opened = private(options.create(true).truncate(false).write(true)).open(path);
    let file = opened.map_err(|error| unusable(path, error))?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Locked(file)),
            Err(TryLockError::WouldBlock) if Instant::now() < until => std::thread::sleep(LOCK_PAUSE),
            Err(error) => return Err(unusable(path, error)),
        }
    }
}

/// Reads a file; `None` if it does not exist.
///
/// # Errors
///
/// IO if it cannot be read, is too large or is not UTF-8.
pub(super) fn read(path: &Path) -> Result<Option<String>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == IoKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(path, error)),
    };
    let mut text = String::new();
    file.take(MAX_TRUST_FILE + 1).read_to_string(&mut text).map_err(|error| unusable(path, error))?;
    match text.len() as u64 {
        0..=MAX_TRUST_FILE => Ok(Some(text)),
        _ => Err(unusable(path, "the file is too large")),
    }
}

/// Replaces a file as a whole: written beside it, private from the start, and renamed.
pub(super) fn replace(path: &Path, content: &str) -> Result<()> {
    put(path, content, |new| fs::rename(new, path)).map_err(|error| unusable(path, error))
}

/// Writes a file that holds a secret: private from the start, whole or not at all, and never over another one. Blocking.
///
/// # Errors
///
/// ALREADY_EXISTS, which leaves what is there; IO if it cannot be written; both with detail `path`.
pub fn create(path: &Path, content: &str) -> Result<()> {
    // Other than a rename, a link does not replace.
    let linked = put(path, content, |new| fs::hard_link(new, path).and_then(|()| fs::remove_file(new)));
    linked.map_err(|error| {
        let kind = match error.kind() {
            IoKind::AlreadyExists => ErrorKind::AlreadyExists,
            _ => ErrorKind::Io,
        };
        unusable(path, error).with_kind(kind).with_detail("path", path.display().to_string())
    })
}

/// Writes a file beside its place and lets it take that.
fn put(path: &Path, content: &str, publish: impl Fn(&Path) -> io::Result<()>) -> io::Result<()> {
    let mut suffix = [0; 8];
    getrandom::fill(&mut suffix).map_err(|error| io::Error::other(error.to_string()))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let new = path.with_file_name(format!(".{name}.{}", hex::encode(suffix)));
    let write = || {
        let mut file = private(OpenOptions::new().create_new(true).write(true)).open(&new)?;
        file.write_all(content.as_bytes())?;
        file.sync_all()?;
        publish(&new)?;
        match path.parent() {
            // A bare name has an empty parent.
            Some(folder) if cfg!(unix) => File::open(Path::new(".").join(folder))?.sync_all(),
            _ => Ok(()),
        }
    };
    write().inspect_err(|_| drop(fs::remove_file(&new)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tr20_a_created_file_is_private_whole_and_replaces_nothing() {
        let folder = std::env::temp_dir().join(format!("aster-{}", crate::ids::random_uuid()));
        make_folder(&folder).unwrap();
        let path = folder.join("root.key");
        create(&path, "first").unwrap();
        let error = create(&path, "second").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        assert_eq!(error.detail("path"), path.to_str());
        assert_eq!(read(&path).unwrap().as_deref(), Some("first"));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing is left beside it");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        }
        let nowhere = create(&folder.join("none/root.key"), "x").unwrap_err();
        assert_eq!(nowhere.kind(), ErrorKind::Io);
        fs::remove_dir_all(&folder).unwrap();
    }
}
