//! Calls of handlers: send, answer, end.

use aster_core::engine::ServerCall;
use aster_core::error::{Error, ErrorKind, Result};
use aster_core::status::{RpcStatus, StatusCode};
use napi::Env;
use napi_derive::napi;

use crate::call::pairs;
use crate::convert::{Handed, TapeSource};
use crate::engine::{Engine, Running, Shared};
use crate::js::{Js, Scope};
use crate::plan::BoundPlan;

impl Shared {
    /// Takes a call whose handler has returned.
    fn returned(&self, ticket: f64) -> Result<Running> {
        let call = self.running.borrow_mut().remove(&(ticket as u64));
        call.ok_or_else(|| Error::new(ErrorKind::State, "the call has been answered"))
    }

    fn answer(&self, env: &Env, ticket: f64, answer: impl FnOnce(Scope, &ServerCall, &BoundPlan) -> Result<()>) -> Js {
        let scope = Scope::new(env);
        let answered = self.returned(ticket).and_then(|Running { call, bound, .. }| {
            self.submit(|| {
                let answered = answer(scope, &call, &bound);
                call.release();
                answered
            })
        });
        self.errors.either(scope, answered.map(|()| scope.undefined()))
    }
}

#[napi]
impl Engine {
    /// Sends an item of the answer; see [`Shared::sent`]. A value that does not fit ends the call.
    #[napi]
    pub fn send_item(&self, env: &Env, ticket: f64, slot: u32, text: Js, length: u32, extra: Js) -> Js {
        let scope = Scope::new(env);
        let found = self.shared.running.borrow().get(&(ticket as u64)).map(|one| (one.call.clone(), one.bound.clone()));
        let Some((call, bound)) = found else { return scope.undefined() };
        let (mut source, value) = TapeSource::new(scope, &bound.hosts, Handed { slot, text, length, extra });
        self.shared.sent(scope, call.send(&mut source, &value))
    }

    /// Compresses answers of a call longer than `threshold` bytes; -1: none.
    #[napi]
    pub fn compress_above(&self, ticket: f64, threshold: f64) {
        if let Some(running) = self.shared.running.borrow().get(&(ticket as u64)) {
            running.call.compress_above(threshold as i64);
        }
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
