//! Calls through the engine: a server and a client whose host is a task of the same runtime.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use aster_core::codec::{Record, Value, ValueSink, ValueSource};
use aster_core::config::Config;
use aster_core::engine::{CallOptions, ClientCall, Event, Queue, ServicePlan};
use aster_core::ids::TicketMap;
use aster_core::limits;
use aster_core::node::{Client, ClientOptions, Server, ServerOptions};
use aster_core::rpc::{BoundService, Service};
use tokio::io::AsyncReadExt;
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};

use crate::Outcome;
use crate::load::{Call, run};

const ECHO: &str = r#"{"service":"Bench","version":1,
 "types":{"bench/Text":{"fields":[{"name":"body","type":"string"}]}},
 "methods":[{"name":"echo","pattern":"unary","request":"bench/Text","response":"bench/Text"}]}"#;

fn config() -> Result<Config, Box<dyn std::error::Error>> {
    let env = [("ASTER_RELAY_MODE", "disabled"), ("ASTER_BIND_ADDR", "127.0.0.1:0")];
    let env: BTreeMap<String, String> = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Ok(Config::resolve(aster_core::config::Sources { env, ..Default::default() })?)
}

fn queue() -> (Arc<Queue>, Arc<Notify>) {
    let notify = Arc::new(Notify::new());
    let waker = notify.clone();
    (Queue::new(limits::QUEUE_CAPACITY, move || waker.notify_one()), notify)
}

/// Echoes every call.
pub async fn serve() -> Outcome {
    let server = Server::new(&config()?, ServerOptions::default())?;
    let (queue, notify) = queue();
    let plan = ServicePlan::from_json(ECHO)?;
    server.register(Service { plan, queue: queue.clone(), tag: 0, initial_credit: limits::INITIAL_CREDIT })?;
    server.start().await?;
    println!("{}", serde_json::json!({"address": server.address()?}));
    let answering = tokio::spawn(async move {
        let mut events = Vec::with_capacity(limits::DRAIN_BATCH);
        loop {
            notify.notified().await;
            while queue.drain(limits::DRAIN_BATCH, &mut events) > 0 {
                for event in events.drain(..) {
                    answer(event);
                }
            }
        }
    });
    let mut rest = Vec::new();
    tokio::io::stdin().read_to_end(&mut rest).await?;
    answering.abort();
    server.close().await;
    Ok(())
}

fn answer(event: Event) {
    if let Event::CallStarted { call, body: Some(body) } = event
        && let Some(request) = call.decode_request(&body, &mut ValueSink)
    {
        let _ = call.reply(&mut ValueSource::new(), &&request);
        call.release();
    }
}

type Waiting = Rc<RefCell<TicketMap<(Arc<ClientCall>, oneshot::Sender<Result<Value, String>>)>>>;

#[derive(Clone)]
struct EngineClient {
    service: BoundService,
    queue: Arc<Queue>,
    waiting: Waiting,
    request: Rc<Value>,
}

impl Call for EngineClient {
    async fn call(&self) -> Outcome {
        let options = CallOptions::default();
        let call = self.service.start(0, &options, &self.queue, &mut ValueSource::new(), &&*self.request)?;
        let (done, result) = oneshot::channel();
        self.waiting.borrow_mut().insert(call.ticket(), (call, done));
        if result.await?? == *self.request { Ok(()) } else { Err("wrong answer".into()) }
    }
}

/// Makes calls on command.
pub async fn load(address: &str) -> Outcome {
    let options = ClientOptions { address: Some(address.to_owned()), ..ClientOptions::default() };
    let client = Client::connect(Handle::current(), &config()?, options).await?;
    let plan = ServicePlan::from_json(ECHO)?;
    let (queue, notify) = queue();
    let request = Value::Record(Record {
        tag: Some("bench/Text".into()),
        fields: vec![("body".into(), Value::Text("0123456789abcdef".to_owned()))],
    });
    let waiting = Waiting::default();
    let bench = EngineClient {
        service: client.bind(&plan, None)?,
        queue: queue.clone(),
        waiting: waiting.clone(),
        request: Rc::new(request),
    };
    let local = tokio::task::LocalSet::new();
    local.spawn_local(async move {
        let mut events = Vec::with_capacity(limits::DRAIN_BATCH);
        loop {
            notify.notified().await;
            while queue.drain(limits::DRAIN_BATCH, &mut events) > 0 {
                for event in events.drain(..) {
                    complete(&waiting, event);
                }
            }
        }
    });
    local.run_until(run(bench)).await?;
    client.close().await;
    Ok(())
}

fn complete(waiting: &Waiting, event: Event) {
    let (ticket, result) = match event {
        Event::Response { ticket, body } => (ticket, Ok(body)),
        Event::Finished { ticket, status, .. } => (ticket, Err(status.message)),
        _ => return,
    };
    let Some((call, done)) = waiting.borrow_mut().remove(&ticket) else { return };
    let value = result.and_then(|body| call.decode_response(&body, &mut ValueSink).map_err(|error| error.to_string()));
    let _ = done.send(value);
}
