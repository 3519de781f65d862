//! Configuration: what the package hands over, settled by core.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use aster_core::clock::{Clock as _, SystemClock};
use aster_core::config::{Config, File, FileFacts, Role, Sources};
use aster_core::error::{Error, ErrorKind, Result};
use aster_core::limits;
use napi_derive::napi;
use serde::de::DeserializeOwned;

/// A settled configuration.
#[napi]
pub struct Settings {
    config: Config,
    sources: Sources,
}

impl Settings {
    /// Settles arguments, inline values and environment, each a JSON object; reads the files that they name.
    pub(crate) fn new(arguments: &str, inline: &str, env: &str) -> Result<Self> {
        let mut sources =
            Sources { arguments: parse(arguments)?, inline: parse(inline)?, env: parse(env)?, ..Sources::default() };
        for path in Config::files(&sources)? {
            sources.files.insert(path.clone(), look(&path));
        }
        sources.home = std::env::var("HOME").ok();
        sources.now = u64::try_from(SystemClock.epoch_ms() / 1000).ok();
        Ok(Self { config: Config::resolve(sources.clone())?, sources })
    }

    /// Settles it for a server or a client.
    pub(crate) fn settled(&self, role: Role) -> Result<Config> {
        Config::resolve(Sources { role: Some(role), ..self.sources.clone() })
    }
}

/// Reads a file for core.
fn look(path: &str) -> File {
    let read = || {
        let mut file = std::fs::File::open(expand(path))?;
        let facts = facts(&file.metadata()?);
        let mut text = String::new();
        std::io::Read::by_ref(&mut file).take(limits::MAX_CONFIG_FILE as u64 + 1).read_to_string(&mut text)?;
        Ok(File::Text(text, facts))
    };
    read().unwrap_or_else(|error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => File::Missing,
        _ => File::Unreadable(error.to_string()),
    })
}

#[cfg(unix)]
fn facts(metadata: &std::fs::Metadata) -> Option<FileFacts> {
    use std::os::unix::fs::MetadataExt as _;
    // SAFETY: has no arguments and cannot fail.
    let ours = unsafe { libc::geteuid() };
    Some(FileFacts { mode: metadata.mode(), is_ours: [0, ours].contains(&metadata.uid()) })
}

#[cfg(not(unix))]
fn facts(_: &std::fs::Metadata) -> Option<FileFacts> {
    None
}

/// Replaces a leading `~` by the home directory.
fn expand(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        _ => PathBuf::from(path),
    }
}

fn parse<T: DeserializeOwned>(json: &str) -> Result<BTreeMap<String, T>> {
    serde_json::from_str(json).map_err(|error| Error::new(ErrorKind::Config, format!("configuration: {error}")))
}

#[napi]
impl Settings {
    /// Returns the value of a field as JSON; `undefined` for an unknown field.
    #[napi]
    pub fn get(&self, field: String) -> Option<String> {
        self.config.get(&field).map(|(value, _)| value.to_string())
    }

    /// Returns the source of a field's value.
    #[napi]
    pub fn source(&self, field: String) -> Option<String> {
        self.config.get(&field).map(|(_, source)| source.to_owned())
    }

    /// Returns what the operator should be told.
    #[napi]
    pub fn warnings(&self) -> Vec<String> {
        self.config.warnings().to_vec()
    }
}
