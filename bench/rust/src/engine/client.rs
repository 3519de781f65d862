//! The client: calls that wait for their events by ticket.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aster_core::codec::{Value, ValueSink, ValueSource};
use aster_core::engine::{CallOptions, ClientCall, Event, Queue, ServicePlan};
use aster_core::error::ErrorKind;
use aster_core::ids::TicketMap;
use aster_core::node::{Client, ClientOptions};
use aster_core::rpc::BoundService;
use aster_core::status::StatusCode;
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};

use super::{BLOB, CHAT, COLLECT, COUNT, ECHO, GRANT, WINDOW, as_number, config, number, plans, pumped, record, text};
use crate::load::{Channel, Fault, System, run};

/// Makes calls on command.
pub async fn load(address: &str) -> Result<(), Fault> {
    let waiting = Waiting::default();
    let receiving = waiting.clone();
    let (queue, pump) = pumped(move |event| deliver(&receiving, event));
    let shared = Arc::new(Shared { address: address.to_owned(), plans: plans()?, queue, waiting, request: text() });
    let draining = tokio::spawn(pump);
    let outcome = run(EngineClient::connect(shared).await?).await;
    draining.abort();
    outcome
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What all clients of the process have in common: one host.
struct Shared {
    address: String,
    plans: [Arc<ServicePlan>; 2],
    queue: Arc<Queue>,
    waiting: Waiting,
    request: Value,
}

#[derive(Clone)]
struct EngineClient {
    shared: Arc<Shared>,
    client: Client,
    service: BoundService,
}

type Waiting = Arc<Mutex<TicketMap<Waiter>>>;

enum Waiter {
    Unary(Arc<ClientCall>, oneshot::Sender<Result<Value, String>>),
    Stream(Arc<Inbox>),
}

/// Events of a streaming call that were not read yet.
#[derive(Default)]
struct Inbox {
    events: Mutex<VecDeque<Event>>,
    arrived: Notify,
}

fn deliver(waiting: &Waiting, event: Event) {
    let (ticket, last) = match &event {
        Event::Response { ticket, .. } | Event::Finished { ticket, .. } => (*ticket, true),
        Event::Item { ticket, .. } | Event::CallWritable { ticket } => (*ticket, false),
        _ => return,
    };
    let mut map = lock(waiting);
    if let Some(Waiter::Stream(inbox)) = map.get(&ticket) {
        lock(&inbox.events).push_back(event);
        inbox.arrived.notify_one();
        if last {
            map.remove(&ticket);
        }
        return;
    }
    let Some(Waiter::Unary(call, done)) = map.remove(&ticket) else { return };
    let _ = done.send(match event {
        Event::Response { body, .. } => call.decode_response(&body, &mut ValueSink).map_err(|error| error.to_string()),
        Event::Finished { status, .. } => Err(status.message),
        _ => Err("no end of a unary call".to_owned()),
    });
}

impl EngineClient {
    async fn connect(shared: Arc<Shared>) -> Result<Self, Fault> {
        let options = ClientOptions { address: Some(shared.address.clone()), ..ClientOptions::default() };
        let client = Client::connect(Handle::current(), &config()?, options).await?;
        let service = client.bind(&shared.plans[0], None)?;
        Ok(Self { shared, client, service })
    }

    async fn call(&self, method: usize, request: &Value) -> Result<Value, Fault> {
        let options = CallOptions::default();
        let call = self.service.start(method, &options, &self.shared.queue, &mut ValueSource::new(), &request)?;
        let (done, result) = oneshot::channel();
        lock(&self.shared.waiting).insert(call.ticket(), Waiter::Unary(call, done));
        Ok(result.await??)
    }

    fn stream(&self, call: Arc<ClientCall>) -> Stream {
        let inbox = Arc::new(Inbox::default());
        lock(&self.shared.waiting).insert(call.ticket(), Waiter::Stream(inbox.clone()));
        Stream { call, inbox, request: self.shared.request.clone(), taken: 0 }
    }

    fn open(&self, method: usize) -> Result<Stream, Fault> {
        let options = CallOptions { credit: WINDOW, ..CallOptions::default() };
        Ok(self.stream(self.service.open(method, &options, &self.shared.queue)?))
    }
}

impl System for EngineClient {
    type Payload = Arc<Value>;
    type Channel = Stream;

    fn payload(bytes: Vec<u8>) -> Arc<Value> {
        Arc::new(record("bench/Blob", "data", Value::Bytes(bytes)))
    }

    async fn unary(&self) -> Result<(), Fault> {
        let answer = self.call(ECHO, &self.shared.request).await?;
        if answer == self.shared.request { Ok(()) } else { Err("wrong answer".into()) }
    }

    async fn echo(&self, payload: &Arc<Value>) -> Result<(), Fault> {
        let answer = self.call(BLOB, payload).await?;
        if answer == **payload { Ok(()) } else { Err("wrong answer".into()) }
    }

    async fn server_stream(&self, count: usize) -> Result<(), Fault> {
        let options = CallOptions { credit: WINDOW, ..CallOptions::default() };
        let request = number(count);
        let call = self.service.start(COUNT, &options, &self.shared.queue, &mut ValueSource::new(), &&request)?;
        self.stream(call).read_all(count).await
    }

    async fn client_stream(&self, count: usize) -> Result<(), Fault> {
        let stream = self.open(COLLECT)?;
        for _ in 0..count {
            while !stream.send()? {
                // The only event before the end.
                let Event::CallWritable { .. } = stream.event().await else { return Err("ended early".into()) };
            }
        }
        stream.call.end_input();
        loop {
            match stream.event().await {
                Event::CallWritable { .. } => {}
                Event::Response { body, .. } => {
                    let total = stream.call.decode_response(&body, &mut ValueSink)?;
                    return if as_number(&total) == Some(count) { Ok(()) } else { Err("wrong count".into()) };
                }
                _ => return Err("no response".into()),
            }
        }
    }

    async fn bidi(&self, count: usize) -> Result<(), Fault> {
        let mut stream = self.open(CHAT)?;
        let (mut sent, mut received) = (0, 0);
        while received < count {
            while sent < count && stream.send()? {
                sent += 1;
                if sent == count {
                    stream.call.end_input();
                }
            }
            loop {
                match stream.event().await {
                    Event::CallWritable { .. } => break,
                    event => stream.item(event)?,
                }
                received += 1;
                if received == count || (sent < count && lock(&stream.inbox.events).is_empty()) {
                    break;
                }
            }
        }
        stream.end().await
    }

    async fn channel(&self) -> Result<Stream, Fault> {
        self.open(CHAT)
    }

    async fn session(&self) -> Result<Option<Self>, Fault> {
        let service = self.client.bind(&self.shared.plans[1], None)?.open_session(&self.shared.queue)?;
        Ok(Some(Self { service, ..self.clone() }))
    }

    async fn another(&self) -> Result<Self, Fault> {
        Self::connect(self.shared.clone()).await
    }

    async fn close(self) {
        match self.service.session() {
            Some(session) => session.close(),
            None => self.client.close().await,
        }
    }
}

struct Stream {
    call: Arc<ClientCall>,
    inbox: Arc<Inbox>,
    request: Value,
    taken: u32,
}

impl Stream {
    async fn event(&self) -> Event {
        loop {
            if let Some(event) = lock(&self.inbox.events).pop_front() {
                return event;
            }
            self.inbox.arrived.notified().await;
        }
    }

    /// Returns whether there was room; else an event follows.
    fn send(&self) -> Result<bool, Fault> {
        match self.call.send(&mut ValueSource::new(), &&self.request) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn item(&mut self, event: Event) -> Result<(), Fault> {
        let Event::Item { body, .. } = event else { return Err("ended early".into()) };
        self.taken += 1;
        if self.taken == GRANT {
            self.call.grant(std::mem::take(&mut self.taken))?;
        }
        let item = self.call.decode_response(&body, &mut ValueSink)?;
        if item == self.request { Ok(()) } else { Err("wrong item".into()) }
    }

    async fn read_all(mut self, count: usize) -> Result<(), Fault> {
        for _ in 0..count {
            let event = self.event().await;
            self.item(event)?;
        }
        self.end().await
    }

    async fn end(self) -> Result<(), Fault> {
        loop {
            match self.event().await {
                Event::CallWritable { .. } => {}
                Event::Finished { status, .. } if status.code == StatusCode::OK => return Ok(()),
                _ => return Err("no clean end".into()),
            }
        }
    }
}

impl Channel for Stream {
    async fn exchange(&mut self) -> Result<(), Fault> {
        if !self.send()? {
            return Err("no room for one message".into());
        }
        let event = self.event().await;
        self.item(event)
    }

    async fn finish(self) -> Result<(), Fault> {
        self.call.end_input();
        self.end().await
    }
}
