//! Groups `negative`, `tolerated`, `ott_sequences` and `admission`: who is admitted, and what clients make of answers.

use std::sync::Arc;

use aster_core::addr::Address;
use aster_core::admission::{
    Admission, AdmissionPath, ConsumerAdmission, Gate, MemoryNonces, NonceStore, PeerName, Verifier,
};
use aster_core::clock::FixedClock;
use aster_core::ids::EndpointId;
use aster_core::trust::{Cause, ConsumerAnswer, Credential, IidKeys};
use serde_json::Value;

use super::{ROOT, bytes, list, text, vectors};

const NOW: i64 = 1_800_000_000;

/// A server as the vectors have it.
pub struct Server {
    pub verifier: Arc<Verifier>,
    nonces: Arc<MemoryNonces>,
}

impl Server {
    fn with(open: bool, now: i64, change: impl FnOnce(&mut Verifier), nonces: Option<Arc<MemoryNonces>>) -> Self {
        let clock = Arc::new(FixedClock::new(now * 1000));
        let nonces = nonces.unwrap_or_else(|| Arc::new(MemoryNonces::new(clock.clone())));
        let mut verifier = Verifier {
            gate: Gate::with_clock(open, clock),
            root_pubkey: hex::decode(ROOT).expect("hex").try_into().expect("key"),
            require_bound: false,
            ttl_ms: 86_400_000,
            nonces: Some(nonces.clone()),
            iid: IidKeys::default(),
        };
        change(&mut verifier);
        Self { verifier: Arc::new(verifier), nonces }
    }

    pub fn new(open: bool) -> Self {
        Self::with(open, NOW, |_| {}, None)
    }

    async fn admit(&self, request: &[u8], peer: EndpointId) -> Result<ConsumerAnswer, Cause> {
        let answer = || ConsumerAnswer { admitted: true, ..ConsumerAnswer::denial() };
        ConsumerAdmission::new(self.verifier.clone(), Box::new(answer)).admit(request, peer).await
    }
}

pub fn peer(value: &Value) -> EndpointId {
    EndpointId::parse(text(value)).expect("id")
}

fn presented(entry: &Value) -> Vec<u8> {
    match entry["credential_hex"].as_str() {
        Some(hex) => hex::decode(hex).expect("hex"),
        None => text(&entry["credential_json"]).as_bytes().to_vec(),
    }
}

async fn verify(server: &Server, kind: &str, document: &[u8], peer: EndpointId) -> Result<(), Cause> {
    let (read, path) = match kind {
        "producer" => (Credential::parse_producer(document), AdmissionPath::Producer),
        _ => (Credential::parse(document), AdmissionPath::Consumer),
    };
    let credential = read.map_err(|error| Cause::of(&error))?;
    server.verifier.admit(&credential, "", peer, path).await
}

#[tokio::test]
async fn tr22_negative() {
    let vectors = vectors();
    let mut refused = 0;
    for entry in list(&vectors["negative"]) {
        let change = |verifier: &mut Verifier| {
            verifier.root_pubkey = bytes(&vectors["keys"][text(&entry["server_root"])]["public"]);
            verifier.require_bound = entry["require_bound_credentials"] == true;
            if entry.get("nonce_store") == Some(&Value::Null) {
                verifier.nonces = None;
            }
        };
        let server = Server::with(false, entry["now"].as_i64().expect("now"), change, None);
        for nonce in entry["consumed_nonces"].as_array().into_iter().flatten() {
            assert!(server.nonces.consume(bytes(nonce), u64::MAX).await.expect("store"));
        }
        let verdict = verify(&server, text(&entry["kind"]), &presented(entry), peer(&entry["peer"])).await;
        assert_eq!(verdict.map_err(Cause::name), Err(text(&entry["cause"])), "{}", entry["name"]);
        assert!(server.verifier.gate.admissions().is_empty(), "{}: a denial leaves no entry", entry["name"]);
        refused += 1;
    }
    assert!(refused > 130);
}

#[tokio::test]
async fn tr22_tolerated_and_credentials_are_admitted() {
    let vectors = vectors();
    for entry in list(&vectors["tolerated"]) {
        let server = Server::new(false);
        let peer = peer(&entry["peer"]);
        let verdict = verify(&server, text(&entry["kind"]), &presented(entry), peer).await;
        assert_eq!(verdict, Ok(()), "{}", entry["name"]);
        assert!(server.verifier.gate.admits(&peer));
    }
    for entry in list(&vectors["credentials"]) {
        let root = bytes(&vectors["keys"][text(&entry["key"])]["public"]);
        let server = Server::with(false, NOW, |verifier| verifier.root_pubkey = root, None);
        let peer =
            peer(entry.get("endpoint_id").filter(|id| id.is_string()).unwrap_or(&vectors["keys"]["node"]["public"]));
        let verdict = verify(&server, text(&entry["kind"]), &presented(entry), peer).await;
        let expected = match text(&entry["verdict"]) {
            "admit" => Ok(()),
            _ => Err(text(&entry["cause"])),
        };
        assert_eq!(verdict.map_err(Cause::name), expected, "{}", entry["name"]);
    }
}

#[tokio::test]
async fn tr7_ott_sequences() {
    for entry in list(&vectors()["ott_sequences"]) {
        let mut server = Server::new(false);
        for step in list(&entry["steps"]) {
            if step["restart"] == true {
                server = Server::with(false, NOW, |_| {}, Some(server.nonces.clone()));
            } else if step.get("remove").is_some() {
                assert!(server.verifier.gate.remove(&PeerName::parse(text(&step["remove"]))));
            } else {
                let request = serde_json::json!({"credential_json": step["credential_json"], "iid_token": ""});
                let verdict = server.admit(request.to_string().as_bytes(), peer(&step["peer"])).await;
                let expected = if step["verdict"] == "admit" { Ok(()) } else { Err(text(&step["cause"])) };
                assert_eq!(verdict.map(drop).map_err(Cause::name), expected, "{}: {step}", entry["name"]);
            }
        }
    }
}

#[tokio::test]
async fn tr16_admission_requests() {
    let vectors = vectors();
    let peer = peer(&vectors["admission"]["peer"]);
    assert_eq!(ConsumerAnswer::denial().to_json(), text(&vectors["admission"]["denied"]));
    for entry in list(&vectors["admission"]["requests"]) {
        let bytes = match entry["request"].as_str() {
            Some(request) => request.to_owned(),
            None => {
                let repeat = &entry["request_repeat"];
                text(&repeat["text"]).repeat(repeat["count"].as_u64().expect("count") as usize)
            }
        };
        let server = Server::new(entry["gate"] == "open");
        if let Some(attributes) = entry["live_entry"].as_object() {
            let admission = Admission {
                handle: String::new(),
                attributes: attributes.iter().map(|(key, value)| (key.clone(), text(value).to_owned())).collect(),
                admitted_at_ms: 0,
                deadline_ms: i64::MAX,
                path: AdmissionPath::Consumer,
                credential: None,
                service: None,
            };
            server.verifier.gate.admit(peer.into(), admission).expect("admitted");
        }
        match server.admit(bytes.as_bytes(), peer).await {
            Ok(answer) => {
                assert_eq!(entry["verdict"], "admit", "{}", entry["name"]);
                assert_eq!(
                    serde_json::to_value(answer.attributes).expect("JSON"),
                    entry["attributes"],
                    "{}",
                    entry["name"]
                );
            }
            Err(cause) => {
                assert_eq!((text(&entry["verdict"]), cause.name()), ("deny", text(&entry["cause"])), "{entry}")
            }
        }
    }
}

#[test]
fn tr15_admission_responses() {
    let vectors = vectors();
    let admitted = peer(&vectors["admission"]["server_endpoint_id"]).to_string();
    for entry in list(&vectors["admission"]["responses"]) {
        let read = ConsumerAnswer::parse(text(&entry["json"]).as_bytes());
        let answer = match (text(&entry["client"]), read) {
            ("protocol_error", read) => {
                assert!(read.is_err(), "{}", entry["name"]);
                continue;
            }
            (_, read) => read.expect("reads"),
        };
        // A client with a root key compares; one without has nothing to compare with.
        let is_ours = entry["client_root"].as_str().is_none_or(|root| answer.root_pubkey == root);
        let verdict = match (answer.admitted, is_ours) {
            (false, _) => "denied",
            (true, false) => "trust_domain_mismatch",
            (true, true) => "accept",
        };
        assert_eq!(verdict, text(&entry["client"]), "{}", entry["name"]);
        let at_home = |address: &String| Address::parse(address).is_ok_and(|at| at.endpoint_id.to_string() == admitted);
        let usable = answer.services.iter().filter(|service| service.channels.values().all(at_home));
        let usable: Vec<_> = usable.map(|service| service.name.as_str()).collect();
        if let Some(expected) = entry["usable_services"].as_array() {
            assert_eq!(usable, expected.iter().map(text).collect::<Vec<_>>(), "{}", entry["name"]);
        }
    }
}
