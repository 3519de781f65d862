//! Contracts as documents: canonical bytes, type graphs, manifests (`contract.md`). All of it is core's.

use aster_core::contract::{self, Contract, ServiceDescription};
use aster_core::error::Result;
use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;

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
