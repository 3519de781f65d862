//! Group `gate`: which sources open and close a server's gate.

use std::collections::BTreeMap;

use aster_core::config::{Config, IDENTITY_FILE, Role, Sources, TomlFile};
use aster_core::error::ErrorKind;
use aster_core::trust::Grant;
use ed25519_dalek::{Signer as _, SigningKey};

use super::{ROOT, bytes, list, text, vectors};

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
fn tr1_gate() {
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
fn tr18_gate_errors() {
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
