//! Configuration: what the package hands over, settled by core.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use aster_core::clock::{Clock as _, SystemClock};
use aster_core::config::{Config, File, FileFacts, Role, Sources, TomlFile};
use aster_core::error::{Error, ErrorKind, Result};
use aster_core::limits;
use napi_derive::napi;
use serde::de::DeserializeOwned;

/// What the package hands over: JSON objects, and who asks.
#[napi(object)]
pub struct Told {
    pub arguments: String,
    pub inline: String,
    pub env: String,
    /// Path and text of a TOML file.
    pub toml: Option<Vec<String>>,
    /// `producer` or `consumer`.
    pub role: String,
    /// Name of the entry in the identity file.
    pub peer: Option<String>,
}

/// A configuration that is settled for a server or a client.
#[napi]
pub struct Settings(Config);

impl Settings {
    /// Settles what was handed over; reads the files that it names.
    pub(crate) fn new(told: Told) -> Result<Self> {
        let toml = told.toml.and_then(|parts| <[String; 2]>::try_from(parts).ok());
        let mut sources = Sources {
            arguments: parse(&told.arguments)?,
            inline: parse(&told.inline)?,
            env: parse(&told.env)?,
            toml: toml.map(|[path, text]| TomlFile { path, text }),
            role: Some(Role::parse(&told.role)?),
            peer: told.peer,
            home: std::env::var("HOME").ok(),
            now: u64::try_from(SystemClock.epoch_ms() / 1000).ok(),
            ..Sources::default()
        };
        for path in Config::files(&sources)? {
            sources.files.insert(path.clone(), look(&path));
        }
        Config::resolve(sources).map(Self)
    }

    pub(crate) fn config(&self) -> &Config {
        &self.0
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
        self.0.get(&field).map(|(value, _)| value.to_string())
    }

    /// Returns the source of a field's value.
    #[napi]
    pub fn source(&self, field: String) -> Option<String> {
        self.0.get(&field).map(|(_, source)| source.to_owned())
    }

    /// Returns the file of the credential that a client presents, or what stands for one; without one `undefined`.
    #[napi]
    pub fn credential_label(&self) -> Option<String> {
        self.0.credential().ok().flatten().map(|presented| presented.label.clone())
    }

    /// Returns what the operator should be told.
    #[napi]
    pub fn warnings(&self) -> Vec<String> {
        self.0.warnings().to_vec()
    }
}
