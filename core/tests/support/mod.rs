//! The services of the exchange vectors, hosted over the engine as a binding hosts them.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::HashMap;
use std::sync::Arc;

use aster_core::admission::Gate;
use aster_core::clock::SystemClock;
use aster_core::codec::{Record, Value, ValueSink, ValueSource};
use aster_core::engine::{Event, Queue, ServerCall, ServicePlan};
use aster_core::rpc::{Dispatcher, DispatcherOptions, Service};
use aster_core::status::RpcStatus;
use tokio::sync::Notify;

/// An `echo` of this message is never answered.
pub const SILENT: &str = "silent";

pub const ECHO: &str = r#"{"service":"Echo","version":1,
 "types":{"echo/Request":{"fields":[{"name":"message","type":"string"}]},
          "echo/Reply":{"fields":[{"name":"reply","type":"string"}]}},
 "methods":[{"name":"echo","pattern":"unary","request":"echo/Request","response":"echo/Reply"},
            {"name":"count","pattern":"server_stream","request":"echo/Request","response":"echo/Reply"},
            {"name":"collect","pattern":"client_stream","request":"echo/Request","response":"echo/Reply"}]}"#;

pub const COUNTER: &str = r#"{"service":"Counter","version":1,"scoped":"session",
 "types":{"counter/Bump":{"fields":[]},"counter/Value":{"fields":[{"name":"value","type":"int"}]}},
 "methods":[{"name":"bump","pattern":"unary","request":"counter/Bump","response":"counter/Value"},
            {"name":"collect","pattern":"client_stream","request":"counter/Bump","response":"counter/Value"}]}"#;

/// A dispatcher with both services and the task that answers their calls.
pub struct Host {
    pub dispatcher: Arc<Dispatcher>,
    task: tokio::task::JoinHandle<()>,
}

impl Host {
    pub fn start() -> Self {
        let notify = Arc::new(Notify::new());
        let waker = notify.clone();
        let queue = Queue::new(4096, move || waker.notify_one());
        let service = |text: &str| Service {
            plan: ServicePlan::from_json(text).expect("description"),
            queue: queue.clone(),
            tag: 0,
            initial_credit: 16,
        };
        let options = DispatcherOptions { expose_errors: true, ..DispatcherOptions::default() };
        let services = vec![service(ECHO), service(COUNTER)];
        let dispatcher =
            Dispatcher::new(services, Gate::new(true), Arc::new(SystemClock), options).expect("dispatcher");
        let task = tokio::spawn(answer(Handlers::default(), queue, notify));
        Self { dispatcher, task }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Answers the calls of a queue until it is aborted.
pub async fn answer(mut host: Handlers, queue: Arc<Queue>, notify: Arc<Notify>) {
    let mut events = Vec::new();
    loop {
        while queue.drain(16, &mut events) > 0 {
            for event in events.drain(..) {
                host.handle(event);
            }
        }
        notify.notified().await;
    }
}

/// Handlers with the state of their sessions and streams.
#[derive(Default)]
pub struct Handlers {
    bumps: HashMap<u64, i64>,
    items: HashMap<u64, i64>,
}

impl Handlers {
    fn handle(&mut self, event: Event) {
        match event {
            Event::CallStarted { call, body: Some(body) } => {
                if let Some(request) = call.decode_request(&body, &mut ValueSink) {
                    self.request(&call, &request);
                }
            }
            Event::CallStarted { call, body: None } => {
                self.items.insert(call.ticket(), 0);
            }
            Event::RequestItem { call, body } => {
                let decoded = call.decode_request(&body, &mut ValueSink);
                *self.items.entry(call.ticket()).or_default() += i64::from(decoded.is_some());
                call.grant(1).expect("credit");
            }
            Event::HalfClosed { call } => {
                let items = self.items.remove(&call.ticket()).unwrap_or_default();
                let reply = match call.plan().name() {
                    "Echo" => record("reply", Value::Text("hi".to_owned())),
                    _ => record("value", Value::Int(items)),
                };
                call.reply(&mut ValueSource::new(), &&reply).expect("reply");
                call.release();
            }
            Event::Cancelled { call, .. } => {
                self.items.remove(&call.ticket());
                call.release();
            }
            Event::SessionOpened { session } => {
                assert!(self.bumps.insert(session.id(), 0).is_none(), "a session opens once");
            }
            Event::SessionClosed { session } => {
                session.release();
                assert!(self.bumps.remove(&session.id()).is_some(), "a session closes once");
            }
            _ => {}
        }
    }

    fn request(&mut self, call: &Arc<ServerCall>, request: &Value) {
        let name = call.method().description.name.as_str();
        match (call.plan().name(), name) {
            ("Echo", "echo") => {
                let Value::Record(fields) = request else { panic!("not a record: {request:?}") };
                let message = fields.get("message").expect("message").clone();
                if message == Value::Text(SILENT.to_owned()) {
                    return; // Released when it is cancelled.
                }
                call.reply(&mut ValueSource::new(), &&record("reply", message)).expect("reply");
            }
            ("Echo", "count") => {
                let item = record("reply", Value::Text("hi".to_owned()));
                for _ in 0..2 {
                    call.send(&mut ValueSource::new(), &&item).expect("item");
                }
                call.finish(RpcStatus::ok()).expect("finish");
            }
            ("Counter", "bump") => {
                let session = call.info().session.as_ref().expect("a session call").id();
                let bumps = self.bumps.entry(session).or_default();
                *bumps += 1;
                call.reply(&mut ValueSource::new(), &&record("value", Value::Int(*bumps))).expect("reply");
            }
            other => panic!("no such method: {other:?}"),
        }
        call.release();
    }
}

fn record(name: &str, value: Value) -> Value {
    Value::Record(Record { tag: None, fields: vec![(name.into(), value)] })
}
