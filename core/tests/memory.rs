//! Large frames of one connection share a budget: a peer cannot fill memory with frames it never completes.

mod support;

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use aster_core::frame;
use aster_core::limits;
use aster_core::rpc::{BiStream, Connection, pipe};
use aster_core::wire::{Form, StreamHeader};
use bytes::BytesMut;
use support::Host;
use tokio::time::timeout;

const WAIT: Duration = Duration::from_secs(60);
const STREAMS: usize = 12;
const BODY: usize = 8 * 1024 * 1024;

/// A call whose request is large and, in the end, no body of any encoding.
struct Upload {
    stream: BiStream,
    bytes: Vec<u8>,
    sent: usize,
}

impl Upload {
    async fn open(connection: &dyn Connection) -> Self {
        let header =
            StreamHeader { service: "Echo".into(), method: "echo".into(), version: 1, ..StreamHeader::default() };
        let mut payload = Vec::new();
        header.encode(Form::Binary, &mut payload);
        let mut bytes = Vec::new();
        frame::encode(frame::HEADER, &payload, &mut bytes).expect("header");
        frame::encode(0, &vec![0x55; BODY], &mut bytes).expect("body");
        Self { stream: connection.open_bi().await.expect("stream"), bytes, sent: 0 }
    }

    /// Sends what is taken at once, up to `end`; tells whether anything was.
    async fn push(&mut self, end: usize) -> bool {
        let before = self.sent;
        poll_fn(|cx| {
            while self.sent < end {
                match self.stream.send.poll_write(cx, &self.bytes[self.sent..end]) {
                    Poll::Ready(written) => self.sent += written.expect("write"),
                    Poll::Pending => break,
                }
            }
            Poll::Ready(())
        })
        .await;
        self.sent > before
    }

    /// Sends the rest and returns the answer.
    async fn finish(mut self) -> BytesMut {
        while self.sent < self.bytes.len() {
            let rest = &self.bytes[self.sent..];
            self.sent += poll_fn(|cx| self.stream.send.poll_write(cx, rest)).await.expect("write");
        }
        self.stream.send.finish();
        let mut answer = BytesMut::new();
        while poll_fn(|cx| self.stream.recv.poll_read(cx, 4096, &mut answer)).await.expect("read") > 0 {}
        answer
    }
}

#[tokio::test]
async fn incomplete_frames_of_a_connection_stay_below_the_budget() {
    let host = Host::start();
    let (client, server) = pipe::pair(None, None);
    let serving = tokio::spawn(host.dispatcher.clone().serve(server));
    let mut uploads = Vec::new();
    for _ in 0..STREAMS {
        uploads.push(Upload::open(client.as_ref()).await);
    }
    // Everything but the last byte of each frame, as far as the server takes it.
    let mut idle = 0;
    while idle < 100 {
        let mut moved = false;
        for upload in &mut uploads {
            let end = upload.bytes.len() - 1;
            moved |= upload.push(end).await;
        }
        idle = if moved { 0 } else { idle + 1 };
        tokio::task::yield_now().await;
    }
    let taken: usize = uploads.iter().map(|upload| upload.sent).sum();
    let windows = STREAMS * (limits::WINDOW_BYTES + 128 * 1024);
    assert!(taken <= limits::MAX_CONNECTION_BUFFER + windows, "{taken} bytes were taken");
    assert!(taken > limits::MAX_CONNECTION_BUFFER / 2, "the budget can be used: {taken}");

    // Nothing is stuck: all of them complete and are answered, whoever goes first.
    let finishing: Vec<_> = uploads.into_iter().rev().map(|upload| tokio::spawn(upload.finish())).collect();
    for upload in finishing {
        let answer = timeout(WAIT, upload).await.expect("an answer").expect("no panic");
        assert!(String::from_utf8_lossy(&answer).contains("cannot decode request"), "{answer:?}");
    }
    client.close(0, "done");
    timeout(WAIT, serving).await.expect("serving ends with its connection").expect("no panic");
}
