//! Identity files: parsing, search and selection of entries (`config.md` section 7). Writing is in `enrolled`.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::parse::key_bytes;
use super::sources::{File, IDENTITY_FILE, Role, Sources, check_modes, missing};
use super::{toml, wrong};
use crate::error::Result;
use crate::keys;

/// An identity file: one node key and any number of entries.
#[derive(Clone)]
pub struct IdentityFile {
    pub(super) path: String,
    secret_key: Option<[u8; 32]>,
    entries: Vec<Entry>,
    /// What every entry shows; kept once, or a small file could become a large one.
    published: Option<Value>,
}

/// One `[[peers]]` table. It may be incomplete until it is used.
#[derive(Clone)]
pub(super) struct Entry(pub(super) Map<String, Value>);

impl Entry {
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(Value::as_str)
    }

    pub(super) fn name(&self) -> &str {
        self.text("name").unwrap_or("(without name)")
    }

    pub(super) fn has_role(&self, role: Role) -> bool {
        self.text("role") == Some(role.name())
    }
}

impl IdentityFile {
    /// Parses the text of an identity file.
    ///
    /// # Errors
    ///
    /// CONFIG naming the path, without secrets.
    pub fn parse(path: &str, text: &str) -> Result<Self> {
        let mut content = toml::read(path, text)?;
        let secret_key = node_key(path, content.get("node"))?;
        let published = content.remove("published_services");
        let entries = match content.remove("peers") {
            None => Vec::new(),
            Some(Value::Array(entries)) => entries,
            Some(_) => return Err(wrong(format!("{path}: expected tables [[peers]]"))),
        };
        let mut names = BTreeSet::new();
        let mut peers = Vec::new();
        for entry in entries {
            let Value::Object(entry) = entry else {
                return Err(wrong(format!("{path}: expected tables [[peers]]")));
            };
            if let Some(name) = entry.get("name").and_then(Value::as_str)
                && !names.insert(name.to_owned())
            {
                return Err(wrong(format!("{path}: two entries are named '{}'", name.escape_debug())));
            }
            peers.push(Entry(entry));
        }
        Ok(Self { path: path.to_owned(), secret_key, entries: peers, published })
    }

    /// Returns the file that the sources name, or that lies in the working directory; `None` if there is none.
    ///
    /// # Errors
    ///
    /// As for [`parse`](Self::parse); IO if a found file might be somebody else's.
    pub fn search(sources: &Sources) -> Result<Option<Self>> {
        let settled = super::settle::settle(sources)?;
        let configured = settled.settings.get("identity_file").and_then(|setting| setting.value.as_str());
        match place(configured).map(|(path, _)| sources.file(path)) {
            None | Some(File::Missing) => Ok(None),
            Some(_) => Ok(search(sources, configured)?.file),
        }
    }

    /// Returns the seed of the node key.
    pub fn secret_key(&self) -> Option<[u8; 32]> {
        self.secret_key
    }

    /// Returns an entry as JSON object: that of the name, else the first with the role, else the first. Attributes
    /// that a legacy file left out are back if the signature covers them.
    pub fn entry(&self, peer: Option<&str>, role: Option<Role>) -> Option<Value> {
        let entry = self.find(peer, role)?;
        let mut fields = entry.0.clone();
        fields.extend(self.published.clone().map(|published| ("published_services".to_owned(), published)));
        if let Ok(credential) = super::entry::verified(self, entry) {
            let restored = credential.attributes.into_iter().map(|(key, value)| (key, value.into()));
            fields.insert("attributes".to_owned(), Value::Object(restored.collect()));
        }
        Some(fields.into())
    }

    /// Returns every entry as JSON object, as it is stored.
    pub(super) fn entries(&self) -> impl Iterator<Item = Value> {
        self.entries.iter().map(|entry| entry.0.clone().into())
    }

    /// Returns the tables `[published_services]`.
    pub(super) fn published(&self) -> Option<&Value> {
        self.published.as_ref()
    }

    fn find(&self, peer: Option<&str>, role: Option<Role>) -> Option<&Entry> {
        let has_role = |entry: &&Entry| role.is_none_or(|role| entry.has_role(role));
        match peer {
            Some(name) => self.entries.iter().filter(has_role).find(|entry| entry.text("name") == Some(name)),
            None => self.entries.iter().find(has_role),
        }
    }

    pub(super) fn has_entry(&self, name: &str) -> bool {
        self.find(Some(name), None).is_some()
    }

    /// Selects the entry to use: that of the name, else the first with the role.
    ///
    /// # Errors
    ///
    /// CONFIG if the name is unknown, or the entry has another role.
    pub(super) fn select(&self, peer: Option<&str>, role: Role) -> Result<Option<&Entry>> {
        let Some(name) = peer else { return Ok(self.find(None, Some(role))) };
        let Some(entry) = self.find(Some(name), None) else {
            let known: Vec<_> = self.entries.iter().map(Entry::name).collect();
            let text = format!("{}: no entry is named '{name}' (there are: {})", self.path, known.join(", "));
            return Err(wrong(text).with_detail("field", "peer"));
        };
        if !entry.has_role(role) {
            let text = format!("{}: entry '{name}' has not the role {}", self.path, role.name());
            return Err(wrong(text).with_detail("field", "peer"));
        }
        Ok(Some(entry))
    }

    /// Selects for a credential file: the entry of the name, else the first consumer, else the first.
    pub(super) fn credential_entry(&self, peer: Option<&str>) -> Option<&Entry> {
        let named = peer.and_then(|name| self.find(Some(name), None));
        named.or_else(|| self.find(None, Some(Role::Consumer))).or_else(|| self.find(None, None))
    }

    /// Returns the different root keys of all entries.
    pub(super) fn roots(&self) -> BTreeSet<[u8; 32]> {
        let keys = self.entries.iter().filter_map(|entry| key_bytes(entry.text("root_pubkey")?));
        keys.filter(|key| keys::is_public(key)).collect()
    }
}

fn node_key(path: &str, node: Option<&Value>) -> Result<Option<[u8; 32]>> {
    let node = match node {
        None => return Ok(None),
        Some(Value::Object(node)) => node,
        Some(_) => return Err(wrong(format!("{path}: expected a table [node]"))),
    };
    let key = match node.get("secret_key") {
        None => return Ok(None),
        Some(text) => text.as_str().and_then(key_bytes),
    };
    let key = key.ok_or_else(|| wrong(format!("{path}: field 'secret_key': expected base64 of 32 bytes")))?;
    let id = keys::endpoint_id(&key).to_string();
    match node.get("endpoint_id") {
        Some(told) if !told.as_str().is_some_and(|told| told.eq_ignore_ascii_case(&id)) => {
            Err(wrong(format!("{path}: field 'endpoint_id': does not belong to the secret key")))
        }
        _ => Ok(Some(key)),
    }
}

/// An identity file that applies, and what to tell about it.
#[derive(Default)]
pub(super) struct Found {
    pub(super) file: Option<IdentityFile>,
    pub(super) warnings: Vec<String>,
    pub(super) notes: Vec<String>,
}

/// Returns where an identity file is looked for, and whether it was named; `None`: none is wanted.
pub(super) fn place(configured: Option<&str>) -> Option<(&str, bool)> {
    match configured {
        Some("") => None,
        Some(path) => Some((path, true)),
        None => Some((IDENTITY_FILE, false)),
    }
}

/// Looks for the identity file.
///
/// # Errors
///
/// IO if a named one is missing or a found one might be somebody else's, CONFIG if it cannot be read.
pub(super) fn search(sources: &Sources, configured: Option<&str>) -> Result<Found> {
    let mut found = Found::default();
    let Some((path, was_named)) = place(configured) else { return Ok(found) };
    match sources.file(path) {
        File::Missing if was_named => return Err(missing(path)),
        File::Missing => {}
        File::Unreadable(why) => return Err(wrong(format!("{path}: cannot be read: {why}"))),
        File::Text(text, facts) => {
            found.warnings.extend(check_modes(path, *facts, was_named)?);
            if !was_named {
                found.notes.push(format!("identity file {path} of the working directory is used"));
            }
            found.file = Some(IdentityFile::parse(path, text)?);
        }
    }
    Ok(found)
}
