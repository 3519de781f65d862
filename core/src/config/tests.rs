//! Configurations as a whole: sources against each other, identity files, credentials, what is printed.

use std::collections::BTreeMap;

use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Value, json};

use super::fields::{FIELDS, Kind};
use super::*;
use crate::trust::{self, Grant};

const ROOT_SEED: [u8; 32] = [7; 32];
const NODE_SEED: [u8; 32] = [0x11; 32];

fn public(seed: &[u8; 32]) -> [u8; 32] {
    SigningKey::from_bytes(seed).verifying_key().to_bytes()
}

fn hex_root(seed: [u8; 32]) -> String {
    hex::encode(public(&seed))
}

fn node_id() -> String {
    hex::encode(public(&NODE_SEED))
}

/// Signs as an enrolment would.
fn signature(role: Role, id: Option<&str>, root: [u8; 32], attributes: &[(&str, &str)]) -> String {
    let attributes = attributes.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let key = public(&root);
    let grant = Grant { root_pubkey: &key, expires_at: 1_893_456_000, attributes: &attributes };
    let bytes = match role {
        Role::Producer => grant.producer_bytes(id.unwrap_or_default()),
        Role::Consumer => grant.consumer_bytes(false, id, None),
    };
    hex::encode(SigningKey::from_bytes(&root).sign(&bytes).to_bytes())
}

fn entry(name: &str, role: Role, root: [u8; 32]) -> String {
    let id = node_id();
    format!(
        "[[peers]]\nname = '{name}'\nrole = '{}'\ntype = 'policy'\nroot_pubkey = '{}'\nendpoint_id = '{id}'\n\
         expires_at = 1893456000\nattributes = {{ 'aster.name' = '{name}' }}\nsignature = '{}'\n",
        role.name(),
        hex_root(root),
        signature(role, Some(&id), root, &[("aster.name", name)]),
    )
}

fn node() -> String {
    format!("[node]\nsecret_key = '{}'\nendpoint_id = '{}'\n", hex::encode(NODE_SEED), node_id())
}

fn identity(entries: &[String]) -> String {
    node() + &entries.concat()
}

fn env(pairs: &[(&str, &str)]) -> Sources {
    let env = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Sources { env, ..Sources::default() }
}

fn with_file(role: Role, text: &str) -> Sources {
    let files = BTreeMap::from([(IDENTITY_FILE.to_owned(), File::from(text.to_owned()))]);
    Sources { files, role: Some(role), now: Some(1_800_000_000), ..Sources::default() }
}

fn source<'c>(config: &'c Config, field: &str) -> &'c str {
    config.get(field).unwrap().1
}

/// Two values of a field, as JSON and as the text of a variable.
fn samples(field: &fields::Field) -> [(Value, String); 2] {
    let text = |value: &str| (Value::from(value), value.to_owned());
    match field.kind {
        Kind::Bool(_) => [(true.into(), "yes".to_owned()), (false.into(), "0".to_owned())],
        Kind::Int(..) => [(7.into(), "7".to_owned()), (8.into(), "8".to_owned())],
        Kind::PublicKey | Kind::SecretKey => [[1; 32], [2; 32]].map(|seed| text(&hex_root(seed))),
        Kind::Choice(choices) => [text(choices[1]), text(choices[0])],
        Kind::List => [(json!(["a", "b"]), "a,b".to_owned()), (json!(["c"]), "c".to_owned())],
        _ => [text("some"), text("other")],
    }
}

#[test]
fn precedence_and_labels_of_every_field_and_pair_of_sources() {
    for field in FIELDS {
        let [first, second] = samples(field);
        let set = |sources: &mut Sources, level: usize, (value, text): &(Value, String)| match level {
            0 => drop(sources.arguments.insert(field.name.to_owned(), value.clone())),
            1 => drop(sources.inline.insert(field.name.to_owned(), value.clone())),
            2 => drop(sources.env.insert(field.variable(), text.clone())),
            _ => {
                let text = format!("[{}]\n{} = {value}\n", field.section, field.key);
                sources.toml = Some(TomlFile { path: "a.toml".to_owned(), text });
            }
        };
        let labels =
            ["inline".to_owned(), "inline".to_owned(), field.variable(), format!("a.toml [{}]", field.section)];
        for (high, label) in labels.iter().enumerate() {
            for low in high..4 {
                let mut sources = Sources::default();
                set(&mut sources, low, &second);
                set(&mut sources, high, &first);
                let config = Config::fields(&sources).unwrap();
                let expected = (&first.0, label.as_str());
                assert_eq!(config.get(field.name), Some(expected), "{} {high} {low}", field.name);
            }
        }
        let config = Config::fields(&Sources::default()).unwrap();
        assert_eq!(config.get(field.name), Some((&field.default_value(), "default")));
    }
}

#[test]
fn an_identity_file_is_below_inline_values_and_above_variables() {
    let text = identity(&[entry("a", Role::Producer, ROOT_SEED)]);
    let (other, key) = (hex_root([9; 32]), hex::encode([3; 32]));
    let mut sources = with_file(Role::Producer, &text);
    sources.env = env(&[("ASTER_ROOT_PUBKEY", &other), ("ASTER_SECRET_KEY", &key)]).env;
    sources.toml = Some(TomlFile { path: "t".to_owned(), text: format!("[trust]\nroot_pubkey = '{other}'") });
    let config = Config::resolve(sources.clone()).unwrap();
    assert_eq!(config.get("root_pubkey"), Some((&hex_root(ROOT_SEED).into(), IDENTITY_FILE)));
    assert_eq!(config.network().unwrap().secret_key, Some(NODE_SEED));
    assert_eq!(
        config.notes(),
        [
            "identity file .aster-identity of the working directory is used",
            "identity file .aster-identity overrides ASTER_SECRET_KEY",
            "identity file .aster-identity overrides ASTER_ROOT_PUBKEY",
        ]
    );
    sources.inline.insert("root_pubkey".to_owned(), other.clone().into());
    sources.inline.insert("secret_key".to_owned(), hex::encode(NODE_SEED).into());
    let config = Config::resolve(sources).unwrap();
    assert_eq!(config.get("root_pubkey"), Some((&other.into(), "inline")));
    assert_eq!(source(&config, "secret_key"), "inline");
}

#[test]
fn a_key_beats_a_file_of_its_level_and_both_of_a_lower_one() {
    let key = hex_root(ROOT_SEED);
    let mut sources = env(&[("ASTER_ROOT_PUBKEY_FILE", "low.pub"), ("ASTER_ROOT_PUBKEY", &key)]);
    let config = Config::resolve(sources.clone()).unwrap();
    assert_eq!(source(&config, "root_pubkey"), "ASTER_ROOT_PUBKEY", "a file that does not count may be missing");
    sources.inline.insert("root_pubkey_file".to_owned(), "high.pub".into());
    assert!(Config::files(&sources).unwrap().contains(&"high.pub".to_owned()));
    let error = Config::resolve(sources.clone()).unwrap_err();
    assert_eq!(error.message(), "high.pub: cannot be read: no such file");
    sources.files.insert("high.pub".to_owned(), format!(r#"{{"public_key":"{}"}}"#, hex_root([9; 32])).into());
    let config = Config::resolve(sources).unwrap();
    assert_eq!(config.get("root_pubkey"), Some((&hex_root([9; 32]).into(), "inline")));
    assert!(!config.gate().unwrap().open);
}

#[test]
fn no_root_key_inline_keeps_that_of_a_lower_source() {
    let mut sources = env(&[("ASTER_ROOT_PUBKEY", &hex_root(ROOT_SEED))]);
    sources.inline.insert("root_pubkey".to_owned(), Value::Null);
    assert!(!Config::resolve(sources).unwrap().gate().unwrap().open);
    let mut sources = env(&[("ASTER_RELAY_MODE", "staging")]);
    sources.inline.insert("relay_mode".to_owned(), Value::Null);
    assert_eq!(Config::resolve(sources).unwrap().get("relay_mode"), Some((&Value::Null, "inline")));
}

#[test]
fn unknown_names_are_told_or_refused() {
    let config = Config::resolve(env(&[("ASTER_RELAY_MODUS", "x"), ("ASTER_X", "")])).unwrap();
    assert_eq!(config.warnings(), ["unknown environment variables: ASTER_RELAY_MODUS, ASTER_X"]);
    let config = Config::resolve(env(&[("ASTER_PROFILE", "x"), ("ASTER_ALPNS", "a"), ("OTHER", "")])).unwrap();
    assert!(config.warnings().is_empty());
    let mut sources = Sources::default();
    sources.inline.insert("relay_modus".to_owned(), "x".into());
    assert_eq!(Config::resolve(sources).unwrap_err().message(), "unknown configuration field 'relay_modus'");
    let config = Config::resolve(env(&[("ASTER_MESH_STATE_DIR", "/srv/a"), ("ASTER_HEALTH_PORT", "0")])).unwrap();
    assert!(config.warnings().is_empty());
}

#[test]
fn an_ephemeral_root_key_opens_and_closes_nothing() {
    let key = public(&ROOT_SEED);
    let sources = Sources { ephemeral_root: Some(key), ..Sources::default() };
    let config = Config::resolve(sources.clone()).unwrap();
    let gate = config.gate().unwrap();
    assert!(gate.open && gate.warnings[0].starts_with("Dev mode"));
    assert_eq!((gate.root_pubkey, config.root_pubkey()), (Some(key), None));
    assert_eq!(source(&config, "root_pubkey"), "ephemeral (dev mode)");
    let closed = Sources { env: env(&[("ASTER_ALLOW_ALL_CONSUMERS", "0")]).env, ..sources };
    assert!(!Config::resolve(closed).unwrap().gate().unwrap().open);
}

#[test]
fn named_files_must_be_there_and_readable() {
    let named = |file: Option<File>| {
        let mut sources = env(&[("ASTER_IDENTITY_FILE", "x.id")]);
        sources.files.extend(file.map(|file| ("x.id".to_owned(), file)));
        Config::resolve(sources)
    };
    let error = named(None).unwrap_err();
    assert_eq!(
        (error.kind(), error.detail("os"), error.detail("path")),
        (ErrorKind::Io, Some("missing"), Some("x.id"))
    );
    let error = named(Some(File::Unreadable("permission denied".to_owned()))).unwrap_err();
    assert_eq!(error.message(), "x.id: cannot be read: permission denied");
    assert!(named(Some("x = [".to_owned().into())).is_err());
    assert!(named(Some(String::new().into())).unwrap().gate().unwrap().open, "a file without entries has no root key");
    let mut unwanted = with_file(Role::Producer, "garbage");
    unwanted.inline.insert("identity_file".to_owned(), "".into());
    assert!(Config::resolve(unwanted).unwrap().gate().unwrap().open);
}

#[test]
fn found_files_of_others_are_refused_and_named_ones_warned_about() {
    let facts = |mode, is_ours| Some(FileFacts { mode, is_ours });
    let found = |facts| {
        let mut sources = with_file(Role::Producer, "");
        sources.files.insert(IDENTITY_FILE.to_owned(), File::Text(node(), facts));
        Config::resolve(sources)
    };
    for facts in [facts(0o100_666, true), facts(0o100_620, true), facts(0o100_600, false)] {
        assert_eq!(found(facts).unwrap_err().detail("os"), Some("permission"));
    }
    assert!(found(facts(0o100_600, true)).unwrap().warnings().is_empty());
    assert!(found(facts(0o100_640, true)).unwrap().warnings()[0].contains("readable by others (mode 0640)"));
}

#[test]
fn selection_of_entries() {
    let text = identity(&[
        entry("one", Role::Consumer, [9; 32]),
        entry("two", Role::Producer, ROOT_SEED),
        entry("three", Role::Producer, [8; 32]),
    ]);
    let root = |role, peer: Option<&str>| {
        let sources = Sources { peer: peer.map(str::to_owned), ..with_file(role, &text) };
        Config::resolve(sources).map(|config| config.root_pubkey().map(hex::encode))
    };
    assert_eq!(root(Role::Producer, None).unwrap(), Some(hex_root(ROOT_SEED)));
    assert_eq!(root(Role::Producer, Some("three")).unwrap(), Some(hex_root([8; 32])));
    assert_eq!(root(Role::Consumer, None).unwrap(), Some(hex_root([9; 32])));
    let unknown = root(Role::Producer, Some("four")).unwrap_err();
    assert_eq!(unknown.message(), ".aster-identity: no entry is named 'four' (there are: one, two, three)");
    assert!(root(Role::Consumer, Some("two")).unwrap_err().message().contains("has not the role consumer"));
    let nowhere = Sources { peer: Some("one".to_owned()), ..Sources::default() };
    assert_eq!(Config::resolve(nowhere).unwrap_err().message(), "peer 'one': there is no identity file");
}

#[test]
fn entries_of_others_close_a_gate_too() {
    let one = identity(&[entry("a", Role::Consumer, ROOT_SEED), entry("b", Role::Consumer, ROOT_SEED)]);
    let config = Config::resolve(with_file(Role::Producer, &one)).unwrap();
    assert_eq!(
        (config.root_pubkey().map(hex::encode), config.gate().unwrap().open),
        (Some(hex_root(ROOT_SEED)), false)
    );
    let two = identity(&[entry("a", Role::Consumer, ROOT_SEED), entry("b", Role::Consumer, [9; 32])]);
    let error = Config::resolve(with_file(Role::Producer, &two)).unwrap_err();
    assert!(error.message().contains("peer="), "{error}");
    let mut sources = with_file(Role::Producer, &two);
    sources.arguments.insert("root_pubkey".to_owned(), hex_root(ROOT_SEED).into());
    assert!(Config::resolve(sources).is_ok(), "a key that is given decides");
    let producer = identity(&[entry("a", Role::Producer, ROOT_SEED)]);
    let config = Config::resolve(with_file(Role::Consumer, &producer)).unwrap();
    assert_eq!((config.root_pubkey(), config.credential().unwrap()), (None, None));
}

#[test]
fn checks_on_use() {
    let good = identity(&[entry("a", Role::Producer, ROOT_SEED)]);
    let resolve = |text: &str| Config::resolve(with_file(Role::Producer, text));
    let broken = [
        (good.replace("aster.name' = 'a'", "aster.name' = 'b'"), "the signature does not verify"),
        (good.replace("expires_at = 1893456000", ""), "malformed: expires_at"),
        (good.replace(&format!("root_pubkey = '{}'", hex_root(ROOT_SEED)), ""), "malformed: root_pubkey"),
        (good.replacen(&format!("endpoint_id = '{}'", node_id()), "", 2), "malformed: endpoint_id"),
        (good.replace(&hex::encode(NODE_SEED), &hex::encode([3; 32])), "does not belong to the secret key"),
        (good.replace("[[peers]]", "[peers]"), "expected tables [[peers]]"),
        (good.replace("secret_key = '", "secret_key = '00"), "expected base64 of 32 bytes"),
        (entry("a", Role::Producer, ROOT_SEED), "is bound to a node key, and there is none"),
        (
            identity(&[entry("a", Role::Producer, ROOT_SEED), entry("a", Role::Consumer, ROOT_SEED)]),
            "two entries are named",
        ),
    ];
    for (text, message) in broken {
        let error = resolve(&text).unwrap_err();
        assert!(error.kind() == ErrorKind::Config && error.message().contains(message), "{error} / {message}");
        assert!(!error.message().contains(&hex::encode(NODE_SEED)));
    }
    let mut other_key = with_file(Role::Producer, &good);
    other_key.inline.insert("secret_key".to_owned(), hex::encode([3; 32]).into());
    assert!(Config::resolve(other_key).unwrap_err().message().contains("not that of the node key"));
    let late = Sources { now: Some(1_893_456_000), ..with_file(Role::Producer, &good) };
    assert!(Config::resolve(late).unwrap().warnings()[0].contains("has expired"));
}

#[test]
fn credentials() {
    let mine = identity(&[entry("me", Role::Consumer, ROOT_SEED)]);
    let other = identity(&[entry("p", Role::Producer, ROOT_SEED), entry("you", Role::Consumer, ROOT_SEED)]);
    let mut sources = with_file(Role::Consumer, &mine);
    sources.files.insert("you.id".to_owned(), other.clone().into());
    let label = |sources: &Sources| {
        let config = Config::resolve(sources.clone())?;
        let presented = config.credential()?.cloned();
        Ok::<_, Error>(
            presented.map(|p| (p.label, serde_json::from_str::<Value>(&p.json).unwrap()["attributes"].clone())),
        )
    };
    let of = |label: &str, name: &str| Some((label.to_owned(), json!({ "aster.name": name })));
    assert_eq!(label(&sources).unwrap(), of("<inline .aster-identity peer entry>", "me"));
    sources.env.insert("ASTER_ENROLLMENT_CREDENTIAL".to_owned(), "you.id".to_owned());
    assert_eq!(label(&sources).unwrap(), of("<inline .aster-identity peer entry>", "me"), "the entry beats a variable");
    sources.arguments.insert("enrollment_credential_file".to_owned(), "you.id".into());
    assert_eq!(label(&sources).unwrap(), of("you.id", "you"), "the first consumer of a file that is given");
    sources.peer = Some("you".to_owned());
    assert_eq!(label(&sources).unwrap(), of("you.id", "you"));
    // A file that is given alone brings its node key.
    sources.files.remove(IDENTITY_FILE);
    sources.env.insert("ASTER_SECRET_KEY".to_owned(), hex::encode([3; 32]));
    let config = Config::resolve(sources.clone()).unwrap();
    assert_eq!((config.network().unwrap().secret_key, source(&config, "secret_key")), (Some(NODE_SEED), "you.id"));
    // What is wrong with it is told when it is needed.
    sources.peer = None;
    for (file, message) in [
        (File::Missing, "you.id: no such file"),
        (File::from("{}".to_owned()), "you.id: not a credential: malformed: root_pubkey"),
        (File::from("garbage".to_owned()), "you.id: neither a credential nor an identity file"),
        (File::from(node()), "you.id: neither a credential nor an identity file with entries"),
    ] {
        sources.files.insert("you.id".to_owned(), file);
        let error = label(&sources).unwrap_err();
        assert!(error.message().starts_with(message), "{error}");
    }
    sources.role = Some(Role::Producer);
    assert_eq!(label(&sources).unwrap(), None, "no business of a server");
}

#[test]
fn json_credentials_are_read_strictly_and_sent_in_one_form() {
    let attributes = [("aster.name", "caf\u{e9} \u{1f600}")];
    let document = json!({
        "type": "policy", "root_pubkey": hex_root(ROOT_SEED), "expires_at": 1_893_456_000,
        "attributes": { "aster.name": "caf\u{e9} \u{1f600}" }, "nonce": null,
        "signature": signature(Role::Consumer, None, ROOT_SEED, &attributes),
    });
    let mut sources = env(&[("ASTER_ENROLLMENT_CREDENTIAL", "a.cred")]);
    let read = |sources: &Sources| Ok::<_, Error>(Config::resolve(sources.clone())?.credential()?.cloned());
    sources.files.insert("a.cred".to_owned(), format!(" {document:#}\n").into());
    let presented = read(&sources).unwrap().unwrap();
    assert!(presented.json.starts_with(r#"{"credential_type":"policy","root_pubkey":""#));
    assert!(
        presented
            .json
            .contains(r#""attributes":{"aster.name":"caf\u00e9 \ud83d\ude00"},"endpoint_id":null,"nonce":null,"#)
    );
    assert!(trust::Credential::parse(presented.json.as_bytes()).unwrap().is_signed(false));
    assert!(!format!("{presented:?}").contains("expires"));
    for bad in [
        r#"{"type":"producer"}"#.to_owned(),
        document.to_string().replace("policy", "producer"),
        document.to_string().replace("null", "\"ab\""),
    ] {
        sources.files.insert("a.cred".to_owned(), bad.into());
        assert!(read(&sources).unwrap_err().message().starts_with("a.cred: not a credential: "));
    }
}

#[test]
fn load_identity() {
    let text = identity(&[entry("a", Role::Producer, ROOT_SEED), entry("b", Role::Consumer, ROOT_SEED)])
        + "[published_services.\"Billing\"]\ncontract_id = 'x'\n[unknown]\ny = 1979-05-27\n";
    let file = IdentityFile::parse("x.id", &text).unwrap();
    assert_eq!(file.secret_key(), Some(NODE_SEED));
    let name = |peer, role| file.entry(peer, role).map(|entry| entry["name"].clone());
    assert_eq!(name(None, None), Some("a".into()));
    assert_eq!(name(None, Some(Role::Consumer)), Some("b".into()));
    assert_eq!(name(Some("b"), None), Some("b".into()));
    assert_eq!(name(Some("c"), None), None);
    assert_eq!(file.entry(None, None).unwrap()["published_services"]["Billing"]["contract_id"], "x");
    assert_eq!(IdentityFile::parse("x.id", "").unwrap().entry(None, None), None);
}

#[test]
fn the_storage_keeps_a_node_key() {
    let mut sources = env(&[("ASTER_STORAGE_PATH", "state/")]);
    assert!(Config::files(&sources).unwrap().contains(&"state/node.key".to_owned()));
    assert_eq!(Config::resolve(sources.clone()).unwrap().network().unwrap().secret_key, None);
    let text = format!(r#"{{"secret_key": "{}", "node_id": "{}"}}"#, hex::encode(NODE_SEED), node_id());
    sources.files.insert("state/node.key".to_owned(), text.into());
    let config = Config::resolve(sources.clone()).unwrap();
    assert_eq!((config.network().unwrap().secret_key, source(&config, "secret_key")), (Some(NODE_SEED), "storage"));
    sources.files.insert("state/node.key".to_owned(), "{}".to_owned().into());
    assert!(Config::resolve(sources).unwrap_err().message().starts_with("state/node.key: expected JSON"));
}

#[test]
fn the_text_of_the_specification() {
    let text = identity(&[entry("a", Role::Producer, [0; 32])]);
    let mut sources = with_file(Role::Producer, &text);
    sources.role = None;
    sources.env = env(&[
        ("ASTER_ENROLLMENT_CREDENTIAL", "/srv/my-agent.cred"),
        ("ASTER_ENROLLMENT_CREDENTIAL_IID", "eyJsecret"),
        ("ASTER_BIND_ADDR", "127.0.0.1:0"),
    ])
    .env;
    let toml = "[trust]\nallow_all_consumers = false\n".to_owned();
    sources.toml = Some(TomlFile { path: "aster.toml".to_owned(), text: toml });
    let config = Config::resolve(sources).unwrap();
    let shown = config.to_text();
    let root = hex_root([0; 32]);
    let expected = format!(
        "  [trust]
    root_pubkey                 : {root} (.aster-identity)
    root_pubkey_file            : <not set>                            (default)
    enrollment_credential_file  : ****...y-agent.cred                  (ASTER_ENROLLMENT_CREDENTIAL)
    enrollment_credential_iid   : ****                                 (ASTER_ENROLLMENT_CREDENTIAL_IID)
    allow_all_consumers         : False                                (aster.toml [trust])
    allow_all_producers         : True                                 (default)
    require_bound_credentials   : False                                (default)
    peer_ttl_s                  : 86400                                (default)
    iid.aws_certificates        : <not set>                            (default)
    iid.gcp_jwks                : <not set>                            (default)
    iid.azure_jwks              : <not set>                            (default)
    iid.azure_tenants           : <not set>                            (default)
    iid.azure_audience          : api://aster                          (default)
    identity_file               : <not set>                            (default)
  [connect]
    endpoint_addr               : <not set>                            (default)
    allow_foreign_channels      : False                                (default)
  [network]
    secret_key                  : ****...c9778737                      (.aster-identity)
    relay_mode                  : <default>                            (default)
    bind_addr                   : 127.0.0.1:0                          (ASTER_BIND_ADDR)
"
    );
    assert!(shown.starts_with(&expected), "{shown}");
    let end = "  [storage]
    path                        : <in-memory>                          (default)
  [mesh]
    bootstrap                   : <not set>                            (default)
    state_dir                   : <not set>                            (default)
  [server]
    expose_errors               : <gate>                               (default)
  [logging]
    format                      : text                                 (default)
    level                       : info                                 (default)
    mask                        : True                                 (default)
  [health]
    port                        : 0                                    (default)
    host                        : 127.0.0.1                            (default)";
    assert!(shown.ends_with(end), "{shown}");
    let json: Value = serde_json::from_str(&config.to_json()).unwrap();
    assert_eq!(json["trust"]["allow_all_consumers"], json!({"value": false, "source": "aster.toml [trust]"}));
    assert_eq!(json["trust"]["iid.aws_certificates"]["value"], json!([]));
    assert_eq!(json["storage"]["path"]["value"], "<in-memory>");
    assert_eq!(json["health"]["port"]["value"], 0);
    assert!(config.to_json().starts_with("{\n  \"trust\": {\n    \"root_pubkey\": {\n"));
}

#[test]
fn output_shows_no_secret() {
    let ticket = crate::ticket::Ticket {
        endpoint_id: crate::ids::EndpointId(public(&NODE_SEED)),
        relay_addr: None,
        direct_addrs: Vec::new(),
        credential: Some(crate::ticket::TicketCredential::new("consumer_rcan", &[0xab; 64]).unwrap()),
    };
    let (ticket, key) = (ticket.to_text().unwrap(), hex::encode([0x5a; 32]));
    let config = Config::resolve(env(&[
        ("ASTER_SECRET_KEY", &key),
        ("ASTER_ENROLLMENT_CREDENTIAL_IID", "eyJhbGciOiJSUzI1NiJ9.payload"),
        ("ASTER_PROXY_URL", "http://ann:passw0rd-of-ann@proxy:3128"),
        ("ASTER_RELAY_MODE", "https://ann:passw0rd-of-ann@relay.example"),
        ("ASTER_ENDPOINT_ADDR", &ticket),
        ("ASTER_MESH_BOOTSTRAP", &ticket),
    ]))
    .unwrap();
    let debugged = format!("{config:?} {:?}", config.network().unwrap());
    for shown in [config.to_text(), config.to_json(), debugged] {
        for secret in [key.as_str(), "eyJhbGciOiJSUzI1NiJ9.payload", "passw0rd-of-ann", &ticket[14..]] {
            for part in secret.as_bytes().windows(8) {
                assert!(!shown.contains(std::str::from_utf8(part).unwrap()), "{secret} in {shown}");
            }
        }
    }
    for shown in [config.to_text(), config.to_json()] {
        assert!(shown.contains("http://***@proxy:3128") && shown.contains(&format!("{}...", &ticket[..14])));
    }
}
