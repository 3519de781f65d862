//! Reading values: kinds, scalars, parts, JSON text.

use aster_core::codec::Value;
use aster_core::error::{Error, ErrorKind, Result};
use aster_core::status::StatusCode;

use crate::errors::{aster_error_t, aster_result_t};
use crate::guard;
use crate::handle::{borrow, give, out};
use crate::slice::{aster_bytes_t, aster_slice_t, aster_str_t};
use crate::value::{Container, Label, Node, Part, aster_value_t, take_value};
use crate::value_build::refused;

/// Null.
pub const ASTER_VALUE_NULL: u32 = 0;
/// Truth value.
pub const ASTER_VALUE_BOOL: u32 = 1;
/// Whole number; those of signed types are received as such.
pub const ASTER_VALUE_INT: u32 = 2;
/// Whole number; those of unsigned types are received as such.
pub const ASTER_VALUE_UINT: u32 = 3;
/// Floating-point number.
pub const ASTER_VALUE_FLOAT: u32 = 4;
/// Text.
pub const ASTER_VALUE_STRING: u32 = 5;
/// Bytes.
pub const ASTER_VALUE_BYTES: u32 = 6;
/// Microseconds since 1970 in UTC.
pub const ASTER_VALUE_TIMESTAMP: u32 = 7;
/// Days since 1970-01-01.
pub const ASTER_VALUE_DATE: u32 = 8;
/// Microseconds.
pub const ASTER_VALUE_DURATION: u32 = 9;
/// Decimal, as text.
pub const ASTER_VALUE_DECIMAL: u32 = 10;
/// Member of an enum, by name.
pub const ASTER_VALUE_ENUM: u32 = 11;
/// List or set.
pub const ASTER_VALUE_LIST: u32 = 12;
/// Map.
pub const ASTER_VALUE_MAP: u32 = 13;
/// Message.
pub const ASTER_VALUE_RECORD: u32 = 14;

fn kind_of(value: &aster_value_t) -> u32 {
    match value.node() {
        Node::Open(builder) => match builder.container {
            Container::List => ASTER_VALUE_LIST,
            Container::Map => ASTER_VALUE_MAP,
            Container::Record => ASTER_VALUE_RECORD,
        },
        Node::Done(done) => match done.value() {
            Value::Null => ASTER_VALUE_NULL,
            Value::Bool(_) => ASTER_VALUE_BOOL,
            Value::Int(_) => ASTER_VALUE_INT,
            Value::Uint(_) => ASTER_VALUE_UINT,
            Value::Float(_) => ASTER_VALUE_FLOAT,
            Value::Text(_) => ASTER_VALUE_STRING,
            Value::Bytes(_) => ASTER_VALUE_BYTES,
            Value::Timestamp(_) => ASTER_VALUE_TIMESTAMP,
            Value::Date(_) => ASTER_VALUE_DATE,
            Value::Duration(_) => ASTER_VALUE_DURATION,
            Value::Decimal(_) => ASTER_VALUE_DECIMAL,
            Value::Enum(_) => ASTER_VALUE_ENUM,
            Value::List(_) => ASTER_VALUE_LIST,
            Value::Map(_) => ASTER_VALUE_MAP,
            Value::Record(_) => ASTER_VALUE_RECORD,
        },
    }
}

fn kind_name(kind: u32) -> &'static str {
    const NAMES: [&str; 15] = [
        "null",
        "a bool",
        "an integer",
        "an integer",
        "a float",
        "a string",
        "bytes",
        "a timestamp",
        "a date",
        "a duration",
        "a decimal",
        "an enum member",
        "a list",
        "a map",
        "a record",
    ];
    usize::try_from(kind).ok().and_then(|kind| NAMES.get(kind)).copied().unwrap_or_default()
}

/// Returns the error of a value that is not what was asked for.
pub(crate) fn unfit(wanted: &str, found: &str) -> Error {
    Error::new(ErrorKind::Codec, format!("expected {wanted}, got {found}"))
        .with_status(StatusCode::CONTRACT_VIOLATION)
        .with_detail("location", "value")
}

/// Reads a scalar and writes it to `slot`.
///
/// # Safety
///
/// Pointers are NULL or as the header says.
unsafe fn scalar<T>(
    value: *const aster_value_t,
    slot: *mut T,
    err: *mut *mut aster_error_t,
    wanted: &str,
    read: impl FnOnce(&Value) -> Option<T>,
) -> aster_result_t {
    // SAFETY: passed on from the caller.
    unsafe {
        guard::run(err, || {
            let (value, slot) = (borrow(value, "value")?, out(slot, "out")?);
            // Containers that are being built are no scalars; what scalars lend lives as long as their handle.
            let scalar = if let Node::Done(done) = value.node() { read(done.value()) } else { None };
            slot.write(scalar.ok_or_else(|| unfit(wanted, kind_name(kind_of(value))))?);
            Ok(())
        })
    }
}

/// Returns a whole number as a float, if that is exact.
fn exact(n: i128) -> Option<f64> {
    let x = n as f64;
    (x as i128 == n).then_some(x)
}

/// Looks at parts.
///
/// # Safety
///
/// `value` is NULL or a live value.
unsafe fn look<T>(value: *const aster_value_t, harmless: T, look: impl FnOnce(&[Part]) -> Result<Option<T>>) -> T
where
    T: Copy,
{
    // SAFETY: passed on from the caller.
    unsafe { guard::value(harmless, || Ok(borrow(value, "value")?.with_parts(look)?.unwrap_or(harmless))) }
}

/// Returns `ASTER_VALUE_*`; NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_value_kind(value: *const aster_value_t) -> u32 {
    // SAFETY: the caller passes NULL or a live value.
    unsafe { guard::value(ASTER_VALUE_NULL, || Ok(kind_of(borrow(value, "value")?))) }
}

/// Returns the number of elements, entries or fields; 0 for scalars.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_value_len(value: *const aster_value_t) -> usize {
    // SAFETY: the caller passes NULL or a live value.
    unsafe { guard::value(0, || Ok(borrow(value, "value")?.len())) }
}

/// Returns one more handle of the value, to be freed; NULL for NULL. It shares the value, which can be filled no more.
/// Keeps values of events and parts of others.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_value_clone(value: *const aster_value_t) -> *mut aster_value_t {
    // SAFETY: the caller passes NULL or a live value.
    unsafe { guard::value(std::ptr::null_mut(), || Ok(give(borrow(value, "value")?.share()))) }
}

/// Writes the value as JSON text, in the forms of JSON mode. The caller owns it.
///
/// Any thread. Errors: CODEC for map keys that JSON has no form for, and times out of range.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_value_json(
    value: *const aster_value_t,
    out: *mut aster_bytes_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let (value, slot) = (borrow(value, "value")?, self::out(out, "out")?);
            let text = value.with(Value::to_json).map_err(|error| refused(&error))?;
            slot.write(aster_bytes_t::give(text.into_bytes()));
            Ok(())
        })
    }
}

/// Reads a BOOL: 1 or 0.
///
/// Any thread. Errors: CODEC for other kinds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_value_as_bool(
    value: *const aster_value_t,
    out: *mut i32,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    let read = |value: &Value| if let Value::Bool(b) = value { Some(i32::from(*b)) } else { None };
    // SAFETY: pointers are NULL or as the header says.
    unsafe { scalar(value, out, err, "a bool", read) }
}

/// Reads an INT or UINT, and the number of a TIMESTAMP, DATE or DURATION.
///
/// Any thread. Errors: CODEC for other kinds, and for numbers that do not fit.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_value_as_int(
    value: *const aster_value_t,
    out: *mut i64,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    let read = |value: &Value| match value {
        Value::Int(n) | Value::Timestamp(n) | Value::Date(n) | Value::Duration(n) => Some(*n),
        Value::Uint(n) => i64::try_from(*n).ok(),
        _ => None,
    };
    // SAFETY: pointers are NULL or as the header says.
    unsafe { scalar(value, out, err, "a signed 64-bit integer", read) }
}

/// Reads a UINT, or an INT that is not negative.
///
/// Any thread. Errors: CODEC for other kinds, and for negative numbers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_value_as_uint(
    value: *const aster_value_t,
    out: *mut u64,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    let read = |value: &Value| match value {
        Value::Uint(n) => Some(*n),
        Value::Int(n) => u64::try_from(*n).ok(),
        _ => None,
    };
    // SAFETY: pointers are NULL or as the header says.
    unsafe { scalar(value, out, err, "an unsigned 64-bit integer", read) }
}

/// Reads a FLOAT, or an INT or UINT that a double holds exactly.
///
/// Any thread. Errors: CODEC for other kinds, and for numbers that would be rounded.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_value_as_float(
    value: *const aster_value_t,
    out: *mut f64,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    let read = |value: &Value| match value {
        Value::Float(x) => Some(*x),
        Value::Int(n) => exact(i128::from(*n)),
        Value::Uint(n) => exact(i128::from(*n)),
        _ => None,
    };
    // SAFETY: pointers are NULL or as the header says.
    unsafe { scalar(value, out, err, "a float", read) }
}

/// Reads a STRING, the text of a DECIMAL, or the name of an ENUM; borrowed from the value.
///
/// Any thread. Errors: CODEC for other kinds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_value_as_str(
    value: *const aster_value_t,
    out: *mut aster_str_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    let read = |value: &Value| match value {
        Value::Text(text) | Value::Decimal(text) => Some(aster_str_t::lend(text)),
        Value::Enum(name) => Some(aster_str_t::lend(name)),
        _ => None,
    };
    // SAFETY: pointers are NULL or as the header says.
    unsafe { scalar(value, out, err, "text", read) }
}

/// Reads BYTES, borrowed from the value.
///
/// Any thread. Errors: CODEC for other kinds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_value_as_bytes(
    value: *const aster_value_t,
    out: *mut aster_slice_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    let read = |value: &Value| if let Value::Bytes(raw) = value { Some(aster_slice_t::lend(raw)) } else { None };
    // SAFETY: pointers are NULL or as the header says.
    unsafe { scalar(value, out, err, "bytes", read) }
}

/// Returns an element of a list, the value of an entry of a map, or a field of a record, borrowed; NULL if absent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_value_at(value: *const aster_value_t, i: usize) -> *const aster_value_t {
    // SAFETY: the caller passes NULL or a live value.
    unsafe { look(value, std::ptr::null(), |parts| Ok(parts.get(i).map(|part| part.value.address()))) }
}

/// Returns the key of an entry of a map, borrowed; NULL if absent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_value_key_at(value: *const aster_value_t, i: usize) -> *const aster_value_t {
    let key = |parts: &[Part]| match parts.get(i).map(|part| &part.label) {
        Some(Label::Key(key)) => Ok(Some(key.address())),
        _ => Ok(None),
    };
    // SAFETY: the caller passes NULL or a live value.
    unsafe { look(value, std::ptr::null(), key) }
}

/// Returns the name of a field of a record, borrowed; absent if there is none at `i`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_value_name_at(value: *const aster_value_t, i: usize) -> aster_str_t {
    let name = |parts: &[Part]| match parts.get(i).map(|part| &part.label) {
        Some(Label::Name(name)) => Ok(Some(aster_str_t::lend(name))),
        _ => Ok(None),
    };
    // SAFETY: the caller passes NULL or a live value.
    unsafe { look(value, aster_str_t::ABSENT, name) }
}

/// Returns a field of a record by its contract name, borrowed; NULL if absent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_value_field(value: *const aster_value_t, name: aster_str_t) -> *const aster_value_t {
    let find = |parts: &[Part]| {
        // SAFETY: the caller passes readable text.
        let name = unsafe { name.require("name") }?;
        let named = parts.iter().find(|part| matches!(&part.label, Label::Name(other) if **other == *name));
        Ok(named.map(|part| part.value.address()))
    };
    // SAFETY: the caller passes NULL or a live value.
    unsafe { look(value, std::ptr::null(), find) }
}

/// Releases a value. NULL does nothing, nor does a part of another value. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_value_free(value: *mut aster_value_t) {
    // SAFETY: the caller passes NULL or a live value, and gives it up.
    unsafe { guard::quiet(|| drop(take_value(value, "value"))) }
}
