//! Files as core wants to see them: the host reads, core judges.

use std::fs;
use std::io::Read as _;

use aster_core::clock::{Clock as _, SystemClock};
use aster_core::config::{File, FileFacts, expand};
use aster_core::error::{Error, ErrorKind, Result};
use aster_core::limits;

/// Returns the seconds since 1970.
pub(crate) fn now() -> u64 {
    u64::try_from(SystemClock.epoch_ms() / 1000).unwrap_or(0)
}

/// Looks at a file; `~` is the home directory.
pub(crate) fn look(path: &str, home: Option<&str>) -> File {
    let read = || {
        let mut file = fs::File::open(expand(path, home))?;
        let facts = facts(&file.metadata()?);
        let mut text = String::new();
        // One byte more than core takes, so that it sees what is too large.
        file.by_ref().take(limits::MAX_CONFIG_FILE as u64 + 1).read_to_string(&mut text)?;
        Ok(File::Text(text, facts))
    };
    read().unwrap_or_else(|error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => File::Missing,
        _ => File::Unreadable(error.to_string()),
    })
}

/// Reads a file that was named.
///
/// # Errors
///
/// IO with detail `path` if that cannot be done.
pub(crate) fn require(path: &str, home: Option<&str>) -> Result<String> {
    let failed = |why: &str| Error::new(ErrorKind::Io, format!("{path}: {why}")).with_detail("path", path);
    match look(path, home) {
        File::Text(text, _) => Ok(text),
        File::Missing => Err(failed("no such file")),
        File::Unreadable(why) => Err(failed(&why)),
    }
}

/// Tells the log what the operator should know of a file.
pub(crate) fn warn(warning: Option<String>) {
    if let Some(warning) = warning {
        tracing::warn!(target: "aster::trust", "{warning}");
    }
}

#[cfg(unix)]
fn facts(metadata: &fs::Metadata) -> Option<FileFacts> {
    use std::os::unix::fs::MetadataExt as _;
    // SAFETY: has no arguments and cannot fail.
    let ours = unsafe { libc::geteuid() };
    Some(FileFacts { mode: metadata.mode(), is_ours: [0, ours].contains(&metadata.uid()) })
}

#[cfg(not(unix))]
fn facts(_: &fs::Metadata) -> Option<FileFacts> {
    None
}
