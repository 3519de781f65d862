//! Calls of this side: submit, send, cancel.

use aster_core::engine::{CallOptions, ClientCall, Timeout};
use aster_core::error::{ErrorKind, Result};
use aster_core::limits;
use aster_core::wire::Mode;
use napi::Env;
use napi_derive::napi;
use std::sync::Arc;

use crate::client::Stub;
use crate::convert::{Handed, TapeSource};
use crate::engine::{Engine, Pending, Shared};
use crate::errors::no_value;
use crate::js::{Js, Scope};
use crate::window::Window;

/// Reads an array of keys and values in turn; the package has checked that they are strings.
pub(crate) fn pairs(scope: Scope, array: Js) -> Vec<(String, String)> {
    let text = |index| scope.get(array, index).and_then(|text| scope.get_text(text)).unwrap_or_default();
    (0..scope.length(array) / 2).map(|pair| (text(pair * 2), text(pair * 2 + 1))).collect()
}

/// What the package chose for a call. `prefetch`: items that are read ahead; `call_id`: that of all attempts.
fn options(
    scope: Scope,
    timeout_ms: Option<f64>,
    metadata: Js,
    mode: Option<u8>,
    prefetch: Option<u32>,
    call_id: Option<String>,
) -> CallOptions {
    CallOptions {
        timeout: timeout_ms.map_or(Timeout::Declared, |ms| Timeout::Millis(ms.ceil() as i64)),
        metadata: pairs(scope, metadata),
        mode: mode.and_then(Mode::from_number),
        call_id,
        credit: prefetch.unwrap_or(limits::INITIAL_CREDIT),
    }
}

impl Shared {
    /// Remembers a submitted call; without a window a promise waits for its end.
    fn submitted(&self, scope: Scope, stub: &Stub, started: Result<Arc<ClientCall>>, window: Option<Window>) -> Js {
        let ticket = started.and_then(|call| {
            let ticket = call.ticket();
            if window.is_none() {
                self.hold(scope);
            }
            let pending = Pending { call, bound: stub.bound.clone(), _session: stub.session.clone(), window };
            self.calls.borrow_mut().insert(ticket, pending);
            scope.number(ticket as f64).ok_or_else(no_value)
        });
        self.errors.either(scope, ticket)
    }

    /// Forgets a call that has ended.
    pub(crate) fn take_call(&self, scope: Scope, ticket: u64) -> Option<Pending> {
        let pending = self.calls.borrow_mut().remove(&ticket)?;
        if pending.window.is_none() {
            self.release(scope);
        }
        Some(pending)
    }

    fn call_at(&self, ticket: f64) -> Option<Arc<ClientCall>> {
        self.calls.borrow().get(&(ticket as u64)).map(|pending| pending.call.clone())
    }

    /// True: the item was taken; false: the window is full; undefined: the call has ended; else an error.
    pub(crate) fn sent(&self, scope: Scope, sent: Result<()>) -> Js {
        let accepted = match sent {
            Ok(()) => true,
            Err(error) if error.kind() == ErrorKind::WouldBlock => false,
            Err(error) if error.kind() == ErrorKind::Cancelled => return scope.undefined(),
            Err(error) => return self.errors.error(scope, &error),
        };
        scope.boolean(accepted).unwrap_or_else(|| scope.undefined())
    }

    /// Takes note of items that were taken from a stream, either way, and lets as many more come.
    fn took(&self, ticket: u64, items: u32) -> Result<()> {
        let found = self.calls.borrow_mut().get_mut(&ticket).map(|pending| {
            let due = pending.window.as_mut().map_or(0, |window| window.took(items));
            (pending.call.clone(), due)
        });
        if let Some((call, due)) = found {
            return if due > 0 { self.submit(|| call.grant(due)) } else { Ok(()) };
        }
        let found = self.running.borrow_mut().get_mut(&ticket).map(|one| (one.call.clone(), one.window.took(items)));
        match found {
            Some((call, due)) if due > 0 => self.submit(|| call.grant(due)),
            _ => Ok(()),
        }
    }
}

#[napi]
impl Engine {
    /// Submits a call with its only request; returns its ticket or an error. `metadata`: keys and values in turn.
    /// `prefetch`: items of the answer that are read ahead, if it is a stream.
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
        prefetch: Option<u32>,
        call_id: Option<String>,
    ) -> Js {
        let scope = Scope::new(env);
        let options = options(scope, timeout_ms, metadata, mode, prefetch, call_id);
        let (mut source, request) = TapeSource::new(scope, &stub.bound.hosts, Handed { slot, text, length, extra });
        let queue = &self.shared.queue;
        let started = self.shared.submit(|| match stub.bound.raw {
            false => stub.service.start(method as usize, &options, queue, &mut source, &request),
            true => stub.service.start_raw(method as usize, &options, queue, source.body(request)?.as_bytes()),
        });
        self.shared.submitted(scope, stub, started, prefetch.map(Window::new))
    }

    /// Submits a call whose requests follow; returns its ticket or an error. Arguments as for [`call`](Self::call).
    #[napi]
    #[allow(clippy::too_many_arguments, reason = "as above")]
    pub fn open(
        &self,
        env: &Env,
        stub: &Stub,
        method: u32,
        timeout_ms: Option<f64>,
        metadata: Js,
        mode: Option<u8>,
        prefetch: Option<u32>,
        call_id: Option<String>,
    ) -> Js {
        let scope = Scope::new(env);
        let options = options(scope, timeout_ms, metadata, mode, prefetch, call_id);
        let queue = &self.shared.queue;
        let started = self.shared.submit(|| stub.service.open(method as usize, &options, queue));
        self.shared.submitted(scope, stub, started, prefetch.map(Window::new))
    }

    /// Sends a request of a call; see [`Shared::sent`].
    #[napi]
    pub fn send(&self, env: &Env, ticket: f64, slot: u32, text: Js, length: u32, extra: Js) -> Js {
        let scope = Scope::new(env);
        let found = self.shared.calls.borrow().get(&(ticket as u64)).map(|one| (one.call.clone(), one.bound.clone()));
        let Some((call, bound)) = found else { return scope.undefined() };
        let (mut source, value) = TapeSource::new(scope, &bound.hosts, Handed { slot, text, length, extra });
        let sent = match bound.raw {
            false => call.send(&mut source, &value),
            true => source.body(value).and_then(|body| call.send_raw(body.as_bytes())),
        };
        self.shared.sent(scope, sent)
    }

    /// Ends the requests of a call.
    #[napi]
    pub fn end_input(&self, ticket: f64) {
        if let Some(call) = self.shared.call_at(ticket) {
            self.shared.submit(|| call.end_input());
        }
    }

    /// Tells that items of a stream were taken, of either side; returns undefined or an error.
    #[napi]
    pub fn took(&self, env: &Env, ticket: f64, items: u32) -> Js {
        let scope = Scope::new(env);
        let granted = self.shared.took(ticket as u64, items);
        self.shared.errors.either(scope, granted.map(|()| scope.undefined()))
    }

    /// Cancels a call; its failure is told as for any other end.
    #[napi]
    pub fn cancel(&self, ticket: f64) {
        if let Some(call) = self.shared.call_at(ticket) {
            call.cancel();
        }
    }
}
