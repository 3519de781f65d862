//! Real nodes on loopback: producers that join a mesh, and consumers that another authority admits (`trust.md` sections
//! 11 and 12).

mod support;
#[path = "support/admission.rs"]
mod world;

use std::collections::BTreeSet;
use std::time::Duration;

use aster_core::admission::{AdmissionPath, Delegation, PeerName};
use aster_core::error::ErrorKind;
use aster_core::ids::EndpointId;
use aster_core::keys;
use aster_core::mesh::Notice;
use aster_core::node::{Client, ClientOptions, MeshOptions, ServerOptions};
use aster_core::status::StatusCode;
use aster_core::trust::delegated_canonical;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::time::timeout;
use world::{Calls, Folder, Issuer, Running, WAIT, config, network, open_node, options, peer_of, seconds};

const GATED: (&str, &str) = ("ASTER_ALLOW_ALL_PRODUCERS", "false");

async fn until(what: &str, condition: impl Fn() -> bool) {
    let waited = timeout(WAIT, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("never: {what}"));
}

async fn producer(issuer: &Issuer, seed: u8, bootstrap: Option<&str>) -> Running {
    let pairs: Vec<_> = [GATED].into_iter().chain(bootstrap.map(|at| ("ASTER_MESH_BOOTSTRAP", at))).collect();
    Running::with_identity(&issuer.identity([seed; 32], 3600), &pairs, ServerOptions::default()).await.expect("started")
}

fn id(seed: u8) -> EndpointId {
    keys::endpoint_id(&[seed; 32])
}

#[tokio::test]
async fn tr3_producers_find_each_other_pass_the_gate_and_tell_each_other() {
    let issuer = Issuer::new();
    let first = producer(&issuer, 1, None).await;
    let at = first.server.addr_b64().expect("address");
    let mut heard = first.server.mesh_notices().expect("a mesh");
    let second = producer(&issuer, 2, Some(&at)).await;
    let third = producer(&issuer, 3, Some(&at)).await;
    for running in [&first, &second, &third] {
        until("everybody knows everybody", || running.server.mesh_members().len() == 2).await;
    }
    let admitted = |running: &Running, seed| running.server.gate().admission(&PeerName::from(id(seed)));
    until("introduced", || admitted(&second, 3).is_some() && admitted(&third, 2).is_some()).await;
    assert_eq!(admitted(&second, 3).expect("an entry").path, AdmissionPath::Mesh);
    // Both tell what they serve, signed.
    let mut wanted = BTreeSet::from([(id(2), "contract"), (id(2), "lease"), (id(3), "contract"), (id(3), "lease")]);
    while !wanted.is_empty() {
        let (who, notice) = timeout(WAIT, heard.recv()).await.expect("in time").expect("heard");
        assert_eq!(notice.service(), ("Echo", 1));
        match notice {
            Notice::Contract { collection_hash, .. } => {
                assert_eq!(collection_hash.len(), 64);
                wanted.remove(&(who, "contract"));
            }
            Notice::Lease { health, addressing, .. } => {
                assert_eq!(health, "READY");
                assert!(!addressing["direct_addrs"].as_array().expect("addresses").is_empty());
                wanted.remove(&(who, "lease"));
            }
        }
    }
    third.stop().await;
    until("who leaves is gone", || !second.server.mesh_members().contains(&id(3))).await;
    until("and off the allowlist", || admitted(&second, 3).is_none() && admitted(&first, 3).is_none()).await;
    second.stop().await;
    first.stop().await;
}

#[tokio::test]
async fn tr3_a_stolen_or_foreign_producer_credential_is_refused() {
    let (issuer, other) = (Issuer::new(), Issuer::new());
    let first = producer(&issuer, 1, None).await;
    let at = first.server.addr_b64().expect("address");
    let foreign = producer(&other, 2, Some(&at)).await;
    let stolen = issuer.identity([3; 32], 3600);
    let stolen: Value = toml_to_request(&stolen);
    let node = open_node(&network()).await;
    let connection = node
        .net()
        .connect_addr(&first.server.node().expect("node").addr(), b"aster.producer_admission")
        .await
        .expect("connects");
    let (send, recv) = connection.open_bi().await.expect("a stream");
    let request = json!({"credential_json": stolen.to_string(), "iid_token": ""}).to_string();
    send.write_all(request.into_bytes().into()).await.expect("sent");
    send.finish().expect("finished");
    let answer = timeout(WAIT, recv.read_to_end(65_536)).await.expect("in time").expect("an answer").take();
    let denial = br#"{"accepted":false,"salt":"","accepted_producers":[],"reason":""}"#;
    assert_eq!(answer, denial.as_slice());
    assert!(first.server.mesh_members().is_empty() && first.server.gate().admissions().is_empty());
    assert!(foreign.server.mesh_members().is_empty());
    node.close().await;
    foreign.stop().await;
    first.stop().await;
}

/// Returns the producer's credential of an identity file as it is presented.
fn toml_to_request(identity: &str) -> Value {
    let field = |name: &str| {
        let line = identity.lines().find(|line| line.starts_with(name)).expect("a line");
        line.split_once(" = ").expect("a value").1.trim_matches('"').to_owned()
    };
    json!({
        "endpoint_id": field("endpoint_id"),
        "root_pubkey": field("root_pubkey"),
        "expires_at": field("expires_at").parse::<u64>().expect("a number"),
        "attributes": {"aster.role": "producer"},
        "signature": field("signature"),
    })
}

#[tokio::test]
async fn tr21_the_mesh_survives_a_restart_and_refuses_a_damaged_state() {
    let folder = Folder::new();
    let issuer = Issuer::new();
    let identity = issuer.identity([1; 32], 3600);
    let pairs = [GATED, ("ASTER_MESH_STATE_DIR", folder.text())];
    let options =
        || ServerOptions { mesh: MeshOptions { persist: true, ..MeshOptions::default() }, ..ServerOptions::default() };
    let path = folder.path().join("mesh_state.json");
    let salt = || {
        let text = std::fs::read_to_string(&path).expect("a file");
        serde_json::from_str::<Value>(&text).expect("JSON")["salt"].clone()
    };
    let running = Running::with_identity(&identity, &pairs, options()).await.expect("started");
    until("it is saved", || path.exists()).await;
    running.stop().await;
    let first = salt();
    Running::with_identity(&identity, &pairs, options()).await.expect("started").stop().await;
    assert_eq!(salt(), first, "the salt is kept");
    std::fs::write(&path, "{}").expect("written");
    let refused = Running::with_identity(&identity, &pairs, options()).await.err().expect("refused");
    assert_eq!(refused.kind(), ErrorKind::Config, "{refused}");
}

#[tokio::test]
async fn tr19_joining_needs_a_credential_that_holds() {
    let issuer = Issuer::new();
    let at = "ab".repeat(32);
    let pairs = [GATED, ("ASTER_MESH_BOOTSTRAP", at.as_str())];
    let expired = Running::with_identity(&issuer.identity([1; 32], 0), &pairs, ServerOptions::default()).await;
    assert_eq!(expired.err().expect("refused").kind(), ErrorKind::Config);
    let without = Running::try_start(&issuer, &pairs).await;
    assert_eq!(without.err().expect("refused").kind(), ErrorKind::Config);
}

/// An authority that admits its consumers to services of others.
struct Authority {
    root: [u8; 32],
    root_seed: [u8; 32],
    signing_seed: [u8; 32],
    consumer_seed: [u8; 32],
}

fn signed(seed: &[u8; 32], mut document: Value, field: &str) -> Value {
    let text = delegated_canonical(document.as_object().expect("object"), field);
    document[field] = hex::encode(keys::sign(seed, text.as_bytes()).expect("signed")).into();
    document
}

impl Authority {
    fn new() -> Self {
        let (root_seed, root) = keys::generate().expect("a key");
        let [signing_seed, consumer_seed] = [0; 2].map(|_: u8| keys::generate().expect("a key").0);
        Self { root, root_seed, signing_seed, consumer_seed }
    }

    fn attestation(&self) -> Value {
        let key = hex::encode(keys::public_key(&self.signing_seed).expect("key"));
        let (from, until) = (seconds() - 100, seconds() + 100);
        let document = json!({"signing_pubkey": key, "key_id": "k", "valid_from": from, "valid_until": until});
        signed(&self.root_seed, document, "root_signature")
    }

    fn token(&self, service: &str, contract_id: &str, ttl: u64) -> Value {
        let document = json!({
            "consumer_handle": "josé",
            "consumer_pubkey": hex::encode(keys::public_key(&self.consumer_seed).expect("key")),
            "target_handle": "acme", "target_service": service, "target_contract_id": contract_id,
            "roles": ["ops.status"], "issued_at": seconds(), "expires_at": seconds() + ttl, "signing_key_id": "k",
        });
        signed(&self.signing_seed, document, "signature")
    }

    fn delegation(&self, token: &Value) -> Delegation {
        Delegation::new(&token.to_string(), &self.attestation().to_string(), &self.consumer_seed).expect("reads")
    }

    /// Starts a server that takes this authority's word for `Echo`.
    async fn server(&self, issuer: &Issuer, seed: u8) -> Running {
        let contract =
            aster_core::engine::ServicePlan::from_json(support::ECHO).expect("plan").contract().id().to_owned();
        let identity = issuer.identity([seed; 32], 3600)
            + &format!(
                "[published_services.\"Echo\"]\ncontract_id = '{contract}'\nhandle = 'acme'\naster_root_pubkey = '{}'\n",
                hex::encode(self.root)
            );
        Running::with_identity(&identity, &[], ServerOptions::default()).await.expect("started")
    }
}

async fn connect(running: &Running, delegation: Delegation) -> aster_core::error::Result<Client> {
    let options = ClientOptions { delegation: Some(delegation), ..options(running, "") };
    timeout(WAIT, Client::connect(Handle::current(), &config(&[]), options)).await.expect("connect ends")
}

#[tokio::test]
async fn tr11_a_delegated_consumer_calls_the_service_it_was_admitted_to() {
    let (issuer, authority) = (Issuer::new(), Authority::new());
    let running = authority.server(&issuer, 5).await;
    let services = running.server.services().expect("services");
    let token = authority.token("Echo", &services[0].contract_id, 3600);
    let client = connect(&running, authority.delegation(&token)).await.expect("admitted");
    assert_eq!(client.info().answer.attributes["aster.role"], "ops.status");
    assert_eq!(Calls::new(&client).echo("hello").await.expect("reply"), "hello");
    let PeerName::Endpoint(peer) = peer_of(&client) else { panic!("an id") };
    let gate = running.server.gate();
    let admission = gate.admission(&peer.into()).expect("an entry");
    assert_eq!((admission.path, admission.service.as_deref()), (AdmissionPath::Delegated, Some("Echo")));
    assert!(gate.standing(&peer, "Ledger").is_none(), "no other service");
    // A removed consumer has to prove itself again, which its next dial does.
    assert!(running.server.remove_peer(&peer.into()));
    let calls = Calls::new(&client);
    let first = calls.echo("again").await;
    assert!(first.is_ok() || first.is_err_and(|error| error.status() == Some(StatusCode::PERMISSION_DENIED)));
    assert_eq!(calls.echo("again").await.expect("reply"), "again");
    client.close().await;
    running.stop().await;
}

#[tokio::test]
async fn tr11_bad_delegations_get_a_challenge_and_a_uniform_denial() {
    let (issuer, authority, other) = (Issuer::new(), Authority::new(), Authority::new());
    let running = authority.server(&issuer, 6).await;
    let services = running.server.services().expect("services");
    let contract = services[0].contract_id.as_str();
    for (name, delegation) in [
        ("another authority", other.delegation(&other.token("Echo", contract, 3600))),
        ("another service", authority.delegation(&authority.token("Ledger", contract, 3600))),
        ("another contract", authority.delegation(&authority.token("Echo", &"00".repeat(32), 3600))),
        ("expired", authority.delegation(&authority.token("Echo", contract, 0))),
    ] {
        let denied = connect(&running, delegation).await.err().expect("denied");
        assert_eq!(
            (denied.kind(), denied.message()),
            (ErrorKind::AdmissionDenied, "delegated admission denied"),
            "{name}"
        );
    }
    assert!(running.server.gate().admissions().is_empty());
    running.stop().await;
}

/// A server that relays the challenge of another one learns nothing that it could use there.
#[tokio::test]
async fn tr11_a_relayed_challenge_is_refused_by_the_client() {
    let authority = Authority::new();
    let node =
        open_node(&aster_core::node::NodeOptions { alpns: vec![b"aster.admission".to_vec()], ..network() }).await;
    let consumer = open_node(&network()).await;
    let connection = consumer.net().connect_addr(&node.addr(), b"aster.admission").await.expect("connects");
    let token = authority.token("Echo", &"00".repeat(32), 3600);
    let client = EndpointId::parse(&consumer.id()).expect("id");
    let transport = connection.transport();
    let asked = authority.delegation(&token);
    let asked = tokio::spawn(async move { asked.request(transport.as_ref(), client, WAIT).await });
    let incoming = node.net().accept().await.expect("accepted").take().expect("a connection");
    let (send, _recv) = incoming.connection.accept_bi().await.expect("a stream").take().expect("a stream");
    let victim = "cd".repeat(32);
    let challenge = json!({"v": 1, "nonce": "5a".repeat(32), "server_endpoint_id": victim}).to_string();
    let framed =
        [u32::try_from(challenge.len()).expect("short").to_le_bytes().as_slice(), challenge.as_bytes()].concat();
    send.write_all(framed.into()).await.expect("sent");
    let refused = timeout(WAIT, asked).await.expect("ends").expect("no panic").expect_err("refused");
    assert_eq!(refused.kind(), ErrorKind::Connect, "{refused}");
    assert!(refused.message().contains("challenge of another server"), "it was answered: {refused}");
    node.close().await;
    consumer.close().await;
}
