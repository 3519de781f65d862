//! Calls through the engine: a server and a client whose host is a task of the same runtime.

mod client;
mod server;

use std::collections::BTreeMap;
use std::sync::Arc;

use aster_core::codec::{Record, Value};
use aster_core::config::{Config, Sources};
use aster_core::engine::{Event, Queue, ServicePlan};
use aster_core::limits;
use tokio::sync::Notify;

pub use client::load;
pub use server::serve;

use crate::load::Fault;

/// Items that may be on their way, and how many are taken before more are asked for.
const WINDOW: u32 = 64;
const GRANT: u32 = 16;

const ECHO: usize = 0;
const BLOB: usize = 1;
const COUNT: usize = 2;
const COLLECT: usize = 3;
const CHAT: usize = 4;

const SHARED: &str = r#"{"service":"Bench","version":1,
 "types":{"bench/Text":{"fields":[{"name":"body","type":"string"}]},
          "bench/Blob":{"fields":[{"name":"data","type":"bytes"}]},
          "bench/Count":{"fields":[{"name":"number","type":"int"}]}},
 "methods":[{"name":"echo","pattern":"unary","request":"bench/Text","response":"bench/Text"},
            {"name":"blob","pattern":"unary","request":"bench/Blob","response":"bench/Blob"},
            {"name":"count","pattern":"server_stream","request":"bench/Count","response":"bench/Text"},
            {"name":"collect","pattern":"client_stream","request":"bench/Text","response":"bench/Count"},
            {"name":"chat","pattern":"bidi_stream","request":"bench/Text","response":"bench/Text"}]}"#;

const SESSION: &str = r#"{"service":"BenchSession","version":1,"scoped":"session",
 "types":{"bench/Text":{"fields":[{"name":"body","type":"string"}]}},
 "methods":[{"name":"echo","pattern":"unary","request":"bench/Text","response":"bench/Text"}]}"#;

pub fn plans() -> Result<[Arc<ServicePlan>; 2], Fault> {
    Ok([ServicePlan::from_json(SHARED)?, ServicePlan::from_json(SESSION)?])
}

fn config() -> Result<Config, Fault> {
    let env = [("ASTER_RELAY_MODE", "disabled"), ("ASTER_BIND_ADDR", "127.0.0.1:0")];
    let env: BTreeMap<String, String> = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Ok(Config::resolve(Sources { env, ..Default::default() })?)
}

fn record(tag: &str, field: &str, value: Value) -> Value {
    Value::Record(Record { tag: Some(tag.into()), fields: vec![(field.into(), value)] })
}

fn text() -> Value {
    record("bench/Text", "body", Value::Text("0123456789abcdef".to_owned()))
}

fn number(value: usize) -> Value {
    record("bench/Count", "number", Value::Int(i64::try_from(value).unwrap_or(i64::MAX)))
}

fn as_number(value: &Value) -> Option<usize> {
    let Value::Record(record) = value else { return None };
    match record.get("number") {
        Some(Value::Int(number)) => usize::try_from(*number).ok(),
        _ => None,
    }
}

/// A completion queue, and a loop that hands its events to `handle`.
fn pumped(mut handle: impl FnMut(Event)) -> (Arc<Queue>, impl Future<Output = ()>) {
    let notify = Arc::new(Notify::new());
    let waker = notify.clone();
    let queue = Queue::new(limits::QUEUE_CAPACITY, move || waker.notify_one());
    let drained = queue.clone();
    let pump = async move {
        let mut events = Vec::with_capacity(limits::DRAIN_BATCH);
        loop {
            notify.notified().await;
            while drained.drain(limits::DRAIN_BATCH, &mut events) > 0 {
                events.drain(..).for_each(&mut handle);
            }
        }
    };
    (queue, pump)
}
