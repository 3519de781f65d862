//! The trailers that core writes by itself: one function per row of `wire.md` section 10.
//!
//! Nobody parses these texts; they are said once, here.

use crate::limits;
use crate::status::{RpcStatus, StatusCode};

fn internal(text: impl Into<String>) -> RpcStatus {
    RpcStatus::new(StatusCode::INTERNAL, text)
}

fn invalid(text: impl Into<String>) -> RpcStatus {
    RpcStatus::new(StatusCode::INVALID_ARGUMENT, text)
}

fn exhausted(text: impl Into<String>) -> RpcStatus {
    RpcStatus::new(StatusCode::RESOURCE_EXHAUSTED, text)
}

fn precondition(text: impl Into<String>) -> RpcStatus {
    RpcStatus::new(StatusCode::FAILED_PRECONDITION, text)
}

/// A frame, or the header, is not complete in time.
pub fn frame_read_timed_out() -> RpcStatus {
    internal("frame read timed out")
}

/// A frame of a kind that has no place here.
pub fn unexpected_frame(flags: u8) -> RpcStatus {
    internal(format!("unexpected frame (flags 0x{flags:02x})"))
}

/// The first frame is no header.
pub fn first_frame_without_header() -> RpcStatus {
    internal("First frame must have HEADER flag")
}

/// A header payload that cannot be read.
pub fn invalid_payload(payload: &str, reason: &str) -> RpcStatus {
    internal(format!("Invalid {payload}: {reason}"))
}

/// A protocol payload beyond the limit.
pub fn payload_too_large(payload: &str, got: usize) -> RpcStatus {
    exhausted(format!("{payload} exceeds limit of {} (got {got})", limits::MAX_PROTOCOL_PAYLOAD))
}

/// A client's trailer that cannot be read.
pub fn malformed_eoi() -> RpcStatus {
    internal("malformed EoI trailer")
}

/// A client's trailer that is not OK.
pub fn non_ok_eoi(code: StatusCode) -> RpcStatus {
    internal(format!("client sent non-OK EoI trailer (code={})", code.0))
}

/// The input of a unary or server-stream call ends before its request.
pub fn request_message_missing() -> RpcStatus {
    internal("request message is missing")
}

/// A unary or server-stream call with a second request.
pub fn second_request_message() -> RpcStatus {
    internal("more than one request message")
}

/// The server takes no more calls.
pub fn server_draining() -> RpcStatus {
    RpcStatus::new(StatusCode::UNAVAILABLE, "server is draining")
}

/// The server cancels what still runs.
pub fn server_shutting_down() -> RpcStatus {
    RpcStatus::new(StatusCode::UNAVAILABLE, "server is shutting down")
}

/// No slot for another call.
pub fn too_many_streams(limit: u32) -> RpcStatus {
    exhausted(format!("too many concurrent streams (limit {limit})"))
}

/// No slot for another session.
pub fn too_many_sessions(limit: u32) -> RpcStatus {
    exhausted(format!("too many sessions (limit {limit})"))
}

/// More calls than a session of a client queues.
pub fn too_many_queued_calls(limit: usize) -> RpcStatus {
    exhausted(format!("too many calls queued on the session (limit {limit})"))
}

/// Metadata beyond a limit.
pub fn metadata_limit(what: &str, limit: usize, got: usize) -> RpcStatus {
    exhausted(format!("{what} exceeds limit of {limit} (got {got})"))
}

/// An application sets a key that is core's.
pub fn reserved_metadata_key(key: &str) -> RpcStatus {
    let key: String = key.chars().take(80).collect();
    invalid(format!("metadata key '{key}' is reserved"))
}

/// Checks the length of a service name, method name or call id.
///
/// # Errors
///
/// INVALID_ARGUMENT if it is longer than 256 characters.
pub fn check_name(what: &str, name: &str) -> Result<(), RpcStatus> {
    let got = name.chars().count();
    if got <= limits::MAX_NAME_CHARS {
        return Ok(());
    }
    Err(invalid(format!("{what} exceeds limit of {} (got {got})", limits::MAX_NAME_CHARS)))
}

/// A relative deadline that is no number of milliseconds.
pub fn invalid_timeout() -> RpcStatus {
    invalid("invalid aster-timeout-ms")
}

/// A header without a service name.
pub fn missing_service_name() -> RpcStatus {
    invalid("Missing service name")
}

/// An unknown service or version.
pub fn service_not_found(service: &str, version: i32) -> RpcStatus {
    RpcStatus::new(StatusCode::NOT_FOUND, format!("Service '{service}' v{version} not found"))
}

/// A session service called with a method.
pub fn session_scoped(service: &str, method: &str) -> RpcStatus {
    precondition(format!(
        "'{service}' is session-scoped: open a session stream (method='') instead of calling method '{method}' directly"
    ))
}

/// A shared service opened as a session.
pub fn not_session_scoped(service: &str) -> RpcStatus {
    precondition(format!("'{service}' is shared: send a method name instead of opening a session stream (method='')"))
}

/// An unknown method of a shared service.
pub fn method_not_implemented(service: &str, method: &str) -> RpcStatus {
    RpcStatus::new(StatusCode::UNIMPLEMENTED, format!("Method '{service}.{method}' not implemented"))
}

/// An unknown method in a session.
pub fn session_method_not_found(method: &str) -> RpcStatus {
    RpcStatus::new(StatusCode::UNIMPLEMENTED, format!("Method not found: {method}"))
}

/// A session whose first frame after the header is no call.
pub fn expected_call_frame() -> RpcStatus {
    precondition("Expected CALL frame")
}

/// A call in a session instead of the request that is due.
pub fn call_before_request() -> RpcStatus {
    precondition("CALL frame before request")
}

/// A call in a session while another runs.
pub fn call_during_call() -> RpcStatus {
    precondition("CALL received during active call")
}

/// A mode the service does not accept.
pub fn unsupported_mode(number: u8) -> RpcStatus {
    invalid(format!("Unsupported serialization mode: {number}"))
}

/// A deadline that has passed when the call arrives.
pub fn deadline_expired() -> RpcStatus {
    RpcStatus::new(StatusCode::DEADLINE_EXCEEDED, "deadline already expired on receipt")
}

/// A deadline that passes later.
pub fn deadline_exceeded() -> RpcStatus {
    RpcStatus::new(StatusCode::DEADLINE_EXCEEDED, "deadline exceeded")
}

/// A grant that is for another service.
pub fn not_admitted() -> RpcStatus {
    RpcStatus::new(StatusCode::PERMISSION_DENIED, super::NOT_ADMITTED_TEXT)
}

/// A service that wants a capability the peer has not.
pub fn service_capability(service: &str) -> RpcStatus {
    RpcStatus::new(StatusCode::PERMISSION_DENIED, format!("capability check failed for service '{service}'"))
}

/// A method that wants a capability the peer has not.
pub fn method_capability(service: &str, method: &str) -> RpcStatus {
    let text = format!("capability check failed for method '{service}.{method}'");
    RpcStatus::new(StatusCode::PERMISSION_DENIED, text)
}

/// A body that is empty or cannot be decoded.
pub fn cannot_decode_request(reason: &str) -> RpcStatus {
    invalid(format!("cannot decode request: {reason}"))
}

/// A body of a legacy peer.
pub fn legacy_payload() -> RpcStatus {
    invalid("payload uses Fory 0.x encoding; use the JSON mode")
}

/// A body for the native codec from a peer that was not admitted by a credential.
pub fn native_without_credential() -> RpcStatus {
    RpcStatus::new(StatusCode::PERMISSION_DENIED, "native payloads need an admitted peer")
}

/// A compressed body that is no zstd frame.
pub fn cannot_decompress_request(reason: &str) -> RpcStatus {
    invalid(format!("cannot decompress request: {reason}"))
}

/// A compressed body that expands too far.
pub fn decompressed_too_large() -> RpcStatus {
    exhausted(format!("decompressed payload exceeds limit of {}", limits::MAX_DECOMPRESSED_SIZE))
}

/// More items than a client stream may have.
pub fn too_many_items(limit: u64) -> RpcStatus {
    exhausted(format!("client stream exceeded {limit} items"))
}

/// A handler that went away without an answer.
pub fn call_dropped() -> RpcStatus {
    internal("call dropped by its handler")
}

/// A response that does not fit a frame.
pub fn response_too_large() -> RpcStatus {
    exhausted(format!("response exceeds limit of {} bytes", limits::MAX_BODY_SIZE))
}

/// A call that its caller cancelled.
pub fn cancelled() -> RpcStatus {
    RpcStatus::new(StatusCode::CANCELLED, "cancelled")
}
