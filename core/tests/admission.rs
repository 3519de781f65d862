//! Real nodes on loopback: who is admitted, for how long, and what ends with it (`trust.md` sections 6 to 9 and 14).

mod support;
#[path = "support/admission.rs"]
mod world;

use std::sync::Arc;
use std::time::Duration;

use aster_core::admission::{PeerName, Revoked};
use aster_core::error::{Error, ErrorKind, Result};
use aster_core::ids::EndpointId;
use aster_core::node::{BlobFormat, Client, Node, PeerConnection};
use aster_core::status::StatusCode;
use aster_core::trust::ConsumerAnswer;
use aster_core::wire;
use tokio::time::{Instant, timeout};
use world::{
    Calls, Folder, Issuer, NODE_SEED, Running, WAIT, connect, connect_as, network, open_node, peer_of, seconds,
};

/// Waits until a condition holds.
async fn until(what: &str, condition: impl Fn() -> bool) {
    let waited = timeout(WAIT, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("never: {what}"));
}

#[tokio::test]
async fn a_policy_opens_a_closed_gate_with_its_attributes() {
    let issuer = Issuer::new();
    let running = Running::start(&issuer, &[]).await;
    let denied = connect(&running, "").await.err().expect("denied");
    assert_eq!(denied.kind(), ErrorKind::AdmissionDenied);
    let client = connect(&running, &issuer.policy(3600, &[("aster.role", "ops"), ("x", "é")])).await.expect("admitted");
    let info = client.info();
    assert_eq!(info.answer.attributes["x"], "é");
    assert_eq!(info.answer.root_pubkey, hex::encode(issuer.root));
    let calls = Calls::new(&client);
    assert_eq!(calls.echo("hello").await.expect("reply"), "hello");
    let admission = running.server.gate().admission(&peer_of(&client)).expect("an entry");
    assert_eq!(admission.attributes, [("aster.role".to_owned(), "ops".to_owned()), ("x".to_owned(), "é".to_owned())]);
    client.close().await;
    running.stop().await;
}

#[tokio::test]
async fn tr2_every_protocol_is_closed_to_strangers_and_open_to_the_admitted() {
    let issuer = Issuer::new();
    let running = Running::start(&issuer, &[]).await;
    let stranger = open_node(&network()).await;
    for alpn in [wire::ALPN_RPC, b"/iroh-bytes/4", b"/iroh-gossip/1", b"/iroh-sync/1"] {
        let closed = raw(&stranger, &running, alpn).await.expect("the handshake succeeds");
        let cause = timeout(WAIT, closed.closed()).await.expect("ends");
        assert_eq!((cause.code, cause.reason.as_str()), (Some(403), "not admitted"), "{}", alpn.escape_ascii());
    }
    let client = connect(&running, &issuer.policy(3600, &[])).await.expect("admitted");
    for alpn in [wire::ALPN_RPC, b"/iroh-gossip/1"] {
        let open = raw(client.node(), &running, alpn).await.expect("connects");
        assert!(open.open_bi().await.is_ok(), "{}", alpn.escape_ascii());
    }
    client.close().await;
    stranger.close().await;
    running.stop().await;
}

async fn raw(node: &Node, running: &Running, alpn: &[u8]) -> Result<PeerConnection> {
    let at = running.server.node()?.addr();
    timeout(WAIT, node.net().connect_addr(&at, alpn)).await.expect("connect ends")
}

/// Ends a peer's admission in one of the ways there are.
async fn end(running: &Running, client: &Client, how: &str, credential: &str) {
    let peer = peer_of(client);
    match how {
        "removal" => assert!(running.server.remove_peer(&peer)),
        "revoked endpoint" => {
            let PeerName::Endpoint(id) = peer else { panic!("an id") };
            running.server.revoke(Revoked::Endpoint(id), None).await.expect("revoked");
        }
        "revoked credential" => {
            let read = aster_core::trust::Credential::parse(credential.as_bytes()).expect("reads");
            running.server.revoke(Revoked::Credential(read.revocation_id()), None).await.expect("revoked");
        }
        _ => {}
    }
}

#[tokio::test]
async fn tr5_the_end_of_an_admission_ends_streams_and_calls_within_a_second() {
    for how in ["expiry", "removal", "revoked endpoint", "revoked credential"] {
        let issuer = Issuer::new();
        let running = Running::start(&issuer, &[]).await;
        let credential = issuer.policy(if how == "expiry" { 2 } else { 3600 }, &[]);
        let client = connect(&running, &credential).await.expect("admitted");
        let expires = issuer.last_expiry();
        let calls = Calls::new(&client);
        let raw = raw(client.node(), &running, b"/iroh-gossip/1").await.expect("connects");
        let waiting = calls.start_silent();
        until("the call runs", || running.server.load().calls == 1).await;
        end(&running, &client, how, &credential).await;
        let ended = Instant::now();
        let error = calls.end_of(waiting).await;
        assert_eq!((error.status(), error.message()), (Some(StatusCode::PERMISSION_DENIED), "not admitted"), "{how}");
        assert_eq!(timeout(WAIT, raw.closed()).await.expect("ends").code, Some(403), "{how}");
        match how {
            "expiry" => assert!(seconds() <= expires + 1, "{} s late", seconds() - expires),
            _ => assert!(ended.elapsed() < Duration::from_secs(1), "{how}: {:?}", ended.elapsed()),
        }
        until("the handler is told", || running.server.load().calls == 0).await;
        // The next call dials, and admission is repeated once: only who was merely removed comes back.
        let again = calls.echo("again").await;
        match how {
            "removal" => assert_eq!(again.expect("admitted again"), "again"),
            _ => assert_eq!(again.expect_err("refused").status(), Some(StatusCode::PERMISSION_DENIED), "{how}"),
        }
        client.close().await;
        running.stop().await;
    }
}

#[tokio::test]
async fn tr7_a_one_time_token_is_spent_once_and_reconnects_resume() {
    let issuer = Issuer::new();
    let running = Running::start(&issuer, &[]).await;
    let token = issuer.token(3600, &[("aster.role", "once")]);
    let client = connect(&running, &token).await.expect("admitted");
    let calls = Calls::new(&client);
    assert_eq!(calls.echo("first").await.expect("reply"), "first");
    client.reconnect().await.expect("resumes");
    assert_eq!(client.info().answer.attributes["aster.role"], "once");
    assert_eq!(calls.echo("second").await.expect("reply"), "second");
    // Another node presents the stolen token, or resumes what it never had.
    let stolen = connect(&running, &token).await.err().expect("denied");
    assert_eq!(stolen.kind(), ErrorKind::AdmissionDenied);
    // The server forgets the peer: nothing is left to resume.
    assert!(running.server.remove_peer(&peer_of(&client)));
    let over = client.reconnect().await.expect_err("denied");
    assert_eq!(over.kind(), ErrorKind::AdmissionDenied);
    client.close().await;
    running.stop().await;
}

#[tokio::test]
async fn tr12_spent_tokens_and_revocations_survive_a_restart() {
    let folder = Folder::new();
    let issuer = Issuer::new();
    let storage = [("ASTER_STORAGE_PATH", folder.text())];
    let (token, policy) = (issuer.token(3600, &[]), issuer.policy(3600, &[]));
    let running = Running::start(&issuer, &storage).await;
    // Raw requests: a client would not send a token twice.
    let node = open_node(&network()).await;
    let answer = ask(&node, &running, &token).await;
    assert!(answer.admitted);
    let revoked = aster_core::trust::Credential::parse(policy.as_bytes()).expect("reads").revocation_id();
    running.server.revoke(Revoked::Credential(revoked), None).await.expect("revoked");
    running.stop().await;
    let running = Running::start(&issuer, &storage).await;
    for refused in [token.as_str(), &policy, ""] {
        assert_eq!(ask(&node, &running, refused).await, ConsumerAnswer::denial());
    }
    running.stop().await;
    for file in ["nonces.json", "revoked.json"] {
        let path = folder.path().join("trust").join(file);
        let whole = std::fs::read_to_string(&path).expect("a file");
        std::fs::write(&path, &whole[..whole.len() / 2]).expect("written");
        let error = Running::try_start(&issuer, &storage).await.err().expect("does not start");
        assert!(error.message().contains(file), "{error}");
        std::fs::write(&path, whole).expect("written");
    }
    node.close().await;
}

/// Presents a credential on a connection of its own.
async fn ask(node: &Node, running: &Running, credential: &str) -> ConsumerAnswer {
    let request = serde_json::json!({"credential_json": credential, "iid_token": ""}).to_string();
    let (answer, _) = exchange(node, running, request.as_bytes()).await.expect("an answer");
    ConsumerAnswer::parse(&answer).expect("parses")
}

/// Sends bytes to admission; returns the answer and how long it took.
async fn exchange(node: &Node, running: &Running, request: &[u8]) -> Result<(Vec<u8>, Duration)> {
    let connection = raw(node, running, wire::ALPN_CONSUMER_ADMISSION).await?;
    let (send, recv) = connection.open_bi().await?;
    // A server that has read enough stops the rest.
    let _ = send.write_all(request.to_vec().into()).await;
    let _ = send.finish();
    let sent = Instant::now();
    let answer = timeout(WAIT, recv.read_to_end(1 << 20)).await.expect("an answer")?.take();
    connection.close(0, b"")?;
    Ok((answer.to_vec(), sent.elapsed()))
}

#[tokio::test]
async fn tr16_denials_are_one_byte_string_on_a_grid() {
    let issuer = Issuer::new();
    let running = Running::start(&issuer, &[]).await;
    let other = Issuer::new();
    let wrapped = |credential: &str| serde_json::json!({"credential_json": credential}).to_string().into_bytes();
    let requests: [(&str, Vec<u8>); 7] = [
        ("empty", wrapped("")),
        ("no request", Vec::new()),
        ("not JSON", b"hello".to_vec()),
        ("another root", wrapped(&other.policy(3600, &[]))),
        ("expired", wrapped(&issuer.policy(0, &[]))),
        ("too large", vec![b' '; 100_000]),
        ("of another node", wrapped(&issuer.bound_policy(&"ab".repeat(32), 3600))),
    ];
    for (name, request) in requests {
        // Each stranger has its own rate.
        let node = open_node(&network()).await;
        let (answer, took) = exchange(&node, &running, &request).await.expect("an answer");
        assert_eq!(String::from_utf8_lossy(&answer), ConsumerAnswer::denial().to_json(), "{name}");
        assert!(took > Duration::from_millis(200), "{name}: {took:?}");
        node.close().await;
    }
    assert!(running.server.gate().admissions().is_empty());
    running.stop().await;
}

#[tokio::test]
async fn tr13_denials_exhaust_the_rate_of_a_peer_and_of_nobody_else() {
    let issuer = Issuer::new();
    let running = Running::start(&issuer, &[]).await;
    let node = open_node(&network()).await;
    let mut denied = 0;
    let busy = loop {
        match exchange(&node, &running, br#"{"credential_json":""}"#).await {
            Ok((answer, _)) if answer.is_empty() => break true,
            Ok(_) => denied += 1,
            Err(_) => break true,
        }
        assert!(denied < 10, "the rate holds");
    };
    assert!(busy && (4..=6).contains(&denied), "{denied} denials before");
    let client = connect(&running, &issuer.policy(3600, &[])).await.expect("others are admitted");
    client.close().await;
    node.close().await;
    running.stop().await;
}

/// Keeps what core logs.
#[derive(Clone, Default)]
struct Log(Arc<std::sync::Mutex<Vec<String>>>);

impl tracing::Subscriber for Log {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("aster::")
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        struct Line(String);
        impl tracing::field::Visit for Line {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                self.0 += &format!(" {}={value:?}", field.name());
            }
        }
        let mut line = Line(event.metadata().target().to_owned());
        event.record(&mut line);
        self.0.lock().expect("log").push(line.0);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

impl Log {
    fn about(&self, word: &str) -> usize {
        self.0.lock().expect("log").iter().filter(|line| line.contains(word)).count()
    }
}

#[tokio::test]
async fn tr29_tr24_each_decision_is_logged_once_without_secrets() {
    let log = Log::default();
    // With one subscriber only, tracing asks that of whatever thread comes first, which may have none.
    let _second = tracing::Dispatch::new(Log::default());
    // Everything of this test runs on its thread.
    let _logging = tracing::subscriber::set_default(log.clone());
    let issuer = Issuer::new();
    let running = Running::start(&issuer, &[]).await;
    let (token, policy) = (issuer.token(3600, &[("aster.name", "SECRET")]), issuer.policy(3600, &[]));
    let node = open_node(&network()).await;
    assert!(ask(&node, &running, &token).await.admitted);
    assert!(!ask(&node, &running, &token).await.admitted);
    assert!(ask(&node, &running, "").await.admitted, "resumes");
    assert!(ask(&node, &running, &policy).await.admitted);
    let lines = log.0.lock().expect("log").clone();
    assert_eq!((log.about("admission.allow"), log.about("admission.deny")), (3, 1), "{lines:#?}");
    assert_eq!((log.about("cause=\"nonce_used\""), log.about("trust.state")), (1, 1));
    running.server.remove_peer(&PeerName::parse(&node.id()));
    assert_eq!(log.about("peer.remove"), 1);
    let closed = raw(&node, &running, wire::ALPN_RPC).await.expect("the handshake succeeds");
    assert_eq!(timeout(WAIT, closed.closed()).await.expect("ends").code, Some(403));
    assert_eq!(log.about("gate.reject"), 1);
    let read: serde_json::Value = serde_json::from_str(&token).expect("JSON");
    for secret in [read["nonce"].as_str(), read["signature"].as_str(), Some("SECRET"), Some(node.id().as_str())] {
        assert_eq!(log.about(secret.expect("text")), 0);
    }
    node.close().await;
    running.stop().await;
}

#[tokio::test]
async fn tr14_a_gated_server_dials_and_an_admitted_client_sees_new_attributes() {
    let issuer = Issuer::new();
    let running = Running::start(&issuer, &[]).await;
    let node = open_node(&network()).await;
    let hash = node.blobs().expect("content").add_bytes(b"content".to_vec().into()).await.expect("added");
    let server = running.server.node().expect("node");
    server.add_addr(&node.addr()).expect("address");
    let blobs = server.blobs().expect("content");
    let fetched = timeout(WAIT, blobs.download(&hash, &node.id(), BlobFormat::Raw)).await.expect("ends");
    assert_eq!(fetched.expect("fetched"), "content");
    let client = connect_as(&running, NODE_SEED, &issuer.policy(3600, &[("aster.role", "a")])).await.expect("admitted");
    let attributes = || running.server.gate().admission(&peer_of(&client)).expect("an entry").attributes;
    assert_eq!(attributes()[0].1, "a");
    let again = ask(client.node(), &running, &issuer.policy(3600, &[("aster.role", "b")])).await;
    assert!(again.admitted);
    assert_eq!(attributes()[0].1, "b");
    let calls = Calls::new(&client);
    assert_eq!(calls.echo("still here").await.expect("reply"), "still here");
    let denied = ask(client.node(), &running, &issuer.policy(0, &[("aster.role", "c")])).await;
    assert!(!denied.admitted);
    assert_eq!(attributes()[0].1, "b", "a denial changes nothing");
    client.close().await;
    node.close().await;
    running.stop().await;
}

#[tokio::test]
async fn tr17_an_open_gate_verifies_what_is_presented_and_keeps_no_entry_of_strangers() {
    let issuer = Issuer::new();
    let running = Running::start(&issuer, &[("ASTER_ALLOW_ALL_CONSUMERS", "true")]).await;
    let stranger = connect(&running, "").await.expect("open");
    assert!(stranger.info().answer.attributes.is_empty());
    assert!(running.server.gate().admissions().is_empty());
    let bad = connect(&running, &Issuer::new().policy(3600, &[])).await.err().expect("denied");
    assert_eq!(bad.kind(), ErrorKind::AdmissionDenied);
    let good = connect(&running, &issuer.policy(2, &[("aster.role", "a")])).await.expect("admitted");
    let calls = Calls::new(&good);
    assert_eq!(calls.echo("with attributes").await.expect("reply"), "with attributes");
    until("the entry expires", || running.server.gate().admission(&peer_of(&good)).is_none()).await;
    assert_eq!(calls.echo("without").await.expect("the connection stays"), "without");
    // Removal and revocation hold on an open gate, too.
    let PeerName::Endpoint(id) = peer_of(&stranger) else { panic!("an id") };
    running.server.revoke(Revoked::Endpoint(id), None).await.expect("revoked");
    let refused = Calls::new(&stranger).echo("x").await.expect_err("revoked");
    assert_eq!(refused.status(), Some(StatusCode::PERMISSION_DENIED), "{refused}");
    for client in [stranger, good] {
        client.close().await;
    }
    running.stop().await;
}

#[tokio::test]
async fn tr15_clients_refuse_another_trust_domain() {
    let (issuer, other) = (Issuer::new(), Issuer::new());
    let running = Running::start(&issuer, &[]).await;
    let credential = issuer.policy(3600, &[]);
    let options = world::options(&running, &credential);
    let config = world::config(&[("ASTER_ROOT_PUBKEY", &hex::encode(other.root))]);
    let error =
        timeout(WAIT, Client::connect(tokio::runtime::Handle::current(), &config, options)).await.expect("ends");
    assert_eq!(error.err().expect("refused").kind(), ErrorKind::Credential);
    running.stop().await;
}

/// A store that never answers, one that fails, one that panics.
struct BadStore(&'static str);

impl aster_core::admission::NonceStore for BadStore {
    fn consume(&self, _: [u8; 32], _: u64) -> aster_core::rpc::BoxFuture<'_, Result<bool>> {
        match self.0 {
            "silent" => Box::pin(std::future::pending()),
            "fails" => Box::pin(std::future::ready(Err(Error::new(ErrorKind::Io, "no")))),
            _ => panic!("injected"),
        }
    }

    fn is_consumed(&self, _: [u8; 32]) -> aster_core::rpc::BoxFuture<'_, Result<bool>> {
        Box::pin(std::future::ready(Ok(false)))
    }
}

#[tokio::test]
async fn tr12_tr29_a_host_store_that_is_late_fails_or_panics_denies_and_hurts_nobody() {
    for how in ["silent", "fails", "panics"] {
        let issuer = Issuer::new();
        let running = Running::with_nonces(&issuer, Arc::new(BadStore(how))).await;
        let node = open_node(&network()).await;
        assert_eq!(ask(&node, &running, &issuer.token(3600, &[])).await, ConsumerAnswer::denial(), "{how}");
        assert!(running.server.gate().admissions().is_empty(), "{how}");
        let client = connect(&running, &issuer.policy(3600, &[])).await.expect("others are admitted");
        client.close().await;
        node.close().await;
        running.stop().await;
    }
}

#[tokio::test]
async fn tr9_the_root_key_is_no_node_key() {
    let issuer = Issuer::new();
    let key = issuer.seed_base64();
    let error = Running::try_start(&issuer, &[("ASTER_SECRET_KEY", &key)]).await.err().expect("refused");
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    assert!(EndpointId::parse(&hex::encode(issuer.root)).is_ok());
}

#[tokio::test]
async fn tr10_unbound_credentials_are_refused_where_binding_is_required() {
    let issuer = Issuer::new();
    let running = Running::start(&issuer, &[("ASTER_REQUIRE_BOUND_CREDENTIALS", "true")]).await;
    assert!(connect(&running, &issuer.policy(3600, &[])).await.is_err());
    let node = open_node(&network()).await;
    let bound = issuer.bound_policy(&node.id(), 3600);
    assert!(ask(&node, &running, &bound).await.admitted);
    assert!(connect(&running, &bound).await.is_err(), "somebody else's");
    node.close().await;
    running.stop().await;
}
