//! Events of core as entries for the package, made in the drain.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use aster_core::admission::AdmissionResult;
use aster_core::engine::{Body, CallInfo, ClientCall, Encoding, Event, ServerCall};
use aster_core::error::{Error, Result};
use aster_core::limits;
use aster_core::status::{RpcStatus, StatusCode};
use napi::Env;
use napi::bindgen_prelude::ToNapiValue;
use napi_derive::napi;

use crate::client::Client;
use crate::convert::TapeSink;
use crate::engine::{Completed, Engine, Outcome, Running, Shared};
use crate::errors::no_value;
use crate::js::{Js, Scope, Thrown};
use crate::nonces::Question;
use crate::plan::BoundPlan;
use crate::registry::{ClientRegistry, Routed};
use crate::window::Window;

/// Kinds of the entries that `drain` returns; the package has the same list.
#[derive(Clone, Copy)]
pub(crate) enum Entry {
    /// Ticket and value of a call that succeeded.
    Response = 0,
    /// Ticket and error of a call that failed.
    Failure = 1,
    /// A call for a handler.
    Started = 2,
    /// Ticket and error of a call whose handler is to stop.
    Cancelled = 3,
    /// Operation and what it made.
    Done = 4,
    /// Operation and its error.
    Failed = 5,
    /// Ticket and one item of a stream, either way.
    Item = 6,
    /// Ticket of a stream whose items are complete, either way.
    End = 7,
    /// Ticket of a call that takes items again, either way.
    Writable = 8,
    /// A session that a client opened.
    SessionOpened = 9,
    /// A session whose close hook is to run.
    SessionClosed = 10,
    /// Ticket of a session of this side that has ended.
    SessionEnded = 11,
    /// A question to the program.
    Asked = 12,
}

pub(crate) fn entry(scope: Scope, kind: Entry, number: f64, rest: &[Js]) -> Option<Js> {
    let head = [scope.number(f64::from(kind as u8))?, scope.number(number)?];
    scope.list(head.into_iter().chain(rest.iter().copied()))
}

impl Shared {
    /// Turns an event into an entry; `None`: there is nothing to tell.
    fn entry(self: &Rc<Self>, scope: Scope, event: Event) -> Option<Js> {
        match event {
            Event::Response { ticket, body } => self.response(scope, ticket, &body),
            Event::Item { ticket, body } => self.item(scope, ticket, &body),
            Event::CallWritable { ticket } => entry(scope, Entry::Writable, ticket as f64, &[]),
            Event::Finished { ticket, status, .. } => self.finished(scope, ticket, &status),
            Event::CallStarted { call, body } => self.started(scope, &call, body.as_ref()),
            Event::RequestItem { call, body } => self.request_item(scope, &call, &body),
            Event::HalfClosed { call } => entry(scope, Entry::End, call.ticket() as f64, &[]),
            Event::Writable { call } => entry(scope, Entry::Writable, call.ticket() as f64, &[]),
            Event::Cancelled { call, reason } => {
                let status = RpcStatus::new(reason, reason.name().to_ascii_lowercase().replace('_', " "));
                entry(scope, Entry::Cancelled, call.ticket() as f64, &[self.errors.status(scope, &status)])
            }
            Event::SessionOpened { session } => self.session_opened(scope, &session),
            Event::SessionClosed { session } => self.session_closed(scope, session),
            Event::ClientSessionClosed { ticket, .. } => entry(scope, Entry::SessionEnded, ticket as f64, &[]),
            Event::Posted(payload) => match payload.downcast::<Completed>() {
                Ok(completed) => self.completed(scope, *completed),
                Err(payload) => self.asked(scope, *payload.downcast::<Question>().ok()?),
            },
            Event::ClientSessionOpened { .. } | Event::QueueClosed => None,
        }
    }

    fn completed(self: &Rc<Self>, scope: Scope, Completed { op, outcome }: Completed) -> Option<Js> {
        self.ended(scope, op);
        match outcome.and_then(|outcome| self.outcome(scope, outcome)) {
            Ok(value) => entry(scope, Entry::Done, op, &[value]),
            Err(error) => entry(scope, Entry::Failed, op, &[self.errors.error(scope, &error)]),
        }
    }

    fn outcome(self: &Rc<Self>, scope: Scope, outcome: Outcome) -> Result<Js> {
        fn object<T: ToNapiValue>(scope: Scope, made: T) -> Option<Js> {
            // SAFETY: the environment is that of the running function.
            unsafe { T::to_napi_value(scope.env(), made) }.map(Js).ok()
        }
        let made = match outcome {
            Outcome::Nothing => Some(scope.undefined()),
            Outcome::Text(text) => scope.text(&text),
            Outcome::Texts(texts) => {
                let texts: Option<Vec<Js>> = texts.iter().map(|text| scope.text(text)).collect();
                texts.and_then(|texts| scope.list(texts))
            }
            Outcome::Number(number) => scope.number(number as f64),
            Outcome::Flag(flag) => scope.boolean(flag),
            Outcome::Checked(result) => checked(scope, result),
            Outcome::Client(client) => object(scope, Client::new(client, self)),
            Outcome::Registry(registry) => object(scope, ClientRegistry::new(registry, self)),
            Outcome::Service(service) => object(scope, Routed::new(service)),
        };
        made.ok_or_else(no_value)
    }

    /// Decodes what a call of this side got. No table is borrowed meanwhile, as building values runs JavaScript.
    fn decoded(&self, scope: Scope, call: &ClientCall, bound: &BoundPlan, body: &Body) -> Result<Js, Js> {
        let made = match bound.raw {
            true => call.raw_response(body).and_then(|(encoding, bytes)| parsed(scope, bound, encoding, &bytes)),
            false => {
                let mut sink = TapeSink::new(scope, &bound.hosts);
                call.decode_response(body, &mut sink).map(|_| sink.finish())
            }
        };
        made.map_err(|error| self.errors.error(scope, &error))
    }

    fn response(&self, scope: Scope, ticket: u64, body: &Body) -> Option<Js> {
        let pending = self.take_call(scope, ticket)?;
        match self.decoded(scope, &pending.call, &pending.bound, body) {
            Ok(value) => entry(scope, Entry::Response, ticket as f64, &[value]),
            Err(error) => entry(scope, Entry::Failure, ticket as f64, &[error]),
        }
    }

    fn item(&self, scope: Scope, ticket: u64, body: &Body) -> Option<Js> {
        let found = self.calls.borrow().get(&ticket).map(|pending| (pending.call.clone(), pending.bound.clone()));
        let (call, bound) = found?;
        match self.decoded(scope, &call, &bound, body) {
            Ok(value) => {
                if let Some(window) = self.calls.borrow_mut().get_mut(&ticket)?.window.as_mut() {
                    window.put(body.wire_len());
                }
                entry(scope, Entry::Item, ticket as f64, &[value])
            }
            Err(error) => {
                self.take_call(scope, ticket);
                call.cancel();
                entry(scope, Entry::Failure, ticket as f64, &[error])
            }
        }
    }

    fn finished(&self, scope: Scope, ticket: u64, status: &RpcStatus) -> Option<Js> {
        self.take_call(scope, ticket)?;
        match status.is_ok() {
            true => entry(scope, Entry::End, ticket as f64, &[]),
            false => entry(scope, Entry::Failure, ticket as f64, &[self.errors.status(scope, status)]),
        }
    }

    fn started(&self, scope: Scope, call: &Arc<ServerCall>, body: Option<&Body>) -> Option<Js> {
        let info = call.info();
        let Some(bound) = self.service(info.tag) else {
            call.release();
            return None;
        };
        let request = match body {
            // None: core has answered.
            Some(body) => request(scope, call, &bound, body)?,
            None => scope.undefined(),
        };
        let told = told(scope, call, info, request);
        if told.is_none() {
            call.release();
            return None;
        }
        let window = Window::of_requests();
        self.running.borrow_mut().insert(call.ticket(), Running { call: call.clone(), bound, window });
        told
    }

    fn request_item(&self, scope: Scope, call: &ServerCall, body: &Body) -> Option<Js> {
        let ticket = call.ticket();
        let bound = self.running.borrow().get(&ticket)?.bound.clone();
        // None: core ends the call, and tells so.
        let value = request(scope, call, &bound, body)?;
        self.running.borrow_mut().get_mut(&ticket)?.window.put(body.wire_len());
        entry(scope, Entry::Item, ticket as f64, &[value])
    }
}

/// `[whether it holds, attributes, reason]`.
fn checked(scope: Scope, result: AdmissionResult) -> Option<Js> {
    let attributes: Vec<_> = result.attributes.into_iter().collect();
    scope.list([scope.boolean(result.admitted)?, scope.pairs(&attributes)?, scope.text(&result.reason)?])
}

/// Lets the package decode a body.
fn parsed(scope: Scope, bound: &BoundPlan, encoding: Encoding, body: &[u8]) -> Result<Js> {
    let invalid = |reason: String| {
        let text = format!("the response is not valid JSON: {reason}");
        Error::rpc(RpcStatus::new(StatusCode::INTERNAL, text))
    };
    match (encoding, str::from_utf8(body)) {
        (Encoding::Json, Ok(text)) => bound.hosts.parse(scope, text).map_err(|Thrown(reason)| invalid(reason)),
        (Encoding::Json, Err(error)) => Err(invalid(error.to_string())),
        _ => Err(invalid("it has another encoding".to_owned())),
    }
}

fn request(scope: Scope, call: &ServerCall, bound: &BoundPlan, body: &Body) -> Option<Js> {
    let mut sink = TapeSink::new(scope, &bound.hosts);
    call.decode_request(body, &mut sink)?;
    Some(sink.finish())
}

/// `[kind, ticket, tag, method, request, call id, peer, metadata, attributes, milliseconds left, session, its id on the
/// wire]`; what is absent is null.
fn told(scope: Scope, call: &ServerCall, info: &CallInfo, request: Js) -> Option<Js> {
    let left = |deadline: Instant| deadline.saturating_duration_since(Instant::now()).as_secs_f64() * 1000.0;
    let pairs = |pairs: &[(String, String)]| match pairs {
        [] => Some(scope.null()),
        pairs => scope.pairs(pairs),
    };
    let session = info.session.as_deref();
    let rest = [
        scope.number(info.tag as f64)?,
        scope.number(call.method_index() as f64)?,
        request,
        scope.text(&info.call_id)?,
        info.peer.map_or(Some(scope.null()), |peer| scope.text(&peer.to_string()))?,
        pairs(&info.metadata)?,
        pairs(&info.attributes)?,
        info.deadline.map_or(Some(scope.null()), |deadline| scope.number(left(deadline)))?,
        session.map_or(Some(scope.null()), |session| scope.number(session.id() as f64))?,
        session.map_or(Some(scope.null()), |session| scope.text(session.name()))?,
    ];
    entry(scope, Entry::Started, call.ticket() as f64, &rest)
}

#[napi]
impl Engine {
    /// Takes a batch of events: `[more, entry, ..]`. What was gathered before is handed over.
    #[napi]
    pub fn drain(&self, env: &Env) -> Js {
        let scope = Scope::new(env);
        self.shared.ring();
        let mut batch = Vec::new();
        let taken = self.shared.queue.drain(limits::DRAIN_BATCH, &mut batch);
        let entries = batch.into_iter().filter_map(|event| self.shared.entry(scope, event));
        let more = scope.boolean(taken == limits::DRAIN_BATCH);
        scope.list(more.into_iter().chain(entries)).unwrap_or_else(|| scope.undefined())
    }
}
