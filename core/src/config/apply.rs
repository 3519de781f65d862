//! Identity file, credential file, key files and kept keys on top of the settled fields (`config.md` sections 1, 7, 8).

use serde_json::Value;

use super::credential::{self, CredentialFile};
use super::identity::{self, IdentityFile};
use super::settle::{Level, Setting};
use super::sources::{File, Role, Sources};
use super::{Config, entry, parse, trust, wrong};
use crate::error::{Error, Result};
use crate::trust::Credential;

/// Label of a node key that the storage keeps.
const STORAGE: &str = "storage";
/// Label of a root key that was made for lack of another one.
const EPHEMERAL: &str = "ephemeral (dev mode)";

/// Returns the path of the node key below a storage path.
pub(super) fn node_key_path(storage: &str) -> String {
    format!("{}/node.key", storage.trim_end_matches('/'))
}

/// Applies one source after another.
pub(super) struct Application<'s> {
    pub(super) config: Config,
    pub(super) sources: &'s Sources,
    /// The field that gives the root key, and its level.
    pub(super) root: Option<(&'static str, Level)>,
}

impl Application<'_> {
    pub(super) fn run(mut self) -> Result<Config> {
        let found = identity::search(self.sources, self.config.text("identity_file"))?;
        self.config.warnings.extend(found.warnings);
        self.config.notes.extend(found.notes);
        let identity = found.file;
        let presented = self.credential_file();
        if let Some(file) = &identity {
            self.supply("secret_key", file.secret_key().map(hex::encode), &file.path);
        }
        if let Some(Ok(file)) = &presented
            && let Some(path) = self.config.text("enrollment_credential_file").map(str::to_owned)
        {
            self.supply("secret_key", file.secret_key().map(hex::encode), &path);
        }
        self.kept_key()?;
        let credential_has_peer = |name: &str| matches!(&presented, Some(Ok(file)) if file.has_entry(name));
        let peer = self.sources.peer.as_deref();
        let elsewhere = peer.is_some_and(|name| {
            credential_has_peer(name) && !identity.as_ref().is_some_and(|file| file.has_entry(name))
        });
        let entry = match (&identity, peer) {
            _ if elsewhere => None,
            (Some(file), _) => self.entry(file)?,
            (None, Some(name)) => {
                return Err(wrong(format!("peer '{name}': there is no identity file")).with_detail("field", "peer"));
            }
            (None, None) => None,
        };
        self.root_key()?;
        if self.sources.role == Some(Role::Producer) {
            self.config.iid = self.config.read_key_files(self.sources)?;
            self.config.published = identity.as_ref().map(trust::published).transpose()?.unwrap_or_default();
        }
        self.credential(presented, entry);
        Ok(self.config)
    }

    /// Sets a value that an identity file gives, unless it is given inline.
    fn supply(&mut self, name: &'static str, value: Option<String>, path: &str) {
        let (Some(value), Some(setting)) = (value, self.config.settings.get_mut(name)) else { return };
        if setting.level <= Level::Identity {
            return;
        }
        if setting.level == Level::Variable {
            self.config.notes.push(format!("identity file {path} overrides {}", setting.source));
        }
        *setting = Setting { value: value.into(), source: path.to_owned(), level: Level::Identity };
    }

    fn credential_file(&self) -> Option<Result<CredentialFile>> {
        if self.sources.role == Some(Role::Producer) {
            return None;
        }
        Some(CredentialFile::read(self.sources, self.config.text("enrollment_credential_file")?))
    }

    /// Takes the node key that the storage keeps, if there is no other one.
    fn kept_key(&mut self) -> Result<()> {
        if self.config.text("secret_key").is_some() {
            return Ok(());
        }
        let Some(path) = self.config.text("storage_path").map(node_key_path) else { return Ok(()) };
        let text = match self.sources.file(&path) {
            File::Missing => return Ok(()),
            File::Unreadable(why) => return Err(wrong(format!("{path}: cannot be read: {why}"))),
            File::Text(text, _) => text,
        };
        let document: Option<Value> = serde_json::from_str(text).ok();
        let key =
            document.as_ref().and_then(|document| document.get("secret_key")?.as_str()).and_then(parse::key_bytes);
        let key = key.ok_or_else(|| wrong(format!("{path}: expected JSON with a 'secret_key' of 32 bytes")))?;
        if let Some(setting) = self.config.settings.get_mut("secret_key") {
            *setting = Setting { value: hex::encode(key).into(), source: STORAGE.to_owned(), level: Level::Default };
        }
        Ok(())
    }

    /// Selects the entry for the role, takes its root key, and returns the credential of a consumer.
    fn entry(&mut self, file: &IdentityFile) -> Result<Option<Result<Credential>>> {
        let peer = self.sources.peer.as_deref();
        let (root, credential) = match self.sources.role {
            Some(Role::Consumer) => match file.select(peer, Role::Consumer)? {
                Some(selected) => {
                    let credential = self.check(file, selected)?;
                    (Some(credential.root_pubkey), Some(Ok(credential)))
                }
                None => (None, None),
            },
            Some(Role::Producer) => match file.select(peer, Role::Producer)? {
                Some(selected) => {
                    let credential = self.check(file, selected)?;
                    let root = credential.root_pubkey;
                    self.config.producer = credential.is_producer().then_some(credential);
                    (Some(root), None)
                }
                None => (self.common_root(file)?, None),
            },
            None => {
                let producer = file.select(None, Role::Producer)?;
                let root = match producer {
                    Some(selected) => Some(entry::root_of(file, selected)?),
                    None => self.common_root(file)?,
                };
                let consumer = file.select(None, Role::Consumer)?;
                (root, consumer.map(|selected| self.check(file, selected)))
            }
        };
        if self.root.is_none_or(|(_, level)| level > Level::Identity)
            && let Some(root) = root
        {
            self.supply("root_pubkey", Some(hex::encode(root)), &file.path);
            self.root = Some(("root_pubkey", Level::Identity));
        }
        Ok(credential)
    }

    fn check(&mut self, file: &IdentityFile, selected: &identity::Entry) -> Result<Credential> {
        let node_key = self.config.text("secret_key").and_then(parse::key_bytes);
        let (credential, warning) = entry::check(file, selected, node_key, self.sources.now)?;
        self.config.warnings.extend(warning);
        if credential.endpoint_id.is_some() && node_key.is_none() && self.config.text("storage_path").is_none() {
            let text = format!("{}: entry '{}' is bound to a node key, and there is none", file.path, selected.name());
            return Err(wrong(text));
        }
        Ok(credential)
    }

    /// Returns the root key of all entries of a file without producer entry.
    fn common_root(&self, file: &IdentityFile) -> Result<Option<[u8; 32]>> {
        let roots = file.roots();
        if roots.len() > 1 && self.root.is_none_or(|(_, level)| level > Level::Identity) {
            let text = format!("{}: its entries have different root keys; name one with peer=", file.path);
            return Err(wrong(text).with_detail("field", "peer"));
        }
        Ok(roots.into_iter().next())
    }

    fn root_key(&mut self) -> Result<()> {
        let settings = &mut self.config.settings;
        let root = match self.root {
            Some(("root_pubkey_file", level)) => {
                let Some(setting) = settings.get("root_pubkey_file").cloned() else { return Ok(()) };
                let path = setting.value.as_str().unwrap_or_default();
                let key =
                    root_of_file(self.sources, path).map_err(|error| error.with_detail("field", "root_pubkey_file"))?;
                let shown = Setting { value: hex::encode(key).into(), source: setting.source, level };
                settings.insert("root_pubkey", shown);
                Some(key)
            }
            Some(_) => settings.get("root_pubkey").and_then(|setting| parse::key_bytes(setting.value.as_str()?)),
            None => None,
        };
        self.config.root_pubkey = root;
        self.config.ephemeral_root = if root.is_none() { self.sources.ephemeral_root } else { None };
        if let Some(key) = self.config.ephemeral_root {
            let value = hex::encode(key).into();
            settings.insert("root_pubkey", Setting { value, source: EPHEMERAL.to_owned(), level: Level::Default });
        }
        Ok(())
    }

    /// Decides what is presented: an explicit file, else the entry, else a configured file. Errors wait until it is
    /// asked for: whoever dials a server hears them.
    fn credential(&mut self, file: Option<Result<CredentialFile>>, entry: Option<Result<Credential>>) {
        let level = self.config.settings.get("enrollment_credential_file").map(|setting| setting.level);
        let is_explicit = level.is_some_and(|level| level < Level::Identity);
        self.config.credential = match (file, entry) {
            (file, Some(entry)) if file.is_none() || !is_explicit => {
                let presented = entry.map(|credential| credential::of_entry(&credential));
                if let (Ok(presented), Ok(place)) = (&presented, self.identity_path()) {
                    self.supply("enrollment_credential_file", Some(presented.label.clone()), &place);
                }
                Some(presented)
            }
            (Some(file), _) => Some(file.and_then(|file| self.present(&file))),
            (None, _) => None,
        };
    }

    fn identity_path(&self) -> Result<String> {
        let place = identity::place(self.config.text("identity_file")).map(|(path, _)| path.to_owned());
        place.ok_or_else(|| wrong("there is no identity file"))
    }

    fn present(&mut self, file: &CredentialFile) -> Result<credential::Presented> {
        let node_key = self.config.text("secret_key").and_then(parse::key_bytes);
        let (presented, warning) = file.present(self.sources.peer.as_deref(), node_key, self.sources.now)?;
        self.config.warnings.extend(file.warning.clone().into_iter().chain(warning));
        Ok(presented)
    }
}

fn root_of_file(sources: &Sources, path: &str) -> Result<[u8; 32], Error> {
    match sources.file(path) {
        File::Missing => Err(wrong(format!("{path}: cannot be read: no such file"))),
        File::Unreadable(why) => Err(wrong(format!("{path}: cannot be read: {why}"))),
        File::Text(text, _) => parse::root_file(path, text),
    }
}
