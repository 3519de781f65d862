//! The server: handlers as one state machine, fed by the completion queue.

use std::collections::VecDeque;
use std::sync::Arc;

use aster_core::codec::{Value, ValueSink, ValueSource};
use aster_core::engine::{Event, ServerCall};
use aster_core::error::ErrorKind;
use aster_core::ids::TicketMap;
use aster_core::node::{Server, ServerOptions};
use aster_core::rpc::Service;
use aster_core::status::RpcStatus;
use tokio::io::AsyncReadExt;

use super::{CHAT, COLLECT, COUNT, GRANT, WINDOW, as_number, config, number, plans, pumped, text};
use crate::load::Fault;

/// Serves until stdin closes.
pub async fn serve() -> Result<(), Fault> {
    let server = Server::new(&config()?, ServerOptions::default())?;
    let mut handlers = Handlers { message: text(), streams: TicketMap::default() };
    let (queue, pump) = pumped(move |event| handlers.handle(event));
    for plan in plans()? {
        server.register(Service { plan, queue: queue.clone(), tag: 0, initial_credit: WINDOW })?;
    }
    server.start().await?;
    println!("{}", serde_json::json!({"address": server.address()?}));
    let answering = tokio::spawn(pump);
    let mut rest = Vec::new();
    tokio::io::stdin().read_to_end(&mut rest).await?;
    answering.abort();
    server.close().await;
    Ok(())
}

/// What is known of a streaming call.
#[derive(Default)]
struct Stream {
    /// Requests that were read and not granted again.
    taken: u32,
    /// All requests that were read.
    total: usize,
    /// Responses that wait for room, after `repeats` more of the one message.
    waiting: VecDeque<Value>,
    repeats: usize,
    /// No response follows those that wait.
    ending: bool,
}

struct Handlers {
    message: Value,
    streams: TicketMap<Stream>,
}

impl Handlers {
    fn handle(&mut self, event: Event) {
        match event {
            Event::CallStarted { call, body } => {
                let request = body.and_then(|body| call.decode_request(&body, &mut ValueSink));
                self.start(&call, request);
            }
            Event::RequestItem { call, body } => {
                let Some(item) = call.decode_request(&body, &mut ValueSink) else { return };
                let stream = self.streams.entry(call.ticket()).or_default();
                stream.total += 1;
                stream.taken += 1;
                if call.method_index() == CHAT {
                    stream.waiting.push_back(item);
                    self.flow(&call);
                } else {
                    stream.grant(&call);
                }
            }
            Event::HalfClosed { call } => {
                let stream = self.streams.entry(call.ticket()).or_default();
                if call.method_index() == COLLECT {
                    let _ = call.reply(&mut ValueSource::new(), &&number(stream.total));
                    self.streams.remove(&call.ticket());
                    call.release();
                } else {
                    stream.ending = true;
                    self.flow(&call);
                }
            }
            Event::Writable { call } => self.flow(&call),
            Event::Cancelled { call, .. } => {
                self.streams.remove(&call.ticket());
                call.release();
            }
            Event::SessionClosed { session } => session.release(),
            _ => {}
        }
    }

    fn start(&mut self, call: &Arc<ServerCall>, request: Option<Value>) {
        let Some(request) = request else { return };
        if call.method_index() == COUNT {
            let repeats = as_number(&request).unwrap_or_default();
            self.streams.insert(call.ticket(), Stream { repeats, ending: true, ..Stream::default() });
            return self.flow(call);
        }
        let _ = call.reply(&mut ValueSource::new(), &&request);
        call.release();
    }

    /// Sends what waits, as far as there is room, and ends the call after the last one.
    fn flow(&mut self, call: &Arc<ServerCall>) {
        let Some(stream) = self.streams.get_mut(&call.ticket()) else { return };
        let sent = stream.send(call, &self.message);
        if sent && !stream.ending {
            return stream.grant(call);
        }
        if sent {
            let _ = call.finish(RpcStatus::ok());
            self.streams.remove(&call.ticket());
            call.release();
        }
    }
}

impl Stream {
    /// Returns whether nothing waits any more.
    fn send(&mut self, call: &Arc<ServerCall>, message: &Value) -> bool {
        let full = |value: &Value| {
            let sent = call.send(&mut ValueSource::new(), &value);
            sent.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
        };
        while let Some(value) = self.waiting.front() {
            if full(value) {
                return false;
            }
            self.waiting.pop_front();
        }
        while self.repeats > 0 {
            if full(message) {
                return false;
            }
            self.repeats -= 1;
        }
        true
    }

    fn grant(&mut self, call: &Arc<ServerCall>) {
        if self.taken >= GRANT {
            let _ = call.grant(std::mem::take(&mut self.taken));
        }
    }
}
