//! Strangers of their own making: a thousand at once, and one that speaks before its handshake has ended
//! (`trust.md` sections 1, 6 and 7).

mod support;
#[path = "support/admission.rs"]
mod world;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use aster_core::admission::{NonceStore, PeerName};
use aster_core::engine::ServicePlan;
use aster_core::error::Result;
use aster_core::node::ServerOptions;
use aster_core::rpc::BoxFuture;
use aster_core::trust::ConsumerAnswer;
use aster_core::wire::{self, ADMISSION_ALPNS};
use futures_util::StreamExt;
use futures_util::stream;
use iroh::endpoint::{Connection, PortmapperConfig, presets};
use iroh::{Endpoint, EndpointAddr, RelayMode};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use world::{Calls, Issuer, Running, WAIT, connect};

/// As many as the specification asks for.
const CROWD: usize = 1000;
/// Handshakes of one crowd at once.
const AT_ONCE: usize = 32;
/// Calls that are made beside the crowd.
const CALLS: usize = 10;
/// A frame without a call, which is answered by an error.
const GARBAGE: &[u8] = b"\0\0\0\0";
/// How often a recording is played.
const REPLAY_PACE: Duration = Duration::from_millis(200);

/// An endpoint without a node around it.
async fn stranger() -> Endpoint {
    let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let builder = Endpoint::builder(presets::Minimal).relay_mode(RelayMode::Disabled).clear_ip_transports();
    let builder = builder.portmapper_config(PortmapperConfig::Disabled);
    builder.bind_addr(loopback).expect("an address").bind().await.expect("bound")
}

async fn crowd() -> Vec<Endpoint> {
    stream::iter(0..CROWD).map(|_| stranger()).buffer_unordered(AT_ONCE).collect().await
}

async fn dismiss(crowd: Vec<Endpoint>) {
    stream::iter(crowd).for_each_concurrent(AT_ONCE, |endpoint| async move { endpoint.close().await }).await;
}

/// A server that admits in all three ways.
async fn closed(issuer: &Issuer) -> Running {
    let contract = ServicePlan::from_json(support::ECHO).expect("plan").contract().id().to_owned();
    let root = hex::encode(issuer.root);
    let policy = format!(
        "[published_services.\"Echo\"]\ncontract_id = '{contract}'\nhandle = 'acme'\naster_root_pubkey = '{root}'\n"
    );
    let identity = issuer.identity(world::NODE_SEED, 3600) + &policy;
    let gated = [("ASTER_ALLOW_ALL_PRODUCERS", "false")];
    Running::with_identity(&identity, &gated, ServerOptions::default()).await.expect("started")
}

/// Where a server is: one address of loopback.
fn at(running: &Running) -> EndpointAddr {
    let addr = running.server.node().expect("a node").addr();
    let id = addr.endpoint_id.parse().expect("an id");
    EndpointAddr::new(id).with_ip_addr(addr.direct_addresses[0].parse().expect("an address"))
}

/// Calls, and admission of somebody new, beside whatever else goes on.
async fn business_goes_on(running: &Running, issuer: &Issuer, calls: &Calls) {
    for number in 0..CALLS {
        let text = number.to_string();
        assert_eq!(calls.echo(&text).await.expect("reply"), text);
    }
    let late = connect(running, &issuer.policy(3600, &[])).await.expect("admission goes on");
    late.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tr13_a_thousand_silent_strangers_delay_nobody() {
    let issuer = Issuer::new();
    let running = closed(&issuer).await;
    let client = connect(&running, &issuer.policy(3600, &[])).await.expect("admitted");
    let calls = Calls::new(&client);
    let (crowd, at) = (crowd().await, at(&running));
    // Half of them say nothing, half begin a request that they never end.
    let silent = stream::iter(crowd.iter().enumerate()).map(|(number, endpoint)| {
        let at = at.clone();
        async move {
            let connection =
                endpoint.connect(at, ADMISSION_ALPNS[number % ADMISSION_ALPNS.len()]).await.expect("connects");
            if number % 2 == 1 {
                let (mut send, recv) = connection.open_bi().await.expect("a stream");
                send.write_all(b"{").await.expect("written");
                return (connection, Some((send, recv)));
            }
            (connection, None)
        }
    });
    let _kept: Vec<_> = silent.buffer_unordered(AT_ONCE).collect().await;
    business_goes_on(&running, &issuer, &calls).await;
    assert!(running.server.gate().admissions().len() <= 2, "nobody else has an entry");
    client.close().await;
    dismiss(crowd).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tr13_a_thousand_flooding_strangers_delay_nobody() {
    let issuer = Issuer::new();
    let running = closed(&issuer).await;
    let client = connect(&running, &issuer.policy(3600, &[])).await.expect("admitted");
    let calls = Calls::new(&client);
    let (crowd, at) = (crowd().await, at(&running));
    let (stop, answered, refused) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    let is_over = || stop.load(Ordering::Relaxed);
    let flood = stream::iter(crowd.iter().enumerate()).for_each_concurrent(AT_ONCE * 4, |(number, endpoint)| {
        let (at, is_over, answered, refused) = (at.clone(), &is_over, &answered, &refused);
        async move {
            // Denied, then refused as busy.
            for _ in 0..8 {
                if is_over() {
                    return;
                }
                let alpn = ADMISSION_ALPNS[number % ADMISSION_ALPNS.len()];
                let asked = timeout(WAIT, ask(endpoint, at.clone(), alpn, b"{\"credential_json\":\"{}\"}"));
                match asked.await {
                    Ok(Some(_)) => answered.fetch_add(1, Ordering::Relaxed),
                    _ => refused.fetch_add(1, Ordering::Relaxed),
                };
            }
        }
    });
    let business = async {
        business_goes_on(&running, &issuer, &calls).await;
        stop.store(true, Ordering::Relaxed);
    };
    tokio::join!(flood, business);
    assert!(answered.into_inner() > 0, "somebody was denied");
    assert!(running.server.gate().admissions().len() <= 2, "nobody else has an entry");
    client.close().await;
    dismiss(crowd).await;
    running.stop().await;
}

/// Asks for admission on a connection of its own; `None` without an answer.
async fn ask(endpoint: &Endpoint, at: EndpointAddr, alpn: &[u8], request: &[u8]) -> Option<Vec<u8>> {
    let connection = endpoint.connect(at, alpn).await.ok()?;
    let answer = exchange(&connection, request).await;
    connection.close(0u32.into(), b"");
    answer
}

async fn exchange(connection: &Connection, request: &[u8]) -> Option<Vec<u8>> {
    let (mut send, mut recv) = connection.open_bi().await.ok()?;
    // A server that has read enough stops the rest.
    let _ = send.write_all(request).await;
    let _ = send.finish();
    recv.read_to_end(1 << 20).await.ok().filter(|answer| !answer.is_empty())
}

/// Counts what is asked of it.
#[derive(Default)]
struct Counting(AtomicUsize);

impl NonceStore for Counting {
    fn consume(&self, _: [u8; 32], _: u64) -> BoxFuture<'_, Result<bool>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(std::future::ready(Ok(true)))
    }

    fn is_consumed(&self, _: [u8; 32]) -> BoxFuture<'_, Result<bool>> {
        Box::pin(std::future::ready(Ok(false)))
    }
}

/// Passes datagrams on and keeps those that went out before the first came back.
struct Wiretap {
    addr: SocketAddr,
    flight: Arc<std::sync::Mutex<Vec<Vec<u8>>>>,
    passing: JoinHandle<()>,
}

impl Wiretap {
    async fn before(server: SocketAddr) -> Self {
        let (near, far) = (local_socket().await, local_socket().await);
        let addr = near.local_addr().expect("bound");
        let flight: Arc<std::sync::Mutex<Vec<Vec<u8>>>> = Arc::default();
        let kept = flight.clone();
        let passing = tokio::spawn(async move {
            let (mut out, mut back) = (vec![0; 65_536], vec![0; 65_536]);
            let (mut client, mut has_answered) = (None, false);
            loop {
                tokio::select! {
                    Ok((len, from)) = near.recv_from(&mut out) => {
                        client = Some(from);
                        if !has_answered {
                            kept.lock().expect("flight").push(out[..len].to_vec());
                        }
                        far.send_to(&out[..len], server).await.expect("sent");
                    }
                    Ok(len) = far.recv(&mut back) => {
                        has_answered = true;
                        near.send_to(&back[..len], client.expect("it spoke first")).await.expect("sent");
                    }
                }
            }
        });
        Self { addr, flight, passing }
    }
}

async fn local_socket() -> UdpSocket {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a socket")
}

/// Sends datagrams until they are answered: at first the old connection's end still absorbs them.
async fn replay(datagrams: Vec<Vec<u8>>, server: SocketAddr) {
    let socket = local_socket().await;
    let mut answer = vec![0; 65_536];
    loop {
        for datagram in &datagrams {
            socket.send_to(datagram, server).await.expect("sent");
        }
        if timeout(REPLAY_PACE, socket.recv(&mut answer)).await.is_ok() {
            return;
        }
    }
}

fn presentation(credential: &str) -> Vec<u8> {
    serde_json::json!({"credential_json": credential, "iid_token": ""}).to_string().into_bytes()
}

/// Sends a request before the handshake has ended, as early data; returns the answer and how the connection ends.
async fn ask_early(
    endpoint: &Endpoint,
    at: EndpointAddr,
    alpn: &[u8],
    request: &[u8],
) -> (Connection, Option<Vec<u8>>) {
    let connecting = endpoint.connect_with_opts(at, alpn, Default::default()).await.expect("dials");
    let Ok(early) = connecting.into_0rtt() else { panic!("no ticket of the last connection") };
    let (mut send, mut recv) = early.open_bi().await.expect("a stream");
    send.write_all(request).await.expect("written");
    send.finish().expect("finished");
    let connection = match early.handshake_completed().await.expect("a handshake") {
        iroh::endpoint::ZeroRttStatus::Accepted(connection) => connection,
        iroh::endpoint::ZeroRttStatus::Rejected(_) => panic!("the transport of this test takes early data"),
    };
    let answer = recv.read_to_end(1 << 20).await.ok().filter(|answer| !answer.is_empty());
    (connection, answer)
}

#[tokio::test]
async fn tr30_what_is_sent_before_the_handshake_has_ended_waits_for_it() {
    let issuer = Issuer::new();
    let spent = Arc::new(Counting::default());
    let running = Running::with_nonces(&issuer, spent.clone()).await;
    let endpoint = stranger().await;
    let server = at(&running);
    let socket = *server.ip_addrs().next().expect("an address");
    // The first connection leaves a ticket.
    let first =
        ask(&endpoint, server.clone(), wire::ALPN_CONSUMER_ADMISSION, &presentation(&issuer.policy(3600, &[]))).await;
    assert!(ConsumerAnswer::parse(&first.expect("an answer")).expect("parses").admitted);
    let tap = Wiretap::before(socket).await;
    let tapped = EndpointAddr::new(server.id).with_ip_addr(tap.addr);
    let (connection, answer) =
        ask_early(&endpoint, tapped, wire::ALPN_CONSUMER_ADMISSION, &presentation(&issuer.token(3600, &[]))).await;
    assert!(ConsumerAnswer::parse(&answer.expect("an answer")).expect("parses").admitted);
    assert_eq!(spent.0.load(Ordering::SeqCst), 1);
    connection.close(0u32.into(), b"");
    tap.passing.abort();

    // Somebody sends the same bytes again: the server answers its part of a handshake and does nothing else.
    let flight = std::mem::take(&mut *tap.flight.lock().expect("flight"));
    timeout(WAIT, replay(flight, socket)).await.expect("the server has seen it");
    let other = stranger().await;
    let answer =
        ask(&other, server.clone(), wire::ALPN_CONSUMER_ADMISSION, &presentation(&issuer.token(3600, &[]))).await;
    assert!(answer.is_some(), "a token of somebody who came after it");
    assert_eq!(spent.0.load(Ordering::SeqCst), 2, "the replayed token was not looked at");

    // Who is no longer admitted gains nothing by being early.
    let peer = PeerName::parse(&endpoint.id().to_string());
    let admitted = ask(&endpoint, server.clone(), wire::ALPN_RPC, GARBAGE).await;
    assert!(admitted.is_some(), "calls are answered");
    assert!(running.server.remove_peer(&peer));
    let (connection, answer) = ask_early(&endpoint, server, wire::ALPN_RPC, GARBAGE).await;
    assert_eq!(answer, None);
    let closed = timeout(WAIT, connection.closed()).await.expect("ends").to_string();
    assert!(closed.contains("not admitted"), "{closed}");
    for endpoint in [endpoint, other] {
        endpoint.close().await;
    }
    running.stop().await;
}
