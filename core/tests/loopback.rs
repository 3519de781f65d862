//! Real nodes on loopback: admission, calls, and what goes wrong with either.

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aster_core::codec::{Record, Value, ValueSink, ValueSource};
use aster_core::config::{Config, Sources};
use aster_core::engine::{CallOptions, Event, Queue, ServicePlan, Timeout};
use aster_core::error::{Error, ErrorKind, Result};
use aster_core::node::{Client, ClientOptions, Server, ServerOptions};
use aster_core::rpc::BoundService;
use aster_core::status::StatusCode;
use support::{ECHO, Handlers};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

const WAIT: Duration = Duration::from_secs(20);

fn config(pairs: &[(&str, &str)]) -> Config {
    let mut env: BTreeMap<String, String> = BTreeMap::new();
    env.insert("ASTER_RELAY_MODE".to_owned(), "disabled".to_owned());
    env.insert("ASTER_BIND_ADDR".to_owned(), "127.0.0.1:0".to_owned());
    env.extend(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    Config::resolve(Sources { env, ..Sources::default() }).expect("configuration")
}

fn queue() -> (Arc<Queue>, Arc<Notify>) {
    let notify = Arc::new(Notify::new());
    let waker = notify.clone();
    (Queue::new(4096, move || waker.notify_one()), notify)
}

/// A running server whose handlers are those of the exchange vectors.
struct Running {
    server: Server,
    answering: JoinHandle<()>,
}

impl Running {
    async fn start(config: &Config) -> Self {
        let server = Server::new(config, ServerOptions::default()).expect("server");
        let (queue, notify) = queue();
        let plan = ServicePlan::from_json(ECHO).expect("description");
        let service = aster_core::rpc::Service { plan, queue: queue.clone(), tag: 7, initial_credit: 16 };
        server.register(service).expect("registered");
        server.start().await.expect("started");
        let answering = tokio::spawn(support::answer(Handlers::default(), queue, notify));
        Self { server, answering }
    }

    async fn stop(self) {
        timeout(WAIT, self.server.close()).await.expect("close ends");
        self.answering.abort();
    }
}

async fn connect(address: &str, within: Duration) -> Result<Client> {
    let options =
        ClientOptions { address: Some(address.to_owned()), connect_timeout: within, ..ClientOptions::default() };
    timeout(WAIT, Client::connect(Handle::current(), &config(&[]), options)).await.expect("connect ends")
}

fn text(name: &str, value: &str) -> Value {
    Value::Record(Record { tag: None, fields: vec![(name.into(), Value::Text(value.to_owned()))] })
}

/// A client of one service, and the queue of its calls.
struct Caller {
    service: BoundService,
    queue: Arc<Queue>,
    notify: Arc<Notify>,
}

impl Caller {
    fn new(client: &Client, description: &str) -> Result<Self> {
        let (queue, notify) = queue();
        let service = client.bind(&ServicePlan::from_json(description).expect("description"), None)?;
        Ok(Self { service, queue, notify })
    }

    async fn event(&self) -> Event {
        let mut events = Vec::new();
        timeout(WAIT, async {
            while self.queue.drain(1, &mut events) == 0 {
                self.notify.notified().await;
            }
        })
        .await
        .expect("an event comes");
        events.remove(0)
    }

    async fn call(&self, options: &CallOptions, request: &Value) -> Result<Value> {
        let call = self.service.start(0, options, &self.queue, &mut ValueSource::new(), &request)?;
        match self.event().await {
            Event::Response { ticket, body } => {
                assert_eq!(ticket, call.ticket());
                call.decode_response(&body, &mut ValueSink)
            }
            Event::Finished { ticket, status, .. } => {
                assert_eq!(ticket, call.ticket());
                Err(Error::rpc(status))
            }
            _ => panic!("not an event of a client"),
        }
    }
}

fn reply_of(value: Value) -> String {
    match value {
        Value::Record(record) => match record.get("reply") {
            Some(Value::Text(text)) => text.clone(),
            other => panic!("no reply: {other:?}"),
        },
        other => panic!("not a record: {other:?}"),
    }
}

#[tokio::test]
async fn a_call_over_quic_in_every_address_form() {
    let running = Running::start(&config(&[])).await;
    let server = &running.server;
    assert!(server.is_open());
    assert!(server.address().expect("address").starts_with("aster1"));
    for address in [server.address().expect("ticket"), server.addr_b64().expect("base64")] {
        let client = connect(&address, WAIT).await.expect("connected");
        let info = client.info();
        assert_eq!(info.server_id, server.endpoint_id().expect("id"));
        assert_eq!(info.answer.root_pubkey, hex::encode(server.root_pubkey()));
        assert_eq!(info.answer.services, server.services().expect("services"));
        assert_eq!(info.answer.services[0].serialization_modes, ["fory1", "json"]);
        let caller = Caller::new(&client, ECHO).expect("bound");
        let reply = caller.call(&CallOptions::default(), &text("message", "hé")).await.expect("reply");
        assert_eq!(reply_of(reply), "hé");
        let json = CallOptions { mode: Some(aster_core::wire::Mode::Json), ..CallOptions::default() };
        let reply = caller.call(&json, &text("message", "json")).await.expect("reply");
        assert_eq!(reply_of(reply), "json");
        client.close().await;
    }
    running.stop().await;
}

#[tokio::test]
async fn wrong_addresses_are_refused_and_dead_ones_time_out() {
    for (address, kind) in [
        ("not an address", ErrorKind::Address),
        ("aster10", ErrorKind::Address),
        (&format!("02{}", "00".repeat(31)), ErrorKind::Address),
    ] {
        assert_eq!(connect(address, WAIT).await.err().expect("refused").kind(), kind, "{address}");
    }
    let running = Running::start(&config(&[])).await;
    let (ticket, id) = (running.server.address().expect("ticket"), running.server.endpoint_id().expect("id"));
    running.stop().await;
    let dead = connect(&ticket, Duration::from_millis(300)).await.err().expect("unreachable");
    assert_eq!(dead.kind(), ErrorKind::Connect, "{dead}");
    assert!(dead.detail("our_endpoint_id").is_some());
    let bare = connect(&id, WAIT).await.err().expect("no discovery");
    assert_eq!(bare.kind(), ErrorKind::Connect, "{bare}");
}

#[tokio::test]
async fn unknown_services_methods_and_bodies_leave_the_connection_usable() {
    let running = Running::start(&config(&[])).await;
    let client = connect(&running.server.address().expect("ticket"), WAIT).await.expect("connected");
    let other = ECHO.replace("\"version\":1", "\"version\":3");
    let refused = Caller::new(&client, &other).err().expect("not offered");
    assert_eq!(refused.kind(), ErrorKind::NotFound);
    assert_eq!(refused.message(), "service 'Echo' v3 not offered by producer (got: [('Echo', 1)])");

    let renamed = Caller::new(&client, &ECHO.replace("\"name\":\"echo\"", "\"name\":\"nope\"")).expect("bound");
    let unknown = renamed.call(&CallOptions::default(), &text("message", "x")).await.expect_err("unknown method");
    assert_eq!(unknown.status(), Some(StatusCode::UNIMPLEMENTED));
    assert_eq!(unknown.message(), "Method 'Echo.nope' not implemented");

    let foreign = ECHO.replace("{\"name\":\"message\",", "{\"name\":\"other\",");
    let off_contract = Caller::new(&client, &foreign).expect("bound");
    let violation = off_contract.call(&CallOptions::default(), &text("other", "x")).await.expect_err("violation");
    assert_eq!(violation.status(), Some(StatusCode::CONTRACT_VIOLATION), "{violation}");
    assert_eq!(violation.detail("unexpected_fields"), Some("'other'"));

    let caller = Caller::new(&client, ECHO).expect("bound");
    let local = caller.call(&CallOptions::default(), &text("massage", "x")).await.expect_err("refused here");
    assert_eq!(local.kind(), ErrorKind::Codec);
    let call = caller.service.start_raw(0, &CallOptions::default(), &caller.queue, &[0x55; 3]).expect("sent");
    match caller.event().await {
        Event::Finished { ticket, status, .. } => {
            assert_eq!(ticket, call.ticket());
            assert_eq!(status.code, StatusCode::INVALID_ARGUMENT, "{}", status.message);
        }
        _ => panic!("an undecodable body is refused"),
    }
    let huge = "x".repeat(17 * 1024 * 1024);
    let json = CallOptions { mode: Some(aster_core::wire::Mode::Json), ..CallOptions::default() };
    let oversize = caller.call(&json, &text("message", &huge)).await.expect_err("too large");
    assert_eq!(oversize.status(), Some(StatusCode::RESOURCE_EXHAUSTED), "{oversize}");

    let reply = caller.call(&CallOptions::default(), &text("message", "still here")).await.expect("reply");
    assert_eq!(reply_of(reply), "still here");
    client.close().await;
    running.stop().await;
}

#[tokio::test]
async fn deadlines_cancellation_and_reserved_metadata() {
    let running = Running::start(&config(&[])).await;
    let client = connect(&running.server.address().expect("ticket"), WAIT).await.expect("connected");
    let caller = Caller::new(&client, ECHO).expect("bound");
    let late = CallOptions { timeout: Timeout::Millis(50), ..CallOptions::default() };
    // The host of the tests never answers this message; it releases the call when it is cancelled.
    let error = caller.call(&late, &text("message", support::SILENT)).await.expect_err("late");
    assert_eq!((error.status(), error.message()), (Some(StatusCode::DEADLINE_EXCEEDED), "deadline exceeded"));
    let past = CallOptions { timeout: Timeout::Millis(0), ..CallOptions::default() };
    let error = caller.call(&past, &text("message", "x")).await.expect_err("past");
    assert_eq!(error.status(), Some(StatusCode::DEADLINE_EXCEEDED));
    let reserved = CallOptions { metadata: vec![("aster-x".into(), "1".into())], ..CallOptions::default() };
    let error = caller.call(&reserved, &text("message", "x")).await.expect_err("reserved");
    assert_eq!(error.status(), Some(StatusCode::INVALID_ARGUMENT));

    let silent = text("message", support::SILENT);
    let call = caller
        .service
        .start(0, &CallOptions::default(), &caller.queue, &mut ValueSource::new(), &&silent)
        .expect("sent");
    call.cancel();
    call.cancel();
    match caller.event().await {
        Event::Finished { ticket, status, .. } => {
            assert_eq!((ticket, status.code), (call.ticket(), StatusCode::CANCELLED));
        }
        _ => panic!("a cancelled call ends with CANCELLED"),
    }
    let within = CallOptions { timeout: Timeout::Millis(20_000), ..CallOptions::default() };
    assert_eq!(reply_of(caller.call(&within, &text("message", "on time")).await.expect("reply")), "on time");
    client.close().await;
    running.stop().await;
}

#[tokio::test]
async fn losing_the_server_ends_running_calls() {
    let running = Running::start(&config(&[])).await;
    let client = connect(&running.server.address().expect("ticket"), WAIT).await.expect("connected");
    let caller = Caller::new(&client, ECHO).expect("bound");
    let silent = text("message", support::SILENT);
    caller.service.start(0, &CallOptions::default(), &caller.queue, &mut ValueSource::new(), &&silent).expect("sent");
    assert_eq!(reply_of(caller.call_past(&text("message", "x")).await), "x");
    running.stop().await;
    match caller.event().await {
        Event::Finished { status, connection_lost, .. } => {
            assert_eq!((status.code, connection_lost), (StatusCode::UNAVAILABLE, false), "{}", status.message);
        }
        _ => panic!("the running call ends"),
    }
    client.close().await;
    let closed = caller.call(&CallOptions::default(), &text("message", "x")).await.expect_err("closed");
    assert_eq!(closed.kind(), ErrorKind::Closed);
}

impl Caller {
    /// A call while another one is pending: its answer is the next event.
    async fn call_past(&self, request: &Value) -> Value {
        self.call(&CallOptions::default(), request).await.expect("reply")
    }
}

#[tokio::test]
async fn a_closed_gate_denies_and_closes_calls() {
    let key = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8";
    let running = Running::start(&config(&[("ASTER_ROOT_PUBKEY", key)])).await;
    assert!(!running.server.is_open());
    let denied = connect(&running.server.address().expect("ticket"), WAIT).await.err().expect("denied");
    assert_eq!(denied.kind(), ErrorKind::AdmissionDenied, "{denied}");
    running.stop().await;
}

#[tokio::test]
async fn a_server_on_every_interface_is_dialable_at_once() {
    let running = Running::start(&config(&[("ASTER_BIND_ADDR", "")])).await;
    let address = running.server.address().expect("address");
    assert!(!aster_core::addr::Address::parse(&address).expect("parses").direct.is_empty());
    let client = connect(&address, WAIT).await.expect("connected");
    client.close().await;
    running.stop().await;
}

#[tokio::test]
async fn an_unreachable_relay_delays_nothing() {
    let running = Running::start(&config(&[("ASTER_RELAY_MODE", "https://relay.invalid/")])).await;
    let client = connect(&running.server.address().expect("address"), WAIT).await.expect("connected");
    let caller = Caller::new(&client, ECHO).expect("bound");
    let reply = caller.call(&CallOptions::default(), &text("message", "offline")).await.expect("reply");
    assert_eq!(reply_of(reply), "offline");
    client.close().await;
    running.stop().await;
}

#[tokio::test]
async fn a_server_without_services_does_not_start() {
    let server = Server::new(&config(&[]), ServerOptions::default()).expect("server");
    assert_eq!(server.address().expect_err("not started").kind(), ErrorKind::State);
    assert_eq!(server.start().await.expect_err("no service").kind(), ErrorKind::InvalidArgument);
    server.close().await;
}

#[tokio::test]
async fn a_thousand_calls_at_once() {
    let running = Running::start(&config(&[])).await;
    let client = connect(&running.server.address().expect("ticket"), WAIT).await.expect("connected");
    let caller = Caller::new(&client, ECHO).expect("bound");
    let request = text("message", "many");
    let mut open = std::collections::HashSet::new();
    for _ in 0..1000 {
        let call = caller
            .service
            .start(0, &CallOptions::default(), &caller.queue, &mut ValueSource::new(), &&request)
            .expect("sent");
        open.insert(call.ticket());
    }
    while !open.is_empty() {
        match caller.event().await {
            Event::Response { ticket, .. } => assert!(open.remove(&ticket), "one terminal event per call"),
            Event::Finished { status, .. } => panic!("{status:?}"),
            _ => panic!("not an event of a client"),
        }
    }
    client.close().await;
    running.stop().await;
}
