//! Values without parts, to and from slots and their data.

use super::super::bytes::Reader;
use super::super::decimal::Decimal;
use super::super::plan::{self, Integer, Kind, TypePlan};
use super::super::scalar::does_not_fit;
use super::super::schema::Schema;
use super::super::sink::Sink;
use super::super::source::{Mismatch, Read, Source};
use super::super::text::{self, Text};
use super::super::time;
use super::super::violation::{Fault, Step};
use super::super::walk::{broken, double, integer, made, narrow, unknown_member};
use super::layout::WORD;

/// Returns the width of values that are in their slots; `None` if the slot points to data.
pub(super) fn fixed(ty: &TypePlan) -> Option<usize> {
    match ty.kind {
        Kind::Bool => Some(1),
        Kind::Integer(_) => Integer::from_id(ty.wire).map(|of| usize::from(of.size())),
        Kind::Float32 | Kind::Float64 => Some(if ty.wire == plan::FLOAT32 { 4 } else { 8 }),
        Kind::Date => Some(4),
        Kind::Enum(_) if ty.id == plan::ENUM => Some(4),
        Kind::Timestamp | Kind::Duration => Some(8),
        _ => None,
    }
}

/// Returns the width of an element in an array.
pub(super) fn width(ty: &TypePlan) -> usize {
    fixed(ty).unwrap_or(WORD)
}

/// Reads a host value as what is in its slot; bits beyond its width are not meant.
pub(super) fn bits<S: Source>(schema: &Schema, source: &mut S, ty: &TypePlan, value: &S::Value) -> Read<u64> {
    match ty.kind {
        Kind::Bool => source.boolean(ty, value).map(u64::from),
        // Two's complement, whatever the width.
        Kind::Integer(of) => integer(source, ty, of, value).map(|value| value as u64),
        Kind::Float64 => double(source, ty, value).map(f64::to_bits),
        Kind::Float32 => {
            let value = narrow(double(source, ty, value)?).ok_or(Mismatch::Type)?;
            Ok(u64::from(value.to_bits()))
        }
        Kind::Timestamp => {
            let micros = source.timestamp(ty, value)?;
            if time::is_timestamp(micros) { Ok(micros as u64) } else { Err(Mismatch::Type) }
        }
        Kind::Date => {
            let days = source.date(ty, value)?;
            if time::is_date(days) { Ok(days as u64) } else { Err(Mismatch::Type) }
        }
        Kind::Duration => source.duration(ty, value).map(|micros| micros as u64),
        Kind::Enum(id) => {
            let choices = schema.choices(id).ok_or(Mismatch::Type)?;
            let index = source.member(ty, choices, value)?;
            if index < choices.members.len() { Ok(index as u64) } else { Err(Mismatch::Type) }
        }
        _ => Err(Mismatch::Type),
    }
}

/// Appends a host value as data, not padded.
pub(super) fn data<S: Source>(
    schema: &Schema,
    source: &mut S,
    ty: &TypePlan,
    value: &S::Value,
    out: &mut Vec<u8>,
) -> Read<()> {
    match ty.kind {
        Kind::String => {
            let sound = source.text(ty, value, |text| text::write_utf8(out, text))?;
            if sound { Ok(()) } else { Err(Mismatch::Type) }
        }
        Kind::Binary => source.bytes(ty, value, |raw| out.extend_from_slice(raw)),
        Kind::Decimal => {
            source.decimal(ty, value, Decimal::parse)?.ok_or(Mismatch::Type)?.write(out);
            Ok(())
        }
        Kind::Enum(id) => {
            let choices = schema.choices(id).ok_or(Mismatch::Type)?;
            let index = source.member(ty, choices, value)?;
            out.extend_from_slice(choices.members.get(index).ok_or(Mismatch::Type)?.name.as_bytes());
            Ok(())
        }
        _ => Err(Mismatch::Type),
    }
}

/// Makes a value from what is in its slot.
pub(super) fn from_bits<K: Sink>(schema: &Schema, sink: &mut K, ty: &TypePlan, bits: u64) -> Step<K::Value> {
    let width = width(ty);
    let unused = u64::BITS.saturating_sub(8 * width as u32);
    if bits.leading_zeros() < unused {
        return Err(Fault::malformed("slot is not zero-extended"));
    }
    match ty.kind {
        Kind::Bool if bits > 1 => Err(Fault::malformed("bad boolean")),
        Kind::Bool => made(sink.boolean(ty, bits == 1)),
        Kind::Integer(of) if of.is_signed() => {
            let value = (bits << unused) as i64 >> unused;
            if !of.holds(i128::from(value)) {
                return Err(does_not_fit(of));
            }
            made(sink.signed(ty, value))
        }
        Kind::Integer(of) => {
            if !of.holds(i128::from(bits)) {
                return Err(does_not_fit(of));
            }
            made(sink.unsigned(ty, bits))
        }
        Kind::Float32 | Kind::Float64 => {
            let value = if width == 4 { f64::from(f32::from_bits(bits as u32)) } else { f64::from_bits(bits) };
            made(sink.float(ty, value))
        }
        Kind::Timestamp if !time::is_timestamp(bits as i64) => Err(Fault::violation("timestamp out of range")),
        Kind::Timestamp => made(sink.timestamp(ty, bits as i64)),
        Kind::Date if !time::is_date(i64::from(bits as i32)) => Err(Fault::violation("date out of range")),
        Kind::Date => made(sink.date(ty, i64::from(bits as i32))),
        Kind::Duration => made(sink.duration(ty, bits as i64)),
        Kind::Enum(id) => {
            let choices = schema.choices(id).ok_or_else(broken)?;
            let index = usize::try_from(bits).unwrap_or(usize::MAX);
            if index >= choices.members.len() {
                return Err(unknown_member(choices));
            }
            made(sink.member(ty, choices, index))
        }
        _ => Err(broken()),
    }
}

/// Makes a value from its data; counts what it takes.
pub(super) fn from_data<K: Sink>(
    schema: &Schema,
    sink: &mut K,
    ty: &TypePlan,
    data: &[u8],
    mut charge: impl FnMut(usize) -> Step<()>,
) -> Step<K::Value> {
    if let Kind::Decimal = ty.kind {
        charge(Decimal::cost(data.len()))?;
        let mut reader = Reader::new(data);
        let decimal = Decimal::read(&mut reader)?;
        if !reader.rest().is_empty() {
            return Err(Fault::malformed("bytes after a decimal"));
        }
        return made(sink.decimal(ty, &decimal.text()));
    }
    charge(data.len())?;
    if let Kind::Binary = ty.kind {
        return made(sink.bytes(ty, data));
    }
    let text = std::str::from_utf8(data).map_err(|_| Fault::malformed("invalid text"))?;
    match ty.kind {
        Kind::String => made(sink.text(ty, Text::Utf8(text))),
        Kind::Enum(id) => {
            let choices = schema.choices(id).ok_or_else(broken)?;
            let index = choices.by_name(text).ok_or_else(|| unknown_member(choices))?;
            made(sink.member(ty, choices, index))
        }
        _ => Err(broken()),
    }
}
