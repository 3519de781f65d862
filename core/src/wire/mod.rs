//! Protocol payloads and the rules of the wire (`wire.md` sections 2, 5, 6, 11, 13, 14).
//!
//! Texts that a peer sees are functions of [`texts`], one per row of section 10. Frames are in [`crate::frame`].

mod binary;
mod deadline;
mod json;
pub mod metadata;
mod mode;
mod payload;
mod texts;

pub use deadline::{outgoing_deadline, remaining_ms, tell_deadline};
pub use mode::{Choice, Mode, Sniff, advertised_modes, choose, sniff};
pub use payload::{CallHeader, Form, PayloadError, StreamHeader, decode_status, encode_status, pairs};
pub use texts::*;

/// ALPN of calls and sessions.
pub const ALPN_RPC: &[u8] = b"aster/1";
/// ALPN of consumer admission.
pub const ALPN_CONSUMER_ADMISSION: &[u8] = b"aster.consumer_admission";
/// ALPN of producer admission.
pub const ALPN_PRODUCER_ADMISSION: &[u8] = b"aster.producer_admission";
/// ALPN of delegated admission.
pub const ALPN_DELEGATED_ADMISSION: &[u8] = b"aster.admission";
/// Protocols that everybody may speak: what they are for is to be let in.
pub const ADMISSION_ALPNS: [&[u8]; 3] = [ALPN_CONSUMER_ADMISSION, ALPN_PRODUCER_ADMISSION, ALPN_DELEGATED_ADMISSION];

/// Close code of a normal end.
pub const CLOSE_NORMAL: u32 = 0;
/// Close code for a peer that is not admitted.
pub const CLOSE_NOT_ADMITTED: u32 = 403;
/// Close code of admission overload.
pub const CLOSE_BUSY: u32 = 429;
/// Close reason of a client.
pub const CLIENT_CLOSE_TEXT: &str = "normal close";
/// Close reason of a server.
pub const SERVER_CLOSE_TEXT: &str = "server closed";
/// Close reason with [`CLOSE_NOT_ADMITTED`].
pub const NOT_ADMITTED_TEXT: &str = "not admitted";
/// Close reason with [`CLOSE_BUSY`].
pub const BUSY_TEXT: &str = "busy";

/// RESET and STOP code: done.
pub const ABORT_DONE: u32 = 0;
/// RESET and STOP code: cancelled.
pub const ABORT_CANCELLED: u32 = 1;
/// RESET and STOP code: protocol error.
pub const ABORT_PROTOCOL: u32 = 2;
