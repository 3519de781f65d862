//! JavaScript values on their way out.

use aster_core::codec::{Entries, EnumSchema, Kind, MessageSchema, Mismatch, Number, Read, Source, Text, TypePlan};

use super::hosts::{Form, HostTypes, Member};
use crate::js::{Js, JsType, Persistent, Scope, Thrown};

/// Largest number up to which every integer is exact.
const MAX_SAFE: f64 = 9_007_199_254_740_991.0;

/// Reads JavaScript values for one call.
pub(crate) struct JsSource<'h> {
    scope: Scope,
    hosts: &'h HostTypes,
    units: Vec<u16>,
}

/// A walk over an array that holds elements, or keys and values in turn.
pub(crate) struct Walk {
    array: Js,
    next: u32,
    length: u32,
}

impl<'h> JsSource<'h> {
    /// Makes a source.
    pub(crate) fn new(scope: Scope, hosts: &'h HostTypes) -> Self {
        Self { scope, hosts, units: Vec::new() }
    }

    fn walk(&self, array: Js) -> Walk {
        Walk { array, next: 0, length: self.scope.length(array) }
    }

    fn advance(&self, walk: &mut Walk) -> Read<Option<Js>> {
        if walk.next >= walk.length {
            return Ok(None);
        }
        let item = self.scope.get(walk.array, walk.next).ok_or_else(unreadable)?;
        walk.next += 1;
        Ok(Some(item))
    }

    /// Asks a helper for the parts of a container; null: it is none of its kind.
    fn parts(&self, helper: &Persistent, value: Js) -> Read<Js> {
        let parts = self.scope.call(helper.get(self.scope), &[value]).map_err(threw)?;
        if self.scope.is_array(parts) { Ok(parts) } else { Err(Mismatch::Type) }
    }

    fn elements(&self, ty: &TypePlan, value: Js) -> Read<Js> {
        match ty.kind() {
            Kind::Set(_) => self.parts(&self.hosts.helpers.set_items, value),
            _ if self.scope.is_array(value) => Ok(value),
            _ => Err(Mismatch::Type),
        }
    }

    /// Reads milliseconds as a number, or microseconds as a bigint.
    fn micros(&self, form: Form, value: Js, millis: impl FnOnce(Scope, Js) -> Option<f64>) -> Read<i64> {
        if form == Form::Micros {
            let micros = self.scope.get_bigint(value).ok_or(Mismatch::Type)?;
            return i64::try_from(micros).map_err(|_| Mismatch::Type);
        }
        let millis = millis(self.scope, value).ok_or(Mismatch::Type)?;
        let micros = millis * 1000.0;
        // Fractions of a millisecond are fine as far as they are whole microseconds.
        if !(micros.abs() <= MAX_SAFE && (micros.round() / 1000.0 == millis)) {
            return Err(Mismatch::Refused("not a whole number of microseconds".to_owned()));
        }
        Ok(micros.round() as i64)
    }
}

fn threw(Thrown(text): Thrown) -> Mismatch {
    Mismatch::Host(text)
}

fn unreadable() -> Mismatch {
    Mismatch::Host("an element cannot be read".to_owned())
}

impl Source for JsSource<'_> {
    type Value = Js;
    type List = Walk;
    type Map = Walk;
    type Record = Js;

    fn is_null(&mut self, value: &Js) -> bool {
        self.scope.kind(*value) == JsType::Nullish
    }

    fn boolean(&mut self, _: &TypePlan, value: &Js) -> Read<bool> {
        self.scope.get_bool(*value).ok_or(Mismatch::Type)
    }

    fn integer(&mut self, ty: &TypePlan, value: &Js) -> Read<i128> {
        if self.hosts.form(ty) == Form::BigInt {
            return self.scope.get_bigint(*value).ok_or(Mismatch::Type);
        }
        let number = self.scope.get_number(*value).ok_or(Mismatch::Type)?;
        if number.fract() == 0.0 && number.abs() <= MAX_SAFE { Ok(number as i128) } else { Err(Mismatch::Type) }
    }

    fn float(&mut self, _: &TypePlan, value: &Js) -> Read<Number> {
        self.scope.get_number(*value).map(Number::Float).ok_or(Mismatch::Type)
    }

    fn text<R>(&mut self, ty: &TypePlan, value: &Js, take: impl FnOnce(Text<'_>) -> R) -> Read<R> {
        if !self.scope.get_units(*value, &mut self.units) {
            return Err(Mismatch::Type);
        }
        if self.hosts.form(ty) == Form::Uuid && !is_uuid(&self.units) {
            return Err(Mismatch::Refused("expected a UUID in lower case".to_owned()));
        }
        Ok(take(Text::Utf16(&self.units)))
    }

    fn bytes<R>(&mut self, _: &TypePlan, value: &Js, take: impl FnOnce(&[u8]) -> R) -> Read<R> {
        self.scope.with_bytes(*value, take).ok_or(Mismatch::Type)
    }

    fn timestamp(&mut self, ty: &TypePlan, value: &Js) -> Read<i64> {
        self.micros(self.hosts.form(ty), *value, Scope::get_date)
    }

    fn date(&mut self, _: &TypePlan, value: &Js) -> Read<i64> {
        let helper = self.hosts.helpers.date_days.get(self.scope);
        let days = self.scope.call(helper, &[*value]).map_err(threw)?;
        self.scope.get_number(days).map(|days| days as i64).ok_or(Mismatch::Type)
    }

    fn duration(&mut self, ty: &TypePlan, value: &Js) -> Read<i64> {
        self.micros(self.hosts.form(ty), *value, Scope::get_number)
    }

    fn decimal<R>(&mut self, _: &TypePlan, value: &Js, take: impl FnOnce(&str) -> R) -> Read<R> {
        self.scope.get_text(*value).map(|text| take(&text)).ok_or(Mismatch::Type)
    }

    fn member(&mut self, ty: &TypePlan, _: &EnumSchema, value: &Js) -> Read<usize> {
        let members = self.hosts.members(ty);
        let found = match self.scope.kind(*value) {
            JsType::Number => {
                let wanted = self.scope.get_number(*value);
                members.iter().position(|member| matches!(member, Member::Number(n) if Some(*n) == wanted))
            }
            JsType::Text => {
                let wanted = self.scope.get_text(*value).unwrap_or_default();
                members.iter().position(|member| matches!(member, Member::Text(text) if *text == wanted))
            }
            _ => None,
        };
        found.ok_or(Mismatch::Type)
    }

    fn list(&mut self, ty: &TypePlan, value: &Js) -> Read<(usize, Walk)> {
        let walk = self.walk(self.elements(ty, *value)?);
        Ok((walk.length as usize, walk))
    }

    fn has_null(&mut self, value: &Js) -> Read<bool> {
        // Elements of sets are not optional, so that this is an array.
        let mut walk = self.walk(*value);
        while let Some(item) = self.advance(&mut walk)? {
            if self.scope.kind(item) == JsType::Nullish {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn next_item(&mut self, list: &mut Walk) -> Read<Option<Js>> {
        self.advance(list)
    }

    fn map(&mut self, ty: &TypePlan, value: &Js) -> Read<Entries<Walk>> {
        let helpers = &self.hosts.helpers;
        let helper = match self.hosts.form(ty) {
            Form::Record => &helpers.record_entries,
            _ => &helpers.map_entries,
        };
        let state = self.walk(self.parts(helper, *value)?);
        Ok(Entries { len: state.length as usize / 2, distinct: true, state })
    }

    fn next_entry(&mut self, map: &mut Walk) -> Read<Option<(Js, Js)>> {
        let Some(key) = self.advance(map)? else { return Ok(None) };
        Ok(self.advance(map)?.map(|value| (key, value)))
    }

    fn record(&mut self, message: &MessageSchema, value: &Js) -> Read<Js> {
        let host = self.hosts.message(message.id.index()).ok_or(Mismatch::Type)?;
        let opened = self.scope.call(host.open.get(self.scope), &[*value]).map_err(threw)?;
        if self.scope.is_array(opened) {
            return Ok(opened);
        }
        let unknown = self.scope.get_text(opened).and_then(|text| serde_json::from_str(&text).ok());
        Err(unknown.map_or(Mismatch::Type, Mismatch::Unknown))
    }

    fn field(&mut self, record: &mut Js, _: &MessageSchema, index: usize) -> Read<Option<Js>> {
        let value = self.scope.get(*record, index as u32).ok_or_else(unreadable)?;
        Ok((!self.scope.is_undefined(value)).then_some(value))
    }
}

/// Tells whether code units are a UUID as core's other hosts write it.
pub(super) fn is_uuid(units: &[u16]) -> bool {
    let hex = |unit: u16| matches!(u8::try_from(unit), Ok(b'0'..=b'9' | b'a'..=b'f'));
    units.len() == 36
        && units.iter().enumerate().all(|(at, unit)| match at {
            8 | 13 | 18 | 23 => *unit == u16::from(b'-'),
            _ => hex(*unit),
        })
}
