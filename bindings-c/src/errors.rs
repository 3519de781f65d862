//! Result codes, error objects and the names of both (`c-abi.md` section 1).
//!
//! The numbers are core's; they are written out for the header and checked against core's tables by the compiler.

use aster_core::error::{Error, ErrorKind};
use aster_core::status::StatusCode;

use crate::guard;
use crate::handle::{Home, borrow, give, handle, out, take};
use crate::slice::aster_str_t;

/// Number of a result: 0 is success, see `ASTER_ERR_*`.
pub type aster_result_t = i32;

/// Success.
pub const ASTER_OK: aster_result_t = 0;
/// End of a stream, from blocking reads.
pub const ASTER_END: aster_result_t = 1;
/// A required pointer is NULL.
pub const ASTER_ERR_NULL_ARGUMENT: aster_result_t = 1000;
/// Bad number, enum, length or option struct.
pub const ASTER_ERR_INVALID_ARGUMENT: aster_result_t = 1001;
/// Text that is not UTF-8; details `parameter` and `offset`.
pub const ASTER_ERR_INVALID_UTF8: aster_result_t = 1002;
/// Not possible now: not finished, not started, taken already, or on a thread of the library.
pub const ASTER_ERR_STATE: aster_result_t = 1003;
/// The object, or its parent, is closed.
pub const ASTER_ERR_CLOSED: aster_result_t = 1004;
/// The send window is full.
pub const ASTER_ERR_WOULD_BLOCK: aster_result_t = 1005;
/// A local wait ended; the operation goes on.
pub const ASTER_ERR_TIMEOUT: aster_result_t = 1006;
/// The operation was cancelled.
pub const ASTER_ERR_CANCELLED: aster_result_t = 1007;
/// A local limit; details `field`, `limit`, `actual`.
pub const ASTER_ERR_LIMIT: aster_result_t = 1008;
/// Not in this build.
pub const ASTER_ERR_UNSUPPORTED: aster_result_t = 1009;
/// A handle of another process.
pub const ASTER_ERR_FORKED: aster_result_t = 1010;
/// A defect of the library: a panic.
pub const ASTER_ERR_PANIC: aster_result_t = 1011;
/// A defect of the library.
pub const ASTER_ERR_INTERNAL: aster_result_t = 1012;
/// A file could not be read or written; detail `path`.
pub const ASTER_ERR_IO: aster_result_t = 1020;
/// A setting is wrong; details `field` and `source`.
pub const ASTER_ERR_CONFIG: aster_result_t = 1021;
/// Not a ticket, base64 address or endpoint id.
pub const ASTER_ERR_ADDRESS: aster_result_t = 1022;
/// Something named does not exist.
pub const ASTER_ERR_NOT_FOUND: aster_result_t = 1023;
/// Something named exists already.
pub const ASTER_ERR_ALREADY_EXISTS: aster_result_t = 1024;
/// The peer is unreachable, or was lost outside a call.
pub const ASTER_ERR_CONNECT: aster_result_t = 1025;
/// The peer refused admission; it gives no reason.
pub const ASTER_ERR_ADMISSION_DENIED: aster_result_t = 1026;
/// A bad credential, signature or identity file.
pub const ASTER_ERR_CREDENTIAL: aster_result_t = 1027;
/// A bad service description, manifest or contract id.
pub const ASTER_ERR_CONTRACT: aster_result_t = 1028;
/// A value does not fit its type; `aster_error_status` is 101 or 3, detail `location`.
pub const ASTER_ERR_CODEC: aster_result_t = 1029;
/// A call ended with a status other than OK: see `aster_error_status`.
pub const ASTER_ERR_RPC: aster_result_t = 1030;

/// Success.
pub const ASTER_STATUS_OK: i32 = 0;
/// Cancelled by the caller.
pub const ASTER_STATUS_CANCELLED: i32 = 1;
/// The handler failed without a status.
pub const ASTER_STATUS_UNKNOWN: i32 = 2;
/// The caller's data is wrong.
pub const ASTER_STATUS_INVALID_ARGUMENT: i32 = 3;
/// Time is up.
pub const ASTER_STATUS_DEADLINE_EXCEEDED: i32 = 4;
/// Unknown service or thing.
pub const ASTER_STATUS_NOT_FOUND: i32 = 5;
/// It exists already.
pub const ASTER_STATUS_ALREADY_EXISTS: i32 = 6;
/// Not allowed.
pub const ASTER_STATUS_PERMISSION_DENIED: i32 = 7;
/// A limit was hit.
pub const ASTER_STATUS_RESOURCE_EXHAUSTED: i32 = 8;
/// Wrong state or scope.
pub const ASTER_STATUS_FAILED_PRECONDITION: i32 = 9;
/// Conflict.
pub const ASTER_STATUS_ABORTED: i32 = 10;
/// Past the valid range.
pub const ASTER_STATUS_OUT_OF_RANGE: i32 = 11;
/// Unknown method.
pub const ASTER_STATUS_UNIMPLEMENTED: i32 = 12;
/// Protocol or invariant broken.
pub const ASTER_STATUS_INTERNAL: i32 = 13;
/// Not reachable now.
pub const ASTER_STATUS_UNAVAILABLE: i32 = 14;
/// Unrecoverable loss.
pub const ASTER_STATUS_DATA_LOSS: i32 = 15;
/// No valid credential.
pub const ASTER_STATUS_UNAUTHENTICATED: i32 = 16;
/// Data does not fit the contract.
pub const ASTER_STATUS_CONTRACT_VIOLATION: i32 = 101;

const _: () = {
    use ErrorKind as Kind;
    assert!(ASTER_ERR_NULL_ARGUMENT == Kind::NullArgument.number());
    assert!(ASTER_ERR_INVALID_ARGUMENT == Kind::InvalidArgument.number());
    assert!(ASTER_ERR_INVALID_UTF8 == Kind::InvalidUtf8.number());
    assert!(ASTER_ERR_STATE == Kind::State.number());
    assert!(ASTER_ERR_CLOSED == Kind::Closed.number());
    assert!(ASTER_ERR_WOULD_BLOCK == Kind::WouldBlock.number());
    assert!(ASTER_ERR_TIMEOUT == Kind::Timeout.number());
    assert!(ASTER_ERR_CANCELLED == Kind::Cancelled.number());
    assert!(ASTER_ERR_LIMIT == Kind::Limit.number());
    assert!(ASTER_ERR_UNSUPPORTED == Kind::Unsupported.number());
    assert!(ASTER_ERR_FORKED == Kind::Forked.number());
    assert!(ASTER_ERR_PANIC == Kind::Panic.number());
    assert!(ASTER_ERR_INTERNAL == Kind::Internal.number());
    assert!(ASTER_ERR_IO == Kind::Io.number());
    assert!(ASTER_ERR_CONFIG == Kind::Config.number());
    assert!(ASTER_ERR_ADDRESS == Kind::Address.number());
    assert!(ASTER_ERR_NOT_FOUND == Kind::NotFound.number());
    assert!(ASTER_ERR_ALREADY_EXISTS == Kind::AlreadyExists.number());
    assert!(ASTER_ERR_CONNECT == Kind::Connect.number());
    assert!(ASTER_ERR_ADMISSION_DENIED == Kind::AdmissionDenied.number());
    assert!(ASTER_ERR_CREDENTIAL == Kind::Credential.number());
    assert!(ASTER_ERR_CONTRACT == Kind::Contract.number());
    assert!(ASTER_ERR_CODEC == Kind::Codec.number());
    assert!(ASTER_ERR_RPC == Kind::Rpc.number());
    assert!(ErrorKind::ALL.len() == 24);
    assert!(ASTER_STATUS_OK == StatusCode::OK.0);
    assert!(ASTER_STATUS_CANCELLED == StatusCode::CANCELLED.0);
    assert!(ASTER_STATUS_UNKNOWN == StatusCode::UNKNOWN.0);
    assert!(ASTER_STATUS_INVALID_ARGUMENT == StatusCode::INVALID_ARGUMENT.0);
    assert!(ASTER_STATUS_DEADLINE_EXCEEDED == StatusCode::DEADLINE_EXCEEDED.0);
    assert!(ASTER_STATUS_NOT_FOUND == StatusCode::NOT_FOUND.0);
    assert!(ASTER_STATUS_ALREADY_EXISTS == StatusCode::ALREADY_EXISTS.0);
    assert!(ASTER_STATUS_PERMISSION_DENIED == StatusCode::PERMISSION_DENIED.0);
    assert!(ASTER_STATUS_RESOURCE_EXHAUSTED == StatusCode::RESOURCE_EXHAUSTED.0);
    assert!(ASTER_STATUS_FAILED_PRECONDITION == StatusCode::FAILED_PRECONDITION.0);
    assert!(ASTER_STATUS_ABORTED == StatusCode::ABORTED.0);
    assert!(ASTER_STATUS_OUT_OF_RANGE == StatusCode::OUT_OF_RANGE.0);
    assert!(ASTER_STATUS_UNIMPLEMENTED == StatusCode::UNIMPLEMENTED.0);
    assert!(ASTER_STATUS_INTERNAL == StatusCode::INTERNAL.0);
    assert!(ASTER_STATUS_UNAVAILABLE == StatusCode::UNAVAILABLE.0);
    assert!(ASTER_STATUS_DATA_LOSS == StatusCode::DATA_LOSS.0);
    assert!(ASTER_STATUS_UNAUTHENTICATED == StatusCode::UNAUTHENTICATED.0);
    assert!(ASTER_STATUS_CONTRACT_VIOLATION == StatusCode::CONTRACT_VIOLATION.0);
    assert!(aster_core::status::STATUS_TABLE.len() == 18);
};

/// Why something failed: code, status, message, details, source.
///
/// Made by the function that failed, owned by its caller, immutable, free of any parent.
pub struct aster_error_t {
    home: Home,
    error: Error,
    source: Option<Box<aster_error_t>>,
}

handle!(aster_error_t);

impl aster_error_t {
    /// Wraps an error and what caused it.
    pub(crate) fn new(error: Error) -> Self {
        let source = error.cause().map(|cause| Box::new(Self::new(cause.clone())));
        Self { home: Home::here(), error, source }
    }

    /// Hands an error over to C.
    pub(crate) fn give(error: Error) -> *mut Self {
        give(Self::new(error))
    }
}

/// Returns the result code of an error; `ASTER_ERR_NULL_ARGUMENT` for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_error_code(error: *const aster_error_t) -> aster_result_t {
    // SAFETY: the caller passes NULL or a live error.
    unsafe { guard::value(ASTER_ERR_NULL_ARGUMENT, || Ok(borrow(error, "error")?.error.kind().number())) }
}

/// Returns the RPC status of an error, or -1 if it has none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_error_status(error: *const aster_error_t) -> i32 {
    // SAFETY: the caller passes NULL or a live error.
    unsafe { guard::value(-1, || Ok(borrow(error, "error")?.error.status().map_or(-1, |status| status.0))) }
}

/// Returns the message for people, borrowed from the error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_error_message(error: *const aster_error_t) -> aster_str_t {
    // SAFETY: the caller passes NULL or a live error.
    unsafe { guard::value(aster_str_t::ABSENT, || Ok(aster_str_t::lend(borrow(error, "error")?.error.message()))) }
}

/// Tells whether an idempotent operation may be tried again: 1 or 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_error_retryable(error: *const aster_error_t) -> i32 {
    // SAFETY: the caller passes NULL or a live error.
    unsafe { guard::value(0, || Ok(i32::from(borrow(error, "error")?.error.is_retryable()))) }
}

/// Returns the number of details.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_error_detail_count(error: *const aster_error_t) -> usize {
    // SAFETY: the caller passes NULL or a live error.
    unsafe { guard::value(0, || Ok(borrow(error, "error")?.error.details().len())) }
}

/// Reads one detail, borrowed from the error. Returns 1, or 0 and leaves the outputs alone if there is none at `i`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_error_detail_at(
    error: *const aster_error_t,
    i: usize,
    key: *mut aster_str_t,
    value: *mut aster_str_t,
) -> i32 {
    // SAFETY: the caller passes NULL or a live error, and outputs that are NULL or valid.
    unsafe {
        guard::value(0, || {
            let error = borrow(error, "error")?;
            let (key, value) = (out(key, "key")?, out(value, "value")?);
            let Some((k, v)) = error.error.details().get(i) else { return Ok(0) };
            key.write(aster_str_t::lend(k));
            value.write(aster_str_t::lend(v));
            Ok(1)
        })
    }
}

/// Returns the detail with a key, borrowed from the error; absent if there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_error_detail(error: *const aster_error_t, key: aster_str_t) -> aster_str_t {
    // SAFETY: the caller passes NULL or a live error, and readable text.
    unsafe {
        guard::value(aster_str_t::ABSENT, || {
            let error = borrow(error, "error")?;
            let key = key.require("key")?;
            Ok(error.error.detail(key).map_or(aster_str_t::ABSENT, aster_str_t::lend))
        })
    }
}

/// Returns the error that caused this one, borrowed from it, or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_error_source(error: *const aster_error_t) -> *const aster_error_t {
    // SAFETY: the caller passes NULL or a live error.
    unsafe {
        guard::value(std::ptr::null(), || {
            Ok(borrow(error, "error")?.source.as_deref().map_or(std::ptr::null(), std::ptr::from_ref))
        })
    }
}

/// Returns an independent copy, to be freed; NULL for NULL. Keeps errors of events and sources.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_error_clone(error: *const aster_error_t) -> *mut aster_error_t {
    // SAFETY: the caller passes NULL or a live error.
    unsafe { guard::value(std::ptr::null_mut(), || Ok(aster_error_t::give(borrow(error, "error")?.error.clone()))) }
}

/// Releases an error. NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_error_free(error: *mut aster_error_t) {
    // SAFETY: the caller passes NULL or a live error, and gives it up.
    unsafe { guard::quiet(|| drop(take(error))) }
}

/// Returns the name of a result code, such as `STATE`; empty if unknown. Static text.
#[unsafe(no_mangle)]
pub extern "C" fn aster_result_name(code: aster_result_t) -> aster_str_t {
    let name = match code {
        ASTER_OK => "OK",
        ASTER_END => "END",
        _ => ErrorKind::ALL.iter().find(|kind| kind.number() == code).map_or("", |kind| kind.name()),
    };
    aster_str_t::lend(name)
}

/// Returns the name of an RPC status, such as `NOT_FOUND`; empty if unknown. Static text.
#[unsafe(no_mangle)]
pub extern "C" fn aster_status_name(status: i32) -> aster_str_t {
    aster_str_t::lend(StatusCode(status).row().map_or("", |row| row.name))
}
