//! Completion queues in C: make, drain, poll, wake, shut down.

use std::ffi::c_void;
use std::sync::Arc;
use std::time::Duration;

use aster_core::error::{Error, ErrorKind, Result};
use aster_core::limits;

use crate::errors::{aster_error_t, aster_result_t};
use crate::event::aster_event_t;
use crate::guard;
use crate::handle::{Home, borrow, give, handle, null_argument, out, take};
use crate::options::{self, Growing};
use crate::queue::{CompletionQueue, Wait};
use crate::runtime::{aster_runtime_t, duration, refuse_own_thread};
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

impl Drop for aster_cq_t {
    fn drop(&mut self) {
        self.queue.abandon();
    }
}

/// The caller's pointer, on its way to the thread of the callback.
struct UserData(*mut c_void);
// SAFETY: `aster_cq_set_callback` asks for a pointer that another thread may use.
unsafe impl Send for UserData {}

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
        if cq.queue.has_callback() {
            return Err(Error::new(ErrorKind::State, "a callback drains this queue"));
        }
        let wait = match timeout_ms {
            0 => Wait::Poll,
            ms if ms < 0 => Wait::Ever,
            ms => Wait::For(duration(ms, Duration::ZERO)),
        };
        if wait != Wait::Poll {
            refuse_own_thread()?;
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
    unsafe { guard::value(-1, || Ok(borrow(cq, "cq")?.queue.bell().fd())) }
}

/// Makes one `aster_cq_next` return 0, the one that waits or the next. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_cq_wake(cq: *mut aster_cq_t) {
    // SAFETY: the caller passes NULL or a live queue.
    unsafe {
        guard::quiet(|| {
            if let Ok(cq) = borrow(cq, "cq") {
                cq.queue.bell().wake();
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
    // SAFETY: pointers are NULL or as the header says; the caller vouches for the callback and its data, and the events
    // are valid while it runs.
    unsafe {
        guard::run(err, || {
            let cq = borrow(cq, "cq")?;
            let callback = callback.ok_or_else(|| null_argument("callback"))?;
            let user_data = UserData(user_data);
            cq.queue.start_callback(Box::new(move |events| {
                let user_data = &user_data;
                callback(user_data.0, events.as_mut_ptr(), events.len());
            }))
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
