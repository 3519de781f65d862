//! A session in the hands of the client's host: calls wait here for their turn.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Instant;

use super::queue::Ticketed;
use super::{ClientCall, Errand, Event, Queue, Signal};
use crate::error::{Error, ErrorKind, Result};
use crate::limits;
use crate::status::{RpcStatus, StatusCode};
use crate::sync::lock;
use crate::wire;

/// Events of a session beside those of its calls: opened and closed.
const EVENT_SLOTS: usize = 2;

/// An open session of a session-scoped service: one stream, one object at the server, one call at a time.
pub struct ClientSession {
    ticket: u64,
    id: String,
    queue: Arc<Queue>,
    signal: Arc<Signal>,
    state: Mutex<State>,
}

struct State {
    waiting: VecDeque<Arc<ClientCall>>,
    running: Weak<ClientCall>,
    closing: bool,
    /// How the session ended: the status of later calls, and whether the connection went away.
    ended: Option<(RpcStatus, bool)>,
}

impl ClientSession {
    /// Makes a session whose events go to `queue`.
    pub(crate) fn open(id: String, queue: &Arc<Queue>) -> Result<Arc<Self>> {
        queue.reserve(EVENT_SLOTS)?;
        let ticket = super::next_ticket();
        let session = Arc::new(Self {
            ticket,
            id,
            queue: queue.clone(),
            signal: Arc::default(),
            state: Mutex::new(State { waiting: VecDeque::new(), running: Weak::new(), closing: false, ended: None }),
        });
        let weak: Weak<ClientSession> = Arc::downgrade(&session);
        queue.enroll(ticket, weak);
        queue.push(Event::ClientSessionOpened { ticket });
        Ok(session)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Returns the ticket that its events carry.
    pub fn ticket(&self) -> u64 {
        self.ticket
    }

    /// Returns its id on the wire.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Ends the session: its calls are cancelled, the server runs its close hook. Idempotent.
    pub fn close(&self) {
        self.lock().closing = true;
        self.signal.raise();
    }

    /// Cancels the call that runs, if one does; the session goes on.
    pub fn cancel_running(&self) {
        let running = self.lock().running.upgrade();
        if let Some(call) = running {
            call.cancel();
        }
    }

    pub(crate) fn signal(&self) -> &Arc<Signal> {
        &self.signal
    }

    /// Fails if no call can be queued.
    pub(crate) fn check_room(&self) -> Result<()> {
        let state = self.lock();
        if state.closing {
            return Err(Error::new(ErrorKind::Closed, "session is closed"));
        }
        if state.waiting.len() >= limits::MAX_SESSION_QUEUE {
            return Err(Error::rpc(wire::too_many_queued_calls(limits::MAX_SESSION_QUEUE)));
        }
        Ok(())
    }

    /// Queues a call; one for a session that has ended fails at once.
    pub(crate) fn enqueue(&self, call: Arc<ClientCall>) {
        let mut state = self.lock();
        match state.ended.clone() {
            None => state.waiting.push_back(call),
            Some((status, lost)) => {
                drop(state);
                call.finish(status, lost);
            }
        }
        self.queue.submit(Errand::Raise(self.signal.clone()));
    }

    /// Takes the next call that has not ended while it waited.
    pub(crate) fn next_call(&self) -> Option<Arc<ClientCall>> {
        let mut state = self.lock();
        while let Some(call) = state.waiting.pop_front() {
            if !call.is_ended() {
                state.running = Arc::downgrade(&call);
                return Some(call);
            }
        }
        None
    }

    /// Ends waiting calls whose time is up, forgets those that ended, and returns the next deadline among the rest.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let mut state = self.lock();
        if state.waiting.is_empty() {
            return None;
        }
        let now = Instant::now();
        state.waiting.retain(|call| {
            if call.deadline().is_some_and(|deadline| deadline <= now) {
                call.finish(wire::deadline_exceeded(), false);
            }
            !call.is_ended()
        });
        state.waiting.iter().filter_map(|call| call.deadline()).min()
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.lock().closing
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.lock().ended.is_some()
    }

    /// Ends the session and what waits in it; later calls fail with `status`. Only the first time counts.
    pub(crate) fn conclude(&self, status: RpcStatus, connection_lost: bool) {
        let waiting = {
            let mut state = self.lock();
            if state.ended.is_some() {
                return;
            }
            let later = if status.is_ok() {
                (RpcStatus::new(StatusCode::CANCELLED, "session is closed"), false)
            } else {
                (status.clone(), connection_lost)
            };
            state.ended = Some(later);
            std::mem::take(&mut state.waiting)
        };
        for call in waiting {
            match status.is_ok() {
                true => call.finish(wire::cancelled(), false),
                false => call.finish(status.clone(), connection_lost),
            }
        }
        self.queue.dismiss(self.ticket);
        self.queue.push(Event::ClientSessionClosed { ticket: self.ticket, status, connection_lost });
    }
}

impl Ticketed for ClientSession {
    fn end(&self, status: RpcStatus) {
        self.conclude(status, false);
        self.signal.raise();
    }
}
