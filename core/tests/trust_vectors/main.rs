//! Runs `trust.json`, every group of it.

mod admission;
mod delegated;
mod gate;
mod iid;
mod mesh;

use std::collections::BTreeMap;

use aster_core::config::{Config, IDENTITY_FILE, IdentityFile, Role, Sources};
use aster_core::contract::{CapabilityKind, CapabilityRequirement};
use aster_core::keys::verify;
use aster_core::limits;
use aster_core::trust::{Credential, Enrollment, Grant, canonical_attributes};
use serde_json::Value;

/// Prose, and what only verification uses.
const NO_CASES: &[&str] = &["format", "now", "keys"];
const HERE: &[&str] = &[
    "limits",
    "credentials",
    "tolerated",
    "negative",
    "signatures",
    "ott_sequences",
    "admission",
    "mesh",
    "delegated",
    "iid",
    "capability",
    "gate",
    "identity_restore",
];
const ROOT: &str = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8";

fn vectors() -> Value {
    let folder = std::env::var("ASTER_VECTORS_DIR")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/vectors").to_owned());
    serde_json::from_str(&std::fs::read_to_string(format!("{folder}/trust.json")).expect("trust.json")).expect("JSON")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("list")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}

#[test]
fn every_group_has_a_test() {
    for group in vectors().as_object().expect("object").keys() {
        let known = [NO_CASES, HERE].iter().any(|groups| groups.contains(&group.as_str()));
        assert!(known, "group '{group}' has no test");
    }
}

#[test]
fn limits_are_those_of_core() {
    let ours = serde_json::json!({
        "attributes": limits::MAX_ATTRIBUTES,
        "attribute_key_bytes": limits::MAX_ATTRIBUTE_KEY,
        "attribute_value_bytes": limits::MAX_ATTRIBUTE_VALUE,
        "canonical_attributes_bytes": limits::MAX_CANONICAL_ATTRIBUTES,
        "request_bytes": limits::MAX_CREDENTIAL_BYTES,
        "json_depth": limits::MAX_TRUST_DEPTH,
        "expires_at_max": limits::MAX_EXPIRES_AT,
    });
    assert_eq!(vectors()["limits"], ours);
}

#[test]
fn tr23_capability() {
    for entry in list(&vectors()["capability"]) {
        let roles = list(&entry["roles"]).iter().map(|role| text(role).to_owned()).collect();
        // A kind that core does not know cannot even be declared.
        let allowed = CapabilityKind::parse(text(&entry["kind"]))
            .is_some_and(|kind| CapabilityRequirement { kind, roles }.allows(text(&entry["aster.role"])));
        assert_eq!(Some(allowed), entry["allowed"].as_bool(), "{entry}");
    }
}

#[test]
fn credentials() {
    let vectors = vectors();
    for entry in list(&vectors["credentials"]) {
        let attributes: BTreeMap<String, String> =
            serde_json::from_value(entry["attributes"].clone()).expect("attributes");
        assert_eq!(canonical_attributes(&attributes), text(&entry["canonical_attributes"]), "{}", entry["name"]);
        check_signed_bytes(&vectors, entry, &attributes);
        let json = text(&entry["credential_json"]);
        let made = Enrollment::parse(json.as_bytes()).expect("reads");
        assert_eq!(hex::encode(made.signed_bytes()), text(&entry["signed_bytes"]), "{}", entry["name"]);
        let seed = bytes(&vectors["keys"][text(&entry["key"])]["seed"]);
        assert_eq!(hex::encode(made.sign(&seed).expect("signs")), text(&entry["signature"]), "{}", entry["name"]);
        let read = match text(&entry["kind"]) {
            "producer" => Credential::parse_producer(json.as_bytes()),
            _ => Credential::parse(json.as_bytes()),
        };
        let read = read.expect("reads");
        assert_same_document(&made.to_json(), json);
        assert_same_document(&read.to_json(), json);
        assert_eq!(read.attributes, attributes, "{}", entry["name"]);
        assert_eq!(Some(read.expires_at), entry["expires_at"].as_u64(), "{}", entry["name"]);
        assert_eq!(hex::encode(read.signature), text(&entry["signature"]), "{}", entry["name"]);
    }
}

/// The order of attributes is nobody's; that of the other keys is ours.
fn assert_same_document(ours: &str, theirs: &str) {
    let [ours_read, theirs_read] = [ours, theirs].map(|text| serde_json::from_str::<Value>(text).expect("JSON"));
    assert_eq!(ours_read, theirs_read);
    let keys = |document: &Value| document.as_object().expect("object").keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&ours_read), keys(&theirs_read));
    assert!(ours.is_ascii() && !ours.contains(": ") && ours.len() == theirs.len());
}

fn check_signed_bytes(vectors: &Value, entry: &Value, attributes: &BTreeMap<String, String>) {
    let root = bytes(&vectors["keys"][text(&entry["key"])]["public"]);
    let expires_at = entry["expires_at"].as_u64().expect("expiry");
    let grant = Grant { root_pubkey: &root, expires_at, attributes };
    let nonce = entry["nonce"].as_str().map(|nonce| hex::decode(nonce).expect("hex"));
    let id = entry["endpoint_id"].as_str();
    let signed = match text(&entry["kind"]) {
        "producer" => grant.producer_bytes(id.expect("id")),
        kind => grant.consumer_bytes(kind == "ott", id, nonce.as_deref()),
    };
    assert_eq!(hex::encode(&signed), text(&entry["signed_bytes"]), "{}", entry["name"]);
    let signature = hex::decode(text(&entry["signature"])).expect("hex");
    assert!(verify(&root, &signed, &signature), "{}", entry["name"]);
}

fn bytes(hex: &Value) -> [u8; 32] {
    hex::decode(text(hex)).expect("hex").try_into().expect("32 bytes")
}

#[test]
fn tr26_signatures() {
    for entry in list(&vectors()["signatures"]) {
        let [key, message, signature] =
            ["public_key", "message", "signature"].map(|name| hex::decode(text(&entry[name])).expect("hex"));
        let valid = verify(&key, &message, &signature);
        assert_eq!(Some(valid), entry["valid"].as_bool(), "{}", entry["name"]);
    }
}

#[test]
fn tr6_identity_restore() {
    let vectors = vectors();
    for case in list(&vectors["identity_restore"]) {
        let file = IdentityFile::parse(IDENTITY_FILE, &restore_file(&vectors, case)).expect("parses");
        let entry = file.entry(Some(text(&case["peer_name"])), None).expect("is there");
        let sources = Sources {
            files: BTreeMap::from([(IDENTITY_FILE.to_owned(), restore_file(&vectors, case).into())]),
            role: Some(Role::Consumer),
            ..Sources::default()
        };
        let used = Config::resolve(sources).and_then(|config| config.credential().map(|found| found.cloned()));
        match &case["restored_attributes"] {
            Value::Null => {
                assert_eq!(entry["attributes"], case["stored_attributes"], "{}", case["name"]);
                assert!(used.expect_err("is refused").message().contains("signature"), "{}", case["name"]);
            }
            restored => {
                assert_eq!(&entry["attributes"], restored, "{}", case["name"]);
                let json = used.expect("verifies").expect("is presented").json;
                let credential = Credential::parse(json.as_bytes()).expect("reads");
                assert_eq!(&serde_json::to_value(credential.attributes).expect("JSON"), restored, "{}", case["name"]);
            }
        }
    }
}

/// Writes the identity file of a case; JSON texts and keys are TOML too.
fn restore_file(vectors: &Value, case: &Value) -> String {
    let attributes = case["stored_attributes"].as_object().expect("attributes");
    let attributes: Vec<_> =
        attributes.iter().map(|(key, value)| format!("{} = {value}", Value::from(&**key))).collect();
    format!(
        "[node]\nsecret_key = {}\n[[peers]]\nname = {}\nrole = {}\ntype = {}\nroot_pubkey = {}\nendpoint_id = {}\n\
         expires_at = {}\nsignature = {}\nattributes = {{ {} }}\n",
        vectors["keys"]["node"]["seed"],
        case["peer_name"],
        case["role"],
        case["type"],
        vectors["keys"]["root"]["public"],
        case["endpoint_id"],
        case["expires_at"],
        case["signature"],
        attributes.join(", "),
    )
}
