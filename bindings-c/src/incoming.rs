//! Calls in the hands of a server's handler: who calls, the answer, the end.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use aster_core::codec::{ValueSink, ValueSource};
use aster_core::engine::{Body, ServerCall};
use aster_core::error::{Error, Result};
use aster_core::status::{RpcStatus, StatusCode};

use crate::errors::{aster_error_t, aster_result_t};
use crate::event::{ASTER_EVENT_CALL_STARTED, ASTER_EVENT_CANCELLED, Batch, aster_event_t};
use crate::guard;
use crate::handle::{Home, borrow, give, handle, null_argument, take};
use crate::options::{self, Growing};
use crate::payload::{Deliver, Delivered, Payload, aster_payload_t, deliver, parse};
use crate::queue::CompletionQueue;
use crate::request::{ASTER_PATTERN_UNARY, show_mode};
use crate::server::{HostedService, ServerState};
use crate::slice::{LentPairs, aster_pair_t, aster_str_t, invalid_argument, read_pairs};

/// What is known of a call. Make it with `ASTER_INCOMING_INFO_INIT`; its texts are borrowed from the call.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct aster_incoming_info_t {
    /// Size of this struct.
    pub struct_size: usize,
    /// Name of the service.
    pub service: aster_str_t,
    /// Name of the method.
    pub method: aster_str_t,
    /// The caller's id of the call.
    pub call_id: aster_str_t,
    /// Endpoint id of the caller, 64 hex digits; absent in process.
    pub peer_id: aster_str_t,
    /// Version of the service.
    pub version: i32,
    /// `ASTER_MODE_*` that the caller asked for.
    pub mode: i32,
    /// `ASTER_PATTERN_*`.
    pub pattern: u32,
    /// Position of the method in the description.
    pub method_index: u32,
    /// 0: no session.
    pub session: u64,
    /// Milliseconds until the deadline; -1: there is none.
    pub remaining_ms: i64,
    /// Metadata of the application.
    pub metadata: *const aster_pair_t,
    /// Number of pairs.
    pub metadata_len: usize,
    /// Attributes that admission granted.
    pub attributes: *const aster_pair_t,
    /// Number of pairs.
    pub attributes_len: usize,
}

// SAFETY: repr(C), struct_size first, numbers and nullable pointers.
unsafe impl Growing for aster_incoming_info_t {}

/// A call that waits for its answer. Yours from CALL_STARTED on: reply or finish, then free.
pub struct aster_incoming_t {
    home: Home,
    state: Arc<IncomingState>,
    queue: Arc<CompletionQueue>,
    /// Keeps node and threads alive.
    _server: Option<Arc<ServerState>>,
}

handle!(aster_incoming_t);

/// A call as its handle and its queue share it.
pub(crate) struct IncomingState {
    call: Arc<ServerCall>,
    tag: AtomicU64,
    /// Address of the handle.
    address: OnceLock<usize>,
    peer: Option<String>,
    metadata: LentPairs,
    attributes: LentPairs,
}

impl IncomingState {
    /// Adds the event of a new call; `None` if its request was refused, which core has answered.
    pub(crate) fn start(
        queue: &Arc<CompletionQueue>,
        service: &HostedService,
        call: Arc<ServerCall>,
        body: &Body,
        batch: &mut Batch,
    ) -> Option<Arc<Self>> {
        let payload = match service.deliver {
            Deliver::Raw => Delivered::Bytes(call.raw_request(body)?.1),
            form => {
                let value = call.decode_request(body, &mut ValueSink)?;
                match deliver(form, call.plan().schema(), call.method().request, value) {
                    Ok(payload) => payload,
                    Err(error) => {
                        let _ = call.finish(error.to_status());
                        call.release();
                        return None;
                    }
                }
            }
        };
        let info = call.info();
        let state = Arc::new(Self {
            tag: AtomicU64::new(service.tag),
            address: OnceLock::new(),
            peer: info.peer.map(|peer| peer.to_string()),
            metadata: LentPairs::new(&info.metadata),
            attributes: LentPairs::new(&info.attributes),
            call,
        });
        let handle = give(aster_incoming_t {
            home: Home::here(),
            state: state.clone(),
            queue: queue.clone(),
            _server: service.server.upgrade(),
        });
        let _ = state.address.set(handle as usize);
        batch.push_payload(state.event(ASTER_EVENT_CALL_STARTED), payload);
        Some(state)
    }

    /// Returns core's number of the call.
    pub(crate) fn ticket(&self) -> u64 {
        self.call.ticket()
    }

    /// Adds the event that tells the handler to stop.
    pub(crate) fn cancelled(&self, reason: StatusCode, batch: &mut Batch) {
        let mut event = self.event(ASTER_EVENT_CANCELLED);
        event.code = reason.0;
        batch.push(event);
    }

    fn event(&self, kind: u32) -> aster_event_t {
        let mut event = aster_event_t::new(kind, self.tag.load(Ordering::Acquire));
        event.incoming = self.address.get().map_or(std::ptr::null_mut(), |address| *address as *mut aster_incoming_t);
        event
    }

    fn remaining_ms(&self) -> i64 {
        self.call.info().deadline.map_or(-1, |deadline| {
            let left = deadline.saturating_duration_since(Instant::now());
            i64::try_from(left.as_millis()).unwrap_or(i64::MAX)
        })
    }

    fn info(&self) -> aster_incoming_info_t {
        let info = self.call.info();
        let (metadata, metadata_len) = self.metadata.parts();
        let (attributes, attributes_len) = self.attributes.parts();
        aster_incoming_info_t {
            struct_size: size_of::<aster_incoming_info_t>(),
            service: aster_str_t::lend(self.call.plan().name()),
            method: aster_str_t::lend(&self.call.method().description.name),
            call_id: aster_str_t::lend(&info.call_id),
            peer_id: self.peer.as_deref().map_or(aster_str_t::ABSENT, aster_str_t::lend),
            version: self.call.plan().version(),
            mode: show_mode(self.call.mode()),
            pattern: ASTER_PATTERN_UNARY,
            method_index: u32::try_from(self.call.method_index()).unwrap_or(u32::MAX),
            session: info.session.as_ref().map_or(0, |session| session.id()),
            remaining_ms: self.remaining_ms(),
            metadata,
            metadata_len,
            attributes,
            attributes_len,
        }
    }

    /// Answers with a response. Text that does not fit its type ends the call as a value would that does not.
    fn reply(&self, payload: Payload<'_>) -> Result<()> {
        match payload {
            Payload::Raw(bytes) => self.call.reply_raw(bytes),
            Payload::Value(value) => value.with(|value| self.call.reply(&mut ValueSource::new(), &value)),
            Payload::Json(text) => match parse(self.call.plan().schema(), self.call.method().response, text) {
                Ok(value) => self.call.reply(&mut ValueSource::new(), &&value),
                Err(error) => {
                    let status = error.for_response_encode();
                    self.call.finish(status.clone())?;
                    Err(Error::codec(status))
                }
            },
        }
    }
}

impl Drop for aster_incoming_t {
    fn drop(&mut self) {
        self.queue.forget_incoming(self.state.ticket());
        self.state.call.release();
    }
}

/// Fills `out` with what is known of the call; its texts live as long as the handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_incoming_info(
    incoming: *const aster_incoming_t,
    out: *mut aster_incoming_info_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let incoming = borrow(incoming, "incoming")?;
            if out.is_null() {
                return Err(null_argument("out"));
            }
            options::write(out, "out", &incoming.state.info())
        })
    }
}

/// Returns the milliseconds until the deadline; -1 if there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_incoming_remaining_ms(incoming: *const aster_incoming_t) -> i64 {
    // SAFETY: the caller passes NULL or a live call.
    unsafe { guard::value(-1, || Ok(borrow(incoming, "incoming")?.state.remaining_ms())) }
}

/// Tells whether the call was cancelled, so that answers are discarded: 1 or 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_incoming_is_cancelled(incoming: *const aster_incoming_t) -> i32 {
    // SAFETY: the caller passes NULL or a live call.
    unsafe { guard::value(0, || Ok(i32::from(borrow(incoming, "incoming")?.state.call.cancelled().is_some()))) }
}

/// Sets the tag of later events of this call; it has that of its service at first.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_incoming_set_tag(
    incoming: *mut aster_incoming_t,
    tag: u64,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            borrow(incoming, "incoming")?.state.tag.store(tag, Ordering::Release);
            Ok(())
        })
    }
}

/// Answers the call with a response and OK. Free it afterwards.
///
/// Any thread; never blocks. Errors: CODEC if the response does not fit its type (the caller is told INTERNAL), STATE if
/// the call was answered before. A cancelled call ignores its answer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_incoming_reply(
    incoming: *mut aster_incoming_t,
    response: *const aster_payload_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let incoming = borrow(incoming, "incoming")?;
            incoming.state.reply(Payload::read(response, "response")?)
        })
    }
}

/// Ends the call with a status above 0; message and details are cut to the limits. Free it afterwards.
///
/// Any thread; never blocks. 0 is INTERNAL here, as the response is missing. Errors: STATE if it was answered before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_incoming_finish(
    incoming: *mut aster_incoming_t,
    code: i32,
    message: aster_str_t,
    details: *const aster_pair_t,
    n: usize,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let incoming = borrow(incoming, "incoming")?;
            let message = message.read("message")?.unwrap_or_default();
            let details = read_pairs(details, n, "details")?;
            if code < 0 {
                return Err(invalid_argument("code", "must not be negative"));
            }
            incoming.state.call.finish(RpcStatus::new(StatusCode(code), message).with_details(details))
        })
    }
}

/// Ends the call because its handler failed without a status: 2, whose text reaches the caller only if the server
/// exposes errors. Free it afterwards.
///
/// Any thread; never blocks. Errors: STATE if it was answered before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_incoming_fail(
    incoming: *mut aster_incoming_t,
    text: aster_str_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let incoming = borrow(incoming, "incoming")?;
            incoming.state.call.fail(text.read("text")?.unwrap_or_default())
        })
    }
}

/// Releases a call; one that was not answered ends with INTERNAL. NULL does nothing. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_incoming_free(incoming: *mut aster_incoming_t) {
    // SAFETY: the caller passes NULL or a live call, and gives it up.
    unsafe { guard::quiet(|| drop(take(incoming))) }
}
