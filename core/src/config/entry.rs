//! Entries of identity files in use: checks, legacy attributes, the credential they are (`config.md` sections 7, 8).

use serde_json::{Map, Value};

use super::identity::{Entry, IdentityFile};
use super::parse::root_key;
use super::sources::Role;
use super::wrong;
use crate::error::{Error, Result};
use crate::keys;
use crate::trust::Credential;

fn refuse(file: &IdentityFile, entry: &Entry, why: impl std::fmt::Display) -> Error {
    wrong(format!("{}: entry '{}': {why}", file.path, entry.name().escape_debug()))
}

/// Returns the root key that an entry names.
///
/// # Errors
///
/// CONFIG if there is none.
pub(super) fn root_of(file: &IdentityFile, entry: &Entry) -> Result<[u8; 32]> {
    let text = entry.text("root_pubkey").ok_or_else(|| refuse(file, entry, "it has no 'root_pubkey'"))?;
    root_key("root_pubkey", text).map_err(|error| refuse(file, entry, error))
}

/// Reads an entry as the credential that it is, with the attributes that its signature covers.
///
/// # Errors
///
/// CONFIG if it is incomplete or malformed, or if the signature covers none of the variants.
pub(super) fn verified(file: &IdentityFile, entry: &Entry) -> Result<Credential> {
    let is_producer = entry.has_role(Role::Producer);
    let mut last = None;
    for variant in variants(entry) {
        let mut fields = entry.0.clone();
        fields.insert("attributes".to_owned(), variant.into());
        let credential = read(&fields, is_producer).map_err(|error| refuse(file, entry, error))?;
        if credential.is_signed(is_producer) {
            return Ok(credential);
        }
        last = Some(credential);
    }
    match last {
        None => Err(refuse(file, entry, "'attributes' is no table of texts")),
        Some(_) => Err(refuse(file, entry, "the signature does not verify under its root key")),
    }
}

fn read(fields: &Map<String, Value>, is_producer: bool) -> Result<Credential> {
    let policy = Value::from("policy");
    match is_producer {
        true => Credential::producer_from_fields(fields),
        false => Credential::from_fields(fields, Some(fields.get("type").unwrap_or(&policy))),
    }
}

/// Returns the attributes as stored, then with role, with name, with both. What is stored wins.
fn variants(entry: &Entry) -> Vec<Map<String, Value>> {
    let stored = match entry.0.get("attributes") {
        None => Map::new(),
        Some(Value::Object(stored)) => stored.clone(),
        Some(_) => return Vec::new(),
    };
    let with = |pairs: &[(&str, &str)]| {
        let mut attributes = stored.clone();
        for (key, of) in pairs {
            if let Some(value) = entry.text(of) {
                attributes.entry(*key).or_insert_with(|| value.into());
            }
        }
        attributes
    };
    let (role, name) = (("aster.role", "role"), ("aster.name", "name"));
    vec![with(&[]), with(&[role]), with(&[name]), with(&[role, name])]
}

/// Checks an entry that is about to be used; returns the credential and a warning.
///
/// # Errors
///
/// CONFIG if it does not verify, or is bound to another node than ours.
pub(super) fn check(
    file: &IdentityFile,
    entry: &Entry,
    node_key: Option<[u8; 32]>,
    now: Option<u64>,
) -> Result<(Credential, Option<String>)> {
    let credential = verified(file, entry)?;
    let ours = node_key.map(|key| keys::endpoint_id(&key));
    if let (Some(bound), Some(ours)) = (credential.endpoint_id, ours)
        && bound != ours
    {
        return Err(refuse(file, entry, "its 'endpoint_id' is not that of the node key"));
    }
    let expired = now.is_some_and(|now| credential.expires_at <= now);
    let warning = expired.then(|| format!("{}: entry '{}' has expired", file.path, entry.name().escape_debug()));
    Ok((credential, warning))
}
