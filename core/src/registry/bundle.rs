//! The files of a published contract, made and verified (`registry.md` sections 2 and 9).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::snapshot::Author;
use crate::contract::{Contract, ServiceContract, link};
use crate::error::{Error, ErrorKind, Result};
use crate::limits;

const CONTRACT_ENTRY: &str = "contract.bin";
/// Name of the manifest in a collection.
pub const MANIFEST_ENTRY: &str = "manifest.json";
const TYPES: &str = "types/";
const TYPE_END: &str = ".bin";

/// A verified contract and its manifest.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// The contract.
    pub contract: Arc<Contract>,
    /// The manifest: what the contract says, and what its publisher said about versions and publication.
    pub manifest: Arc<str>,
}

fn unfit(reason: impl Into<String>) -> Error {
    Error::new(ErrorKind::Contract, reason)
}

/// Returns the hash that the name of a type's file says.
fn type_hash(name: &str) -> Option<&str> {
    let hash = name.strip_prefix(TYPES)?.strip_suffix(TYPE_END)?;
    super::records::is_hex_id(hash).then_some(hash)
}

/// Tells whether a file of a collection is one that readers look at.
pub fn is_bundle_entry(name: &str) -> bool {
    name == CONTRACT_ENTRY || name == MANIFEST_ENTRY || type_hash(name).is_some()
}

impl Bundle {
    /// Makes what is published: the manifest of a contract, or the richer `given` one if it has the same id, with who
    /// publishes it and when.
    pub fn publish(contract: &Arc<Contract>, given: Option<&Value>, author: &Author, now_ms: i64) -> Self {
        let of_file = given.filter(|given| given.get("contract_id").and_then(Value::as_str) == Some(contract.id()));
        let mut manifest = of_file.cloned().unwrap_or_else(|| contract.manifest());
        if let Some(members) = manifest.as_object_mut() {
            members.insert("published_by".to_owned(), json!(author.to_string()));
            members.insert("published_at_epoch_ms".to_owned(), json!(now_ms));
        }
        Self { contract: contract.clone(), manifest: format!("{manifest:#}\n").into() }
    }

    /// Returns the files of the collection, in their order.
    pub fn files(&self) -> Vec<(String, Bytes)> {
        let mut types = BTreeMap::new();
        for node in self.contract.graph().nodes() {
            types.insert(format!("{TYPES}{}{TYPE_END}", hex::encode(node.hash)), Bytes::copy_from_slice(&node.bytes));
        }
        let mut files = vec![(CONTRACT_ENTRY.to_owned(), Bytes::copy_from_slice(self.contract.canonical()))];
        files.extend(types);
        files.push((MANIFEST_ENTRY.to_owned(), Bytes::copy_from_slice(self.manifest.as_bytes())));
        files
    }

    /// Returns the manifest as the value of its key.
    pub fn compact(&self) -> String {
        serde_json::from_str::<Value>(&self.manifest).map(|manifest| manifest.to_string()).unwrap_or_default()
    }

    /// Verifies a manifest: the id recomputed from it is the wanted one.
    ///
    /// # Errors
    ///
    /// CONTRACT with the reason if it is anything else.
    pub fn from_manifest(text: &[u8], contract_id: &str) -> Result<Self> {
        let text = std::str::from_utf8(text).map_err(|_| unfit("the manifest is not UTF-8"))?;
        let (contract, _) = Contract::describe_manifest(text)?;
        if contract.id() != contract_id {
            return Err(unfit(format!("the manifest is that of contract {}", contract.id())));
        }
        let manifest: Value = serde_json::from_str(text).map_err(|error| unfit(error.to_string()))?;
        let listed = manifest.get("type_hashes").and_then(Value::as_array);
        let hashes = contract.graph().type_hashes();
        if !listed
            .is_some_and(|listed| listed.iter().map(Value::as_str).eq(hashes.iter().map(|hash| Some(hash.as_str()))))
        {
            return Err(unfit("`type_hashes` of the manifest are not those of its types"));
        }
        // Nothing goes on that was not verified: the parts for older readers repeat what the types say.
        let clean = contract.complete_manifest(&manifest)?;
        Ok(Self { contract, manifest: format!("{clean:#}\n").into() })
    }

    /// Verifies the files of a collection, all of them.
    ///
    /// # Errors
    ///
    /// CONTRACT with the reason if one is missing, is not what its name says, or belongs to something else.
    pub fn from_files(files: &[(String, Bytes)], contract_id: &str) -> Result<Self> {
        let mut by_name = BTreeMap::new();
        for (name, data) in files.iter().filter(|(name, _)| is_bundle_entry(name)) {
            if by_name.insert(name.as_str(), data).is_some() {
                return Err(unfit(format!("the collection has '{name}' twice")));
            }
        }
        let file =
            |name: &str| by_name.get(name).copied().ok_or_else(|| unfit(format!("the collection has no '{name}'")));
        let canonical = file(CONTRACT_ENTRY)?;
        if hex::encode(crate::keys::digest(canonical)) != contract_id {
            return Err(unfit(format!("'{CONTRACT_ENTRY}' is not the contract")));
        }
        let service = ServiceContract::from_canonical(canonical)?;
        let mut bodies = Vec::new();
        for (name, data) in &by_name {
            let Some(hash) = type_hash(name) else { continue };
            if data.len() > limits::MAX_TYPE_DEF_BYTES || hex::encode(crate::keys::digest(data)) != hash {
                return Err(unfit(format!("'{name}' is not the type that its name says")));
            }
            bodies.push((*data).clone());
        }
        let roots: BTreeSet<_> =
            service.methods.iter().flat_map(|method| [method.request_type, method.response_type]).flatten().collect();
        link(&bodies, &roots.into_iter().collect::<Vec<_>>())?;
        let bundle = Self::from_manifest(file(MANIFEST_ENTRY)?, contract_id)?;
        if bundle.contract.graph().type_hashes().len() != bodies.len() {
            return Err(unfit("the types of collection and manifest differ"));
        }
        Ok(bundle)
    }

    /// Checks that this is what a producer advertised.
    ///
    /// # Errors
    ///
    /// CONTRACT if name or version differ.
    pub fn check_offer(&self, service: &str, version: i32) -> Result<()> {
        let description = self.contract.description();
        if description.service == service && description.version == version {
            return Ok(());
        }
        Err(unfit(format!("the contract is that of '{}' v{}", description.service, description.version)))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::contract::ServiceDescription;

    const DESCRIPTION: &str = r#"{
        "service": "Library", "version": 2,
        "types": {
            "lib/Author": {"fields": [{"name": "name", "type": "string"}, {"name": "books", "type": "list<lib/Book>"}]},
            "lib/Book": {"fields": [{"name": "title", "type": "string"}, {"name": "by", "type": "lib/Author?"},
                                    {"name": "genre", "type": "lib/Genre"}, {"name": "notes", "type": "list<string?>"}]},
            "lib/Genre": {"enum": [["FICTION", 0], ["FACT", 1]]}
        },
        "methods": [{"name": "find", "pattern": "unary", "request": "lib/Book", "response": "lib/Author"},
                    {"name": "count", "pattern": "unary", "request": "lib/Book", "response": "int"}]
    }"#;

    pub(in crate::registry) fn contract() -> Arc<Contract> {
        Contract::new(ServiceDescription::from_json(DESCRIPTION).unwrap()).unwrap()
    }

    fn published() -> (Arc<Contract>, Vec<(String, Bytes)>) {
        let contract = contract();
        let bundle = Bundle::publish(&contract, None, &Author([1; 32]), 77);
        (contract, bundle.files())
    }

    #[test]
    fn what_is_published_verifies() {
        let (contract, files) = published();
        let names: Vec<_> = files.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!((names[0], *names.last().unwrap()), (CONTRACT_ENTRY, MANIFEST_ENTRY));
        assert_eq!(names.len(), 2 + contract.graph().nodes().len());
        assert!(names.iter().all(|name| is_bundle_entry(name)));
        let mut sorted = names[1..names.len() - 1].to_vec();
        sorted.sort_unstable();
        assert_eq!(names[1..names.len() - 1], sorted);
        let mut shuffled = files.clone();
        shuffled.reverse();
        shuffled.push(("README".to_owned(), Bytes::from_static(b"not ours")));
        let bundle = Bundle::from_files(&shuffled, contract.id()).unwrap();
        assert_eq!(bundle.contract.id(), contract.id());
        let manifest: Value = serde_json::from_str(&bundle.manifest).unwrap();
        assert_eq!(manifest["published_by"], hex::encode([1; 32]));
        assert_eq!(manifest["published_at_epoch_ms"], 77);
        bundle.check_offer("Library", 2).unwrap();
        assert!(bundle.check_offer("Library", 3).is_err() && bundle.check_offer("Libary", 2).is_err());
        let compact = bundle.compact();
        assert!(!compact.contains('\n'));
        Bundle::from_manifest(compact.as_bytes(), contract.id()).unwrap();
    }

    #[test]
    fn the_manifest_of_a_file_is_taken_if_it_is_of_the_same_contract() {
        let contract = contract();
        let mut rich = contract.manifest();
        rich["semver"] = json!("1.2.3");
        let published = Bundle::publish(&contract, Some(&rich), &Author([1; 32]), 1);
        assert!(published.manifest.contains("1.2.3"));
        rich["contract_id"] = json!("00");
        let published = Bundle::publish(&contract, Some(&rich), &Author([1; 32]), 1);
        assert!(!published.manifest.contains("1.2.3"));
    }

    #[test]
    fn each_file_swapped_cut_extended_renamed_or_missing_is_refused() {
        let (contract, files) = published();
        let refused = |files: &[(String, Bytes)], what: &str| {
            assert!(Bundle::from_files(files, contract.id()).is_err(), "{what}");
        };
        for at in 0..files.len() {
            let (name, data) = files[at].clone();
            let mut changed = files.clone();
            let mut with = |data: Vec<u8>, what: &str| {
                changed[at].1 = Bytes::from(data);
                refused(&changed, &format!("{name} {what}"));
            };
            with(data[..data.len() - 2].to_vec(), "cut");
            with([&data[..], b"x"].concat(), "extended");
            with(files[(at + 1) % files.len()].1.to_vec(), "swapped");
            let mut renamed = files.clone();
            renamed[at].0.push('x');
            refused(&renamed, &format!("{name} renamed"));
            let mut fewer = files.clone();
            fewer.remove(at);
            refused(&fewer, &format!("{name} missing"));
            let mut twice = files.clone();
            twice.push(files[at].clone());
            refused(&twice, &format!("{name} twice"));
        }
        assert!(Bundle::from_files(&files, &"ab".repeat(32)).is_err(), "another contract");
        // A type that nobody reaches.
        let stray = crate::contract::canonical_bytes("type_def", r#"{"kind":"message","package":"x","name":"Stray"}"#);
        let stray = stray.unwrap();
        let mut more = files.clone();
        more.push((format!("types/{}.bin", hex::encode(crate::keys::digest(&stray))), Bytes::from(stray)));
        refused(&more, "a stray type");
    }

    #[test]
    fn a_changed_manifest_is_refused() {
        let (contract, files) = published();
        let text = String::from_utf8(files.last().unwrap().1.to_vec()).unwrap();
        for (from, to) in [
            ("\"title\"", "\"titel\""),
            ("lib/Author?", "lib/Author"),
            (contract.id(), &"ab".repeat(32)),
            ("\"version\": 2", "\"version\": 3"),
            ("\"type_hashes\": [", "\"type_hashes\": [\"\", "),
            ("\"idempotent\": false", "\"idempotent\": true"),
        ] {
            let changed = text.replace(from, to);
            assert_ne!(changed, text, "{from}");
            assert!(Bundle::from_manifest(changed.as_bytes(), contract.id()).is_err(), "{to}");
        }
        Bundle::from_manifest(text.as_bytes(), contract.id()).unwrap();
        // The first is in the part for older readers, which nobody believes.
        let bundle =
            Bundle::from_manifest(text.replacen("\"title\"", "\"titel\"", 1).as_bytes(), contract.id()).unwrap();
        assert!(!bundle.manifest.contains("titel"));
    }
}
