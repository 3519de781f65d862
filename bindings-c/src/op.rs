//! Operations: what takes time and is no call. Reported through a queue, or waited for.

use std::future::Future;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aster_core::error::{Error, ErrorKind, Result};
use tokio::sync::Notify;

use crate::client::aster_client_t;
use crate::cq::aster_cq_t;
use crate::errors::{aster_error_t, aster_result_t};
use crate::guard;
use crate::handle::{Home, borrow, give, handle, out, take};
use crate::queue::CompletionQueue;
use crate::runtime::{Runtime, patience, refuse_own_thread};
use crate::slice::aster_bytes_t;
use aster_core::sync::lock;

/// A running or finished operation.
///
/// Wait for it, or for its `ASTER_EVENT_OP_DONE`; then take its result. Freeing it early cancels it.
pub struct aster_op_t {
    home: Home,
    operation: Arc<Operation>,
}

handle!(aster_op_t);

/// What an operation yields.
pub(crate) enum Outcome {
    /// Nothing but its success.
    Nothing,
    /// Bytes or text.
    #[expect(dead_code, reason = "operations with text come with blobs and the registry; take_bytes is there")]
    Bytes(Vec<u8>),
    /// A connected client.
    Client(Box<aster_client_t>),
}

/// An operation as its task, its handle and its queue share it.
pub(crate) struct Operation {
    state: Mutex<State>,
    done: Condvar,
    cancel: Notify,
}

struct State {
    result: Option<Result<()>>,
    outcome: Option<Outcome>,
    owner: Owner,
}

/// Who holds the handle of an operation.
#[derive(Clone, Copy)]
enum Owner {
    /// The caller, at this address.
    Caller(usize),
    /// The library, until the batch that reports it ends.
    Library,
    /// Nobody: it was freed.
    Nobody,
}

/// Where an operation is reported.
pub(crate) struct Report {
    queue: Arc<CompletionQueue>,
    tag: u64,
}

/// What is posted to a queue when an operation is done.
pub(crate) struct Done {
    pub(crate) operation: Arc<Operation>,
    pub(crate) tag: u64,
}

/// Completes an operation when its task ends, also when the task is dropped with its runtime.
struct Completion {
    operation: Arc<Operation>,
    report: Option<Report>,
}

impl Completion {
    fn complete(&mut self, result: Result<Outcome>) {
        let (result, outcome) = match result {
            Ok(outcome) => (Ok(()), Some(outcome)),
            Err(error) => (Err(error), None),
        };
        let mut state = self.operation.lock();
        if state.result.is_some() {
            return;
        }
        state.result = Some(result);
        state.outcome = outcome;
        drop(state);
        self.operation.done.notify_all();
        if let Some(Report { queue, tag }) = self.report.take() {
            queue.engine().post(Box::new(Done { operation: self.operation.clone(), tag }));
        }
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        self.complete(Err(Error::new(ErrorKind::Closed, "the runtime was shut down")));
    }
}

impl Operation {
    fn new(owner: Owner) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State { result: None, outcome: None, owner }),
            done: Condvar::new(),
            cancel: Notify::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Runs work of the library itself, to be waited for.
    pub(crate) fn spawn(
        runtime: &Arc<Runtime>,
        work: impl Future<Output = Result<Outcome>> + Send + 'static,
    ) -> Arc<Self> {
        let operation = Self::new(Owner::Nobody);
        operation.launch(runtime, None, work);
        operation
    }

    fn launch(
        self: &Arc<Self>,
        runtime: &Arc<Runtime>,
        report: Option<Report>,
        work: impl Future<Output = Result<Outcome>> + Send + 'static,
    ) {
        let mut completion = Completion { operation: self.clone(), report };
        runtime.tokio().spawn(async move {
            let operation = completion.operation.clone();
            let result = tokio::select! {
                biased;
                () = operation.cancel.notified() => Err(Error::new(ErrorKind::Cancelled, "the operation was cancelled")),
                result = work => result,
            };
            completion.complete(result);
        });
    }

    /// Waits for the result; `None` waits for ever.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> Result<()> {
        let until = timeout.map(|timeout| Instant::now() + timeout);
        let mut state = self.lock();
        loop {
            if let Some(result) = &state.result {
                return result.clone();
            }
            state = match until.map(|until| until.saturating_duration_since(Instant::now())) {
                Some(Duration::ZERO) => return Err(Error::new(ErrorKind::Timeout, "the operation is not done yet")),
                Some(left) => self.done.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.done.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn take(&self, wanted: &str, matches: fn(&Outcome) -> bool) -> Result<Outcome> {
        let state_error = |text: String| Err(Error::new(ErrorKind::State, text));
        let mut state = self.lock();
        match &state.result {
            None => return state_error("the operation is not done yet".to_owned()),
            Some(Err(error)) => {
                let text = "the operation failed";
                return Err(Error::new(ErrorKind::State, text).with_source(error.clone()));
            }
            Some(Ok(())) => {}
        }
        match state.outcome.take_if(|outcome| matches(outcome)) {
            Some(outcome) => Ok(outcome),
            None => state_error(format!("the operation has no {wanted}, or it was taken")),
        }
    }

    /// Returns how the operation ended and the handle to show in its event; `None` if it was freed.
    pub(crate) fn reported(self: &Arc<Self>) -> Option<(Result<()>, ShownOp)> {
        let state = self.lock();
        let result = state.result.clone()?;
        match state.owner {
            Owner::Caller(address) => Some((result, ShownOp::Callers(address as *mut aster_op_t))),
            Owner::Library => {
                Some((result, ShownOp::Ours(Box::new(aster_op_t { home: Home::here(), operation: self.clone() }))))
            }
            Owner::Nobody => None,
        }
    }
}

/// The handle that an event shows.
pub(crate) enum ShownOp {
    /// The caller's own.
    Callers(*mut aster_op_t),
    /// One that lives as long as its batch.
    Ours(Box<aster_op_t>),
}

/// The three parameters that end every submission of an operation.
pub(crate) struct Submission {
    /// Queue to report to, or NULL.
    pub(crate) cq: *mut aster_cq_t,
    /// The caller's name for it.
    pub(crate) tag: u64,
    /// Where the handle goes, or NULL.
    pub(crate) op: *mut *mut aster_op_t,
}

impl Submission {
    /// Starts an operation.
    ///
    /// # Safety
    ///
    /// `cq` is NULL or a live queue, `op` is NULL or valid for writing.
    pub(crate) unsafe fn submit(
        self,
        runtime: &Arc<Runtime>,
        work: impl Future<Output = Result<Outcome>> + Send + 'static,
    ) -> Result<()> {
        // SAFETY: passed on from the caller.
        let (cq, slot) = unsafe { (crate::handle::borrow_optional(self.cq, "cq")?, self.op.as_mut()) };
        runtime.check_open()?;
        let report = match cq {
            None => None,
            Some(cq) => {
                cq.queue.engine().reserve_post()?;
                Some(Report { queue: cq.queue.clone(), tag: self.tag })
            }
        };
        let operation = Operation::new(Owner::Library);
        if let Some(slot) = slot {
            let op = give(aster_op_t { home: Home::here(), operation: operation.clone() });
            operation.lock().owner = Owner::Caller(op as usize);
            *slot = op;
        }
        operation.launch(runtime, report, work);
        Ok(())
    }
}

impl Drop for aster_op_t {
    fn drop(&mut self) {
        let mut state = self.operation.lock();
        if matches!(state.owner, Owner::Library) {
            return; // The handle of a batch; the operation is done.
        }
        state.owner = Owner::Nobody;
        let untaken = state.outcome.take();
        drop(state);
        drop(untaken);
        self.operation.cancel.notify_one();
    }
}

/// Waits until the operation is done and returns its own result.
///
/// Blocking. `timeout_ms`: 0 is 30 s, negative waits for ever. Errors: TIMEOUT (it goes on), STATE on a thread of the
/// library, else those of the operation.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_op_wait(
    op: *mut aster_op_t,
    timeout_ms: i64,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let op = borrow(op, "op")?;
            refuse_own_thread()?;
            op.operation.wait(patience(timeout_ms))
        })
    }
}

/// Tells whether the operation is done: 1 or 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_op_is_done(op: *const aster_op_t) -> i32 {
    // SAFETY: the caller passes NULL or a live operation.
    unsafe { guard::value(0, || Ok(i32::from(borrow(op, "op")?.operation.lock().result.is_some()))) }
}

/// Cancels the operation: it ends with CANCELLED unless it is done. Idempotent, never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_op_cancel(op: *mut aster_op_t) {
    // SAFETY: the caller passes NULL or a live operation.
    unsafe {
        guard::quiet(|| {
            if let Ok(op) = borrow(op, "op") {
                op.operation.cancel.notify_one();
            }
        });
    }
}

/// Releases an operation; cancels it if it runs, frees its result if nobody took it. NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_op_free(op: *mut aster_op_t) {
    // SAFETY: the caller passes NULL or a live operation, and gives it up.
    unsafe { guard::quiet(|| drop(take(op))) }
}

/// Takes the bytes or text that the operation yielded, once. The caller owns them.
///
/// Errors: STATE if it is not done, failed (see the source), yields something else, or was taken.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_op_take_bytes(
    op: *mut aster_op_t,
    out: *mut aster_bytes_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let (op, slot) = (borrow(op, "op")?, self::out(out, "out")?);
            if let Outcome::Bytes(bytes) = op.operation.take("bytes", |o| matches!(o, Outcome::Bytes(_)))? {
                slot.write(aster_bytes_t::give(bytes));
            }
            Ok(())
        })
    }
}

/// Takes the client that `aster_client_connect` yielded, once. The caller owns it.
///
/// Errors: as for `aster_op_take_bytes`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_op_take_client(
    op: *mut aster_op_t,
    out: *mut *mut aster_client_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let (op, slot) = (borrow(op, "op")?, self::out(out, "out")?);
            if let Outcome::Client(client) = op.operation.take("client", |o| matches!(o, Outcome::Client(_)))? {
                slot.write(Box::into_raw(client));
            }
            Ok(())
        })
    }
}
