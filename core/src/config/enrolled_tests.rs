//! Identity files after enrolment.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::trust::{Enrollment, EnrollmentKind};

const PATH: &str = "x.id";
const ROOT: [u8; 32] = [3; 32];
const NODE: [u8; 32] = [4; 32];

fn signed(kind: EnrollmentKind, is_bound: bool, attributes: BTreeMap<String, String>) -> Credential {
    let mut made = Enrollment {
        kind,
        endpoint_id: is_bound.then(|| keys::endpoint_id(&NODE).to_string()),
        root_pubkey: keys::public_key(&ROOT).unwrap(),
        expires_at: 100,
        attributes,
        nonce: (kind == EnrollmentKind::OneTime).then(|| vec![0xab; 32]),
        signature: Vec::new(),
    };
    made.signature = made.sign(&ROOT).unwrap().to_vec();
    made.to_credential().unwrap()
}

fn named(name: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("aster.name".to_owned(), name.to_owned()), ("aster.role".to_owned(), "a,b".to_owned())])
}

fn enrol(text: &str, name: &str, credential: &Credential) -> Result<String> {
    enrolled(PATH, text, &Enrolment { name, node_key: &NODE, credential, now: 99 })
}

#[test]
fn a_new_file() {
    let written = enrol("", "desk", &signed(EnrollmentKind::Producer, true, named("desk"))).unwrap();
    let lines: Vec<_> = written.lines().map(|line| line.split(" = ").next().unwrap()).collect();
    let head = ["[node]", "secret_key", "endpoint_id", "", "[[peers]]", "name", "role", "root_pubkey"];
    assert_eq!(lines[..8], head);
    assert_eq!(lines[8..], ["endpoint_id", "expires_at", "signature", "attributes"]);
    assert!(written.ends_with("attributes = { \"aster.name\" = \"desk\", \"aster.role\" = \"a,b\" }\n"), "{written}");
}

#[test]
fn every_kind_replaces_every_other() {
    let kinds = [EnrollmentKind::Producer, EnrollmentKind::Policy, EnrollmentKind::OneTime];
    for before in kinds {
        for after in kinds {
            let text = enrol("", "x", &signed(before, true, named("old"))).unwrap();
            let is_bound = after == EnrollmentKind::Producer;
            let written = enrol(&text, "x", &signed(after, is_bound, named("x"))).unwrap();
            assert_eq!(written.matches("[[peers]]").count(), 1);
            assert!(!written.contains("old"), "{written}");
            assert_eq!(written.contains("nonce"), after == EnrollmentKind::OneTime);
        }
    }
}

#[test]
fn comments_order_and_unknown_content_stay() {
    let text = "# top\nfuture = 1 # one\n[[peers]] # first\nname = 'a'\ncolour = 'red' # kept\nnonce = 'gone'\n\
        [peers.attributes]\nold = '1'\n[other.\"a.b\"]\nx = [1, 2]\n[[peers]]\nname = 'b' # other\n";
    let written = enrol(text, "a", &signed(EnrollmentKind::Policy, true, named("a"))).unwrap();
    for kept in ["# top\nfuture = 1 # one\n", "[[peers]] # first\nname = \"a\"\n", "colour = 'red' # kept\n"] {
        assert!(written.contains(kept), "{kept}: {written}");
    }
    assert!(written.contains("name = 'b' # other\n") && written.contains("[other.\"a.b\"]\nx = [1, 2]\n"), "{written}");
    assert!(!written.contains("gone") && !written.contains("old"), "{written}");
    let third = enrol(&written, "c", &signed(EnrollmentKind::Producer, true, named("c"))).unwrap();
    let names = |text: &str| {
        let entries = super::super::toml::read(PATH, text).unwrap()["peers"].clone();
        entries.as_array().unwrap().iter().map(|entry| entry["name"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&third), [json!("a"), json!("b"), json!("c")]);
    assert_eq!(enrol(&third, "c", &signed(EnrollmentKind::Producer, true, named("c"))).unwrap(), third);
}

#[test]
fn other_spellings_of_tables() {
    let inline = "node = { note = 'n' }\npeers = [{ name = 'a', x = 1 }, { name = 'b' }]\n[tail]\ny = 2\n";
    let dotted = "node.note = 'n'\n[[peers]]\nname = 'a'\nx = 1\nattributes.\"a.b\" = 'c'\n[[peers]]\nname = 'b'\n[tail]\ny = 2\n";
    for text in [inline, dotted] {
        let written = enrol(text, "a", &signed(EnrollmentKind::Policy, true, named("a"))).unwrap();
        let read = super::super::toml::read(PATH, &written).unwrap();
        assert_eq!((&read["node"]["note"], &read["tail"]["y"]), (&json!("n"), &json!(2)), "{written}");
        assert_eq!((&read["peers"][0]["x"], &read["peers"][1]["name"]), (&json!(1), &json!("b")), "{written}");
    }
}

#[test]
fn what_the_runtime_would_not_accept_is_not_written() {
    let good = signed(EnrollmentKind::Policy, true, named("a"));
    let refused = |text: &str, credential: &Credential| enrol(text, "a", credential).unwrap_err().message().to_owned();
    let mut tampered = good.clone();
    tampered.expires_at = 200;
    assert!(refused("", &tampered).contains("the signature does not verify"));
    let mut foreign = Enrollment::from(good.clone());
    foreign.endpoint_id = Some("00".repeat(32));
    foreign.signature = foreign.sign(&ROOT).unwrap().to_vec();
    assert!(refused("", &foreign.to_credential().unwrap()).contains("is not that of the node key"));
    let late = enrolled(PATH, "", &Enrolment { name: "a", node_key: &NODE, credential: &good, now: 100 });
    assert!(late.unwrap_err().message().contains("has expired"));
    let other = enrolled(PATH, "", &Enrolment { name: "a", node_key: &[5; 32], credential: &good, now: 0 });
    assert!(other.unwrap_err().message().contains("is not that of the node key"));
    let theirs = format!("[node]\nsecret_key = \"{}\"\n", STANDARD.encode([5; 32]));
    assert!(refused(&theirs, &good).contains("another node key"));
    assert!(refused("[node]\nendpoint_id = 'x'\n", &good).contains("does not belong to the secret key"));
    assert!(refused("peers = 1", &good).contains("expected tables [[peers]]"));
    assert!(refused("s3cret", &good).contains("line 1") && !refused("s3cret", &good).contains("s3cret"));
    assert!(enrol("", "", &good).is_err());
}

/// Texts with everything that TOML, JSON and shells find special.
fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        "[\\x00-\\x7f]{1,12}",
        "\\PC{1,12}",
        Just("a\"\"\"\n'''\\u0041.b".to_owned()),
        Just("]]\n[[peers]]\nname = \"x\"".to_owned()),
        Just("\u{7f}\u{85}\u{2028}\u{feff}\u{10ffff}".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn hostile_texts_come_back(
        first in hostile(),
        second in hostile(),
        attributes in prop::collection::btree_map(hostile(), hostile(), 0..4),
        is_bound: bool,
    ) {
        prop_assume!(first != second);
        let one = signed(EnrollmentKind::OneTime, is_bound, attributes.clone());
        let two = signed(EnrollmentKind::Producer, true, attributes);
        let text = enrol(&enrol("", &first, &one).unwrap(), &second, &two).unwrap();
        let file = IdentityFile::parse(PATH, &text).unwrap();
        let found = file.select(Some(&first), Role::Consumer).unwrap().unwrap();
        prop_assert_eq!(entry::check(&file, found, Some(NODE), Some(99)).unwrap(), (one.clone(), None));
        prop_assert_eq!(enrol(&text, &first, &one).unwrap(), text);
    }
}
