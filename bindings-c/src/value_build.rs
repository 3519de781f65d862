//! Making values: scalars, containers, JSON text, and what fills containers.

use aster_core::codec::{CodecError, Value};
use aster_core::error::{Error, Result};

use crate::errors::{aster_error_t, aster_result_t};
use crate::guard;
use crate::handle::{borrow, give, null_argument, out};
use crate::slice::{aster_slice_t, aster_str_t, invalid_argument};
use crate::value::{Container, Label, aster_value_t, take_value};

fn scalar(value: Value) -> *mut aster_value_t {
    guard::value(std::ptr::null_mut(), || Ok(give(aster_value_t::done(value))))
}

fn container(container: Container) -> *mut aster_value_t {
    guard::value(std::ptr::null_mut(), || Ok(give(aster_value_t::open(container))))
}

/// Makes a value of text and hands it over to C.
///
/// # Safety
///
/// Pointers are NULL or as the header says.
unsafe fn of_text(
    (text, name): (aster_str_t, &str),
    slot: *mut *mut aster_value_t,
    err: *mut *mut aster_error_t,
    make: impl FnOnce(&str) -> Result<Value>,
) -> aster_result_t {
    // SAFETY: passed on from the caller.
    unsafe {
        guard::run(err, || {
            let slot = out(slot, "out")?;
            let text = text.given(name)?;
            slot.write(give(aster_value_t::done(make(text)?)));
            Ok(())
        })
    }
}

pub(crate) fn refused(error: &CodecError) -> Error {
    Error::codec(error.for_local_encode())
}

/// Makes a null. Free it, or give it to a container; so for every value made here. Any thread, never fails.
#[unsafe(no_mangle)]
pub extern "C" fn aster_value_null() -> *mut aster_value_t {
    scalar(Value::Null)
}

/// Makes a truth value: false for 0.
#[unsafe(no_mangle)]
pub extern "C" fn aster_value_bool(b: i32) -> *mut aster_value_t {
    scalar(Value::Bool(b != 0))
}

/// Makes a whole number, for any integer type that holds it; also for floats, if exact.
#[unsafe(no_mangle)]
pub extern "C" fn aster_value_int(n: i64) -> *mut aster_value_t {
    scalar(Value::Int(n))
}

/// Makes a whole number, for any integer type that holds it; also for floats, if exact.
#[unsafe(no_mangle)]
pub extern "C" fn aster_value_uint(n: u64) -> *mut aster_value_t {
    scalar(Value::Uint(n))
}

/// Makes a floating-point number.
#[unsafe(no_mangle)]
pub extern "C" fn aster_value_float(x: f64) -> *mut aster_value_t {
    scalar(Value::Float(x))
}

/// Makes bytes, copied; absent ones are empty. NULL if `data` is not readable: NULL with a length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_value_bytes(data: aster_slice_t) -> *mut aster_value_t {
    guard::value(std::ptr::null_mut(), || {
        // SAFETY: the caller passes readable bytes.
        let raw = unsafe { data.read("data") }?;
        Ok(give(aster_value_t::done(Value::Bytes(raw.unwrap_or_default().to_vec()))))
    })
}

/// Makes a timestamp: microseconds since 1970 in UTC. Encoding refuses years before 1 and after 9999.
#[unsafe(no_mangle)]
pub extern "C" fn aster_value_timestamp(epoch_us: i64) -> *mut aster_value_t {
    scalar(Value::Timestamp(epoch_us))
}

/// Makes a date: days since 1970-01-01. Encoding refuses years before 1 and after 9999.
#[unsafe(no_mangle)]
pub extern "C" fn aster_value_date(epoch_days: i32) -> *mut aster_value_t {
    scalar(Value::Date(i64::from(epoch_days)))
}

/// Makes a duration: microseconds.
#[unsafe(no_mangle)]
pub extern "C" fn aster_value_duration(us: i64) -> *mut aster_value_t {
    scalar(Value::Duration(us))
}

/// Makes an empty list, for lists and sets; see `aster_value_push`.
#[unsafe(no_mangle)]
pub extern "C" fn aster_value_list() -> *mut aster_value_t {
    container(Container::List)
}

/// Makes an empty map; see `aster_value_put`.
#[unsafe(no_mangle)]
pub extern "C" fn aster_value_map() -> *mut aster_value_t {
    container(Container::Map)
}

/// Makes an empty record, for messages; see `aster_value_set`.
#[unsafe(no_mangle)]
pub extern "C" fn aster_value_record() -> *mut aster_value_t {
    container(Container::Record)
}

/// Makes text, copied; a UUID is text too.
///
/// Any thread. Errors: INVALID_UTF8.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_value_string(
    text: aster_str_t,
    out: *mut *mut aster_value_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe { of_text((text, "text"), out, err, |text| Ok(Value::Text(text.to_owned()))) }
}

/// Makes a decimal of its text, such as `-12.50` or `5E+3`. The scale is kept.
///
/// Any thread. Errors: CODEC if it is no decimal, or beyond the limits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_value_decimal(
    text: aster_str_t,
    out: *mut *mut aster_value_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    let make = |text: &str| Value::decimal(text).ok_or_else(|| crate::value_read::unfit("a decimal", "other text"));
    // SAFETY: pointers are NULL or as the header says.
    unsafe { of_text((text, "text"), out, err, make) }
}

/// Makes a member of an enum of its name. Whether the enum has it is checked when it is encoded.
///
/// Any thread. Errors: INVALID_UTF8, INVALID_ARGUMENT for empty text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_value_enum(
    member: aster_str_t,
    out: *mut *mut aster_value_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    let make = |name: &str| match name {
        "" => Err(invalid_argument("member", "must not be empty")),
        name => Ok(Value::Enum(name.into())),
    };
    // SAFETY: pointers are NULL or as the header says.
    unsafe { of_text((member, "member"), out, err, make) }
}

/// Makes a value of JSON text of any shape: null, BOOL, INT, UINT, FLOAT, STRING, LIST and RECORD. It never changes.
///
/// Any thread. Errors: CODEC if it is not JSON, nested too deeply, or holds an integer beyond 64 bits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_value_from_json(
    text: aster_str_t,
    out: *mut *mut aster_value_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    let make = |text: &str| Value::from_json(text.as_bytes()).map_err(|error| refused(&error));
    // SAFETY: pointers are NULL or as the header says.
    unsafe { of_text((text, "text"), out, err, make) }
}

/// Adds an element to a list. `item` is taken in every case, but for the list itself; it stays readable as a part.
///
/// Any thread. Errors: STATE if the list was cloned, is part of another value or was received, or if `item` is a part of
/// another; INVALID_ARGUMENT if `value` is no list; LIMIT if it is nested too deeply.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_value_push(
    value: *mut aster_value_t,
    item: *mut aster_value_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            refuse_itself(value, item, "item")?;
            let item = take_value(item, "item");
            borrow(value, "value")?.append(Container::List, Label::None, item?)
        })
    }
}

/// Adds an entry to a map. `key` and `item` are taken in every case, but for the map itself.
///
/// Any thread. Encoding refuses equal keys. Errors: as for `aster_value_push`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_value_put(
    value: *mut aster_value_t,
    key: *mut aster_value_t,
    item: *mut aster_value_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let itself = refuse_itself(value, key, "key").and(refuse_itself(value, item, "item"));
            // Equal pointers are taken once; the second try finds it taken.
            let same = !key.is_null() && std::ptr::eq(key, item);
            let key = if std::ptr::eq(key, value) { Err(null_argument("key")) } else { take_value(key, "key") };
            let taken = std::ptr::eq(item, value) || same;
            let item = if taken { Err(invalid_argument("item", "is the key")) } else { take_value(item, "item") };
            itself?;
            borrow(value, "value")?.append(Container::Map, Label::Key(key?), item?)
        })
    }
}

/// Sets a field of a record, by its contract name, once. `item` is taken in every case, but for the record itself.
///
/// Any thread. Errors: as for `aster_value_push`; STATE if the field is set already.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_value_set(
    value: *mut aster_value_t,
    field: aster_str_t,
    item: *mut aster_value_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            refuse_itself(value, item, "item")?;
            let item = take_value(item, "item");
            let record = borrow(value, "value")?;
            let name = field.require("field")?;
            record.append(Container::Record, Label::Name(name.into()), item?)
        })
    }
}

fn refuse_itself(value: *const aster_value_t, item: *const aster_value_t, name: &str) -> Result<()> {
    if value.is_null() || !std::ptr::eq(value, item) {
        return Ok(());
    }
    Err(invalid_argument(name, "is the value itself"))
}
