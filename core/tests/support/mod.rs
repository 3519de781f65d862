//! The services of the exchange vectors, hosted over the engine as a binding hosts them.

use std::collections::HashMap;
use std::sync::Arc;

use aster_core::admission::Gate;
use aster_core::clock::SystemClock;
use aster_core::engine::{Event, Queue, ServerCall, ServicePlan};
use aster_core::rpc::{Dispatcher, DispatcherOptions, Service};
use tokio::sync::Notify;

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
        let task = tokio::spawn(answer(queue, notify));
        Self { dispatcher, task }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(queue: Arc<Queue>, notify: Arc<Notify>) {
    let mut host = Handlers::default();
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

#[derive(Default)]
struct Handlers {
    bumps: HashMap<u64, u64>,
    items: HashMap<u64, u64>,
}

impl Handlers {
    fn handle(&mut self, event: Event) {
        match event {
            Event::CallStarted { call, body: Some(body) } => {
                if let Some((_, request)) = call.raw_request(&body) {
                    self.request(&call, &request);
                    call.release();
                }
            }
            Event::CallStarted { call, body: None } => {
                self.items.insert(call.ticket(), 0);
            }
            Event::RequestItem { call, body } => {
                if call.raw_request(&body).is_some() {
                    *self.items.entry(call.ticket()).or_default() += 1;
                    call.grant(1).expect("credit");
                }
            }
            Event::HalfClosed { call } => {
                let items = self.items.remove(&call.ticket()).unwrap_or_default();
                let reply = match call.plan().name() {
                    "Echo" => r#"{"reply":"hi"}"#.to_owned(),
                    _ => format!(r#"{{"value":{items}}}"#),
                };
                call.reply_raw(reply.as_bytes()).expect("reply");
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
                assert!(self.bumps.remove(&session.id()).is_some(), "a session closes once");
            }
            _ => {}
        }
    }

    fn request(&mut self, call: &Arc<ServerCall>, request: &[u8]) {
        let name = call.method().description.name.as_str();
        match (call.plan().name(), name) {
            ("Echo", "echo") => {
                let request: serde_json::Value = serde_json::from_slice(request).expect("JSON request");
                call.reply_raw(format!(r#"{{"reply":{}}}"#, request["message"]).as_bytes()).expect("reply");
            }
            ("Echo", "count") => {
                for _ in 0..2 {
                    call.send_raw(br#"{"reply":"hi"}"#).expect("item");
                }
                call.finish(aster_core::status::RpcStatus::ok()).expect("finish");
            }
            ("Counter", "bump") => {
                let session = call.info().session.as_ref().expect("a session call").id();
                let bumps = self.bumps.entry(session).or_default();
                *bumps += 1;
                call.reply_raw(format!(r#"{{"value":{bumps}}}"#).as_bytes()).expect("reply");
            }
            other => panic!("no such method: {other:?}"),
        }
    }
}
