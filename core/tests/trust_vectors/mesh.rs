//! Group `mesh`, and producer admission.

use std::sync::{Arc, Mutex};

use aster_core::admission::{Desk, ProducerAdmission};
use aster_core::ids::EndpointId;
use aster_core::mesh::{DriftConfig, Envelope, Mesh, MessageKind, Notice, signed_bytes, topic};
use aster_core::trust::{Cause, Expectation, verify_credential};
use serde_json::Value;

use super::admission::{Server, peer};
use super::{bytes, list, text, vectors};

fn id(value: &Value) -> EndpointId {
    EndpointId::parse(text(value)).expect("id")
}

#[test]
fn topics_and_messages() {
    let vectors = vectors();
    for entry in list(&vectors["mesh"]["topics"]) {
        let made = topic(&bytes(&entry["root_pubkey"]), &bytes(&entry["salt"]));
        assert_eq!(hex::encode(made), text(&entry["topic"]));
    }
    for entry in list(&vectors["mesh"]["messages"]) {
        let kind = MessageKind::of(entry["type"].as_u64().expect("type")).expect("kind");
        let (payload, epoch_ms) = (text(&entry["payload"]).as_bytes(), entry["epoch_ms"].as_u64().expect("epoch"));
        let signed = signed_bytes(kind, payload, &id(&entry["sender"]), epoch_ms);
        assert_eq!(hex::encode(signed), text(&entry["signed_bytes"]), "{}", entry["name"]);
        let key = bytes(&vectors["keys"][text(&entry["key"])]["seed"]);
        let made = Envelope::sign(kind, payload.to_vec(), epoch_ms, &key).expect("signed");
        assert_eq!(made.to_json(), text(&entry["envelope"]), "{}", entry["name"]);
        let read = Envelope::parse(text(&entry["envelope"]).as_bytes()).expect("reads");
        assert!(read == made && read.is_signed(), "{}", entry["name"]);
        if let Some(notice) = Notice::parse(kind, payload) {
            assert_eq!(notice.to_payload(), (kind, payload.to_vec()), "{}", entry["name"]);
        }
    }
}

#[test]
fn tr21_flows() {
    let vectors = vectors();
    let root_pubkey = bytes(&vectors["keys"][text(&vectors["mesh"]["root"])]["public"]);
    let own = id(&vectors["keys"]["server"]["public"]);
    for flow in list(&vectors["mesh"]["flows"]) {
        let start = list(&flow["steps"])[0]["receive_at_ms"].as_u64().expect("time");
        let mut mesh = Mesh::new(own, root_pubkey, [0; 32], DriftConfig::default(), start);
        for member in list(&flow["members"]) {
            assert!(mesh.accept(id(member), u64::MAX, start));
        }
        for isolated in flow["isolated"].as_array().into_iter().flatten() {
            mesh = isolating(&mesh, &id(isolated), start);
        }
        for step in list(&flow["steps"]) {
            let now = step["receive_at_ms"].as_u64().expect("time");
            let verify = |credential: &aster_core::trust::Credential, sender| {
                let is_revoked: &dyn Fn(&_) -> bool = &|_| false;
                let expected = Expectation {
                    root_pubkey: &root_pubkey,
                    now: now / 1000,
                    peer: sender,
                    require_bound: false,
                    is_revoked,
                };
                verify_credential(credential, &expected)
            };
            let received = mesh.receive(text(&step["envelope"]).as_bytes(), now, &verify);
            match text(&step["result"]) {
                "dispatch" => assert!(received.is_ok(), "{}: {received:?}", flow["name"]),
                _ => assert_eq!(received.map_err(|why| why.name()), Err(text(&step["cause"])), "{}", flow["name"]),
            }
            if let Some(members) = step["members_after"].as_array() {
                let now_members: Vec<_> = mesh.members(now).map(|id| id.to_string()).collect();
                assert_eq!(now_members, members.iter().map(text).collect::<Vec<_>>(), "{}", flow["name"]);
            }
        }
    }
}

/// Returns a mesh as its file restores it, with one more clock that is not believed.
fn isolating(mesh: &Mesh, who: &EndpointId, now: u64) -> Mesh {
    let mut document: Value = serde_json::from_str(&mesh.to_json(now)).expect("JSON");
    document["drift_isolated"] = vec![who.to_string()].into();
    let root = bytes(&document["root_pubkey"]);
    Mesh::parse(&document.to_string(), mesh.own(), root, DriftConfig::default(), now).expect("reads")
}

#[test]
fn tr21_drift() {
    let mesh = &vectors()["mesh"];
    let config = DriftConfig::default();
    assert_eq!(mesh["drift_tolerance_ms"], config.drift_tolerance_ms);
    assert_eq!(mesh["replay_window_ms"], config.replay_window_ms);
    for case in list(&mesh["drift"]) {
        let offsets = case["offsets"].as_object().expect("offsets");
        let offset = |value: &Value| value.as_i64().expect("offset");
        let median = config.median(offsets.values().map(offset));
        assert_eq!(median, case["median"].as_i64(), "{}", case["name"]);
        let drifting = offsets.iter().filter(|(_, at)| median.is_some_and(|median| config.drifts(offset(at), median)));
        let drifting: Vec<_> = drifting.map(|(name, _)| name.as_str()).collect();
        assert_eq!(drifting, list(&case["in_drift"]).iter().map(text).collect::<Vec<_>>(), "{}", case["name"]);
    }
}

#[tokio::test]
async fn tr3_producer_admission() {
    let vectors = vectors();
    let own = peer(&vectors["admission"]["server_endpoint_id"]);
    for entry in list(&vectors["admission"]["producer"]) {
        let verifier = Server::new(false).verifier;
        let root = verifier.root_pubkey;
        let mesh = Arc::new(Mutex::new(Mesh::new(own, root, [0x22; 32], DriftConfig::default(), 0)));
        let desk = ProducerAdmission { verifier: verifier.clone(), mesh };
        let peer = peer(&entry["peer"]);
        let answer = desk.decide(text(&entry["request"]).as_bytes(), peer).await;
        assert_eq!(desk.denial(), text(&vectors["admission"]["producer_denied"]));
        match answer {
            Ok(answer) => {
                assert_eq!(("admit", answer.as_str()), (text(&entry["verdict"]), text(&entry["response"])));
                assert!(verifier.gate.admits(&peer), "the accepted pass the gate");
            }
            Err(cause) => {
                assert_eq!(
                    ("deny", cause.name()),
                    (text(&entry["verdict"]), text(&entry["cause"])),
                    "{}",
                    entry["name"]
                );
                assert_eq!(desk.denial(), text(&entry["response"]));
                assert!(!verifier.gate.admits(&peer));
            }
        }
    }
    assert_eq!(Cause::of(&Cause::NonceUsed.into()), Cause::NonceUsed);
}
