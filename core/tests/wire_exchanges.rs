//! Plays the exchanges of `wire.json` to a server over the in-process pipe.

mod support;

use std::future::poll_fn;
use std::time::Duration;

use aster_core::rpc::{BiStream, Connection, pipe};
use bytes::BytesMut;
use serde_json::Value;
use support::Host;
use tokio::time::timeout;

const WAIT: Duration = Duration::from_secs(10);

fn vectors() -> Value {
    let path = std::env::var("ASTER_VECTORS_DIR")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/vectors").to_owned());
    let text = std::fs::read_to_string(format!("{path}/wire.json")).expect("wire.json");
    serde_json::from_str(&text).expect("JSON")
}

struct Player {
    stream: BiStream,
}

impl Player {
    async fn send(&mut self, bytes: &[u8], fin: bool) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let n = poll_fn(|cx| self.stream.send.poll_write(cx, rest)).await.expect("write");
            rest = &rest[n..];
        }
        if fin {
            self.stream.send.finish();
        }
    }

    async fn expect(&mut self, bytes: &[u8], fin: bool, name: &str) {
        let mut got = BytesMut::new();
        while got.len() < bytes.len() || (fin && got.len() == bytes.len()) {
            let room = (bytes.len() - got.len()).max(1);
            let read = poll_fn(|cx| self.stream.recv.poll_read(cx, room, &mut got));
            let n = timeout(WAIT, read).await.unwrap_or_else(|_| panic!("{name}: got only {got:?}")).expect("read");
            if n == 0 {
                assert!(fin, "{name}: unexpected end after {got:?}");
                break;
            }
        }
        assert_eq!(text(&got), text(bytes), "{name}");
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

async fn play(connection: &dyn Connection, exchange: &Value) {
    let name = exchange["name"].as_str().expect("name");
    let mut player = Player { stream: connection.open_bi().await.expect("stream") };
    for step in exchange["steps"].as_array().expect("steps") {
        let bytes = hex::decode(step["hex"].as_str().expect("hex")).expect("hex");
        let fin = step["fin"].as_bool().expect("fin");
        match step["from"].as_str() {
            Some("client") => player.send(&bytes, fin).await,
            Some("server") => player.expect(&bytes, fin, name).await,
            other => panic!("{name}: unknown side {other:?}"),
        }
    }
}

#[tokio::test]
async fn exchanges() {
    let vectors = vectors();
    let exchanges = vectors["exchanges"].as_array().expect("exchanges");
    assert!(exchanges.len() >= 23, "the vectors have shrunk");
    let host = Host::start();
    let (client, server) = pipe::pair(None, None);
    let serving = tokio::spawn(host.dispatcher.clone().serve(server));
    for exchange in exchanges {
        play(client.as_ref(), exchange).await;
    }
    host.dispatcher.drain(WAIT).await;
    client.close(0, "done");
    timeout(WAIT, serving).await.expect("serving ends with its connection").expect("no panic");
}
