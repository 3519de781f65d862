//! Length-prefixed frames (`wire.md` section 4): `L: u32 little endian | flags: u8 | payload`.
//!
//! Pure: bytes in, bytes out. Timers and sockets are in `crate::rpc`.

mod buffer;

use thiserror::Error;

use crate::limits;

pub use buffer::{Frame, FrameBuffer};

/// The payload of a data frame is one zstd frame.
pub const COMPRESSED: u8 = 0x01;
/// The frame ends a call, or its input.
pub const TRAILER: u8 = 0x02;
/// The first frame of a stream.
pub const HEADER: u8 = 0x04;
/// A row schema before the first row.
pub const ROW_SCHEMA: u8 = 0x08;
/// A call in a session stream.
pub const CALL: u8 = 0x10;
/// Cancels the call in flight.
pub const CANCEL: u8 = 0x20;

/// Every flag with its name.
pub const FLAGS: &[(&str, u8)] = &[
    ("COMPRESSED", COMPRESSED),
    ("TRAILER", TRAILER),
    ("HEADER", HEADER),
    ("ROW_SCHEMA", ROW_SCHEMA),
    ("CALL", CALL),
    ("CANCEL", CANCEL),
];

/// Bytes before the payload.
pub const HEADER_LEN: usize = 5;
const LENGTH_LEN: usize = 4;
const KIND_BITS: u8 = TRAILER | HEADER | ROW_SCHEMA | CALL | CANCEL;

/// Why bytes are no frame, or a payload does not become one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// The length field is 0.
    #[error("received zero-length frame")]
    ZeroLength,
    /// The length field is beyond the limit.
    #[error("frame size {0} exceeds maximum {max}", max = limits::MAX_FRAME_SIZE)]
    TooLarge(u64),
    /// The stream ended inside a frame.
    #[error("incomplete frame: expected {expected} bytes, got {got}")]
    Incomplete {
        /// The length field, or its own size if that is incomplete.
        expected: usize,
        /// Bytes of it that arrived.
        got: usize,
    },
    /// A frame of this kind needs a payload.
    #[error("zero-length payload is not permitted")]
    EmptyPayload,
}

/// What a frame is, by its flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// A message.
    Data,
    /// A status.
    Trailer,
    /// The header of a stream.
    Header,
    /// A row schema.
    RowSchema,
    /// The header of a call in a session.
    Call,
    /// A cancellation.
    Cancel,
}

/// Tells what a frame is.
///
/// # Errors
///
/// The flags, if more than one kind bit is set.
pub fn kind(flags: u8) -> Result<FrameKind, u8> {
    match flags & KIND_BITS {
        0 => Ok(FrameKind::Data),
        TRAILER => Ok(FrameKind::Trailer),
        HEADER => Ok(FrameKind::Header),
        ROW_SCHEMA => Ok(FrameKind::RowSchema),
        CALL => Ok(FrameKind::Call),
        CANCEL => Ok(FrameKind::Cancel),
        _ => Err(flags),
    }
}

/// Appends a frame.
///
/// # Errors
///
/// [`FrameError::EmptyPayload`] unless the frame is a trailer or a cancellation, [`FrameError::TooLarge`].
pub fn encode(flags: u8, payload: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
    check(flags, payload.len())?;
    let start = begin(out);
    out.extend_from_slice(payload);
    end(out, start, flags)
}

/// Leaves room for the head of a frame whose payload is appended next; returns its position.
pub fn begin(out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER_LEN]);
    start
}

/// Fills in the head of a frame that [`begin`] started; everything behind it is its payload.
///
/// # Errors
///
/// As for [`encode`]; the bytes are then no frame.
pub fn end(out: &mut [u8], start: usize, flags: u8) -> Result<(), FrameError> {
    let payload = out.len().saturating_sub(start + HEADER_LEN);
    let length = check(flags, payload)?;
    if let Some(head) = out.get_mut(start..start + HEADER_LEN) {
        head[..LENGTH_LEN].copy_from_slice(&length.to_le_bytes());
        head[LENGTH_LEN] = flags;
    }
    Ok(())
}

fn check(flags: u8, payload: usize) -> Result<u32, FrameError> {
    if payload == 0 && flags & (TRAILER | CANCEL) == 0 {
        return Err(FrameError::EmptyPayload);
    }
    match u32::try_from(payload + 1) {
        Ok(length) if payload < limits::MAX_FRAME_SIZE => Ok(length),
        _ => Err(FrameError::TooLarge(payload as u64 + 1)),
    }
}
