//! Configuration: fields, precedence, parsing, provenance, identity and credential files (`config.md`).
//!
//! Core reads neither environment nor files: the host hands over what it has in [`Sources`], after [`Config::files`]
//! said which files matter; what is to be written it gets as a text. Not here: what a setting does.

mod apply;
mod credential;
mod document;
mod endpoint;
mod enrolled;
mod entry;
mod fields;
mod identity;
mod identity_view;
mod key_file;
mod mask;
mod network;
mod parse;
mod print;
mod profiles;
mod settle;
mod sources;
mod toml;
mod trust;

use serde_json::Value;

pub use credential::Presented;
pub use endpoint::load_endpoint;
pub use enrolled::{Enrolment, enrolled};
pub use identity::IdentityFile;
pub use key_file::{read_root_key, root_key_file};
pub use network::{NetworkConfig, RelayMode};
pub use profiles::{Profiles, put_profile, remove_profile, use_profile};
pub use sources::{File, FileFacts, IDENTITY_FILE, Role, Sources, TomlFile, expand};
pub use trust::TrustConfig;

use crate::error::{Error, ErrorKind, Result};
use crate::trust::{Credential, DelegatedPolicy, GateDecision, GateFlag, IidSettings, decide_gate};
use apply::{Application, node_key_path};
use settle::{Settings, settle};

/// The configuration in force.
#[derive(Clone, Default)]
pub struct Config {
    settings: Settings,
    root_pubkey: Option<[u8; 32]>,
    ephemeral_root: Option<[u8; 32]>,
    credential: Option<Result<Presented>>,
    producer: Option<Credential>,
    published: Vec<DelegatedPolicy>,
    iid: IidSettings,
    flag: GateFlag,
    home: Option<String>,
    warnings: Vec<String>,
    notes: Vec<String>,
}

impl std::fmt::Debug for Config {
    /// Tells sources only: values may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.sources()).finish()
    }
}

fn wrong(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Config, message)
}

impl Config {
    /// Settles every field by itself, without any file: argument, inline value, variable, TOML, default.
    ///
    /// # Errors
    ///
    /// CONFIG naming the field and its source, without secret values.
    pub fn fields(sources: &Sources) -> Result<Self> {
        let settled = settle(sources)?;
        Ok(Self { settings: settled.settings, flag: settled.flag, warnings: settled.warnings, ..Self::default() })
    }

    /// Returns the paths that [`resolve`](Self::resolve) wants to know about in [`Sources::files`].
    ///
    /// # Errors
    ///
    /// As for [`fields`](Self::fields).
    pub fn files(sources: &Sources) -> Result<Vec<String>> {
        let config = Self::fields(sources)?;
        let wants_credential = sources.role != Some(Role::Producer);
        let mut paths: Vec<String> = [
            identity::place(config.text("identity_file")).map(|(path, _)| path.to_owned()),
            config.text("root_pubkey_file").map(str::to_owned),
            config.text("enrollment_credential_file").filter(|_| wants_credential).map(str::to_owned),
            config.text("storage_path").map(node_key_path),
        ]
        .into_iter()
        .flatten()
        .collect();
        if sources.role == Some(Role::Producer) {
            paths.extend(config.key_files());
        }
        paths.sort();
        paths.dedup();
        Ok(paths)
    }

    /// Settles every field and applies the identity file: argument, inline value, identity file, variable, TOML,
    /// default.
    ///
    /// # Errors
    ///
    /// CONFIG naming the field and its source, without secret values; IO with detail `os` `missing` or `permission`
    /// for identity files.
    pub fn resolve(sources: Sources) -> Result<Self> {
        let settled = settle(&sources)?;
        let mut config =
            Self { settings: settled.settings, flag: settled.flag, warnings: settled.warnings, ..Self::default() };
        config.home = sources.home.clone();
        Application { config, sources: &sources, root: settled.root }.run()
    }

    /// Returns what the operator should be told about the sources.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Returns what the operator may want to know: which identity file is used, and what it overrides.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Returns the value of a field and its source; `None` for an unknown field. Keys are hex.
    pub fn get(&self, field: &str) -> Option<(&Value, &str)> {
        self.settings.get(field).map(|setting| (&setting.value, setting.source.as_str()))
    }

    /// Returns every field with the source of its value.
    pub fn sources(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.settings.iter().map(|(name, setting)| (*name, setting.source.as_str()))
    }

    /// Returns the address a client dials if it is given no other.
    pub fn endpoint_addr(&self) -> Option<&str> {
        self.text("endpoint_addr")
    }

    /// Returns what a client presents.
    ///
    /// # Errors
    ///
    /// IO for a missing file, CONFIG for one that is no credential or does not verify.
    pub fn credential(&self) -> Result<Option<&Presented>> {
        self.credential.as_ref().map(|presented| presented.as_ref().map_err(Error::clone)).transpose()
    }

    /// Returns the configured root key.
    pub fn root_pubkey(&self) -> Option<[u8; 32]> {
        self.root_pubkey
    }

    /// Tells whether a root key is made before there is a server: in dev mode, or with a closed gate, if there is none.
    pub fn wants_root_key(&self) -> bool {
        self.root_pubkey.is_none() && self.flag.value != Some(true)
    }

    /// Returns whether handler texts reach callers; `None`: as the gate decides.
    pub fn expose_errors(&self) -> Option<bool> {
        self.settings.get("expose_errors").and_then(|setting| setting.value.as_bool())
    }

    /// Decides the gate of a server (`trust.md` section 5). An ephemeral root key opens and closes nothing.
    ///
    /// # Errors
    ///
    /// CONFIG if an argument closes what another source opened, without a root key.
    pub fn gate(&self) -> Result<GateDecision> {
        let mut decision = decide_gate(self.root_pubkey, self.flag)?;
        decision.root_pubkey = decision.root_pubkey.or(self.ephemeral_root);
        Ok(decision)
    }

    /// Returns the settings of the endpoint.
    ///
    /// # Errors
    ///
    /// CONFIG for values that are no addresses, modes or keys, and if no transport is left.
    pub fn network(&self) -> Result<NetworkConfig> {
        NetworkConfig::new(self)
    }

    fn text(&self, field: &str) -> Option<&str> {
        self.settings.get(field).and_then(|setting| setting.value.as_str())
    }
}

#[cfg(test)]
mod tests;
