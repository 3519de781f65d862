//! Payloads of calls: encoded bytes, trees of values, or JSON text that goes through such a tree.
//!
//! Not here: which encoding goes over the wire; core negotiates it.

use aster_core::codec::{CodecError, RootId, Schema, Value, ValueSink, ValueSource, decode_json, encode_json};
use aster_core::error::{Error, Result};

use crate::handle::{borrow, null_argument};
use crate::slice::{aster_slice_t, invalid_argument};
use crate::value::aster_value_t;

/// Encoded bytes: what a data frame holds before compression.
pub const ASTER_PAYLOAD_RAW: u32 = 1;
/// JSON text, checked against the contract. Travels in the negotiated encoding.
pub const ASTER_PAYLOAD_JSON: u32 = 2;
/// A tree of values, checked against the contract. Travels in the negotiated encoding.
pub const ASTER_PAYLOAD_VALUE: u32 = 3;

/// A request or response. Make it with `aster_payload_json`, `aster_payload_value` or `aster_payload_raw`; it is read
/// during the call only, and what it points to stays the caller's.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct aster_payload_t {
    /// `ASTER_PAYLOAD_*`; 0: JSON.
    pub kind: u32,
    /// Zero.
    pub reserved: u32,
    /// RAW: the bytes; JSON: the text.
    pub bytes: aster_slice_t,
    /// VALUE: the value.
    pub value: *const aster_value_t,
}

/// How payloads are delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deliver {
    /// As encoded bytes.
    Raw,
    /// As JSON text.
    Json,
    /// As a tree of values.
    Value,
}

/// A payload in the form that C asked for.
pub(crate) enum Delivered {
    /// Encoded bytes, or JSON text.
    Bytes(Vec<u8>),
    /// A tree of values.
    Value(Value),
}

impl Deliver {
    /// Reads a field of options; 0 is JSON, as every call has a contract.
    pub(crate) fn read(kind: u32) -> Result<Self> {
        match kind {
            0 | ASTER_PAYLOAD_JSON => Ok(Self::Json),
            ASTER_PAYLOAD_RAW => Ok(Self::Raw),
            ASTER_PAYLOAD_VALUE => Ok(Self::Value),
            _ => Err(invalid_argument("deliver", "is no ASTER_PAYLOAD_*")),
        }
    }
}

/// A payload that was read.
#[derive(Clone, Copy)]
pub(crate) enum Payload<'a> {
    /// Encoded bytes.
    Raw(&'a [u8]),
    /// JSON text.
    Json(&'a [u8]),
    /// A tree of values.
    Value(&'a aster_value_t),
}

impl<'a> Payload<'a> {
    /// Reads an argument.
    ///
    /// # Safety
    ///
    /// `ptr` is NULL or a valid payload whose bytes and value are valid for reading as long as the result is used.
    pub(crate) unsafe fn read(ptr: *const aster_payload_t, name: &str) -> Result<Self> {
        // SAFETY: passed on from the caller.
        let payload = unsafe { ptr.as_ref() }.ok_or_else(|| null_argument(name))?;
        // SAFETY: passed on from the caller.
        let bytes = unsafe { payload.bytes.read(name) }?;
        match payload.kind {
            0 | ASTER_PAYLOAD_JSON => Ok(Self::Json(bytes.ok_or_else(|| null_argument(name))?)),
            ASTER_PAYLOAD_RAW => Ok(Self::Raw(bytes.unwrap_or_default())),
            // SAFETY: passed on from the caller.
            ASTER_PAYLOAD_VALUE => unsafe { borrow(payload.value, name) }.map(Self::Value),
            _ => Err(invalid_argument(name, "has a kind that is no ASTER_PAYLOAD_*")),
        }
    }
}

/// Reads JSON text as a value of a type.
pub(crate) fn parse(schema: &Schema, root: RootId, text: &[u8]) -> Result<Value, CodecError> {
    decode_json(schema, root, text, &mut ValueSink)
}

/// Gives a decoded value the form that C asked for; `Deliver::Raw` never gets here.
pub(crate) fn deliver(form: Deliver, schema: &Schema, root: RootId, value: Value) -> Result<Delivered> {
    match form {
        Deliver::Value => Ok(Delivered::Value(value)),
        _ => print(schema, root, &value).map(Delivered::Bytes),
    }
}

/// Writes a value as JSON text.
fn print(schema: &Schema, root: RootId, value: &Value) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    encode_json(schema, root, &mut ValueSource::new(), &value, &mut text)
        .map_err(|error| Error::codec(error.for_local_encode()))?;
    Ok(text)
}
