//! Streams and sessions through the engine of both sides: one list of scenarios, in process and over QUIC.

mod support;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use aster_core::admission::Gate;
use aster_core::clock::SystemClock;
use aster_core::codec::{Record, Value, ValueSink, ValueSource};
use aster_core::config::{Config, Sources};
use aster_core::engine::{CallOptions, ClientCall, Event, Queue, ServerCall, ServicePlan, Timeout};
use aster_core::error::ErrorKind;
use aster_core::node::{Client, ClientOptions, Server, ServerOptions};
use aster_core::rpc::{BoundService, Dispatcher, DispatcherOptions, Service, local_caller};
use aster_core::status::{RpcStatus, StatusCode};
use aster_core::wire::{self, Choice};
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;

const WAIT: Duration = Duration::from_secs(20);
const UNARY: usize = 0;
const COUNT: usize = 1;
const TOTAL: usize = 2;
const NEGATE: usize = 3;

fn description(name: &str, scoped: &str) -> String {
    let method = |name: &str, pattern: &str| {
        format!(r#"{{"name":"{name}","pattern":"{pattern}","request":"n/Num","response":"n/Num"}}"#)
    };
    let methods = [
        method("double", "unary"),
        method("count", "server_stream"),
        method("total", "client_stream"),
        method("negate", "bidi_stream"),
    ];
    format!(
        r#"{{"service":"{name}","version":1,"scoped":"{scoped}",
            "types":{{"n/Num":{{"fields":[{{"name":"value","type":"int"}}]}}}},"methods":[{}]}}"#,
        methods.join(",")
    )
}

fn num(value: i64) -> Value {
    Value::Record(Record { tag: None, fields: vec![("value".into(), Value::Int(value))] })
}

fn read(value: &Value) -> i64 {
    let Value::Record(record) = value else { panic!("no record: {value:?}") };
    match record.get("value") {
        Some(Value::Int(value)) => *value,
        other => panic!("no number: {other:?}"),
    }
}

/// What handlers tell the test.
#[derive(Debug, PartialEq, Eq)]
enum Note {
    Opened(u64),
    Closed(u64),
    Started(&'static str),
    Cancelled(StatusCode),
}

/// Handlers of the services: negative numbers mean "do not answer".
struct Handlers {
    sums: HashMap<u64, i64>,
    /// Server streams that wait for room: next item and end.
    counting: HashMap<u64, (i64, i64)>,
    notes: mpsc::UnboundedSender<Note>,
}

impl Handlers {
    fn handle(&mut self, event: Event) {
        match event {
            Event::CallStarted { call, body } => {
                let request = body.and_then(|body| call.decode_request(&body, &mut ValueSink));
                self.start(&call, request.as_ref().map(read));
            }
            Event::RequestItem { call, body } => {
                let Some(item) = call.decode_request(&body, &mut ValueSink).as_ref().map(read) else { return };
                match call.method_index() {
                    NEGATE => call.send(&mut ValueSource::new(), &&num(-item)).expect("room"),
                    _ => *self.sums.entry(call.ticket()).or_default() += item,
                }
                call.grant(1).expect("credit");
            }
            Event::HalfClosed { call } => {
                match call.method_index() {
                    NEGATE => call.finish(RpcStatus::ok()).expect("finish"),
                    _ => {
                        let sum = self.sums.remove(&call.ticket()).unwrap_or_default();
                        call.reply(&mut ValueSource::new(), &&num(sum)).expect("reply");
                    }
                }
                call.release();
            }
            Event::Writable { call } => self.count(&call),
            Event::Cancelled { call, reason } => {
                let _ = self.notes.send(Note::Cancelled(reason));
                self.counting.remove(&call.ticket());
                call.release();
            }
            Event::SessionOpened { session } => drop(self.notes.send(Note::Opened(session.id()))),
            Event::SessionClosed { session } => {
                let _ = self.notes.send(Note::Closed(session.id()));
                session.release();
            }
            _ => {}
        }
    }

    fn start(&mut self, call: &Arc<ServerCall>, request: Option<i64>) {
        match (call.method_index(), request) {
            (UNARY, Some(n)) if n >= 0 => {
                call.reply(&mut ValueSource::new(), &&num(2 * n)).expect("reply");
                call.release();
            }
            (UNARY, Some(_)) => drop(self.notes.send(Note::Started("silent"))),
            (COUNT, Some(n)) => {
                self.counting.insert(call.ticket(), (0, n));
                self.count(call);
            }
            (NEGATE, None) => {
                // A bidi server may speak first.
                call.send(&mut ValueSource::new(), &&num(0)).expect("room");
                let _ = self.notes.send(Note::Started("negate"));
            }
            _ => {}
        }
    }

    /// Sends items until the window is full; a negative end never comes.
    fn count(&mut self, call: &Arc<ServerCall>) {
        let Some((next, end)) = self.counting.get_mut(&call.ticket()) else { return };
        while *end < 0 || next < end {
            match call.send(&mut ValueSource::new(), &&num(*next)) {
                Ok(()) => *next += 1,
                Err(error) => {
                    return assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Cancelled));
                }
            }
        }
        self.counting.remove(&call.ticket());
        call.finish(RpcStatus::ok()).expect("finish");
        call.release();
    }
}

struct Guest {
    shared: BoundService,
    session: BoundService,
    queue: Arc<Queue>,
    notify: Arc<Notify>,
    notes: mpsc::UnboundedReceiver<Note>,
}

fn queue() -> (Arc<Queue>, Arc<Notify>) {
    let notify = Arc::new(Notify::new());
    let waker = notify.clone();
    (Queue::new(4096, move || waker.notify_one()), notify)
}

/// Starts the handlers; returns the services to register and what the handlers tell.
fn host() -> (Vec<Service>, mpsc::UnboundedReceiver<Note>) {
    let (queue, notify) = queue();
    let (notes, told) = mpsc::unbounded_channel();
    let service = |text: String| Service {
        plan: ServicePlan::from_json(&text).expect("description"),
        queue: queue.clone(),
        tag: 0,
        initial_credit: 4,
    };
    let services = vec![service(description("Numbers", "shared")), service(description("Sums", "session"))];
    let mut handlers = Handlers { sums: HashMap::new(), counting: HashMap::new(), notes };
    tokio::spawn(async move {
        let mut events = Vec::new();
        loop {
            while queue.drain(16, &mut events) > 0 {
                events.drain(..).for_each(|event| handlers.handle(event));
            }
            notify.notified().await;
        }
    });
    (services, told)
}

impl Guest {
    fn local(choice: &Choice) -> Self {
        let (services, notes) = host();
        let (queue, notify) = queue();
        let plans = [services[0].plan.clone(), services[1].plan.clone()];
        let options = DispatcherOptions::default();
        let dispatcher =
            Dispatcher::new(services, Gate::new(true), Arc::new(SystemClock), options).expect("dispatcher");
        let caller = local_caller(Handle::current(), dispatcher, false);
        let [shared, session] = plans.map(|plan| BoundService::new(caller.clone(), plan, *choice));
        Self { shared, session, queue, notify, notes }
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

    async fn note(&mut self) -> Note {
        timeout(WAIT, self.notes.recv()).await.expect("a note comes").expect("handlers live")
    }

    fn start(&self, service: &BoundService, method: usize, n: i64, timeout: Timeout, credit: u32) -> Arc<ClientCall> {
        let options = CallOptions { timeout, credit, ..CallOptions::default() };
        service.start(method, &options, &self.queue, &mut ValueSource::new(), &&num(n)).expect("submitted")
    }

    fn open(&self, service: &BoundService, method: usize) -> Arc<ClientCall> {
        service.open(method, &CallOptions::default(), &self.queue).expect("submitted")
    }

    async fn response(&self, call: &ClientCall) -> i64 {
        match self.event().await {
            Event::Response { ticket, body } => {
                assert_eq!(ticket, call.ticket());
                read(&call.decode_response(&body, &mut ValueSink).expect("decodes"))
            }
            Event::Finished { status, .. } => panic!("failed: {status:?}"),
            _ => panic!("no response"),
        }
    }

    async fn item(&self, call: &ClientCall) -> Result<i64, RpcStatus> {
        match self.event().await {
            Event::Item { ticket, body } => {
                assert_eq!(ticket, call.ticket());
                call.grant(1).expect("credit");
                Ok(read(&call.decode_response(&body, &mut ValueSink).expect("decodes")))
            }
            Event::Finished { status, ticket, .. } => {
                assert_eq!(ticket, call.ticket());
                Err(status)
            }
            _ => panic!("neither item nor end"),
        }
    }

    async fn status(&self, call: &ClientCall) -> RpcStatus {
        match self.event().await {
            Event::Finished { ticket, status, .. } => {
                assert_eq!(ticket, call.ticket());
                status
            }
            _ => panic!("no end"),
        }
    }

    async fn send_all(&self, call: &ClientCall, items: impl Iterator<Item = i64>) {
        for item in items {
            while let Err(error) = call.send(&mut ValueSource::new(), &&num(item)) {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                assert!(matches!(self.event().await, Event::CallWritable { ticket } if ticket == call.ticket()));
            }
        }
    }
}

async fn scenarios(guest: &mut Guest) {
    let shared = guest.shared.clone();
    patterns(guest, &shared).await;
    cancelling(guest, &shared, false).await;
    let session = guest.session.open_session(&guest.queue).expect("session");
    assert!(matches!(guest.event().await, Event::ClientSessionOpened { .. }));
    let Note::Opened(id) = guest.note().await else { panic!("no session") };
    patterns(guest, &session).await;
    cancelling(guest, &session, true).await;
    in_order(guest, &session).await;
    let handle = session.session().expect("session").clone();
    handle.close();
    let Event::ClientSessionClosed { ticket, status, .. } = guest.event().await else { panic!("not closed") };
    assert_eq!((ticket, status.code), (handle.ticket(), StatusCode::OK));
    assert_eq!(guest.notes.try_recv(), Ok(Note::Closed(id)), "closing waits for the close hook");
    let closed = session.open(TOTAL, &CallOptions::default(), &guest.queue).err().expect("refused");
    assert_eq!((closed.kind(), closed.message()), (ErrorKind::Closed, "session is closed"));
}

async fn patterns(guest: &mut Guest, service: &BoundService) {
    let call = guest.start(service, UNARY, 21, Timeout::Declared, 0);
    assert_eq!(guest.response(&call).await, 42);
    for n in [0, 3, 500] {
        let call = guest.start(service, COUNT, n, Timeout::Millis(20_000), 2);
        for expected in 0..n {
            assert_eq!(guest.item(&call).await, Ok(expected));
        }
        assert_eq!(guest.item(&call).await.expect_err("the end").code, StatusCode::OK);
    }
    for n in [0, 3, 500] {
        let call = guest.open(service, TOTAL);
        guest.send_all(&call, 0..n).await;
        call.end_input();
        let mut event = guest.event().await;
        if matches!(event, Event::CallWritable { .. }) {
            event = guest.event().await;
        }
        let Event::Response { body, .. } = event else { panic!("no response") };
        assert_eq!(read(&call.decode_response(&body, &mut ValueSink).expect("decodes")), n * (n - 1).max(0) / 2);
    }
    let call = guest.open(service, NEGATE);
    assert_eq!(guest.item(&call).await, Ok(0), "the server speaks first");
    assert_eq!(guest.note().await, Note::Started("negate"));
    for n in 1..40 {
        call.send(&mut ValueSource::new(), &&num(n)).expect("room");
        assert_eq!(guest.item(&call).await, Ok(-n));
    }
    call.end_input();
    assert_eq!(guest.item(&call).await.expect_err("the end").code, StatusCode::OK);
    let late = call.send(&mut ValueSource::new(), &&num(1));
    assert_eq!(late.expect_err("the call has ended").kind(), ErrorKind::Cancelled);
    let pattern = guest.shared.start(NEGATE, &CallOptions::default(), &guest.queue, &mut ValueSource::new(), &&num(1));
    assert_eq!(pattern.err().expect("refused").kind(), ErrorKind::InvalidArgument);
}

async fn cancelling(guest: &mut Guest, service: &BoundService, in_session: bool) {
    let call = guest.start(service, UNARY, -1, Timeout::Declared, 0);
    assert_eq!(guest.note().await, Note::Started("silent"));
    call.cancel();
    assert_eq!(guest.status(&call).await.code, StatusCode::CANCELLED);
    assert_eq!(guest.note().await, Note::Cancelled(StatusCode::CANCELLED));
    // The deadline is the client's or the server's, whichever timer is first.
    let call = guest.start(service, UNARY, -1, Timeout::Millis(60), 0);
    assert_eq!(guest.note().await, Note::Started("silent"));
    assert_eq!(guest.status(&call).await, wire::deadline_exceeded());
    assert!(matches!(guest.note().await, Note::Cancelled(StatusCode::DEADLINE_EXCEEDED | StatusCode::CANCELLED)));
    // A reader that stops holds the writer; its cancellation ends it.
    let call = guest.start(service, COUNT, -1, Timeout::Declared, 1);
    assert!(matches!(guest.event().await, Event::Item { .. }));
    call.cancel();
    assert_eq!(guest.status(&call).await.code, StatusCode::CANCELLED);
    assert_eq!(guest.note().await, Note::Cancelled(StatusCode::CANCELLED));
    let call = guest.open(service, NEGATE);
    assert_eq!(guest.item(&call).await, Ok(0));
    assert_eq!(guest.note().await, Note::Started("negate"));
    call.cancel();
    assert_eq!(guest.status(&call).await.code, StatusCode::CANCELLED);
    assert_eq!(guest.note().await, Note::Cancelled(StatusCode::CANCELLED));
    let call = guest.start(service, UNARY, 4, Timeout::Declared, 0);
    assert_eq!(guest.response(&call).await, 8, "in a session: {in_session}");
}

/// Calls of a session wait for each other, and can be cancelled and expire while they wait.
async fn in_order(guest: &mut Guest, session: &BoundService) {
    let running = guest.start(session, UNARY, -1, Timeout::Declared, 0);
    assert_eq!(guest.note().await, Note::Started("silent"));
    let expiring = guest.start(session, UNARY, 1, Timeout::Millis(30), 0);
    let cancelled = guest.start(session, UNARY, 2, Timeout::Declared, 0);
    let served = guest.start(session, UNARY, 3, Timeout::Declared, 0);
    assert_eq!(guest.status(&expiring).await, wire::deadline_exceeded());
    cancelled.cancel();
    assert_eq!(guest.status(&cancelled).await.code, StatusCode::CANCELLED);
    running.cancel();
    assert_eq!(guest.status(&running).await.code, StatusCode::CANCELLED);
    assert_eq!(guest.response(&served).await, 6);
    assert_eq!(guest.note().await, Note::Cancelled(StatusCode::CANCELLED));
}

#[tokio::test]
async fn in_process() {
    scenarios(&mut Guest::local(&wire::choose(&["fory1".to_owned()]))).await;
}

#[tokio::test]
async fn in_process_in_json_and_the_legacy_dialect() {
    scenarios(&mut Guest::local(&wire::choose(&["json".to_owned()]))).await;
}

fn config() -> Config {
    let env = [("ASTER_RELAY_MODE", "disabled"), ("ASTER_BIND_ADDR", "127.0.0.1:0")];
    let env: BTreeMap<_, _> = env.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Config::resolve(Sources { env, ..Sources::default() }).expect("configuration")
}

#[tokio::test]
async fn over_quic() {
    let (services, notes) = host();
    let plans = [services[0].plan.clone(), services[1].plan.clone()];
    let server = Server::new(&config(), ServerOptions::default()).expect("server");
    services.into_iter().for_each(|service| server.register(service).expect("registered"));
    server.start().await.expect("started");
    let options = ClientOptions { address: Some(server.address().expect("address")), ..ClientOptions::default() };
    let client = Client::connect(Handle::current(), &config(), options).await.expect("connected");
    let (queue, notify) = queue();
    let [shared, session] = plans.map(|plan| client.bind(&plan, None).expect("offered"));
    let mut guest = Guest { shared, session, queue, notify, notes };
    scenarios(&mut guest).await;
    // The loss of the connection ends calls and sessions, after the items that arrived.
    let counting = guest.start(&guest.shared, COUNT, -1, Timeout::Declared, 1);
    assert!(matches!(guest.event().await, Event::Item { .. }));
    let session = guest.session.open_session(&guest.queue).expect("session");
    assert!(matches!(guest.event().await, Event::ClientSessionOpened { .. }));
    let running = guest.start(&session, UNARY, -1, Timeout::Declared, 0);
    while guest.note().await != Note::Started("silent") {}
    timeout(WAIT, server.close()).await.expect("closes");
    let mut ends = Vec::new();
    while ends.len() < 3 {
        match guest.event().await {
            Event::Item { .. } => {}
            Event::Finished { ticket, status, .. } => ends.push((ticket, status.code)),
            Event::ClientSessionClosed { ticket, status, .. } => ends.push((ticket, status.code)),
            _ => panic!("unexpected event"),
        }
        let _ = counting.grant(64);
    }
    ends.sort_unstable_by_key(|(ticket, _)| *ticket);
    let session = session.session().expect("session").ticket();
    let unavailable = |ticket| (ticket, StatusCode::UNAVAILABLE);
    assert_eq!(ends, [unavailable(counting.ticket()), unavailable(session), unavailable(running.ticket())]);
    timeout(WAIT, client.close()).await.expect("closes");
}
