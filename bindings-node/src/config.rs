//! Configuration: what the package hands over, settled by core.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use aster_core::config::{Config, IDENTITY_FILE, Sources};
use aster_core::error::{Error, ErrorKind, Result};
use napi_derive::napi;
use serde::de::DeserializeOwned;

/// A settled configuration.
#[napi]
pub struct Settings {
    pub(crate) config: Config,
}

impl Settings {
    /// Settles arguments, inline values and environment, each a JSON object; reads the files that they name.
    pub(crate) fn new(arguments: &str, inline: &str, env: &str) -> Result<Self> {
        let mut sources =
            Sources { arguments: parse(arguments)?, inline: parse(inline)?, env: parse(env)?, ..Sources::default() };
        for path in Config::files(&sources)? {
            // A file that cannot be read stays out; core tells its path.
            if let Ok(text) = std::fs::read_to_string(expand(&path)) {
                sources.files.insert(path, text);
            }
        }
        sources.identity_present = Path::new(IDENTITY_FILE).exists();
        Ok(Self { config: Config::resolve(sources)? })
    }

    /// Reads the credential that a client presents; empty: none.
    pub(crate) fn credential(&self) -> Result<String> {
        let Some(path) = self.config.credential_file() else { return Ok(String::new()) };
        std::fs::read_to_string(path)
            .map_err(|error| Error::new(ErrorKind::Io, format!("{path}: {error}")).with_detail("path", path))
    }
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
