//! The contract model as JSON text, for hosts that show and compare it (`contract.md` sections 1, 2 and 5).
//!
//! Not here: service descriptions and manifests, which have functions of their own.

use serde_json::{Map, Value, json};

use crate::error::Result;
use crate::types::TypeTable;
use crate::types::document;
use crate::types::reason::{bad, quote};

use super::canonical::primitive;
use super::graph::TypeGraph;
use super::identity::Contract;
use super::model::{MethodDef, ServiceContract, TypeDef};

/// Returns the canonical bytes of a document: a `type_def`, `method` or `service_contract`, or a scalar of the
/// layout (`uvarint zigzag string bytes bool float64 list_header optional`).
///
/// # Errors
/// Kind CONTRACT if the text is no such document, or breaks a rule.
pub fn canonical_bytes(kind: &str, text: &str) -> Result<Vec<u8>> {
    let value = document::parse(text)?;
    match kind {
        "type_def" => TypeDef::from_json(&value)?.canonical(),
        "method" => MethodDef::from_json(&value)?.canonical(),
        "service_contract" => ServiceContract::from_json(&value)?.canonical(),
        _ => scalar(kind, &value).ok_or_else(|| bad(format!("{} of kind {}", quote(text), quote(kind)))),
    }
}

fn scalar(kind: &str, value: &Value) -> Option<Vec<u8>> {
    Some(match kind {
        "uvarint" => primitive::uvarint(value.as_u64()?),
        "zigzag" => primitive::zigzag(value.as_i64()?),
        "string" => primitive::string(value.as_str()?),
        "bytes" => primitive::bytes(&hex::decode(value.as_str()?).ok()?),
        "bool" => primitive::boolean(value.as_bool()?),
        "float64" => primitive::float64(value.as_f64()?),
        "list_header" => primitive::list_header(value.as_u64()?.try_into().ok()?),
        "optional" => primitive::optional(!value.is_null()),
        _ => return None,
    })
}

/// Returns the document that canonical bytes hold: a `type_def` or `service_contract`, with all members.
///
/// # Errors
/// Kind CONTRACT if the bytes are not exactly those of such a document.
pub fn read_canonical(kind: &str, bytes: &[u8]) -> Result<String> {
    let document = match kind {
        "type_def" => TypeDef::from_canonical(bytes)?.to_json(),
        "service_contract" => ServiceContract::from_canonical(bytes)?.to_json(),
        _ => return Err(bad(format!("nothing of kind {} is read back", quote(kind)))),
    };
    Ok(document.to_string())
}

/// Returns the type graph of declared types: `types` from full name to bytes, hash and the reference from outside
/// its cycle, and `cycles`.
///
/// # Errors
/// Kind CONTRACT if the types break a rule.
pub fn type_graph(types: &str) -> Result<String> {
    let graph = TypeGraph::new(&TypeTable::from_text(types)?)?;
    Ok(json!({"types": nodes(&graph), "cycles": graph.cycles()}).to_string())
}

/// Returns what a contract commits to: its model, canonical bytes, id and type hashes.
pub fn identity(contract: &Contract) -> String {
    let document = json!({
        "contract": contract.service().to_json(),
        "canonical": hex::encode(contract.canonical()),
        "contract_id": contract.id(),
        "type_hashes": contract.graph().type_hashes(),
    });
    document.to_string()
}

fn nodes(graph: &TypeGraph) -> Map<String, Value> {
    let node = |node: &super::TypeNode| {
        json!({
            "canonical": hex::encode(&node.bytes),
            "hash": hex::encode(node.hash),
            "entering_ref": hex::encode(node.entering),
        })
    };
    graph.nodes().iter().map(|found| (found.fqn.clone(), node(found))).collect()
}
