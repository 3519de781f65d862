//! Runs what this version has of `trust.json`: reading documents, signatures, the gate, identity files. The rest is
//! counted and printed.

use std::collections::BTreeMap;

use aster_core::config::{Config, IDENTITY_FILE, IdentityFile, Role, Sources, TomlFile};
use aster_core::contract::{CapabilityKind, CapabilityRequirement};
use aster_core::error::{ErrorKind, Result};
use aster_core::keys::verify;
use aster_core::limits;
use aster_core::trust::{ConsumerAnswer, ConsumerRequest, Credential, Grant, canonical_attributes};
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::Value;

/// Groups that later issues bring: one-time tokens, mesh, delegation, instance identity.
const LATER: &[&str] = &["ott_sequences", "mesh", "delegated", "iid"];
/// Prose, and what only verification uses.
const NO_CASES: &[&str] = &["format", "now", "keys"];
const HERE: &[&str] = &[
    "limits",
    "credentials",
    "tolerated",
    "negative",
    "signatures",
    "admission",
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

/// Returns the cause for the log, or `None` if the document is read.
fn cause<T>(read: &Result<T>) -> Option<&str> {
    let error = read.as_ref().err()?;
    assert_eq!(error.kind(), ErrorKind::Credential);
    error.message().split(':').next()
}

#[test]
fn every_group_has_a_test() {
    for group in vectors().as_object().expect("object").keys() {
        let known = [LATER, NO_CASES, HERE].iter().any(|groups| groups.contains(&group.as_str()));
        assert!(known, "group '{group}' has no test");
    }
    println!("not yet, later issues: {}", LATER.join(", "));
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
fn capability() {
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
        if text(&entry["kind"]) != "producer" {
            let read = Credential::parse(text(&entry["credential_json"]).as_bytes()).expect("reads");
            assert_eq!(read.attributes, attributes, "{}", entry["name"]);
            assert_eq!(Some(read.expires_at), entry["expires_at"].as_u64(), "{}", entry["name"]);
            assert_eq!(hex::encode(read.signature), text(&entry["signature"]), "{}", entry["name"]);
        }
    }
    for entry in list(&vectors["tolerated"]) {
        let read = Credential::parse(text(&entry["credential_json"]).as_bytes());
        assert_eq!(cause(&read), None, "{}", entry["name"]);
    }
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
fn signatures() {
    for entry in list(&vectors()["signatures"]) {
        let [key, message, signature] =
            ["public_key", "message", "signature"].map(|name| hex::decode(text(&entry[name])).expect("hex"));
        let valid = verify(&key, &message, &signature);
        assert_eq!(Some(valid), entry["valid"].as_bool(), "{}", entry["name"]);
    }
}

#[test]
fn identity_restore() {
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

#[test]
fn negative() {
    let (mut refused, mut later) = (0, 0);
    for entry in list(&vectors()["negative"]) {
        if text(&entry["kind"]) != "consumer" {
            later += 1;
            continue;
        }
        let bytes = match entry["credential_hex"].as_str() {
            Some(hex) => hex::decode(hex).expect("hex"),
            None => text(&entry["credential_json"]).as_bytes().to_vec(),
        };
        let read = Credential::parse(&bytes);
        match text(&entry["cause"]) {
            expected @ ("malformed" | "structure" | "too_large") => {
                assert_eq!(cause(&read), Some(expected), "{}: {read:?}", entry["name"]);
                refused += 1;
            }
            // Well formed: the checks that refuse these come with verification, until then all are denied.
            _ => {
                assert_eq!(cause(&read), None, "{}", entry["name"]);
                later += 1;
            }
        }
    }
    println!("{refused} refused when read; {later} are for verification, a later issue");
    assert!(refused > 90);
}

#[test]
fn admission_requests() {
    let vectors = vectors();
    assert_eq!(ConsumerAnswer::denial().to_json(), text(&vectors["admission"]["denied"]));
    for entry in list(&vectors["admission"]["requests"]) {
        let bytes = match entry["request"].as_str() {
            Some(request) => request.to_owned(),
            None => {
                let repeat = &entry["request_repeat"];
                text(&repeat["text"]).repeat(repeat["count"].as_u64().expect("count") as usize)
            }
        };
        let read = ConsumerRequest::parse(bytes.as_bytes());
        match entry["cause"].as_str() {
            Some(expected @ ("malformed" | "too_large")) => {
                assert_eq!(cause(&read), Some(expected), "{}", entry["name"])
            }
            Some("empty") => assert_eq!(read.expect("reads").credential().expect("reads"), None, "{}", entry["name"]),
            _ => {
                let presented = read.expect("reads").credential().expect("well formed");
                let none = text(&entry["name"]).starts_with("empty-") || text(&entry["name"]).starts_with("null-cred");
                assert_eq!(presented.is_none(), none, "{}", entry["name"]);
            }
        }
    }
}

#[test]
fn admission_responses() {
    for entry in list(&vectors()["admission"]["responses"]) {
        let read = ConsumerAnswer::parse(text(&entry["json"]).as_bytes());
        match text(&entry["client"]) {
            "protocol_error" => assert!(read.is_err(), "{}", entry["name"]),
            "denied" => assert!(!read.expect("reads").admitted, "{}", entry["name"]),
            // Comparing root keys is the client's, after reading.
            "accept" | "trust_domain_mismatch" => assert!(read.expect("reads").admitted, "{}", entry["name"]),
            other => panic!("unknown verdict {other}"),
        }
    }
}

/// Adds a line to the section [trust] of the TOML file.
fn give_toml(sources: &mut Sources, line: &str) {
    let file = sources.toml.get_or_insert(TomlFile { path: "aster.toml".to_owned(), text: "[trust]\n".to_owned() });
    file.text += &format!("{line}\n");
}

/// Puts an identity file with signed entries into place.
fn give_identity(sources: &mut Sources, entries: &[(Role, [u8; 32])]) {
    let node = SigningKey::from_bytes(&[0x11; 32]);
    let id = hex::encode(node.verifying_key().as_bytes());
    let mut file = format!("[node]\nsecret_key = '{}'\n", hex::encode(node.to_bytes()));
    for (number, (role, seed)) in entries.iter().enumerate() {
        let root = SigningKey::from_bytes(seed);
        let (root_pubkey, attributes) = (root.verifying_key().to_bytes(), BTreeMap::new());
        let grant = Grant { root_pubkey: &root_pubkey, expires_at: 1_893_456_000, attributes: &attributes };
        let signed = match role {
            Role::Producer => grant.producer_bytes(&id),
            Role::Consumer => grant.consumer_bytes(false, Some(&id), None),
        };
        file += &format!(
            "[[peers]]\nname = '{number}'\nrole = '{}'\ntype = 'policy'\nroot_pubkey = '{}'\nendpoint_id = '{id}'\n\
             expires_at = 1893456000\nsignature = '{}'\n",
            role.name(),
            hex::encode(root_pubkey),
            hex::encode(root.sign(&signed).to_bytes()),
        );
    }
    sources.files.insert(IDENTITY_FILE.to_owned(), file.into());
}

/// Seeds of two root keys; the first is [`ROOT`].
fn root_seeds() -> [[u8; 32]; 2] {
    ["root", "other_root"].map(|name| bytes(&vectors()["keys"][name]["seed"]))
}

/// Puts a root key into the named source.
fn give_root(sources: &mut Sources, from: &str) {
    let key_file = || ("root.pub".to_owned(), format!(r#"{{"public_key":"{ROOT}"}}"#).into());
    let [root, _] = root_seeds();
    match from {
        "none" => {}
        "kwarg" | "configured" => drop(sources.arguments.insert("root_pubkey".to_owned(), ROOT.into())),
        "config" => drop(sources.inline.insert("root_pubkey".to_owned(), ROOT.into())),
        "env_hex" => drop(sources.env.insert("ASTER_ROOT_PUBKEY".to_owned(), ROOT.to_owned())),
        "env_file" => {
            sources.env.insert("ASTER_ROOT_PUBKEY_FILE".to_owned(), "root.pub".to_owned());
            sources.files.extend([key_file()]);
        }
        "toml_hex" => give_toml(sources, &format!("root_pubkey = '{ROOT}'")),
        "toml_file" => {
            give_toml(sources, "root_pubkey_file = 'root.pub'");
            sources.files.extend([key_file()]);
        }
        "identity_producer_entry" => give_identity(sources, &[(Role::Consumer, [9; 32]), (Role::Producer, root)]),
        "identity_other_entries" => give_identity(sources, &[(Role::Consumer, root), (Role::Consumer, root)]),
        other => panic!("unknown source {other}"),
    }
}

/// Puts the flag into the named source.
fn give_flag(sources: &mut Sources, from: &str, value: bool) {
    let field = || "allow_all_consumers".to_owned();
    match from {
        "unset" => {}
        "kwarg" => drop(sources.arguments.insert(field(), value.into())),
        "config" => drop(sources.inline.insert(field(), value.into())),
        "env" => drop(sources.env.insert("ASTER_ALLOW_ALL_CONSUMERS".to_owned(), value.to_string())),
        "toml" => give_toml(sources, &format!("allow_all_consumers = {value}")),
        other => panic!("unknown source {other}"),
    }
}

fn server() -> Sources {
    Sources { role: Some(Role::Producer), now: Some(1_800_000_000), ..Sources::default() }
}

#[test]
fn gate() {
    let vectors = vectors();
    for entry in list(&vectors["gate"]["single_source"]) {
        let mut sources = server();
        let (from, value) = text(&entry["allow_all_consumers"]).split_once('_').unwrap_or(("unset", ""));
        give_root(&mut sources, text(&entry["root"]));
        give_flag(&mut sources, from, value == "true");
        let decision = Config::resolve(sources).expect("resolves").gate().expect("decides");
        assert_eq!(decision.open, text(&entry["gate"]) == "open", "{entry}");
        let root = (text(&entry["root_key"]) == "configured").then(|| ROOT.to_owned());
        assert_eq!(decision.root_pubkey.map(hex::encode), root, "{entry}");
        let dev_mode = decision.warnings.iter().any(|warning| warning.starts_with("Dev mode"));
        assert_eq!(Some(dev_mode), entry["dev_mode"].as_bool(), "{entry}");
    }
    for entry in list(&vectors["gate"]["conflicts"]) {
        let mut sources = server();
        give_root(&mut sources, text(&entry["root"]));
        for (from, value) in entry["allow_all_consumers"].as_object().expect("flags") {
            give_flag(&mut sources, from, value.as_bool().expect("bool"));
        }
        let decision = Config::resolve(sources).expect("resolves").gate().expect("decides");
        assert_eq!(decision.open, text(&entry["gate"]) == "open", "{entry}");
    }
}

/// Returns the sources of a case that is refused.
fn bad_sources(case: &str) -> Vec<Sources> {
    let mut sources = server();
    let mut env = |name: &str, value: &str| drop(sources.env.insert(name.to_owned(), value.to_owned()));
    let file = |content: Option<&str>| {
        let mut sources = server();
        sources.arguments.insert("root_pubkey_file".to_owned(), "root.pub".into());
        sources.files.extend(content.map(|content| ("root.pub".to_owned(), content.to_owned().into())));
        vec![sources]
    };
    let [root, other] = root_seeds();
    match case {
        "root_pubkey_file names a missing file" => return file(None),
        "root_pubkey_file holds 31 bytes of hex" => return file(Some(&ROOT[..62])),
        "root_pubkey_file JSON without public_key" => return file(Some("{}")),
        "ASTER_ROOT_PUBKEY is empty" => env("ASTER_ROOT_PUBKEY", ""),
        "ASTER_ROOT_PUBKEY is 63 characters" => env("ASTER_ROOT_PUBKEY", &ROOT[..63]),
        "root_pubkey is a small-order point" => env("ASTER_ROOT_PUBKEY", &format!("01{}", "00".repeat(31))),
        "ASTER_ALLOW_ALL_CONSUMERS is empty" => env("ASTER_ALLOW_ALL_CONSUMERS", ""),
        "ASTER_ALLOW_ALL_CONSUMERS is maybe" => env("ASTER_ALLOW_ALL_CONSUMERS", "maybe"),
        "[trust] allow_all_consumers is the string \"false\"" => {
            give_toml(&mut sources, "allow_all_consumers = \"false\"");
        }
        "[trust] has an unknown key" => give_toml(&mut sources, "allow_all = true"),
        "ASTER_IDENTITY_FILE names a missing file" => env("ASTER_IDENTITY_FILE", "missing.id"),
        "peer= names no entry of the identity file" => {
            give_identity(&mut sources, &[(Role::Producer, root)]);
            sources.peer = Some("nobody".to_owned());
        }
        "identity file without producer entry, entries with two different roots" => {
            give_identity(&mut sources, &[(Role::Consumer, root), (Role::Consumer, other)]);
        }
        _ if case.starts_with("kwarg allow_all_consumers=False over") => {
            let opened = |from| {
                let mut sources = server();
                give_flag(&mut sources, from, true);
                give_flag(&mut sources, "kwarg", false);
                sources
            };
            return ["config", "env", "toml"].map(opened).into();
        }
        _ => panic!("unknown case '{case}'"),
    }
    vec![sources]
}

#[test]
fn gate_errors() {
    for entry in list(&vectors()["gate"]["errors"]) {
        let case = text(&entry["case"]);
        for sources in bad_sources(case) {
            let error = Config::resolve(sources).and_then(|config| config.gate()).expect_err(case);
            let (kind, os) = match text(&entry["error"]) {
                "FileNotFoundError" => (ErrorKind::Io, Some("missing")),
                _ => (ErrorKind::Config, None),
            };
            assert_eq!((error.kind(), error.detail("os")), (kind, os), "{case}");
        }
    }
}
