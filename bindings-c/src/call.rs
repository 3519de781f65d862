//! Calls of a client: submit, take the terminal event or wait for it, look at the trailer.

use std::sync::{Arc, Mutex, OnceLock, TryLockError};
use std::time::{Duration, Instant};

use aster_core::codec::{ValueSink, ValueSource};
use aster_core::engine::{Body, ClientCall, Event, Queue};
use aster_core::error::{Error, ErrorKind, Result};
use aster_core::status::RpcStatus;

use crate::bell::{Bell, Rang, Ringer};
use crate::client::{ClientState, aster_client_t};
use crate::cq::aster_cq_t;
use crate::errors::{ASTER_END, ASTER_OK, aster_error_t, aster_result_t};
use crate::event::{ASTER_EVENT_FINISHED, ASTER_EVENT_RESPONSE, Batch, aster_event_t};
use crate::guard;
use crate::handle::{Home, borrow, borrow_optional, give, handle, null_argument, out, take};
use crate::options::{self, Growing};
use crate::payload::{Deliver, Delivered, Payload, aster_payload_t, deliver, parse};
use crate::queue::CompletionQueue;
use crate::request::{Request, aster_call_options_t};
use crate::runtime::{patience, refuse_own_thread};
use crate::slice::{LentPairs, aster_bytes_t, aster_pair_t, aster_str_t};
use crate::value::aster_value_t;

/// How a call ended. Make it with `ASTER_TRAILER_INIT`; its texts are borrowed from the call.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct aster_trailer_t {
    /// Size of this struct.
    pub struct_size: usize,
    /// The status.
    pub code: i32,
    /// Zero.
    pub reserved: u32,
    /// Text for people.
    pub message: aster_str_t,
    /// Pairs for programs.
    pub details: *const aster_pair_t,
    /// Number of pairs.
    pub details_len: usize,
}

// SAFETY: repr(C), struct_size first, numbers and nullable pointers.
unsafe impl Growing for aster_trailer_t {}

/// A submitted call.
///
/// With a queue it ends with exactly one terminal event, unless freed first. Without one, `aster_call_read` waits.
pub struct aster_call_t {
    home: Home,
    state: Arc<CallState>,
    reporting: Reporting,
    /// Keeps connection and threads alive.
    _client: Arc<ClientState>,
}

handle!(aster_call_t);

/// Where a call reports.
enum Reporting {
    /// To a queue of the caller.
    Shared(Arc<CompletionQueue>),
    /// To a queue of its own, drained by blocking functions.
    Own(Box<OwnQueue>),
}

struct OwnQueue {
    queue: Arc<Queue>,
    bell: Arc<Bell>,
    turn: Mutex<ReadState>,
}

#[derive(Default)]
struct ReadState {
    result: Option<Result<Delivered>>,
    delivered: bool,
}

/// A call as its handle and its queue share it.
pub(crate) struct CallState {
    call: Arc<ClientCall>,
    tag: u64,
    deliver: Deliver,
    /// Address of the handle, set before the first event can be looked at.
    address: OnceLock<usize>,
    trailer: OnceLock<Trailer>,
}

/// A status and its details as C reads them.
struct Trailer {
    status: RpcStatus,
    pairs: LentPairs,
}

impl CallState {
    /// Returns core's number of the call.
    pub(crate) fn ticket(&self) -> u64 {
        self.call.ticket()
    }

    fn event(&self, kind: u32) -> aster_event_t {
        let mut event = aster_event_t::new(kind, self.tag);
        event.call = self.address.get().map_or(std::ptr::null_mut(), |address| *address as *mut aster_call_t);
        event
    }

    /// Adds the terminal event of a call that has a response.
    pub(crate) fn responded(&self, body: &Body, batch: &mut Batch) {
        match self.payload(body) {
            Ok(payload) => {
                self.end(RpcStatus::ok());
                batch.push_payload(self.event(ASTER_EVENT_RESPONSE), payload);
            }
            Err(error) => self.failed(error, batch),
        }
    }

    /// Adds the terminal event of a call that failed.
    pub(crate) fn failed(&self, error: Error, batch: &mut Batch) {
        let status = error.to_status();
        let code = status.code.0;
        self.end(status);
        batch.push_error(self.event(ASTER_EVENT_FINISHED), code, error);
    }

    /// Decodes a response into the form that the caller asked for.
    fn payload(&self, body: &Body) -> Result<Delivered> {
        match self.deliver {
            Deliver::Raw => self.call.raw_response(body).map(|(_, bytes)| Delivered::Bytes(bytes)),
            form => {
                let value = self.call.decode_response(body, &mut ValueSink)?;
                deliver(form, self.call.plan().schema(), self.call.method().response, value)
            }
        }
    }

    fn end(&self, status: RpcStatus) {
        self.trailer.get_or_init(|| {
            let pairs = LentPairs::new(&status.details); // The texts stay where they are when the status moves.
            Trailer { status, pairs }
        });
    }
}

impl Request<'_> {
    /// Encodes and submits the call.
    fn start(&self, queue: &Arc<Queue>, tag: u64) -> Result<Arc<CallState>> {
        let bound = self.client.bind(&self.contract.plan)?;
        let call = match self.payload {
            Payload::Raw(bytes) => bound.start_raw(self.method, &self.options, queue, bytes)?,
            Payload::Value(value) => {
                value.with(|value| bound.start(self.method, &self.options, queue, &mut ValueSource::new(), &value))?
            }
            Payload::Json(text) => {
                let plan = &self.contract.plan;
                let value = parse(plan.schema(), plan.methods()[self.method].request, text)
                    .map_err(|error| Error::codec(error.for_local_encode()))?;
                bound.start(self.method, &self.options, queue, &mut ValueSource::new(), &&value)?
            }
        };
        Ok(Arc::new(CallState { call, tag, deliver: self.deliver, address: OnceLock::new(), trailer: OnceLock::new() }))
    }

    /// Submits the call to a queue of the caller. The handle is made before its event can be looked at.
    fn start_shared(self, queue: &Arc<CompletionQueue>, tag: u64) -> Result<*mut aster_call_t> {
        let mut handle = std::ptr::null_mut();
        queue.submit(|| {
            let state = self.start(queue.engine(), tag)?;
            handle = give(aster_call_t {
                home: Home::here(),
                state: state.clone(),
                reporting: Reporting::Shared(queue.clone()),
                _client: self.client.clone(),
            });
            let _ = state.address.set(handle as usize);
            Ok(state)
        })?;
        Ok(handle)
    }

    /// Submits the call to a queue of its own.
    fn start_own(self) -> Result<aster_call_t> {
        let bell = Arc::new(Bell::default());
        let queue = Queue::new(1, Ringer(bell.clone()));
        let state = self.start(&queue, 0)?;
        let own = OwnQueue { queue, bell, turn: Mutex::default() };
        Ok(aster_call_t {
            home: Home::here(),
            state,
            reporting: Reporting::Own(Box::new(own)),
            _client: self.client.clone(),
        })
    }
}

impl aster_call_t {
    /// Waits for the response of a call with a queue of its own. `None`: it was read before.
    fn read(&self, values: bool, timeout: Option<Duration>) -> Result<Option<Delivered>> {
        refuse_own_thread()?;
        if values != (self.state.deliver == Deliver::Value) {
            return Err(not_in_this_form());
        }
        let Reporting::Own(own) = &self.reporting else {
            return Err(Error::new(ErrorKind::State, "the call reports to a queue"));
        };
        let mut read = match own.turn.try_lock() {
            Ok(read) => read,
            Err(TryLockError::Poisoned(read)) => read.into_inner(),
            Err(TryLockError::WouldBlock) => {
                return Err(Error::new(ErrorKind::State, "another thread reads this call"));
            }
        };
        if read.result.is_none() && !read.delivered {
            read.result = Some(self.terminal(own, timeout)?);
        }
        match &read.result {
            Some(Err(error)) => Err(error.clone()),
            _ => {
                read.delivered = true;
                read.result.take().transpose()
            }
        }
    }

    /// Waits for the terminal event; fails only for want of time.
    fn terminal(&self, own: &OwnQueue, timeout: Option<Duration>) -> Result<Result<Delivered>> {
        let until = timeout.map(|timeout| Instant::now() + timeout);
        let mut events = Vec::new();
        loop {
            own.bell.hush();
            own.queue.drain(2, &mut events);
            let outcome = match events.pop() {
                Some(Event::Response { body, .. }) => self.state.payload(&body),
                Some(Event::Finished { status, .. }) => Err(Error::rpc(status)),
                _ => match own.bell.wait(until) {
                    Rang::Events | Rang::Woken => continue,
                    Rang::TimedOut => return Err(Error::new(ErrorKind::Timeout, "the call goes on")),
                },
            };
            self.state.end(outcome.as_ref().map_or_else(Error::to_status, |_| RpcStatus::ok()));
            return Ok(outcome);
        }
    }
}

impl Drop for aster_call_t {
    fn drop(&mut self) {
        if let Reporting::Shared(queue) = &self.reporting {
            queue.forget_call(self.state.ticket());
        }
        self.state.call.cancel(); // Does nothing once the call has ended.
    }
}

/// Submits a call, encoded here and now. With `q` NULL it reports to nobody: use `aster_call_read`.
///
/// Any thread; never blocks. Events carry `tag` and `*out`. Errors: CODEC if the request does not fit its type, NOT_FOUND
/// for a service that is not offered or a method that the contract does not have, LIMIT with a full queue, RPC for
/// metadata over the limits, CLOSED, UNSUPPORTED. Nothing is sent then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_call_start(
    client: *mut aster_client_t,
    options: *const aster_call_options_t,
    request: *const aster_payload_t,
    q: *mut aster_cq_t,
    tag: u64,
    out: *mut *mut aster_call_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let slot = self::out(out, "out")?;
            let call = Request::read(client, options, request)?;
            slot.write(match borrow_optional(q, "q")? {
                Some(q) => call.start_shared(&q.queue, tag)?,
                None => give(call.start_own()?),
            });
            Ok(())
        })
    }
}

/// Makes a unary call and waits for its response, which the caller owns.
///
/// Blocking, as long as the call runs. Errors: as for `aster_call_start`; RPC if the call ended with another status than
/// OK; STATE on a thread of the library, or if values are to be delivered.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_call_unary(
    client: *mut aster_client_t,
    options: *const aster_call_options_t,
    request: *const aster_payload_t,
    out: *mut aster_bytes_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let slot = self::out(out, "out")?;
            let call = Request::read(client, options, request)?;
            refuse_own_thread()?;
            if call.deliver == Deliver::Value {
                return Err(Error::new(ErrorKind::State, "the response is delivered as bytes: JSON or RAW"));
            }
            let response = call.start_own()?.read(false, None)?;
            let Some(Delivered::Bytes(bytes)) = response else { return Err(not_in_this_form()) };
            slot.write(aster_bytes_t::give(bytes));
            Ok(())
        })
    }
}

/// Waits for the next response of a call that was started with `q` NULL: OK and the response, then END.
///
/// Blocking. `timeout_ms`: 0 is 30 s, negative waits for ever. Errors: RPC if the call ended with another status than OK,
/// TIMEOUT (the call goes on), STATE if it reports to a queue or delivers values, while another thread reads it, or on a
/// thread of the library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_call_read(
    call: *mut aster_call_t,
    timeout_ms: i64,
    out: *mut aster_bytes_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run_with_code(err, || {
            let (call, slot) = (borrow(call, "call")?, self::out(out, "out")?);
            Ok(match call.read(false, patience(timeout_ms))? {
                Some(Delivered::Bytes(response)) => {
                    slot.write(aster_bytes_t::give(response));
                    ASTER_OK
                }
                Some(_) => return Err(not_in_this_form()),
                None => ASTER_END,
            })
        })
    }
}

/// Waits for the next response of a call that delivers values: OK and the response, which the caller owns, then END.
///
/// Blocking. `timeout_ms` and errors: as for `aster_call_read`; STATE if the call delivers its response in another form.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_call_read_value(
    call: *mut aster_call_t,
    timeout_ms: i64,
    out: *mut *mut aster_value_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run_with_code(err, || {
            let (call, slot) = (borrow(call, "call")?, self::out(out, "out")?);
            Ok(match call.read(true, patience(timeout_ms))? {
                Some(Delivered::Value(response)) => {
                    slot.write(give(aster_value_t::done(response)));
                    ASTER_OK
                }
                Some(_) => return Err(not_in_this_form()),
                None => ASTER_END,
            })
        })
    }
}

fn not_in_this_form() -> Error {
    Error::new(ErrorKind::State, "the call delivers its response in another form")
}

/// Fills `out` with how the call ended; its texts live as long as the call.
///
/// Errors: STATE before the terminal event was delivered.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_call_trailer(
    call: *const aster_call_t,
    out: *mut aster_trailer_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let call = borrow(call, "call")?;
            if out.is_null() {
                return Err(null_argument("out"));
            }
            let ended = call.state.trailer.get();
            let trailer = ended.ok_or_else(|| Error::new(ErrorKind::State, "the call has not ended"))?;
            let (details, details_len) = trailer.pairs.parts();
            let filled = aster_trailer_t {
                struct_size: size_of::<aster_trailer_t>(),
                code: trailer.status.code.0,
                reserved: 0,
                message: aster_str_t::lend(&trailer.status.message),
                details,
                details_len,
            };
            options::write(out, "out", &filled)
        })
    }
}

/// Cancels the call: it ends with status 1 at once, here and at the peer. Idempotent, any thread, never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_call_cancel(call: *mut aster_call_t) {
    // SAFETY: the caller passes NULL or a live call.
    unsafe {
        guard::quiet(|| {
            if let Ok(call) = borrow(call, "call") {
                call.state.call.cancel();
            }
        });
    }
}

/// Releases a call; cancels it if it runs, and no event names it any more. NULL does nothing. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_call_free(call: *mut aster_call_t) {
    // SAFETY: the caller passes NULL or a live call, and gives it up.
    unsafe { guard::quiet(|| drop(take(call))) }
}
