//! The completion queue: many producers, one host that drains batches.
//!
//! Every event has a slot that was reserved when its call was submitted or accepted, so that the queue is
//! bounded, no producer waits and no event is lost.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use super::Event;
use super::doorbell::{Doorbell, Errand};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::TicketMap;
use crate::status::{RpcStatus, StatusCode};
use crate::sync::lock;

/// Wakes the host; called on core's threads, must neither block nor enter the host language.
pub trait Wake: Send + Sync {
    /// Tells the host that an armed queue turned non-empty.
    fn wake(&self);
}

impl<F: Fn() + Send + Sync> Wake for F {
    fn wake(&self) {
        self();
    }
}

/// A call that a closing queue has to end.
pub(crate) trait Ticketed: Send + Sync {
    /// Ends the call with this status.
    fn end(&self, status: RpcStatus);
}

static TICKETS: AtomicU64 = AtomicU64::new(1);

/// Returns a number that names a call, session or queue entry; never 0, never reused.
pub(crate) fn next_ticket() -> u64 {
    TICKETS.fetch_add(1, Ordering::Relaxed)
}

/// A bounded queue of events for one host loop.
pub struct Queue {
    state: Mutex<State>,
    tickets: Mutex<TicketMap<Weak<dyn Ticketed>>>,
    capacity: usize,
    waker: Box<dyn Wake>,
    bell: Doorbell,
    /// Calls of either side that have not ended.
    busy: AtomicUsize,
}

struct State {
    events: VecDeque<Event>,
    reserved: usize,
    armed: bool,
    closed: bool,
}

impl Queue {
    /// Makes a queue with room for `capacity` events; `waker` runs once per batch.
    pub fn new(capacity: usize, waker: impl Wake + 'static) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State { events: VecDeque::new(), reserved: 0, armed: true, closed: false }),
            tickets: Mutex::default(),
            capacity,
            waker: Box::new(waker),
            bell: Doorbell::default(),
            busy: AtomicUsize::new(0),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn tickets(&self) -> MutexGuard<'_, TicketMap<Weak<dyn Ticketed>>> {
        lock(&self.tickets)
    }

    /// Moves up to `max` events to `out` and returns their number. Fewer than `max` means that the queue is
    /// empty and armed: the host is woken when something comes. Drain from one thread at a time.
    pub fn drain(&self, max: usize, out: &mut Vec<Event>) -> usize {
        let mut state = self.lock();
        let n = state.events.len().min(max);
        out.extend(state.events.drain(..n));
        if n < max {
            state.armed = true;
        }
        n
    }

    /// Tells whether events wait.
    pub fn is_empty(&self) -> bool {
        self.lock().events.is_empty()
    }

    /// Reserves room for the completion of one control-plane operation.
    ///
    /// # Errors
    ///
    /// LIMIT if the queue is full, CLOSED if it is closed.
    pub fn reserve_post(&self) -> Result<()> {
        self.reserve(1)
    }

    /// Delivers the completion of a control-plane operation, for which [`reserve_post`](Self::reserve_post)
    /// made room.
    pub fn post(&self, payload: Box<dyn Any + Send>) {
        self.push(Event::Posted(payload));
    }

    /// Ends every call of this queue with UNAVAILABLE, then delivers [`Event::QueueClosed`]. Idempotent.
    pub fn close(&self) {
        {
            let mut state = self.lock();
            if state.closed {
                return;
            }
            state.closed = true;
        }
        self.ring();
        let open: Vec<_> = self.tickets().drain().filter_map(|(_, call)| call.upgrade()).collect();
        for call in open {
            call.end(RpcStatus::new(StatusCode::UNAVAILABLE, "completion queue closed"));
        }
        self.lock().reserved += 1;
        self.push(Event::QueueClosed);
    }

    pub(crate) fn reserve(&self, slots: usize) -> Result<()> {
        let mut state = self.lock();
        if state.closed {
            return Err(Error::new(ErrorKind::Closed, "completion queue is closed"));
        }
        let used = state.reserved + state.events.len();
        if used + slots > self.capacity {
            return Err(
                Error::limit("pending events", self.capacity, used + slots).with_status(StatusCode::RESOURCE_EXHAUSTED)
            );
        }
        state.reserved += slots;
        Ok(())
    }

    pub(crate) fn unreserve(&self, slots: usize) {
        let mut state = self.lock();
        state.reserved = state.reserved.saturating_sub(slots);
    }

    /// Appends an event in a reserved slot and wakes the host if it waits.
    pub(crate) fn push(&self, event: Event) {
        let wake = {
            let mut state = self.lock();
            state.reserved = state.reserved.saturating_sub(1);
            state.events.push_back(event);
            std::mem::take(&mut state.armed)
        };
        if wake {
            self.waker.wake();
        }
    }

    /// Appends events in reserved slots and wakes the host if it waits.
    pub(crate) fn push_all(&self, events: impl ExactSizeIterator<Item = Event>) {
        let wake = {
            let mut state = self.lock();
            state.reserved = state.reserved.saturating_sub(events.len());
            state.events.extend(events);
            !state.events.is_empty() && std::mem::take(&mut state.armed)
        };
        if wake {
            self.waker.wake();
        }
    }

    /// Runs a submission of the host, whose work for the runtime may wait until [`ring`](Self::ring): true if it
    /// does. A host that gathers shares wake-ups and datagrams among the calls of one turn of its loop.
    pub fn gather<R>(&self, submit: impl FnOnce() -> R) -> (R, bool) {
        self.bell.gather(submit)
    }

    /// Hands over what was gathered: the host's turn is over.
    pub fn ring(&self) {
        self.bell.ring();
    }

    /// Returns the task that takes what was gathered, for the runtime of the host's calls; it ends with the queue.
    pub fn porter(&self) -> impl Future<Output = ()> + Send + 'static {
        self.bell.porter()
    }

    /// Hands work to the runtime. It may wait for others of the turn if there are others: a call that is alone
    /// would only lose time.
    pub(crate) fn submit(&self, errand: Errand) {
        self.bell.submit(errand, self.busy.load(Ordering::Relaxed) > 1);
    }

    /// Counts a call that the host serves.
    pub(crate) fn enter(&self) {
        self.busy.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes the count of a served call back.
    pub(crate) fn leave(&self) {
        self.busy.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn enroll(&self, ticket: u64, call: Weak<dyn Ticketed>) {
        self.enter();
        self.tickets().insert(ticket, call);
    }

    pub(crate) fn dismiss(&self, ticket: u64) {
        if self.tickets().remove(&ticket).is_some() {
            self.leave();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    fn finished(ticket: u64) -> Event {
        Event::Finished { ticket, status: RpcStatus::ok(), connection_lost: false }
    }

    #[test]
    fn wakes_once_per_batch() {
        let wakes = Arc::new(AtomicUsize::new(0));
        let counter = wakes.clone();
        let queue = Queue::new(8, move || {
            counter.fetch_add(1, Ordering::SeqCst);
        });
        queue.reserve(3).unwrap();
        for ticket in 1..=3 {
            queue.push(finished(ticket));
        }
        assert_eq!(wakes.load(Ordering::SeqCst), 1);
        let mut out = Vec::new();
        assert_eq!(queue.drain(2, &mut out), 2);
        assert_eq!(queue.drain(2, &mut out), 1);
        queue.reserve(1).unwrap();
        queue.push(finished(4));
        assert_eq!(wakes.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn refuses_beyond_its_capacity_and_loses_nothing() {
        let queue = Queue::new(2, || {});
        queue.reserve(2).unwrap();
        assert_eq!(queue.reserve(1).unwrap_err().kind(), ErrorKind::Limit);
        queue.push(finished(1));
        assert_eq!(queue.reserve(1).unwrap_err().kind(), ErrorKind::Limit, "an undrained event keeps its slot");
        let mut out = Vec::new();
        queue.drain(8, &mut out);
        queue.reserve(1).unwrap();
    }

    #[test]
    fn closing_delivers_a_last_event_once() {
        let queue = Queue::new(2, || {});
        queue.close();
        queue.close();
        let mut out = Vec::new();
        assert_eq!(queue.drain(8, &mut out), 1);
        assert!(matches!(out[0], Event::QueueClosed));
        assert_eq!(queue.reserve(1).unwrap_err().kind(), ErrorKind::Closed);
    }
}
