//! Runs every group of `contract.json`; a group that this file does not know fails.

use std::collections::BTreeSet;
use std::path::PathBuf;

use aster_core::contract::{
    Contract, Digest, MethodDef, ServiceContract, ServiceDescription, TypeDef, TypeGraph, link, primitive,
};
use aster_core::error::{ErrorKind, Result};
use aster_core::types::TypeTable;
use serde_json::{Value, json};

fn vectors() -> Value {
    let file = "contract.json";
    let default = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/vectors"));
    let path = std::env::var_os("ASTER_VECTORS_DIR").map_or_else(default, PathBuf::from).join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap()
}

fn group(name: &str) -> Vec<Value> {
    vectors()[name].as_array().unwrap().clone()
}

fn hex_of(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn blake3_hex(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

#[test]
fn every_group_is_known() {
    let vectors = vectors();
    assert_eq!(vectors["format"], "aster-vectors/contract/1");
    assert_eq!(vectors["canonical_encoding"], aster_core::contract::CANONICAL_ENCODING);
    let known = [
        "format",
        "canonical_encoding",
        "primitives",
        "type_defs",
        "methods",
        "contracts",
        "graphs",
        "services",
        "manifests",
        "negative",
    ];
    let found: BTreeSet<&str> = vectors.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(found, BTreeSet::from(known));
}

#[test]
fn primitives() {
    for case in group("primitives") {
        let (id, value) = (case["id"].as_str().unwrap(), &case["value"]);
        let bytes = match id.split_once('/').unwrap().0 {
            "uvarint" => primitive::uvarint(value.as_u64().unwrap()),
            "zigzag32" | "zigzag64" => primitive::zigzag(value.as_i64().unwrap()),
            "string" => primitive::string(value.as_str().unwrap()),
            "bytes" => primitive::bytes(&hex_of(value)),
            "bool" => primitive::boolean(value.as_bool().unwrap()),
            "float64" => primitive::float64(value.as_f64().unwrap()),
            "list_header" => primitive::list_header(value.as_u64().unwrap().try_into().unwrap()),
            "optional" => primitive::optional(!value.is_null()),
            other => panic!("unknown primitive {other}"),
        };
        assert_eq!(bytes, hex_of(&case["hex"]), "{id}");
    }
}

#[test]
fn type_defs() {
    for case in group("type_defs") {
        let def = TypeDef::from_json(&case["json"]).unwrap();
        let bytes = def.canonical().unwrap();
        assert_eq!(hex::encode(&bytes), case["hex"], "{}", case["id"]);
        assert_eq!(hex::encode(def.hash().unwrap()), case["hash"], "{}", case["id"]);
        assert_eq!(TypeDef::from_canonical(&bytes).unwrap().to_json(), case["decoded"], "{}", case["id"]);
    }
}

#[test]
fn methods() {
    for case in group("methods") {
        let bytes = MethodDef::from_json(&case["json"]).unwrap().canonical().unwrap();
        assert_eq!(hex::encode(&bytes), case["hex"], "{}", case["id"]);
        assert_eq!(blake3_hex(&bytes), case["hash"], "{}", case["id"]);
    }
}

#[test]
fn contracts() {
    for case in group("contracts") {
        let bytes = ServiceContract::from_json(&case["json"]).unwrap().canonical().unwrap();
        assert_eq!(hex::encode(&bytes), case["hex"], "{}", case["id"]);
        assert_eq!(blake3_hex(&bytes), case["contract_id"], "{}", case["id"]);
        assert_eq!(ServiceContract::from_canonical(&bytes).unwrap().to_json(), case["decoded"], "{}", case["id"]);
    }
}

#[test]
fn graphs() {
    for case in group("graphs") {
        let id = &case["id"];
        let graph = TypeGraph::new(&TypeTable::from_json(&case["types"]).unwrap()).unwrap();
        let expected = case["type_defs"].as_object().unwrap();
        assert_eq!(graph.nodes().len(), expected.len(), "{id}");
        for node in graph.nodes() {
            let want = &expected[&node.fqn];
            assert_eq!(hex::encode(&node.bytes), want["hex"], "{id} {}", node.fqn);
            assert_eq!(hex::encode(node.hash), want["hash"], "{id} {}", node.fqn);
            let entering = want.get("entering_ref").unwrap_or(&want["hash"]);
            assert_eq!(&hex::encode(node.entering), entering, "{id} {}", node.fqn);
        }
        let as_set = |cycles: Value| cycles.as_array().unwrap().iter().map(Value::to_string).collect::<BTreeSet<_>>();
        assert_eq!(as_set(json!(graph.cycles())), as_set(case["cyclic_components"].clone()), "{id}");
        check_link(&graph).unwrap_or_else(|e| panic!("{id}: {e}"));
    }
}

/// Links the types of a graph back from their bytes and compares what they refer to.
fn check_link(graph: &TypeGraph) -> Result<()> {
    let bodies: Vec<&[u8]> = graph.nodes().iter().map(|node| node.bytes.as_slice()).collect();
    let roots: Vec<Digest> = graph.nodes().iter().map(|node| node.entering).collect();
    let linked = link(&bodies, &roots)?;
    assert_eq!(linked.len(), graph.nodes().len());
    for back in linked {
        let node = graph.get(&back.fqn).unwrap();
        assert_eq!((&back.def, back.hash, back.entering), (&node.def, node.hash, node.entering));
        for (field, (value, _)) in back.def.fields.iter().zip(&back.targets) {
            let held = value.as_ref().and_then(|name| graph.get(name));
            assert_eq!(held.is_some(), field.type_ref.is_some() || !field.self_ref_name.is_empty());
            if let (Some(reference), Some(target)) = (field.type_ref, held) {
                assert!(reference == target.hash || reference == target.entering);
            }
        }
    }
    Ok(())
}

#[test]
fn services() {
    let mut echo_seen = false;
    for case in group("services") {
        let id = &case["id"];
        let description = ServiceDescription::from_json(&case["description"].to_string()).unwrap();
        let contract = Contract::new(description).unwrap();
        assert_eq!(contract.service().to_json(), case["contract"], "{id}");
        assert_eq!(hex::encode(contract.canonical()), case["hex"], "{id}");
        assert_eq!(contract.id(), case["contract_id"], "{id}");
        assert_eq!(hex::encode(contract.digest()), contract.id());
        assert_eq!(json!(contract.graph().type_hashes()), case["type_hashes"], "{id}");
        let bodies: Vec<&[u8]> = contract.graph().nodes().iter().map(|node| node.bytes.as_slice()).collect();
        let roots: Vec<Digest> =
            contract.service().methods.iter().flat_map(|m| [m.request_type, m.response_type]).flatten().collect();
        link(&bodies, &roots).unwrap_or_else(|e| panic!("{id}: {e}"));
        if id == "echo" {
            assert_eq!(contract.id(), "12d2f2990f4dd71dfd59f5db470d186f1fcc7dbafdac0ea7fdf838ab263c0578");
            echo_seen = true;
        }
    }
    assert!(echo_seen);
}

#[test]
fn manifests() {
    for case in group("manifests") {
        let id = &case["id"];
        let description = ServiceDescription::from_json(&case["description"].to_string()).unwrap();
        let contract = Contract::new(description).unwrap();
        let text = contract.manifest_text();
        // As text, since the order of keys is fixed.
        assert_eq!(text, format!("{:#}\n", case["manifest"]), "{id}");
        let again = Contract::from_manifest(&text).unwrap_or_else(|e| panic!("{id}: {e}"));
        assert_eq!(again.id(), contract.id(), "{id}");
        assert_eq!(again.manifest_text(), text, "{id}");
    }
}

#[test]
fn a_manifest_with_another_id_is_refused() {
    let mut manifest = group("manifests")[0]["manifest"].clone();
    manifest["unknown"] = json!({"keys": "are ignored"});
    assert!(Contract::from_manifest(&manifest.to_string()).is_ok());
    for (path, value) in [
        ("/contract_id", json!("00")),
        ("/version", json!(2)),
        ("/canonical_encoding", json!("aster-contract/1")),
        ("/types/echo~1EchoRequest/fields/0/type", json!("int")),
        ("/methods/0/requires", json!({"kind": "role", "roles": ["a", "b"]})),
        ("/types", Value::Null),
        ("/v", json!(2)),
    ] {
        let mut changed = manifest.clone();
        *changed.pointer_mut(path).unwrap() = value;
        let error = Contract::from_manifest(&changed.to_string()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Contract, "{path}: {error}");
        assert!(error.message().contains("EchoService"), "{path}: {error}");
    }
}

#[test]
fn negative() {
    for case in group("negative") {
        let id = &case["id"];
        let kind = case["kind"].as_str().unwrap();
        let refused = match (kind, case.get("json"), case.get("hex")) {
            ("types", None, None) => TypeTable::from_json(&case["types"]).map(|_| ()),
            ("type_def", Some(form), None) => TypeDef::from_json(form).and_then(|def| def.canonical()).map(|_| ()),
            ("service_contract", Some(form), None) => {
                ServiceContract::from_json(form).and_then(|contract| contract.canonical()).map(|_| ())
            }
            ("type_def", None, Some(hex)) => TypeDef::from_canonical(&hex_of(hex)).map(|_| ()),
            ("service_contract", None, Some(hex)) => ServiceContract::from_canonical(&hex_of(hex)).map(|_| ()),
            other => panic!("{id}: unknown kind {other:?}"),
        };
        let error = refused.err().unwrap_or_else(|| panic!("{id} was accepted"));
        assert_eq!(error.kind(), ErrorKind::Contract, "{id}");
    }
}
