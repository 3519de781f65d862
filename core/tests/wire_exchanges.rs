//! Plays the exchanges of `wire.json` to a server, over the in-process pipe and over QUIC.

mod support;

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use aster_core::addr::Address;
use aster_core::config::{Config, Sources};
use aster_core::engine::{Queue, ServicePlan};
use aster_core::frame;
use aster_core::node::{Server, ServerOptions};
use aster_core::rpc::{BiStream, Connection, Service, pipe};
use aster_core::status::{RpcStatus, StatusCode};
use aster_core::wire::{self, Form};
use bytes::BytesMut;
use iroh::endpoint::{Connection as QuicConnection, RecvStream, SendStream, presets};
use iroh::{Endpoint, EndpointAddr, RelayMode, TransportAddr};
use serde_json::Value;
use support::{COUNTER, ECHO, Handlers, Host};
use tokio::sync::Notify;
use tokio::time::timeout;

const WAIT: Duration = Duration::from_secs(10);

fn exchanges() -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/vectors/wire.json");
    let vectors: Value = serde_json::from_str(&std::fs::read_to_string(path).expect("wire.json")).expect("JSON");
    let exchanges = vectors["exchanges"].as_array().expect("exchanges").clone();
    assert!(exchanges.len() >= 23, "the vectors have shrunk");
    exchanges
}

/// The client's end of a stream.
enum Player {
    Pipe(BiStream),
    Quic(SendStream, RecvStream),
}

impl Player {
    async fn send(&mut self, bytes: &[u8], fin: bool) {
        match self {
            Self::Pipe(stream) => {
                let mut rest = bytes;
                while !rest.is_empty() {
                    let n = poll_fn(|cx| stream.send.poll_write(cx, rest)).await.expect("write");
                    rest = &rest[n..];
                }
                if fin {
                    stream.send.finish();
                }
            }
            Self::Quic(send, _) => {
                send.write_all(bytes).await.expect("write");
                if fin {
                    send.finish().expect("finish");
                }
            }
        }
    }

    /// Reads at most `max` bytes; none at the end.
    async fn read(&mut self, max: usize) -> Vec<u8> {
        match self {
            Self::Pipe(stream) => {
                let mut got = BytesMut::new();
                poll_fn(|cx| stream.recv.poll_read(cx, max, &mut got)).await.expect("read");
                got.to_vec()
            }
            Self::Quic(_, recv) => {
                recv.read_chunk(max).await.expect("read").map(|chunk| chunk.to_vec()).unwrap_or_default()
            }
        }
    }

    async fn expect(&mut self, bytes: &[u8], fin: bool, name: &str) {
        let mut got = Vec::new();
        while got.len() < bytes.len() || (fin && got.len() == bytes.len()) {
            let room = (bytes.len() - got.len()).max(1);
            let more = timeout(WAIT, self.read(room)).await;
            let more = more.unwrap_or_else(|_| panic!("{name}: got only {:?}", text(&got)));
            if more.is_empty() {
                assert!(fin, "{name}: unexpected end after {:?}", text(&got));
                break;
            }
            got.extend(more);
        }
        assert_eq!(text(&got), text(bytes), "{name}");
    }

    async fn play(mut self, exchange: &Value) {
        let name = exchange["name"].as_str().expect("name");
        for step in exchange["steps"].as_array().expect("steps") {
            let bytes = hex::decode(step["hex"].as_str().expect("hex")).expect("hex");
            let fin = step["fin"].as_bool().expect("fin");
            match step["from"].as_str() {
                Some("client") => self.send(&bytes, fin).await,
                Some("server") => self.expect(&bytes, fin, name).await,
                other => panic!("{name}: unknown side {other:?}"),
            }
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn over_the_pipe() {
    let host = Host::start();
    let (client, server) = pipe::pair(None, None);
    let serving = tokio::spawn(host.dispatcher.clone().serve(server));
    for exchange in exchanges() {
        Player::Pipe(client.open_bi().await.expect("stream")).play(&exchange).await;
    }
    host.dispatcher.drain(WAIT).await;
    client.close(0, "done");
    timeout(WAIT, serving).await.expect("serving ends with its connection").expect("no panic");
}

#[tokio::test]
async fn a_first_frame_that_is_cut_is_answered_in_the_form_it_began_with() {
    let host = Host::start();
    let (client, server) = pipe::pair(None, None);
    let serving = tokio::spawn(host.dispatcher.clone().serve(server));
    for (form, first) in [(Form::Json, b'{'), (Form::Binary, 2)] {
        let status = RpcStatus::new(StatusCode::INTERNAL, "incomplete frame: expected 9 bytes, got 2");
        let (mut payload, mut expected) = (Vec::new(), Vec::new());
        wire::encode_status(&status, form, &mut payload);
        frame::encode(frame::TRAILER, &payload, &mut expected).expect("encodes");
        let mut player = Player::Pipe(client.open_bi().await.expect("stream"));
        player.send(&[9, 0, 0, 0, frame::HEADER, first], true).await;
        player.expect(&expected, true, "cut header").await;
    }
    client.close(0, "done");
    timeout(WAIT, serving).await.expect("serving ends with its connection").expect("no panic");
}

/// A server of both services on loopback, and a raw endpoint to dial it with.
struct Quic {
    server: Server,
    answering: tokio::task::JoinHandle<()>,
    endpoint: Endpoint,
    target: EndpointAddr,
}

impl Quic {
    async fn start() -> Self {
        let env = [("ASTER_RELAY_MODE", "disabled"), ("ASTER_BIND_ADDR", "127.0.0.1:0")];
        let env: BTreeMap<_, _> = env.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let config = Config::resolve(Sources { env, ..Sources::default() }).expect("configuration");
        let server = Server::new(&config, ServerOptions::default()).expect("server");
        let notify = Arc::new(Notify::new());
        let waker = notify.clone();
        let queue = Queue::new(4096, move || waker.notify_one());
        for description in [ECHO, COUNTER] {
            let plan = ServicePlan::from_json(description).expect("description");
            server.register(Service { plan, queue: queue.clone(), tag: 0, initial_credit: 16 }).expect("registered");
        }
        server.start().await.expect("started");
        let answering = tokio::spawn(support::answer(Handlers::default(), queue, notify));
        let address = Address::parse(&server.address().expect("address")).expect("parses");
        let id = iroh::EndpointId::from_bytes(&address.endpoint_id.0).expect("id");
        let direct = address.direct.iter().map(|addr| TransportAddr::Ip(addr.parse().expect("address")));
        let endpoint = Endpoint::builder(presets::Minimal)
            .relay_mode(RelayMode::Disabled)
            .clear_ip_transports()
            .bind_addr("127.0.0.1:0")
            .expect("address")
            .bind()
            .await
            .expect("bound");
        Self { server, answering, endpoint, target: EndpointAddr::from_parts(id, direct) }
    }

    async fn connect(&self, alpn: &[u8]) -> Option<QuicConnection> {
        timeout(WAIT, self.endpoint.connect(self.target.clone(), alpn)).await.expect("an answer at once").ok()
    }

    async fn player(connection: &QuicConnection) -> Player {
        let (send, recv) = connection.open_bi().await.expect("stream");
        Player::Quic(send, recv)
    }

    async fn stop(self) {
        timeout(WAIT, self.server.close()).await.expect("close ends");
        self.answering.abort();
        self.endpoint.close().await;
    }
}

#[tokio::test]
async fn over_quic() {
    let quic = Quic::start().await;
    let connection = quic.connect(wire::ALPN_RPC).await.expect("connected");
    for exchange in exchanges() {
        Quic::player(&connection).await.play(&exchange).await;
    }
    quic.stop().await;
}

#[tokio::test]
async fn wrong_alpns_and_broken_frames_leave_the_server_usable() {
    let quic = Quic::start().await;
    assert!(quic.connect(b"aster/0").await.is_none(), "an unknown protocol is refused");
    let connection = quic.connect(wire::ALPN_RPC).await.expect("connected");
    let mut oversize = Quic::player(&connection).await;
    oversize.send(&[0x01, 0x00, 0x00, 0x01, 0x04], false).await;
    let mut answer = Vec::new();
    loop {
        let more = timeout(WAIT, oversize.read(4096)).await.expect("an answer");
        if more.is_empty() {
            break;
        }
        answer.extend(more);
    }
    assert!(text(&answer).contains("frame size 16777217 exceeds maximum 16777216"), "{:?}", text(&answer));
    for garbage in
        [&b"\xff\xff\xff\xff"[..], b"\x05\x00\x00\x00\x04junk", b"\x02\x00\x00\x00\x14x", b"GET / HTTP/1.1\r\n\r\n"]
    {
        let mut player = Quic::player(&connection).await;
        player.send(garbage, true).await;
        let mut status = timeout(WAIT, player.read(4096)).await.expect("an answer");
        assert_eq!(status.remove(4), aster_core::frame::TRAILER, "a trailer answers {garbage:?}");
    }
    for exchange in exchanges().iter().take(1) {
        Quic::player(&connection).await.play(exchange).await;
    }
    quic.stop().await;
}
