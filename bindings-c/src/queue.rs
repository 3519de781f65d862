//! A completion queue as its handle, its calls and its services share it: core's queue, and who is behind its tickets.
//!
//! Not here: the functions of C (`cq`), and how threads are woken (`bell`).

use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, TryLockError};
use std::time::{Duration, Instant};

use aster_core::engine::{Event, Queue};
use aster_core::error::{Error, ErrorKind, Result};
use aster_core::limits;

use crate::bell::{Bell, Rang, Ringer};
use crate::call::CallState;
use crate::event::{Batch, aster_event_t};
use crate::guard;
use crate::incoming::IncomingState;
use crate::op::Done;
use crate::runtime::{Runtime, enter_own_thread};
use crate::server::HostedService;
use aster_core::sync::lock;

/// A queue as its handle, its calls and its services share it.
pub(crate) struct CompletionQueue {
    /// Keeps the threads alive that fill it.
    _runtime: Arc<Runtime>,
    engine: Arc<Queue>,
    bell: Arc<Bell>,
    draining: Mutex<Drain>,
    calls: Mutex<HashMap<u64, Arc<CallState>>>,
    /// Shared by submissions; an event of a call that is not listed yet waits for them.
    submitting: RwLock<()>,
    services: Mutex<Vec<Arc<HostedService>>>,
    incoming: Mutex<HashMap<u64, Arc<IncomingState>>>,
    started: AtomicBool,
    callback: AtomicBool,
    abandoned: AtomicBool,
}

#[derive(Default)]
struct Drain {
    batch: Batch,
    events: Vec<Event>,
    ended: bool,
}

impl CompletionQueue {
    /// Makes a queue with room for `capacity` events.
    pub(crate) fn new(runtime: &Arc<Runtime>, capacity: usize) -> Arc<Self> {
        let bell = Arc::new(Bell::default());
        let queue = Arc::new(Self {
            _runtime: runtime.clone(),
            engine: Queue::new(capacity, Ringer(bell.clone())),
            bell,
            draining: Mutex::default(),
            calls: Mutex::default(),
            submitting: RwLock::default(),
            services: Mutex::default(),
            incoming: Mutex::default(),
            started: AtomicBool::new(false),
            callback: AtomicBool::new(false),
            abandoned: AtomicBool::new(false),
        });
        runtime.adopt_queue(Arc::downgrade(&queue));
        queue
    }

    /// Returns what wakes the thread that drains it.
    pub(crate) fn bell(&self) -> &Bell {
        &self.bell
    }

    /// Returns core's queue.
    pub(crate) fn engine(&self) -> &Arc<Queue> {
        &self.engine
    }

    /// Runs a submission and lists the call before its first event is looked at.
    pub(crate) fn submit(&self, start: impl FnOnce() -> Result<Arc<CallState>>) -> Result<Arc<CallState>> {
        let _submitting = self.submitting.read().unwrap_or_else(PoisonError::into_inner);
        let call = start()?;
        lock(&self.calls).insert(call.ticket(), call.clone());
        Ok(call)
    }

    /// Strikes a call off: no event names it from here.
    pub(crate) fn forget_call(&self, ticket: u64) {
        lock(&self.calls).remove(&ticket);
    }

    /// Takes a call whose terminal event arrived; `None` if it was freed before.
    fn finished_call(&self, ticket: u64) -> Option<Arc<CallState>> {
        if let Some(call) = lock(&self.calls).remove(&ticket) {
            return Some(call);
        }
        // The event may have overtaken the end of its submission.
        drop(self.submitting.write().unwrap_or_else(PoisonError::into_inner));
        lock(&self.calls).remove(&ticket)
    }

    /// Lists a service and returns its number, which core gives back with its events.
    pub(crate) fn add_service(&self, service: HostedService) -> u64 {
        let mut services = lock(&self.services);
        services.push(Arc::new(service));
        services.len() as u64 - 1
    }

    /// Strikes an incoming call off: no event names it from here.
    pub(crate) fn forget_incoming(&self, ticket: u64) {
        lock(&self.incoming).remove(&ticket);
    }

    /// Ends every call with UNAVAILABLE; then `next` says CLOSED. Idempotent.
    pub(crate) fn shutdown(&self) {
        self.engine.close();
    }

    /// Fills `events` and returns their number.
    pub(crate) fn next(self: &Arc<Self>, events: &mut [MaybeUninit<aster_event_t>], timeout: Wait) -> Result<usize> {
        self.started.store(true, Ordering::Release);
        let mut drain = match self.draining.try_lock() {
            Ok(drain) => drain,
            Err(TryLockError::Poisoned(drain)) => drain.into_inner(),
            Err(TryLockError::WouldBlock) => {
                return Err(Error::new(ErrorKind::State, "another thread drains this queue"));
            }
        };
        drain.batch.clear();
        let until = match timeout {
            Wait::Poll => Some(Instant::now()),
            Wait::For(time) => Some(Instant::now() + time),
            Wait::Ever => None,
        };
        loop {
            self.bell.hush();
            let n = self.fill(&mut drain, events.len());
            if n > 0 {
                for (slot, event) in events.iter_mut().zip(drain.batch.events()) {
                    slot.write(*event);
                }
                return Ok(n);
            }
            if drain.ended {
                self.bell.ring(); // Pollers keep seeing that there is something to hear: the end.
                return Err(Error::new(ErrorKind::Closed, "the queue is shut down"));
            }
            if timeout == Wait::Poll {
                self.bell.take_woken();
                return Ok(0);
            }
            if self.bell.wait(until) != Rang::Events {
                return Ok(0);
            }
        }
    }

    /// Takes what core has and turns it into events of C.
    fn fill(self: &Arc<Self>, drain: &mut Drain, max: usize) -> usize {
        let Drain { batch, events, ended } = drain;
        let taken = self.engine.drain(max, events);
        if taken == max {
            self.bell.ring(); // More may be there, and core rings only when the queue was empty.
        }
        for event in events.drain(..) {
            // A panic over one event must not cost the others.
            *ended |= guard::caught(|| self.convert(event, batch)).unwrap_or(false);
        }
        batch.events().len()
    }

    /// Adds what one event means to C. True: it was the last one.
    fn convert(self: &Arc<Self>, event: Event, batch: &mut Batch) -> bool {
        match event {
            Event::Response { ticket, body } => {
                if let Some(call) = self.finished_call(ticket) {
                    call.responded(&body, batch);
                }
            }
            Event::Finished { ticket, status, .. } => {
                if let Some(call) = self.finished_call(ticket) {
                    call.failed(Error::rpc(status), batch);
                }
            }
            Event::CallStarted { call, body } => {
                let service = usize::try_from(call.info().tag).ok().and_then(|n| lock(&self.services).get(n).cloned());
                let (Some(service), Some(body)) = (service, body) else {
                    call.release(); // Core answers a call that nobody takes.
                    return false;
                };
                if let Some(state) = IncomingState::start(self, &service, call, &body, batch) {
                    lock(&self.incoming).insert(state.ticket(), state);
                }
            }
            Event::Cancelled { call, reason } => {
                let state = lock(&self.incoming).get(&call.ticket()).cloned();
                if let Some(state) = state {
                    state.cancelled(reason, batch);
                }
            }
            Event::Posted(payload) => {
                if let Ok(done) = payload.downcast::<Done>()
                    && let Some((result, op)) = done.operation.reported()
                {
                    batch.push_done(done.tag, result, op);
                }
            }
            Event::QueueClosed => return true,
            // Streaming and session services are refused at registration.
            Event::Item { .. }
            | Event::CallWritable { .. }
            | Event::ClientSessionOpened { .. }
            | Event::ClientSessionClosed { .. }
            | Event::RequestItem { .. }
            | Event::HalfClosed { .. }
            | Event::Writable { .. }
            | Event::SessionOpened { .. }
            | Event::SessionClosed { .. } => {}
        }
        false
    }

    /// Tells whether a callback drains the queue.
    pub(crate) fn has_callback(&self) -> bool {
        self.callback.load(Ordering::Acquire)
    }

    /// Starts a thread that delivers batches to a callback until the queue ends.
    pub(crate) fn start_callback(self: &Arc<Self>, callback: Callback) -> Result<()> {
        let drained = self.started.load(Ordering::Acquire);
        if drained || self.callback.swap(true, Ordering::AcqRel) {
            return Err(Error::new(ErrorKind::State, "the queue is being drained already"));
        }
        let queue = self.clone();
        let deliver = move || {
            enter_own_thread();
            queue.deliver(callback);
        };
        std::thread::Builder::new().name("aster-cq".to_owned()).spawn(deliver).map(drop).map_err(|error| {
            self.callback.store(false, Ordering::Release);
            Error::new(ErrorKind::Io, format!("cannot start a thread: {error}"))
        })
    }

    fn deliver(self: &Arc<Self>, mut callback: Callback) {
        let mut events = [const { MaybeUninit::uninit() }; limits::DRAIN_BATCH];
        while let Ok(n) = self.next(&mut events, Wait::Ever) {
            // SAFETY: `next` wrote the first `n` events.
            let batch = unsafe { std::slice::from_raw_parts_mut(events.as_mut_ptr().cast::<aster_event_t>(), n) };
            if self.abandoned.load(Ordering::Acquire) {
                for event in batch {
                    // SAFETY: the event owns its call, which nobody has seen.
                    unsafe { event.discard() }
                }
                return;
            }
            if n > 0 {
                callback(batch);
            }
        }
    }

    /// Ends everything, as nobody can drain the queue any more: calls that wait to be seen are let go.
    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
        self.shutdown();
        self.bell.wake();
        if !self.has_callback() {
            let mut events = Vec::new();
            self.engine.drain(usize::MAX, &mut events);
            for event in events {
                if let Event::CallStarted { call, .. } = event {
                    call.release(); // Core answers.
                }
            }
        }
    }
}

/// Takes a batch of events on the thread of the queue.
pub(crate) type Callback = Box<dyn FnMut(&mut [aster_event_t]) + Send>;

/// How long `next` waits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Not at all.
    Poll,
    /// That long.
    For(Duration),
    /// Until something comes.
    Ever,
}
