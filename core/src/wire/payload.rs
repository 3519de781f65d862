//! The three protocol payloads in both forms.

use thiserror::Error;

use super::{binary, json, texts};
use crate::limits;
use crate::status::{RpcStatus, StatusCode};

/// Encoding of a protocol payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Constant prefix and values.
    Binary,
    /// One JSON object.
    Json,
}

impl Form {
    /// Returns the form of a payload, by its first byte; binary if there is none.
    pub fn of(payload: &[u8]) -> Self {
        if payload.first() == Some(&b'{') { Self::Json } else { Self::Binary }
    }
}

/// Why a payload is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PayloadError {
    /// There are no bytes.
    #[error("empty payload")]
    Empty,
    /// More bytes than the protocol allows.
    #[error("too large")]
    TooLarge(usize),
    /// The bytes begin as neither form of this payload.
    #[error("unknown prefix")]
    Prefix,
    /// A value is cut, or a count or length goes beyond the payload.
    #[error("truncated")]
    Truncated,
    /// Bytes after the last value.
    #[error("trailing bytes")]
    TrailingBytes,
    /// A number outside the range of its field.
    #[error("{0} out of range")]
    Range(&'static str),
    /// Text encoding 3.
    #[error("unknown string encoding")]
    StringEncoding,
    /// Text that is not well formed.
    #[error("invalid string")]
    StringBytes,
    /// A list flag other than 0x0c.
    #[error("unknown list flag")]
    ListFlag,
    /// Keys and values of different number.
    #[error("list lengths differ")]
    ListLengths,
    /// JSON that is no object of this payload.
    #[error("{0}")]
    Json(String),
}

impl PayloadError {
    /// Returns the trailer for a payload of this type (`wire.md` section 10).
    pub fn to_status(&self, payload: &str) -> RpcStatus {
        match self {
            Self::TooLarge(got) => texts::payload_too_large(payload, *got),
            other => texts::invalid_payload(payload, &other.to_string()),
        }
    }
}

/// First payload of every stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamHeader {
    /// Service name.
    pub service: String,
    /// Method name; empty opens a session.
    pub method: String,
    /// Version of the service.
    pub version: i32,
    /// The client's id of the call or session.
    pub call_id: String,
    /// Absolute deadline in milliseconds; 0 or less: none.
    pub deadline_epoch_ms: i64,
    /// Mode number.
    pub serialization_mode: u8,
    /// Metadata in order, repeated keys included.
    pub metadata: Vec<(String, String)>,
}

/// First payload of a call in a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallHeader {
    /// Method name.
    pub method: String,
    /// The client's id of the call.
    pub call_id: String,
    /// Absolute deadline in milliseconds; 0 or less: none.
    pub deadline_epoch_ms: i64,
    /// Metadata in order, repeated keys included.
    pub metadata: Vec<(String, String)>,
}

fn check_size(payload: &[u8]) -> Result<(), PayloadError> {
    match payload.len() {
        0 => Err(PayloadError::Empty),
        n if n > limits::MAX_PROTOCOL_PAYLOAD => Err(PayloadError::TooLarge(n)),
        _ => Ok(()),
    }
}

impl StreamHeader {
    /// Checks the ranges of numbers that came as wide ones, and sets them.
    ///
    /// # Errors
    ///
    /// [`PayloadError::Range`] naming the field.
    pub fn with_numbers(mut self, version: i64, serialization_mode: i64) -> Result<Self, PayloadError> {
        self.version =
            i32::try_from(version).ok().filter(|version| *version >= 0).ok_or(PayloadError::Range("version"))?;
        self.serialization_mode =
            u8::try_from(serialization_mode).map_err(|_| PayloadError::Range("serializationMode"))?;
        Ok(self)
    }

    /// Appends the payload.
    pub fn encode(&self, form: Form, out: &mut Vec<u8>) {
        match form {
            Form::Binary => binary::write_stream_header(self, out),
            Form::Json => json::write_stream_header(self, out),
        }
    }

    /// Reads a payload of either form.
    ///
    /// # Errors
    ///
    /// Why it is refused; nothing is guessed.
    pub fn decode(payload: &[u8]) -> Result<Self, PayloadError> {
        check_size(payload)?;
        match Form::of(payload) {
            Form::Binary => binary::read_stream_header(payload),
            Form::Json => json::read_stream_header(payload),
        }
    }
}

impl CallHeader {
    /// Appends the payload.
    pub fn encode(&self, form: Form, out: &mut Vec<u8>) {
        match form {
            Form::Binary => binary::write_call_header(self, out),
            Form::Json => json::write_call_header(self, out),
        }
    }

    /// Reads a payload of either form.
    ///
    /// # Errors
    ///
    /// Why it is refused; nothing is guessed.
    pub fn decode(payload: &[u8]) -> Result<Self, PayloadError> {
        check_size(payload)?;
        match Form::of(payload) {
            Form::Binary => binary::read_call_header(payload),
            Form::Json => json::read_call_header(payload),
        }
    }
}

/// Appends the payload of a trailer.
pub fn encode_status(status: &RpcStatus, form: Form, out: &mut Vec<u8>) {
    match form {
        Form::Binary => binary::write_status(status, out),
        Form::Json => json::write_status(status, out),
    }
}

/// Reads the payload of a trailer, of either form; an empty one is OK.
///
/// # Errors
///
/// Why it is refused.
pub fn decode_status(payload: &[u8]) -> Result<RpcStatus, PayloadError> {
    match check_size(payload) {
        Err(PayloadError::Empty) => return Ok(RpcStatus::new(StatusCode::OK, "")),
        checked => checked?,
    }
    match Form::of(payload) {
        Form::Binary => binary::read_status(payload),
        Form::Json => json::read_status(payload),
    }
}

/// Joins the parallel lists of metadata or details.
///
/// # Errors
///
/// [`PayloadError::ListLengths`].
pub fn pairs(keys: Vec<String>, values: Vec<String>) -> Result<Vec<(String, String)>, PayloadError> {
    if keys.len() != values.len() {
        return Err(PayloadError::ListLengths);
    }
    Ok(keys.into_iter().zip(values).collect())
}
