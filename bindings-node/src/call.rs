//! Calls of both sides: submit, drain, answer.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use aster_core::engine::{Body, CallInfo, CallOptions, Event, ServerCall, Timeout};
use aster_core::error::{Error, ErrorKind, Result};
use aster_core::limits;
use aster_core::status::{RpcStatus, StatusCode};
use aster_core::wire::Mode;
use napi::Env;
use napi::bindgen_prelude::ToNapiValue;
use napi_derive::napi;

use crate::client::{Client, Stub};
use crate::convert::{Handed, TapeSink, TapeSource};
use crate::engine::{Bound, Completed, Engine, Outcome, Shared};
use crate::errors::no_value;
use crate::js::{Js, Scope};
use crate::plan::BoundPlan;

/// Kinds of the entries that `drain` returns; the package has the same list.
#[derive(Clone, Copy)]
enum Entry {
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
}

fn entry(scope: Scope, kind: Entry, number: f64, rest: &[Js]) -> Option<Js> {
    let head = [scope.number(f64::from(kind as u8))?, scope.number(number)?];
    scope.list(head.into_iter().chain(rest.iter().copied()))
}

impl Shared {
    /// Turns an event into an entry for the package; `None`: there is nothing to tell.
    fn entry(self: &Rc<Self>, scope: Scope, event: Event) -> Option<Js> {
        match event {
            Event::Response { ticket, body } => {
                let (call, bound) = self.calls.borrow_mut().remove(&ticket)?;
                self.release(scope);
                let number = ticket as f64;
                let mut sink = TapeSink::new(scope, &bound.hosts);
                match call.decode_response(&body, &mut sink) {
                    Ok(_) => entry(scope, Entry::Response, number, &[sink.finish()]),
                    Err(error) => entry(scope, Entry::Failure, number, &[self.errors.error(scope, &error)]),
                }
            }
            Event::Finished { ticket, status, .. } => {
                self.calls.borrow_mut().remove(&ticket)?;
                self.release(scope);
                entry(scope, Entry::Failure, ticket as f64, &[self.errors.status(scope, &status)])
            }
            Event::CallStarted { call, body } => self.started(scope, &call, body),
            Event::Cancelled { call, reason } => {
                let status = RpcStatus::new(reason, reason.name().to_ascii_lowercase().replace('_', " "));
                entry(scope, Entry::Cancelled, call.ticket() as f64, &[self.errors.status(scope, &status)])
            }
            Event::Posted(payload) => {
                let Completed { op, outcome } = *payload.downcast::<Completed>().ok()?;
                self.ended(scope, op);
                let made = outcome.and_then(|outcome| self.outcome(scope, outcome));
                match made {
                    Ok(value) => entry(scope, Entry::Done, op, &[value]),
                    Err(error) => entry(scope, Entry::Failed, op, &[self.errors.error(scope, &error)]),
                }
            }
            _ => None,
        }
    }

    fn outcome(self: &Rc<Self>, scope: Scope, outcome: Outcome) -> Result<Js> {
        match outcome {
            Outcome::Nothing => Ok(scope.undefined()),
            Outcome::Client(client) => {
                let client = Client::new(client, self);
                // SAFETY: the environment is that of the running function.
                unsafe { Client::to_napi_value(scope.env(), client) }.map(Js).map_err(|_| no_value())
            }
        }
    }

    fn started(&self, scope: Scope, call: &Arc<ServerCall>, body: Option<Body>) -> Option<Js> {
        let info = call.info();
        let (Some(bound), Some(body)) = (self.service(info.tag), body) else {
            call.release();
            return None;
        };
        let mut sink = TapeSink::new(scope, &bound.hosts);
        // None: core has answered.
        call.decode_request(&body, &mut sink)?;
        let told = told(scope, call, info, sink.finish());
        if told.is_none() {
            call.release();
            return None;
        }
        self.running.borrow_mut().insert(call.ticket(), (call.clone(), bound));
        told
    }

    /// Takes a call whose handler has returned.
    fn returned(&self, ticket: f64) -> Result<Bound<ServerCall>> {
        let call = self.running.borrow_mut().remove(&(ticket as u64));
        call.ok_or_else(|| Error::new(ErrorKind::State, "the call has been answered"))
    }

    fn answer(&self, env: &Env, ticket: f64, answer: impl FnOnce(Scope, &ServerCall, &BoundPlan) -> Result<()>) -> Js {
        let scope = Scope::new(env);
        let answered = self.returned(ticket).and_then(|(call, bound)| {
            let answered = answer(scope, &call, &bound);
            call.release();
            answered
        });
        self.errors.either(scope, answered.map(|()| scope.undefined()))
    }
}

/// `[kind, ticket, tag, method, request, call id, peer, metadata, attributes, milliseconds left]`; what is absent is null.
fn told(scope: Scope, call: &ServerCall, info: &CallInfo, request: Js) -> Option<Js> {
    let left = |deadline: Instant| deadline.saturating_duration_since(Instant::now()).as_secs_f64() * 1000.0;
    let pairs = |pairs: &[(String, String)]| match pairs {
        [] => Some(scope.null()),
        pairs => scope.pairs(pairs),
    };
    let rest = [
        scope.number(info.tag as f64)?,
        scope.number(call.method_index() as f64)?,
        request,
        scope.text(&info.call_id)?,
        info.peer.map_or(Some(scope.null()), |peer| scope.text(&peer.to_string()))?,
        pairs(&info.metadata)?,
        pairs(&info.attributes)?,
        info.deadline.map_or(Some(scope.null()), |deadline| scope.number(left(deadline)))?,
    ];
    entry(scope, Entry::Started, call.ticket() as f64, &rest)
}

/// Reads an array of keys and values in turn; the package has checked that they are strings.
fn pairs(scope: Scope, array: Js) -> Vec<(String, String)> {
    let text = |index| scope.get(array, index).and_then(|text| scope.get_text(text)).unwrap_or_default();
    (0..scope.length(array) / 2).map(|pair| (text(pair * 2), text(pair * 2 + 1))).collect()
}

#[napi]
impl Engine {
    /// Submits a unary call; returns its ticket or an error. `metadata`: keys and values in turn.
    #[napi]
    #[allow(clippy::too_many_arguments, reason = "flat arguments are the cheapest to pass")]
    pub fn call(
        &self,
        env: &Env,
        stub: &Stub,
        method: u32,
        slot: u32,
        text: Js,
        length: u32,
        extra: Js,
        timeout_ms: Option<f64>,
        metadata: Js,
        mode: Option<u8>,
    ) -> Js {
        let scope = Scope::new(env);
        let options = CallOptions {
            timeout: timeout_ms.map_or(Timeout::Declared, |ms| Timeout::Millis(ms.ceil() as i64)),
            metadata: pairs(scope, metadata),
            mode: mode.and_then(Mode::from_number),
            ..CallOptions::default()
        };
        let (mut source, request) = TapeSource::new(scope, &stub.bound.hosts, Handed { slot, text, length, extra });
        let queue = &self.shared.queue;
        let started = stub.service.start(method as usize, &options, queue, &mut source, &request);
        let ticket = started.and_then(|call| {
            let ticket = call.ticket();
            self.shared.calls.borrow_mut().insert(ticket, (call, stub.bound.clone()));
            self.shared.hold(scope);
            scope.number(ticket as f64).ok_or_else(no_value)
        });
        self.shared.errors.either(scope, ticket)
    }

    /// Cancels a call; its failure is told as for any other end.
    #[napi]
    pub fn cancel(&self, ticket: f64) {
        let call = self.shared.calls.borrow().get(&(ticket as u64)).map(|(call, _)| call.clone());
        if let Some(call) = call {
            call.cancel();
        }
    }

    /// Takes a batch of events: `[more, entry, ..]`.
    #[napi]
    pub fn drain(&self, env: &Env) -> Js {
        let scope = Scope::new(env);
        let mut batch = Vec::new();
        let taken = self.shared.queue.drain(limits::DRAIN_BATCH, &mut batch);
        let entries = batch.into_iter().filter_map(|event| self.shared.entry(scope, event));
        let more = scope.boolean(taken == limits::DRAIN_BATCH);
        scope.list(more.into_iter().chain(entries)).unwrap_or_else(|| scope.undefined())
    }

    /// Answers a call; returns an error if the value does not fit.
    #[napi]
    pub fn reply(&self, env: &Env, ticket: f64, slot: u32, text: Js, length: u32, extra: Js) -> Js {
        self.shared.answer(env, ticket, |scope, call, bound| {
            let (mut source, value) = TapeSource::new(scope, &bound.hosts, Handed { slot, text, length, extra });
            call.reply(&mut source, &value)
        })
    }

    /// Ends a call with a status. `details`: keys and values in turn.
    #[napi]
    pub fn finish(&self, env: &Env, ticket: f64, code: i32, message: String, details: Js) -> Js {
        self.shared.answer(env, ticket, |scope, call, _| {
            call.finish(RpcStatus::new(StatusCode(code), message).with_details(pairs(scope, details)))
        })
    }

    /// Ends a call because its handler failed; core decides what the caller sees.
    #[napi]
    pub fn fail(&self, env: &Env, ticket: f64, text: String) -> Js {
        self.shared.answer(env, ticket, |_, call, _| call.fail(&text))
    }
}
