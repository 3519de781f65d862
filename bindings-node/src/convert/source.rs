//! JavaScript values on their way out.

use aster_core::codec::{Entries, EnumSchema, MessageSchema, Mismatch, Number, Read, Source, Text, TypePlan, is_uuid};

use aster_core::error::{Error, Result};
use aster_core::status::{RpcStatus, StatusCode};

use super::hosts::{Form, HostTypes};
use super::tape::{Slot, Texts};
use crate::js::{Js, Scope};

/// Largest number up to which every integer is exact.
const MAX_SAFE: f64 = 9_007_199_254_740_991.0;

/// A value as the package hands it over.
#[derive(Clone, Copy)]
pub(crate) struct Handed {
    /// Position of its slot.
    pub(crate) slot: u32,
    /// All its texts.
    pub(crate) text: Js,
    /// Code units of all its texts.
    pub(crate) length: u32,
    /// Undefined, or an array of buffer, reasons and objects.
    pub(crate) extra: Js,
}

/// Reads the slots of one value.
pub(crate) struct TapeSource<'h> {
    scope: Scope,
    hosts: &'h HostTypes,
    slots: &'h [u64],
    texts: Texts,
    wide: bool,
    extra: Js,
}

/// A walk over the slots of elements, or of keys and values in turn.
pub(crate) struct Walk {
    next: usize,
    end: usize,
}

impl<'h> TapeSource<'h> {
    /// Makes a source, and the value to read from it.
    pub(crate) fn new(scope: Scope, hosts: &'h HostTypes, handed: Handed) -> (Self, Slot) {
        let Handed { slot, text, length, extra } = handed;
        let own = || scope.buffer(scope.get(extra, 0)?);
        let slots = match if scope.is_undefined(extra) { None } else { own() } {
            // SAFETY: as for the lent buffer, which this one replaces; it lives as long as the running function.
            Some((start, length)) => unsafe { std::slice::from_raw_parts(start, length) },
            None => hosts.tapes.outgoing.slots(),
        };
        let mut texts = hosts.tapes.take_texts();
        let wide = length > 0 && !scope.get_ascii(text, length as usize, &mut texts.ascii);
        if wide {
            scope.get_units(text, &mut texts.units);
        }
        let source = Self { scope, hosts, slots, texts, wide, extra };
        let value = source.at(slot as usize);
        (source, value)
    }

    /// Returns a text that is the whole value: a body that the package has encoded itself.
    pub(crate) fn body(&self, value: Slot) -> Result<String> {
        let text = self.text_of(value).map(|text| text.to_utf8().into_owned());
        text.map_err(|mismatch| {
            let reason = match mismatch {
                Mismatch::Host(text) => text,
                _ => "expected a value that JSON can hold".to_owned(),
            };
            Error::codec(RpcStatus::new(StatusCode::INVALID_ARGUMENT, reason))
        })
    }

    fn at(&self, position: usize) -> Slot {
        self.slots.get(position).map_or(Slot::ABSENT, |slot| Slot(*slot))
    }

    /// Tells why a slot does not hold what is asked for.
    #[cold]
    fn refused(&self, slot: Slot) -> Mismatch {
        if !slot.is_bad() || slot.low() == 0 {
            return Mismatch::Type;
        }
        let reason = || {
            let reasons = self.scope.get(self.extra, 1)?;
            self.scope.get_text(self.scope.get(reasons, slot.low() as u32 - 1)?)
        };
        let reason = reason().unwrap_or_default();
        match reason.split_once(':') {
            Some(("host", text)) => Mismatch::Host(text.to_owned()),
            Some(("unknown", names)) => serde_json::from_str(names).map_or(Mismatch::Type, Mismatch::Unknown),
            _ => Mismatch::Type,
        }
    }

    /// Returns a number that is not a mark.
    fn number(&self, slot: Slot) -> Read<f64> {
        if slot.is_bad() { Err(self.refused(slot)) } else { Ok(slot.value()) }
    }

    fn bigint(&self, slot: Slot) -> Read<i128> {
        let at = slot.block().ok_or_else(|| self.refused(slot))?;
        let bits = self.at(at).0;
        match self.at(at + 1).value() {
            0.0 => Ok(i128::from(bits as i64)),
            1.0 => Ok(i128::from(bits)),
            _ => Err(Mismatch::Type),
        }
    }

    /// Reads milliseconds as a number, or microseconds as a bigint.
    fn micros(&self, ty: &TypePlan, slot: Slot) -> Read<i64> {
        if self.hosts.form(ty) == Form::Micros {
            return i64::try_from(self.bigint(slot)?).map_err(|_| Mismatch::Type);
        }
        let millis = self.number(slot)?;
        let micros = millis * 1000.0;
        // Fractions of a millisecond are fine as far as they are whole microseconds.
        if !(micros.abs() <= MAX_SAFE && (micros.round() / 1000.0 == millis)) {
            return Err(Mismatch::Refused("not a whole number of microseconds".to_owned()));
        }
        Ok(micros.round() as i64)
    }

    fn text_of(&self, slot: Slot) -> Read<Text<'_>> {
        let (start, end) = slot.span().ok_or_else(|| self.refused(slot))?;
        let text = match self.wide {
            true => self.texts.units.get(start..end).map(Text::Utf16),
            false => self.texts.ascii.get(start..end).map(Text::Latin1),
        };
        text.ok_or(Mismatch::Type)
    }

    /// Returns the walk over a block behind its count, with `width` slots per entry.
    fn walk(&self, slot: Slot, width: usize) -> Read<(usize, Walk)> {
        let at = slot.block().ok_or_else(|| self.refused(slot))?;
        let count = self.at(at).low();
        let (next, end) = (at + 1, at + 1 + count * width);
        if end > self.slots.len() {
            return Err(Mismatch::Type);
        }
        Ok((count, Walk { next, end }))
    }

    fn step(&self, walk: &mut Walk) -> Option<Slot> {
        if walk.next >= walk.end {
            return None;
        }
        let slot = self.at(walk.next);
        walk.next += 1;
        Some(slot)
    }
}

impl Drop for TapeSource<'_> {
    fn drop(&mut self) {
        self.hosts.tapes.give_texts(std::mem::take(&mut self.texts));
    }
}

impl Source for TapeSource<'_> {
    type Value = Slot;
    type List = Walk;
    type Map = Walk;
    type Record = usize;

    #[inline]
    fn is_null(&mut self, value: &Slot) -> bool {
        value.is_null()
    }

    fn boolean(&mut self, _: &TypePlan, value: &Slot) -> Read<bool> {
        self.number(*value).map(|value| value != 0.0)
    }

    #[inline]
    fn integer(&mut self, ty: &TypePlan, value: &Slot) -> Read<i128> {
        if self.hosts.form(ty) == Form::BigInt {
            return self.bigint(*value);
        }
        let number = value.value();
        let whole = number as i64;
        // False for marks, which are NaN.
        if whole as f64 == number && number.abs() <= MAX_SAFE {
            Ok(i128::from(whole))
        } else {
            Err(self.refused(*value))
        }
    }

    #[inline]
    fn float(&mut self, _: &TypePlan, value: &Slot) -> Read<Number> {
        self.number(*value).map(Number::Float)
    }

    #[inline]
    fn text<R>(&mut self, ty: &TypePlan, value: &Slot, take: impl FnOnce(Text<'_>) -> R) -> Read<R> {
        let text = self.text_of(*value)?;
        if self.hosts.form(ty) == Form::Uuid && !is_uuid(&text.to_utf8()) {
            return Err(Mismatch::Refused("expected a UUID in lower case".to_owned()));
        }
        Ok(take(text))
    }

    fn bytes<R>(&mut self, _: &TypePlan, value: &Slot, take: impl FnOnce(&[u8]) -> R) -> Read<R> {
        let index = self.number(*value)?;
        let objects = self.scope.get(self.extra, 2).ok_or(Mismatch::Type)?;
        let view = self.scope.get(objects, index as u32).ok_or(Mismatch::Type)?;
        self.scope.with_bytes(view, take).ok_or(Mismatch::Type)
    }

    fn timestamp(&mut self, ty: &TypePlan, value: &Slot) -> Read<i64> {
        self.micros(ty, *value)
    }

    fn date(&mut self, _: &TypePlan, value: &Slot) -> Read<i64> {
        self.number(*value).map(|days| days as i64)
    }

    fn duration(&mut self, ty: &TypePlan, value: &Slot) -> Read<i64> {
        self.micros(ty, *value)
    }

    fn decimal<R>(&mut self, _: &TypePlan, value: &Slot, take: impl FnOnce(&str) -> R) -> Read<R> {
        self.text_of(*value).map(|text| take(&text.to_utf8()))
    }

    fn member(&mut self, _: &TypePlan, _: &EnumSchema, value: &Slot) -> Read<usize> {
        self.number(*value).map(|index| index as usize)
    }

    #[inline]
    fn list(&mut self, _: &TypePlan, value: &Slot) -> Read<(usize, Walk)> {
        self.walk(*value, 1)
    }

    fn has_null(&mut self, value: &Slot) -> Read<bool> {
        let (_, mut walk) = self.walk(*value, 1)?;
        while let Some(slot) = self.step(&mut walk) {
            if slot.is_null() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    #[inline]
    fn next_item(&mut self, list: &mut Walk) -> Read<Option<Slot>> {
        Ok(self.step(list))
    }

    fn map(&mut self, _: &TypePlan, value: &Slot) -> Read<Entries<Walk>> {
        let (len, state) = self.walk(*value, 2)?;
        Ok(Entries { len, distinct: true, state })
    }

    fn next_entry(&mut self, map: &mut Walk) -> Read<Option<(Slot, Slot)>> {
        let Some(key) = self.step(map) else { return Ok(None) };
        Ok(self.step(map).map(|value| (key, value)))
    }

    #[inline]
    fn record(&mut self, _: &MessageSchema, value: &Slot) -> Read<usize> {
        value.block().ok_or_else(|| self.refused(*value))
    }

    #[inline]
    fn field(&mut self, record: &mut usize, _: &MessageSchema, index: usize) -> Read<Option<Slot>> {
        let slot = self.at(*record + index);
        Ok((!slot.is_absent()).then_some(slot))
    }
}
