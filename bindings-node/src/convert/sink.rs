//! JavaScript values as they are built from bodies.

use aster_core::codec::{EnumSchema, Kind, Made, MessageSchema, Refusal, Sink, Text, TypePlan};

use super::hosts::{Form, HostTypes, Member};
use super::source::is_uuid;
use crate::js::{Js, Persistent, Scope, Thrown};

/// Largest number up to which every integer is exact.
const MAX_SAFE: u64 = (1 << 53) - 1;

/// Builds JavaScript values for one call.
pub(crate) struct JsSink<'h> {
    scope: Scope,
    hosts: &'h HostTypes,
}

/// An array that is being filled.
pub(crate) struct Filling {
    array: Js,
    length: u32,
}

/// A `Map` or record that is being filled.
pub(crate) struct OpenMap {
    map: Js,
    record: bool,
}

impl<'h> JsSink<'h> {
    /// Makes a sink.
    pub(crate) fn new(scope: Scope, hosts: &'h HostTypes) -> Self {
        Self { scope, hosts }
    }

    fn ask(&self, helper: &Persistent, arguments: &[Js]) -> Made<Js> {
        self.scope.call(helper.get(self.scope), arguments).map_err(|Thrown(text)| Refusal::Host(text))
    }
}

fn made<T>(value: Option<T>) -> Made<T> {
    value.ok_or_else(|| Refusal::Host("a JavaScript value could not be made".to_owned()))
}

fn unsafe_integer() -> Refusal {
    Refusal::Range("beyond the safe integers of a number; declare f.int64()".to_owned())
}

impl Sink for JsSink<'_> {
    type Value = Js;
    type List = Filling;
    type Map = OpenMap;
    type Record = Vec<Js>;

    fn null(&mut self, _: &TypePlan) -> Made<Js> {
        Ok(self.scope.null())
    }

    fn boolean(&mut self, _: &TypePlan, value: bool) -> Made<Js> {
        made(self.scope.boolean(value))
    }

    fn signed(&mut self, ty: &TypePlan, value: i64) -> Made<Js> {
        match self.hosts.form(ty) {
            Form::BigInt => made(self.scope.bigint(value)),
            _ if value.unsigned_abs() <= MAX_SAFE => made(self.scope.number(value as f64)),
            _ => Err(unsafe_integer()),
        }
    }

    fn unsigned(&mut self, ty: &TypePlan, value: u64) -> Made<Js> {
        match self.hosts.form(ty) {
            Form::BigInt => made(self.scope.unsigned_bigint(value)),
            _ if value <= MAX_SAFE => made(self.scope.number(value as f64)),
            _ => Err(unsafe_integer()),
        }
    }

    fn float(&mut self, _: &TypePlan, value: f64) -> Made<Js> {
        made(self.scope.number(value))
    }

    fn text(&mut self, ty: &TypePlan, value: Text<'_>) -> Made<Js> {
        if self.hosts.form(ty) == Form::Uuid {
            let units: Vec<u16> = value.to_utf8().encode_utf16().collect();
            if !is_uuid(&units) {
                return Err(Refusal::Range("expected a UUID in lower case".to_owned()));
            }
        }
        made(match value {
            Text::Latin1(raw) => self.scope.latin1(raw),
            Text::Utf16(units) => self.scope.utf16(units),
            Text::Utf16Le(_) => {
                let units: Vec<u16> = value.to_utf8().encode_utf16().collect();
                self.scope.utf16(&units)
            }
            Text::Utf8(text) => self.scope.text(text),
        })
    }

    fn bytes(&mut self, _: &TypePlan, value: &[u8]) -> Made<Js> {
        made(self.scope.bytes(value))
    }

    fn timestamp(&mut self, ty: &TypePlan, micros: i64) -> Made<Js> {
        let form = self.hosts.form(ty);
        if form == Form::Micros {
            return made(self.scope.bigint(micros));
        }
        if form != Form::Rounded && micros.rem_euclid(1000) != 0 {
            return Err(Refusal::Range(
                "finer than a millisecond; declare {as: \"micros\"} or {round: true}".to_owned(),
            ));
        }
        // Timestamps are within the years 1 to 9999, far from the ends of the numbers.
        made(self.scope.date(micros.saturating_add(500).div_euclid(1000) as f64))
    }

    fn date(&mut self, _: &TypePlan, days: i64) -> Made<Js> {
        let days = made(self.scope.number(days as f64))?;
        self.ask(&self.hosts.helpers.date_text, &[days])
    }

    fn duration(&mut self, ty: &TypePlan, micros: i64) -> Made<Js> {
        if self.hosts.form(ty) == Form::Micros {
            return made(self.scope.bigint(micros));
        }
        if micros.unsigned_abs() > MAX_SAFE {
            return Err(Refusal::Range("beyond the safe integers of a number; declare {as: \"micros\"}".to_owned()));
        }
        made(self.scope.number(micros as f64 / 1000.0))
    }

    fn decimal(&mut self, _: &TypePlan, text: &str) -> Made<Js> {
        made(self.scope.text(text))
    }

    fn member(&mut self, ty: &TypePlan, _: &EnumSchema, index: usize) -> Made<Js> {
        made(match self.hosts.members(ty).get(index) {
            Some(Member::Number(value)) => self.scope.number(*value),
            Some(Member::Text(text)) => self.scope.text(text),
            None => None,
        })
    }

    fn list_open(&mut self, _: &TypePlan, _: usize) -> Made<Filling> {
        Ok(Filling { array: made(self.scope.array())?, length: 0 })
    }

    fn list_push(&mut self, list: &mut Filling, value: Js) -> Made<()> {
        made(self.scope.set(list.array, list.length, value))?;
        list.length += 1;
        Ok(())
    }

    fn list_close(&mut self, ty: &TypePlan, list: Filling) -> Made<Js> {
        match ty.kind() {
            Kind::Set(_) => self.ask(&self.hosts.helpers.set_of, &[list.array]),
            _ => Ok(list.array),
        }
    }

    fn map_open(&mut self, ty: &TypePlan, _: usize) -> Made<OpenMap> {
        let record = self.hosts.form(ty) == Form::Record;
        let helpers = &self.hosts.helpers;
        let map = self.ask(if record { &helpers.record_new } else { &helpers.map_new }, &[])?;
        Ok(OpenMap { map, record })
    }

    fn map_put(&mut self, map: &mut OpenMap, key: Js, value: Js) -> Made<bool> {
        let helpers = &self.hosts.helpers;
        let helper = if map.record { &helpers.record_put } else { &helpers.map_put };
        let new = self.ask(helper, &[map.map, key, value])?;
        Ok(self.scope.get_bool(new).unwrap_or(false))
    }

    fn map_close(&mut self, _: &TypePlan, map: OpenMap) -> Made<Js> {
        Ok(map.map)
    }

    fn record_open(&mut self, message: &MessageSchema) -> Made<Vec<Js>> {
        Ok(vec![self.scope.undefined(); message.fields.len()])
    }

    fn record_set(&mut self, record: &mut Vec<Js>, _: &MessageSchema, index: usize, value: Js) -> Made<()> {
        if let Some(field) = record.get_mut(index) {
            *field = value;
        }
        Ok(())
    }

    fn record_computed(&mut self, _: &mut Vec<Js>, _: &MessageSchema, _: usize) -> Made<()> {
        // An argument that is undefined is left to the class.
        Ok(())
    }

    fn record_close(&mut self, message: &MessageSchema, record: Vec<Js>) -> Made<Js> {
        match self.hosts.message(message.id.index()) {
            Some(host) => self.ask(&host.make, &record),
            None => made(None),
        }
    }
}
