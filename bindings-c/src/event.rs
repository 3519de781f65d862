//! Events as C sees them, and the batch that owns what they point to.

use std::sync::{Mutex, PoisonError};

use aster_core::error::{Error, ErrorKind};

use crate::call::aster_call_t;
use crate::errors::{aster_error_t, aster_result_t};
use crate::guard;
use crate::handle::{null_argument, out};
use crate::incoming::{aster_incoming_free, aster_incoming_t};
use crate::op::{ShownOp, aster_op_t};
use crate::payload::Delivered;
use crate::slice::aster_bytes_t;
use crate::value::{Held, aster_value_t};
use aster_core::sync::lock;

/// An operation is done: `op`, `code` = its result, `error` = why.
pub const ASTER_EVENT_OP_DONE: u32 = 1;
/// Client, terminal: the call succeeded; the response is in `data`, or in `value`.
pub const ASTER_EVENT_RESPONSE: u32 = 10;
/// Client, terminal: the call ended with the status `code`; `error` is set unless it is 0.
pub const ASTER_EVENT_FINISHED: u32 = 12;
/// Server: a call that passed all checks; `incoming` is yours, the request is in `data`, or in `value`.
pub const ASTER_EVENT_CALL_STARTED: u32 = 20;
/// Server: stop; answers are discarded. `code`: 1 by the peer, 4 deadline, 14 connection lost or server stopping.
pub const ASTER_EVENT_CANCELLED: u32 = 23;

/// Something that happened. Ignore kinds that you do not know.
///
/// What it points to is borrowed until the next `aster_cq_next` on its queue, except `incoming` of CALL_STARTED, which
/// is yours to free.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct aster_event_t {
    /// `ASTER_EVENT_*`.
    pub kind: u32,
    /// Zero.
    pub flags: u32,
    /// The tag of the submission or service.
    pub tag: u64,
    /// Client events: the call.
    pub call: *mut aster_call_t,
    /// Server events: the call.
    pub incoming: *mut aster_incoming_t,
    /// OP_DONE: the operation.
    pub op: *mut aster_op_t,
    /// Payload; a NUL follows it.
    pub data: *const u8,
    /// Bytes of the payload.
    pub data_len: usize,
    /// Payload, where values were asked for; see `aster_value_clone`.
    pub value: *const aster_value_t,
    /// Why something failed.
    pub error: *const aster_error_t,
    /// Result of an operation, or status of a call.
    pub code: i32,
    /// Zero.
    pub count: u32,
    /// Zero.
    pub session: u64,
    /// Private to the library.
    pub reserved: [u64; 5],
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<aster_event_t>() == 128);

impl aster_event_t {
    /// An event without contents.
    pub(crate) fn new(kind: u32, tag: u64) -> Self {
        Self {
            kind,
            flags: 0,
            tag,
            call: std::ptr::null_mut(),
            incoming: std::ptr::null_mut(),
            op: std::ptr::null_mut(),
            data: std::ptr::null(),
            data_len: 0,
            value: std::ptr::null(),
            error: std::ptr::null(),
            code: 0,
            count: 0,
            session: 0,
            reserved: [0; 5],
        }
    }

    /// Frees the call of an event that will not reach C.
    ///
    /// # Safety
    ///
    /// The event was not handed out.
    pub(crate) unsafe fn discard(&mut self) {
        if self.kind == ASTER_EVENT_CALL_STARTED {
            // SAFETY: CALL_STARTED gives its call away, and nobody has it.
            unsafe { aster_incoming_free(self.incoming) }
            self.incoming = std::ptr::null_mut();
        }
    }

    fn set_holding(&mut self, holding: &Holding) {
        self.reserved[0] = std::ptr::from_ref(holding) as usize as u64;
    }
}

/// What one event points to. Boxed, so that its address stays.
pub(crate) struct Holding {
    payload: Mutex<Option<aster_bytes_t>>,
    #[expect(dead_code, reason = "held for the event that points to it")]
    value: Option<Held>,
    #[expect(dead_code, reason = "held for the event that points to it")]
    error: Option<Box<aster_error_t>>,
    #[expect(dead_code, reason = "held for the event that points to it")]
    op: Option<Box<aster_op_t>>,
}

// SAFETY: the bytes are owned by this struct and nothing else, behind a lock.
unsafe impl Send for Holding {}
// SAFETY: as above.
unsafe impl Sync for Holding {}

impl Drop for Holding {
    fn drop(&mut self) {
        if let Some(mut bytes) = self.payload.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            // SAFETY: the bytes are ours and not used any more.
            unsafe { crate::slice::aster_bytes_free(&mut bytes) }
        }
    }
}

/// The contents of the events of one `aster_cq_next`.
#[derive(Default)]
pub(crate) struct Batch {
    events: Vec<aster_event_t>,
    #[expect(clippy::vec_box, reason = "events point at holdings, whose addresses must stay when the list grows")]
    holdings: Vec<Box<Holding>>,
}

// SAFETY: the pointers in the events are only handed to C; what they point to is Send.
unsafe impl Send for Batch {}

impl Batch {
    /// Frees the contents of the last batch.
    pub(crate) fn clear(&mut self) {
        self.events.clear();
        self.holdings.clear();
    }

    /// Returns the events.
    pub(crate) fn events(&self) -> &[aster_event_t] {
        &self.events
    }

    /// Adds an event without contents.
    pub(crate) fn push(&mut self, event: aster_event_t) {
        self.events.push(event);
    }

    /// Adds an event with a payload.
    pub(crate) fn push_payload(&mut self, mut event: aster_event_t, payload: Delivered) {
        let (mut bytes, mut value) = (None, None);
        match payload {
            Delivered::Bytes(payload) => {
                let payload = bytes.insert(aster_bytes_t::give(payload));
                (event.data, event.data_len) = (payload.ptr, payload.len);
            }
            Delivered::Value(payload) => event.value = value.insert(aster_value_t::lent(payload)).address(),
        }
        self.hold(event, Holding { payload: Mutex::new(bytes), value, error: None, op: None });
    }

    /// Adds an event that says why something failed.
    pub(crate) fn push_error(&mut self, mut event: aster_event_t, code: i32, error: Error) {
        let error = Box::new(aster_error_t::new(error));
        event.code = code;
        event.error = std::ptr::from_ref(&*error);
        self.hold(event, Holding { payload: Mutex::default(), value: None, error: Some(error), op: None });
    }

    /// Adds the event of an operation.
    pub(crate) fn push_done(&mut self, tag: u64, result: Result<(), Error>, op: ShownOp) {
        let mut event = aster_event_t::new(ASTER_EVENT_OP_DONE, tag);
        let error = result.err().map(|error| {
            event.code = error.kind().number();
            Box::new(aster_error_t::new(error))
        });
        event.error = error.as_deref().map_or(std::ptr::null(), std::ptr::from_ref);
        let op = match op {
            ShownOp::Callers(op) => {
                event.op = op;
                None
            }
            ShownOp::Ours(mut op) => {
                event.op = std::ptr::from_mut(&mut *op);
                Some(op)
            }
        };
        self.hold(event, Holding { payload: Mutex::default(), value: None, error, op });
    }

    fn hold(&mut self, mut event: aster_event_t, holding: Holding) {
        let holding = Box::new(holding);
        event.set_holding(&holding);
        self.events.push(event);
        self.holdings.push(holding);
    }
}

/// Takes the payload of an event without a copy; it is the caller's from here. Before the next `aster_cq_next`.
///
/// Errors: STATE if the event has no payload, has a value, or it was taken.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_event_take_data(
    event: *mut aster_event_t,
    out: *mut aster_bytes_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says; the event is of the current batch of its queue, so that
    // what it points to is alive.
    unsafe {
        guard::run(err, || {
            let event = event.as_mut().ok_or_else(|| null_argument("event"))?;
            let slot = self::out(out, "out")?;
            let holding = (event.reserved[0] as usize as *const Holding).as_ref();
            let payload = holding.and_then(|holding| lock(&holding.payload).take());
            let bytes =
                payload.ok_or_else(|| Error::new(ErrorKind::State, "the event has no payload, or it was taken"))?;
            slot.write(bytes);
            Ok(())
        })
    }
}
