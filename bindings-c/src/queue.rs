//! The completion queue of C: core's queue, drained by `aster_cq_next` or by a callback thread.

use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, TryLockError};
use std::time::{Duration, Instant};

use aster_core::engine::{Event, Queue};
use aster_core::error::{Error, ErrorKind, Result};
use aster_core::limits;

use crate::bell::{Bell, Rang, Ringer};
use crate::call::CallState;
use crate::errors::{aster_error_t, aster_result_t};
use crate::event::{Batch, aster_event_t};
use crate::guard;
use crate::handle::{Home, borrow, give, handle, out, take};
use crate::incoming::IncomingState;
use crate::op::Done;
use crate::options::{self, Growing};
use crate::runtime::{Runtime, aster_runtime_t, duration, enter_own_thread};
use crate::server::HostedService;
use crate::slice::invalid_argument;

/// Most events that one `aster_cq_next` returns.
const MAX_BATCH: usize = 4096;
/// Most pending events a queue may be made for.
const MAX_PENDING: u32 = 16_000_000;

/// Takes a batch of events on a thread of the library; must not block. The events are borrowed until it returns.
pub type aster_cq_fn = Option<unsafe extern "C" fn(user_data: *mut c_void, events: *mut aster_event_t, count: usize)>;

/// Settings of a queue. Make it with `ASTER_CQ_OPTIONS_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct aster_cq_options_t {
    /// Size of this struct.
    pub struct_size: usize,
    /// Events that may be pending, those of running calls counted; 0: 65536.
    pub max_pending: u32,
    /// Zero.
    pub reserved: u32,
}

// SAFETY: repr(C), struct_size first, plain numbers.
unsafe impl Growing for aster_cq_options_t {}

/// A completion queue: where calls, services and operations report. One thread at a time drains it.
pub struct aster_cq_t {
    home: Home,
    pub(crate) queue: Arc<CompletionQueue>,
}

handle!(aster_cq_t);

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
    muted: AtomicBool,
}

#[derive(Default)]
struct Drain {
    batch: Batch,
    events: Vec<Event>,
    ended: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl CompletionQueue {
    fn new(runtime: &Arc<Runtime>, capacity: usize) -> Arc<Self> {
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
            muted: AtomicBool::new(false),
        });
        runtime.adopt_queue(Arc::downgrade(&queue));
        queue
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
    fn next(self: &Arc<Self>, events: &mut [std::mem::MaybeUninit<aster_event_t>], timeout: Wait) -> Result<usize> {
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
            match guard::caught(|| self.convert(event, batch)) {
                Some(true) => *ended = true,
                Some(false) | None => {}
            }
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
            Event::Finished { ticket, status } => {
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
            Event::RequestItem { .. }
            | Event::HalfClosed { .. }
            | Event::Writable { .. }
            | Event::SessionOpened { .. }
            | Event::SessionClosed { .. } => {}
        }
        false
    }

    /// Delivers batches to a callback until the queue ends.
    fn deliver(
        self: &Arc<Self>,
        callback: unsafe extern "C" fn(*mut c_void, *mut aster_event_t, usize),
        user_data: UserData,
    ) {
        let mut events = [const { std::mem::MaybeUninit::uninit() }; limits::DRAIN_BATCH];
        while let Ok(n) = self.next(&mut events, Wait::Ever) {
            if self.muted.load(Ordering::Acquire) {
                return;
            }
            if n > 0 {
                // SAFETY: the first `n` events were written; the caller vouched for the callback.
                unsafe { callback(user_data.0, events.as_mut_ptr().cast(), n) }
            }
        }
    }
}

/// How long `next` waits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wait {
    Poll,
    For(Duration),
    Ever,
}

/// The caller's pointer, on its way to the thread of the callback.
struct UserData(*mut c_void);
// SAFETY: `aster_cq_set_callback` asks for a pointer that another thread may use.
unsafe impl Send for UserData {}

impl Drop for aster_cq_t {
    fn drop(&mut self) {
        // Nobody can drain it any more.
        self.queue.muted.store(true, Ordering::Release);
        self.queue.shutdown();
        self.queue.bell.wake();
    }
}

/// Makes a completion queue. `options` NULL: defaults.
///
/// Any thread. Errors: CLOSED after the runtime's shutdown.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_cq_new(
    runtime: *mut aster_runtime_t,
    options: *const aster_cq_options_t,
    out: *mut *mut aster_cq_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let (runtime, slot) = (borrow(runtime, "runtime")?, self::out(out, "out")?);
            let options = options::read(options, "options")?;
            let capacity = match options.max_pending {
                0 => limits::QUEUE_CAPACITY,
                n @ 1..=MAX_PENDING => n as usize,
                _ => return Err(invalid_argument("max_pending", "exceeds 16000000")),
            };
            runtime.runtime.check_open()?;
            let queue = CompletionQueue::new(&runtime.runtime, capacity);
            slot.write(give(aster_cq_t { home: Home::here(), queue }));
            Ok(())
        })
    }
}

/// Fills up to `cap` (1 to 4096) events and returns their number; 0 after the timeout or `aster_cq_wake`.
///
/// One thread at a time. `timeout_ms`: 0 polls, negative waits for ever. What the events of the last call point to is
/// freed. On failure the result is a negated code: `-ASTER_ERR_CLOSED` once shut down and drained, `-ASTER_ERR_STATE`
/// while another thread or a callback drains.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_cq_next(
    cq: *mut aster_cq_t,
    events: *mut aster_event_t,
    cap: usize,
    timeout_ms: i64,
) -> i32 {
    let work = || -> Result<i32> {
        // SAFETY: pointers are NULL or as the header says.
        let (cq, _) = unsafe { (borrow(cq, "cq")?, out(events, "events")?) };
        if !(1..=MAX_BATCH).contains(&cap) {
            return Err(invalid_argument("cap", "must be 1 to 4096"));
        }
        if cq.queue.callback.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::State, "a callback drains this queue"));
        }
        let wait = match timeout_ms {
            0 => Wait::Poll,
            ms if ms < 0 => Wait::Ever,
            ms => Wait::For(duration(ms, Duration::ZERO)),
        };
        if wait != Wait::Poll {
            crate::runtime::refuse_own_thread()?;
        }
        // SAFETY: the caller vouches for `cap` events.
        let events = unsafe { std::slice::from_raw_parts_mut(events.cast(), cap) };
        cq.queue.next(events, wait).map(|n| i32::try_from(n).unwrap_or(i32::MAX))
    };
    guard::caught(work).unwrap_or_else(|| Err(guard::panicked())).unwrap_or_else(|error| -error.kind().number())
}

/// Returns a descriptor that is readable while events wait, or -1. It belongs to the queue: poll it, never read it.
///
/// When it is readable call `aster_cq_next(cq, events, cap, 0)` until it returns less than `cap`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_cq_fd(cq: *const aster_cq_t) -> i32 {
    // SAFETY: the caller passes NULL or a live queue.
    unsafe { guard::value(-1, || Ok(borrow(cq, "cq")?.queue.bell.fd())) }
}

/// Makes one `aster_cq_next` return 0, the one that waits or the next. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_cq_wake(cq: *mut aster_cq_t) {
    // SAFETY: the caller passes NULL or a live queue.
    unsafe {
        guard::quiet(|| {
            if let Ok(cq) = borrow(cq, "cq") {
                cq.queue.bell.wake();
            }
        });
    }
}

/// Delivers events to `callback` on one thread of the library, instead of `aster_cq_next`, until the queue ends.
///
/// Before the first event, once. `callback` must not block, and `user_data` must be good for that thread; both are used
/// until the queue is shut down and drained. Errors: STATE if the queue is being drained already.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_cq_set_callback(
    cq: *mut aster_cq_t,
    callback: aster_cq_fn,
    user_data: *mut c_void,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let cq = borrow(cq, "cq")?;
            let callback = callback.ok_or_else(|| crate::handle::null_argument("callback"))?;
            let queue = cq.queue.clone();
            let drained = queue.started.load(Ordering::Acquire);
            if drained || queue.callback.swap(true, Ordering::AcqRel) {
                return Err(Error::new(ErrorKind::State, "the queue is being drained already"));
            }
            let user_data = UserData(user_data);
            let deliver = move || {
                let user_data = user_data;
                enter_own_thread();
                queue.deliver(callback, user_data);
            };
            let thread = std::thread::Builder::new().name("aster-cq".to_owned()).spawn(deliver);
            thread.map(drop).map_err(|error| {
                cq.queue.callback.store(false, Ordering::Release);
                Error::new(ErrorKind::Io, format!("cannot start a thread: {error}"))
            })
        })
    }
}

/// Ends the calls of the queue with status 14; when all is drained `aster_cq_next` says CLOSED. Idempotent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_cq_shutdown(cq: *mut aster_cq_t) {
    // SAFETY: the caller passes NULL or a live queue.
    unsafe {
        guard::quiet(|| {
            if let Ok(cq) = borrow(cq, "cq") {
                cq.queue.shutdown();
            }
        });
    }
}

/// Releases a queue and what its last events point to; its calls end. NULL does nothing. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_cq_free(cq: *mut aster_cq_t) {
    // SAFETY: the caller passes NULL or a live queue, and gives it up.
    unsafe { guard::quiet(|| drop(take(cq))) }
}
