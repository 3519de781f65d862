//! Enrolment: identity files with one credential more (`config.md` section 7). Nothing is written that would not be
//! accepted when it is read.

use std::collections::BTreeMap;
use std::mem;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use toml_edit::{ArrayOfTables, DocumentMut, InlineTable, Item, Table, TableLike, Value as TomlValue};

use super::document::{open, put, table, text};
use super::identity::IdentityFile;
use super::sources::{Role, check_size};
use super::{entry, wrong};
use crate::error::Result;
use crate::keys;
use crate::trust::{Credential, CredentialKind};

/// What is added to an identity file.
#[derive(Clone, Copy)]
pub struct Enrolment<'a> {
    /// Name of the entry; one of the same name is replaced.
    pub name: &'a str,
    /// Seed of the node key. A file that has another one is refused.
    pub node_key: &'a [u8; 32],
    /// The credential, signed.
    pub credential: &'a Credential,
    /// Seconds since 1970.
    pub now: u64,
}

/// Returns the text of an identity file, which may be empty, with an entry more. Other content stays as it is.
///
/// # Errors
///
/// CONFIG if the file cannot be read, has another node key, or if the runtime would not accept the entry.
pub fn enrolled(path: &str, text: &str, enrolment: &Enrolment<'_>) -> Result<String> {
    if enrolment.name.is_empty() {
        return Err(wrong("an entry needs a name"));
    }
    let before = IdentityFile::parse(path, text)?;
    if before.secret_key().is_some_and(|key| key != *enrolment.node_key) {
        return Err(wrong(format!("{path}: it holds another node key")));
    }
    let mut document = open(path, text)?;
    if before.secret_key().is_none() {
        put_node_key(path, &mut document, enrolment.node_key)?;
    }
    put_entry(entry_table(path, &mut document, enrolment.name)?, enrolment);
    let written = document.to_string();
    check_size(path, &written)?;
    accepted(path, &written, enrolment)?;
    Ok(written)
}

fn put_node_key(path: &str, document: &mut DocumentMut, seed: &[u8; 32]) -> Result<()> {
    let node = table(path, document.as_table_mut(), "node")?;
    put(node, "secret_key", text(&STANDARD.encode(seed)));
    if node.get("endpoint_id").is_none() {
        put(node, "endpoint_id", text(&keys::endpoint_id(seed).to_string()));
    }
    Ok(())
}

/// Returns the table of the entry, which is appended if the name is new.
fn entry_table<'a>(path: &str, document: &'a mut DocumentMut, name: &str) -> Result<&'a mut Table> {
    let peers = document.entry("peers").or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
    if peers.is_value() {
        // An array in one line; its entries become tables.
        *peers = mem::take(peers).into_array_of_tables().map_or_else(|other| other, Item::ArrayOfTables);
    }
    let unfit = || wrong(format!("{path}: expected tables [[peers]]"));
    let peers = peers.as_array_of_tables_mut().ok_or_else(unfit)?;
    let is_named = |entry: &Table| entry.get("name").and_then(Item::as_str) == Some(name);
    let at = peers.iter().position(is_named).unwrap_or(peers.len());
    if at == peers.len() {
        peers.push(Table::new());
    }
    peers.get_mut(at).ok_or_else(unfit)
}

fn put_entry(entry: &mut Table, enrolment: &Enrolment<'_>) {
    let Credential { kind, endpoint_id, root_pubkey, expires_at, attributes, signature } = enrolment.credential;
    let (role, kind, nonce) = match kind {
        CredentialKind::Producer => (Role::Producer, None, None),
        CredentialKind::Policy => (Role::Consumer, Some("policy"), None),
        CredentialKind::OneTime { nonce } => (Role::Consumer, Some("ott"), Some(hex::encode(nonce))),
    };
    let of = |value: Option<String>| value.map(|value| text(&value));
    for (key, value) in [
        ("name", Some(text(enrolment.name))),
        ("role", Some(text(role.name()))),
        ("type", kind.map(text)),
        ("root_pubkey", of(Some(hex::encode(root_pubkey)))),
        ("endpoint_id", of(endpoint_id.map(|id| id.to_string()))),
        ("expires_at", i64::try_from(*expires_at).ok().map(TomlValue::from)),
        ("nonce", of(nonce)),
        ("signature", of(Some(hex::encode(signature)))),
    ] {
        match value {
            Some(value) => put(entry, key, value),
            None => drop(entry.remove(key)),
        }
    }
    put_attributes(entry, attributes);
}

fn put_attributes(entry: &mut Table, attributes: &BTreeMap<String, String>) {
    let fill = |table: &mut dyn TableLike| {
        for (key, value) in attributes {
            table.insert(key, Item::Value(text(value)));
        }
    };
    if let Some(Item::Table(kept)) = entry.get_mut("attributes") {
        kept.clear();
        fill(kept);
        return;
    }
    let mut inline = InlineTable::new();
    fill(&mut inline);
    put(entry, "attributes", inline);
}

/// Reads what is about to be written as the runtime will.
fn accepted(path: &str, written: &str, enrolment: &Enrolment<'_>) -> Result<()> {
    let file = IdentityFile::parse(path, written)?;
    let role = if enrolment.credential.is_producer() { Role::Producer } else { Role::Consumer };
    let unlike = || wrong(format!("{path}: entry '{}' would not be read back", enrolment.name.escape_debug()));
    let found = file.select(Some(enrolment.name), role)?.ok_or_else(unlike)?;
    let (credential, warning) = entry::check(&file, found, Some(*enrolment.node_key), Some(enrolment.now))?;
    if let Some(warning) = warning {
        return Err(wrong(warning));
    }
    match credential == *enrolment.credential && file.secret_key() == Some(*enrolment.node_key) {
        true => Ok(()),
        false => Err(unlike()),
    }
}

#[cfg(test)]
#[path = "enrolled_tests.rs"]
mod tests;
