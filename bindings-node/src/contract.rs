//! Contracts as documents: canonical bytes, type graphs, manifests (`contract.md`). All of it is core's.

use aster_core::contract::{self, Contract, LiveContract, ManifestFault, ServiceDescription};
use aster_core::error::Result;
use aster_core::types::TypeExpr;
use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;
use serde_json::{Value, json};

/// A service as a program declares it.
#[napi(object)]
pub struct Live {
    pub service: String,
    pub version: i32,
    pub contract_id: String,
}

/// Why a program does not go with a manifest file.
#[napi(object)]
pub struct Fault {
    pub text: String,
    /// What the manifest says of the service that differs; without one the file is at fault.
    pub expected: Option<Live>,
    /// Its contract id in the program.
    pub actual: Option<String>,
}

/// A manifest that was read.
#[napi(object)]
pub struct ReadManifest {
    pub text: String,
    pub verified: bool,
}

fn thrown<T>(outcome: Result<T>) -> napi::Result<T> {
    outcome.map_err(|error| napi::Error::from_reason(error.message()))
}

/// Returns the canonical bytes of a document in JSON.
#[napi]
pub fn canonical_bytes(kind: String, document: String) -> napi::Result<Uint8Array> {
    thrown(contract::canonical_bytes(&kind, &document)).map(Uint8Array::new)
}

/// Returns the document that canonical bytes hold, in JSON.
#[napi]
pub fn read_canonical(kind: String, canonical: Uint8Array) -> napi::Result<String> {
    thrown(contract::read_canonical(&kind, &canonical))
}

/// Returns the type graph of declared types, in JSON.
#[napi]
pub fn type_graph(types: String) -> napi::Result<String> {
    thrown(contract::type_graph(&types))
}

/// Returns what the contract of a service description commits to, in JSON.
#[napi]
pub fn contract_identity(description: String) -> napi::Result<String> {
    let contract = thrown(ServiceDescription::from_json(&description).and_then(Contract::new))?;
    Ok(contract::identity(&contract))
}

/// Returns the manifest of a service description.
#[napi]
pub fn manifest_of(description: String) -> napi::Result<String> {
    let contract = thrown(ServiceDescription::from_json(&description).and_then(Contract::new))?;
    Ok(contract.manifest_text())
}

/// Verifies a manifest and returns it as core writes it.
#[napi]
pub fn verified_manifest(text: String) -> napi::Result<String> {
    Ok(thrown(Contract::from_manifest(&text))?.manifest_text())
}

/// Verifies a manifest and returns the description it stands for, in JSON.
#[napi]
pub fn description_of_manifest(text: String) -> napi::Result<String> {
    Ok(thrown(Contract::describe_manifest(&text))?.1.to_string())
}

/// Compares live contracts with a manifest file, which may be absent.
#[napi]
pub fn check_live_contracts(path: String, live: Vec<Live>) -> Option<Fault> {
    let live: Vec<_> = live
        .iter()
        .map(|Live { service, version, contract_id }| LiveContract { service, version: *version, contract_id })
        .collect();
    let fault = contract::check_live(&path, std::fs::read_to_string(&path), &live).err()?;
    let text = fault.to_string();
    Some(match fault {
        ManifestFault::Unreadable { .. } => Fault { text, expected: None, actual: None },
        ManifestFault::Mismatch { service, version, expected: contract_id, actual, .. } => {
            let expected = Live { service, version, contract_id };
            Fault { text, expected: Some(expected), actual: Some(actual) }
        }
    })
}

/// Reads a manifest, and verifies it unless it is a legacy one.
#[napi]
pub fn read_manifest(text: String) -> napi::Result<ReadManifest> {
    let (document, verified) = thrown(contract::read_manifest(&text))?;
    Ok(ReadManifest { text: format!("{document:#}\n"), verified })
}

/// Returns a type text as a tree in JSON: a name, or a kind and its parts.
#[napi]
pub fn type_tree(text: String) -> napi::Result<String> {
    thrown(TypeExpr::parse(&text)).map(|ty| tree(&ty).to_string())
}

/// The parser bounds how deep a type nests.
fn tree(ty: &TypeExpr) -> Value {
    match ty {
        TypeExpr::Primitive(primitive) => json!(primitive.name()),
        TypeExpr::Named(tag) => json!(tag),
        TypeExpr::List(element) => json!(["list", tree(element)]),
        TypeExpr::Set(element) => json!(["set", tree(element)]),
        TypeExpr::Optional(inner) => json!(["optional", tree(inner)]),
        TypeExpr::Map(key, value) => json!(["map", tree(key), tree(value)]),
    }
}
