//! Values without parts, to and from XLANG bytes (`codec.md` sections 3 and 4).

use super::bytes::{Reader, put_uvarint32, put_uvarint64, unzigzag32, zigzag, zigzag32};
use super::decimal::Decimal;
use super::plan::{self, Integer, Kind, TypePlan};
use super::schema::{EnumSchema, Schema};
use super::sink::Sink;
use super::source::{Mismatch, Read, Source};
use super::text::{self, Text};
use super::time;
use super::violation::{Fault, Step};
use super::walk::{broken, double, integer, made, mismatch, narrow, unknown_member};

/// Writes a scalar that is not null.
///
/// Always inlined, so that what a front end answers stays in registers.
#[inline(always)]
pub(super) fn write<S: Source>(
    schema: &Schema,
    out: &mut Vec<u8>,
    source: &mut S,
    ty: &TypePlan,
    value: &S::Value,
) -> Step<()> {
    let answer = match &ty.kind {
        Kind::String => match source.text(ty, value, |text| text::write(out, text)) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Mismatch::Type),
            Err(answer) => Err(answer),
        },
        Kind::Integer(of) => integer(source, ty, *of, value).map(|value| write_integer(out, *of, value)),
        Kind::Bool => source.boolean(ty, value).map(|value| out.push(u8::from(value))),
        Kind::Float64 => double(source, ty, value).map(|value| out.extend_from_slice(&value.to_le_bytes())),
        Kind::Enum(id) => {
            let choices = schema.choices(*id).ok_or_else(broken)?;
            write_member(out, source, ty, choices, value)
        }
        _ => write_rare(out, source, ty, value),
    };
    answer.map_err(|answer| mismatch(schema, ty, answer))
}

#[inline(never)]
fn write_rare<S: Source>(out: &mut Vec<u8>, source: &mut S, ty: &TypePlan, value: &S::Value) -> Read<()> {
    match ty.kind {
        Kind::Binary => source.bytes(ty, value, |raw| match u32::try_from(raw.len()) {
            Ok(length) => {
                put_uvarint32(out, length);
                out.extend_from_slice(raw);
                Ok(())
            }
            Err(_) => Err(Mismatch::Type),
        })?,
        Kind::Float32 => {
            let value = narrow(double(source, ty, value)?).ok_or(Mismatch::Type)?;
            out.extend_from_slice(&value.to_le_bytes());
            Ok(())
        }
        Kind::Timestamp => {
            let micros = source.timestamp(ty, value)?;
            if !time::is_timestamp(micros) {
                return Err(Mismatch::Type);
            }
            let (seconds, nanos) = time::split(micros);
            out.extend_from_slice(&seconds.to_le_bytes());
            out.extend_from_slice(&nanos.to_le_bytes());
            Ok(())
        }
        Kind::Date => {
            let days = source.date(ty, value)?;
            if !time::is_date(days) {
                return Err(Mismatch::Type);
            }
            put_uvarint64(out, zigzag(days));
            Ok(())
        }
        Kind::Duration => {
            let (seconds, nanos) = time::split(source.duration(ty, value)?);
            put_uvarint64(out, zigzag(seconds));
            out.extend_from_slice(&nanos.to_le_bytes());
            Ok(())
        }
        Kind::Decimal => {
            let decimal = source.decimal(ty, value, Decimal::parse)?.ok_or(Mismatch::Type)?;
            decimal.write(out);
            Ok(())
        }
        _ => Err(Mismatch::Type),
    }
}

#[inline(never)]
fn write_member<S: Source>(
    out: &mut Vec<u8>,
    source: &mut S,
    ty: &TypePlan,
    choices: &EnumSchema,
    value: &S::Value,
) -> Read<()> {
    let index = source.member(ty, choices, value)?;
    let member = choices.members.get(index).ok_or(Mismatch::Type)?;
    if choices.ordinal {
        put_uvarint32(out, u32::try_from(index).map_err(|_| Mismatch::Type)?);
    } else {
        text::write(out, Text::Utf8(&member.name));
    }
    Ok(())
}

/// Writes a number that is in its domain.
#[inline]
fn write_integer(out: &mut Vec<u8>, of: Integer, value: i128) {
    match of {
        Integer::VarInt64 => put_uvarint64(out, zigzag(value as i64)),
        Integer::VarInt32 => put_uvarint32(out, zigzag32(value as i32)),
        Integer::VarUint64 => put_uvarint64(out, value as u64),
        Integer::VarUint32 => put_uvarint32(out, value as u32),
        Integer::Int8 | Integer::Uint8 => out.push(value as u8),
        Integer::Int16 | Integer::Uint16 => out.extend_from_slice(&(value as u16).to_le_bytes()),
        Integer::Int32 | Integer::Uint32 => out.extend_from_slice(&(value as u32).to_le_bytes()),
        Integer::Int64 | Integer::Uint64 => out.extend_from_slice(&(value as u64).to_le_bytes()),
    }
}

/// What reading counts: bytes left and the estimate of the graph.
pub(super) struct Input<'b> {
    pub(super) reader: Reader<'b>,
    /// Estimate that is left.
    pub(super) budget: usize,
}

impl<'b> Input<'b> {
    /// Counts memory of the decoded graph.
    #[inline]
    pub(super) fn charge(&mut self, amount: usize) -> Step<()> {
        self.budget = self.budget.checked_sub(amount).ok_or_else(|| Fault::malformed("decoded value is too large"))?;
        Ok(())
    }

    #[inline(always)]
    fn text(&mut self) -> Step<Text<'b>> {
        let header = self.reader.uvarint64()?;
        if header >> 36 != 0 {
            return Err(Fault::malformed("length too large"));
        }
        let raw = self.reader.take(usize::try_from(header >> 2).unwrap_or(usize::MAX))?;
        self.charge(raw.len())?;
        text::check(header, raw)
    }

    /// Reads a scalar whose bytes have the type `wire`.
    #[inline(always)]
    pub(super) fn scalar<K: Sink>(&mut self, schema: &Schema, sink: &mut K, ty: &TypePlan, wire: u8) -> Step<K::Value> {
        match &ty.kind {
            Kind::String => {
                let text = self.text()?;
                made(sink.text(ty, text))
            }
            Kind::Integer(of) if of.is_signed() => {
                let value = self.signed(*of, wire)?;
                made(sink.signed(ty, value))
            }
            Kind::Integer(of) => {
                let value = self.unsigned(*of, wire)?;
                made(sink.unsigned(ty, value))
            }
            Kind::Bool => match self.reader.byte()? {
                byte @ 0..=1 => made(sink.boolean(ty, byte == 1)),
                _ => Err(Fault::malformed("bad boolean")),
            },
            Kind::Float64 | Kind::Float32 => {
                let value = if wire == plan::FLOAT32 {
                    f64::from(f32::from_le_bytes(self.reader.array()?))
                } else {
                    f64::from_le_bytes(self.reader.array()?)
                };
                made(sink.float(ty, value))
            }
            Kind::Enum(id) => {
                let choices = schema.choices(*id).ok_or_else(broken)?;
                let index = self.member(choices)?;
                made(sink.member(ty, choices, index))
            }
            _ => self.rare(sink, ty),
        }
    }

    #[inline(never)]
    fn rare<K: Sink>(&mut self, sink: &mut K, ty: &TypePlan) -> Step<K::Value> {
        match ty.kind {
            Kind::Binary => {
                let length = self.reader.uvarint32()? as usize;
                let raw = self.reader.take(length)?;
                self.charge(raw.len())?;
                made(sink.bytes(ty, raw))
            }
            Kind::Timestamp => {
                let seconds = i64::from_le_bytes(self.reader.array()?);
                let nanos = self.nanos()?;
                let micros = time::join(seconds, nanos).filter(|micros| time::is_timestamp(*micros));
                made(sink.timestamp(ty, micros.ok_or_else(|| Fault::violation("timestamp out of range"))?))
            }
            Kind::Date => {
                let days = self.reader.zigzag64()?;
                if !time::is_date(days) {
                    return Err(Fault::violation("date out of range"));
                }
                made(sink.date(ty, days))
            }
            Kind::Duration => {
                let seconds = self.reader.zigzag64()?;
                let nanos = self.nanos()?;
                let micros = time::join(seconds, nanos).ok_or_else(|| Fault::violation("duration out of range"))?;
                made(sink.duration(ty, micros))
            }
            Kind::Decimal => {
                let before = self.reader.rest().len();
                let decimal = Decimal::read(&mut self.reader)?;
                self.charge(Decimal::cost(before.saturating_sub(self.reader.rest().len())))?;
                made(sink.decimal(ty, &decimal.text()))
            }
            _ => Err(broken()),
        }
    }

    fn nanos(&mut self) -> Step<u32> {
        let nanos = u32::from_le_bytes(self.reader.array()?);
        if nanos >= 1_000_000_000 {
            return Err(Fault::malformed("bad nanoseconds"));
        }
        if nanos % 1000 != 0 {
            return Err(Fault::violation("time is finer than a microsecond"));
        }
        Ok(nanos)
    }

    fn member(&mut self, choices: &EnumSchema) -> Step<usize> {
        let found = if choices.ordinal {
            let index = self.reader.uvarint32()? as usize;
            (index < choices.members.len()).then_some(index)
        } else {
            choices.by_name(&self.text()?.to_utf8())
        };
        found.ok_or_else(|| unknown_member(choices))
    }

    #[inline]
    fn signed(&mut self, of: Integer, wire: u8) -> Step<i64> {
        let reader = &mut self.reader;
        let value = match Integer::from_id(wire) {
            Some(Integer::VarInt64) => reader.zigzag64()?,
            Some(Integer::VarInt32) => i64::from(unzigzag32(reader.uvarint32()?)),
            Some(Integer::Int8) => i64::from(i8::from_le_bytes(reader.array()?)),
            Some(Integer::Int16) => i64::from(i16::from_le_bytes(reader.array()?)),
            Some(Integer::Int32) => i64::from(i32::from_le_bytes(reader.array()?)),
            Some(Integer::Int64) => i64::from_le_bytes(reader.array()?),
            _ => return Err(broken()),
        };
        if wire == of.id() || of.holds(i128::from(value)) { Ok(value) } else { Err(does_not_fit(of)) }
    }

    #[inline]
    fn unsigned(&mut self, of: Integer, wire: u8) -> Step<u64> {
        let reader = &mut self.reader;
        let value = match Integer::from_id(wire) {
            Some(Integer::VarUint64) => reader.uvarint64()?,
            Some(Integer::VarUint32) => u64::from(reader.uvarint32()?),
            Some(Integer::Uint8) => u64::from(reader.byte()?),
            Some(Integer::Uint16) => u64::from(u16::from_le_bytes(reader.array()?)),
            Some(Integer::Uint32) => u64::from(u32::from_le_bytes(reader.array()?)),
            Some(Integer::Uint64) => u64::from_le_bytes(reader.array()?),
            _ => return Err(broken()),
        };
        if wire == of.id() || of.holds(i128::from(value)) { Ok(value) } else { Err(does_not_fit(of)) }
    }
}

#[cold]
pub(super) fn does_not_fit(of: Integer) -> Box<Fault> {
    Fault::violation(format!("integer does not fit {}", of.name()))
}
