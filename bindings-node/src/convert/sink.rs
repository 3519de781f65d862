//! JavaScript values as they are built from bodies.

use std::collections::HashSet;

use aster_core::codec::{EnumSchema, Kind, Made, MessageSchema, Refusal, Sink, Text, TypePlan, is_uuid};

use super::hosts::{Form, HostTypes};
use super::tape::{Arena, Slot};
use crate::js::{Js, Scope, Thrown, as_bytes};

/// Largest number up to which every integer is exact.
const MAX_SAFE: u64 = (1 << 53) - 1;
/// Longest texts that are handed over as one string each; longer ones as bytes.
const MAX_STRING: usize = 4096;

/// Collects the slots of one value; the package builds it from them when its root is complete.
pub(crate) struct TapeSink<'h> {
    scope: Scope,
    hosts: &'h HostTypes,
    arena: Arena,
    /// Byte arrays.
    objects: Vec<Js>,
    root: Option<Js>,
}

/// A map that is being filled.
pub(crate) struct OpenMap {
    start: usize,
    keys: HashSet<Key>,
    of: KeyKind,
}

enum KeyKind {
    Slot,
    Text,
    BigInt,
}

#[derive(PartialEq, Eq, Hash)]
enum Key {
    Slot(u64),
    Latin1(Box<[u8]>),
    Wide(Box<[u16]>),
}

impl<'h> TapeSink<'h> {
    /// Makes a sink.
    pub(crate) fn new(scope: Scope, hosts: &'h HostTypes) -> Self {
        Self { scope, hosts, arena: hosts.tapes.take_arena(), objects: Vec::new(), root: None }
    }

    /// Returns the value, after its body was read.
    pub(crate) fn finish(mut self) -> Js {
        self.root.take().unwrap_or_else(|| self.scope.undefined())
    }

    /// Keeps what a scalar is if it is all there is.
    fn scalar(&mut self, slot: Slot, alone: impl FnOnce(Scope) -> Option<Js>) -> Made<Slot> {
        if self.arena.stack.is_empty() {
            self.root = Some(made(alone(self.scope))?);
        }
        Ok(slot)
    }

    fn bigint(&mut self, bits: u64) -> Slot {
        self.arena.slots.push(bits);
        Slot::place(self.arena.slots.len() - 1)
    }

    /// Moves what was pushed from `start` on into a block of its own, behind a count.
    fn counted(&mut self, start: usize, width: usize) -> Slot {
        let arena = &mut self.arena;
        let at = arena.slots.len();
        arena.slots.push(((arena.stack.len() - start) / width) as u64);
        arena.slots.extend_from_slice(&arena.stack[start..]);
        arena.stack.truncate(start);
        Slot::place(at)
    }

    fn wide_text(&mut self, text: &str) -> Slot {
        let arena = &mut self.arena;
        if text.chars().all(|c| u32::from(c) < 0x100) {
            let at = arena.latin1.len();
            arena.latin1.extend(text.chars().map(|c| u32::from(c) as u8));
            return Slot::text(at, arena.latin1.len() - at, false);
        }
        let at = arena.wide.len();
        arena.wide.extend(text.encode_utf16());
        Slot::text(at, arena.wide.len() - at, true)
    }

    fn key(&self, of: &KeyKind, key: Slot) -> Option<Key> {
        Some(match of {
            KeyKind::Slot => Key::Slot(key.0),
            KeyKind::BigInt => Key::Slot(*self.arena.slots.get(key.low())?),
            KeyKind::Text => match key.span() {
                Some((start, end)) => Key::Latin1(self.arena.latin1.get(start..end)?.into()),
                None => {
                    let (start, end) = key.wide_span();
                    Key::Wide(self.arena.wide.get(start..end)?.into())
                }
            },
        })
    }

    /// Calls the package: number of the message, slot, both texts, slots if they are many, texts if they are long and
    /// where the wide ones start, byte arrays.
    fn build(&mut self, message: usize) -> Made<Js> {
        let (scope, tapes) = (self.scope, &self.hosts.tapes);
        let Arena { slots, latin1, wide, .. } = &self.arena;
        let undefined = scope.undefined();
        let nested = tapes.building.get();
        let own = match tapes.leave(as_bytes(slots)) {
            true => undefined,
            false => made(scope.filled_buffer(&[as_bytes(slots)]))?,
        };
        let long = latin1.len() > MAX_STRING || wide.len() > MAX_STRING;
        let split = latin1.len().next_multiple_of(2);
        let (texts, rest) = match long {
            false => {
                let wide = if wide.is_empty() { undefined } else { made(scope.utf16(wide))? };
                ([made(scope.latin1(latin1))?, wide], [undefined, undefined])
            }
            true => {
                let padding = [0; 1];
                let parts = [latin1.as_slice(), &padding[..split - latin1.len()], as_bytes(wide)];
                let rest = made(scope.filled_buffer(&parts))?;
                ([made(scope.latin1(&[]))?, undefined], [rest, made(scope.number(split as f64))?])
            }
        };
        let objects = match self.objects.is_empty() {
            true => undefined,
            false => made(scope.list(self.objects.drain(..)))?,
        };
        let number = self.hosts.message(message).ok_or_else(lost)?;
        let arguments = [
            made(scope.number(f64::from(number)))?,
            made(scope.number((slots.len() - 1) as f64))?,
            texts[0],
            texts[1],
            own,
            rest[0],
            rest[1],
            objects,
        ];
        tapes.building.set(true);
        let built = scope.call(self.hosts.build.get(scope), &arguments);
        tapes.building.set(nested);
        built.map_err(|Thrown(text)| Refusal::Host(text))
    }
}

impl Drop for TapeSink<'_> {
    fn drop(&mut self) {
        self.hosts.tapes.give_arena(std::mem::take(&mut self.arena));
    }
}

fn made<T>(value: Option<T>) -> Made<T> {
    value.ok_or_else(lost)
}

fn lost() -> Refusal {
    Refusal::Host("a JavaScript value could not be made".to_owned())
}

fn unsafe_integer() -> Refusal {
    Refusal::Range("beyond the safe integers of a number; declare f.int64()".to_owned())
}

impl Sink for TapeSink<'_> {
    type Value = Slot;
    type List = usize;
    type Map = OpenMap;
    type Record = usize;

    fn null(&mut self, _: &TypePlan) -> Made<Slot> {
        Ok(Slot::NULL)
    }

    #[inline]
    fn boolean(&mut self, _: &TypePlan, value: bool) -> Made<Slot> {
        self.scalar(Slot::place(usize::from(value)), |scope| scope.boolean(value))
    }

    #[inline]
    fn signed(&mut self, ty: &TypePlan, value: i64) -> Made<Slot> {
        match self.hosts.form(ty) {
            Form::BigInt => {
                let (slot, narrow) = (self.bigint(value as u64), self.hosts.narrow);
                self.scalar(slot, |scope| match narrow && value.unsigned_abs() <= MAX_SAFE {
                    true => scope.number(value as f64),
                    false => scope.bigint(value),
                })
            }
            _ if value.unsigned_abs() <= MAX_SAFE => {
                self.scalar(Slot::number(value as f64), |scope| scope.number(value as f64))
            }
            _ => Err(unsafe_integer()),
        }
    }

    fn unsigned(&mut self, ty: &TypePlan, value: u64) -> Made<Slot> {
        match self.hosts.form(ty) {
            Form::BigInt => Ok(self.bigint(value)),
            _ if value <= MAX_SAFE => Ok(Slot::number(value as f64)),
            _ => Err(unsafe_integer()),
        }
    }

    #[inline]
    fn float(&mut self, _: &TypePlan, value: f64) -> Made<Slot> {
        self.scalar(Slot::number(value), |scope| scope.number(value))
    }

    #[inline]
    fn text(&mut self, ty: &TypePlan, value: Text<'_>) -> Made<Slot> {
        if self.hosts.form(ty) == Form::Uuid && !is_uuid(&value.to_utf8()) {
            return Err(Refusal::Range("expected a UUID in lower case".to_owned()));
        }
        let slot = match value {
            Text::Latin1(raw) => {
                let at = self.arena.latin1.len();
                self.arena.latin1.extend_from_slice(raw);
                Slot::text(at, raw.len(), false)
            }
            other => self.wide_text(&other.to_utf8()),
        };
        self.scalar(slot, |scope| match value {
            Text::Latin1(raw) => scope.latin1(raw),
            other => scope.text(&other.to_utf8()),
        })
    }

    fn bytes(&mut self, _: &TypePlan, value: &[u8]) -> Made<Slot> {
        let array = made(self.scope.bytes(value))?;
        self.objects.push(array);
        self.scalar(Slot::place(self.objects.len() - 1), |_| Some(array))
    }

    fn timestamp(&mut self, ty: &TypePlan, micros: i64) -> Made<Slot> {
        let form = self.hosts.form(ty);
        if form == Form::Micros {
            return Ok(self.bigint(micros as u64));
        }
        if form != Form::Rounded && micros.rem_euclid(1000) != 0 {
            return Err(Refusal::Range(
                "finer than a millisecond; declare {as: \"micros\"} or {round: true}".to_owned(),
            ));
        }
        // Timestamps are within the years 1 to 9999, far from the ends of the numbers.
        Ok(Slot::number(micros.saturating_add(500).div_euclid(1000) as f64))
    }

    fn date(&mut self, _: &TypePlan, days: i64) -> Made<Slot> {
        Ok(Slot::number(days as f64))
    }

    fn duration(&mut self, ty: &TypePlan, micros: i64) -> Made<Slot> {
        if self.hosts.form(ty) == Form::Micros {
            return Ok(self.bigint(micros as u64));
        }
        if micros.unsigned_abs() > MAX_SAFE {
            return Err(Refusal::Range("beyond the safe integers of a number; declare {as: \"micros\"}".to_owned()));
        }
        Ok(Slot::number(micros as f64 / 1000.0))
    }

    fn decimal(&mut self, _: &TypePlan, text: &str) -> Made<Slot> {
        Ok(self.wide_text(text))
    }

    fn member(&mut self, _: &TypePlan, _: &EnumSchema, index: usize) -> Made<Slot> {
        Ok(Slot::place(index))
    }

    fn list_open(&mut self, _: &TypePlan, _: usize) -> Made<usize> {
        Ok(self.arena.stack.len())
    }

    #[inline]
    fn list_push(&mut self, _: &mut usize, value: Slot) -> Made<()> {
        self.arena.stack.push(value.0);
        Ok(())
    }

    fn list_close(&mut self, _: &TypePlan, list: usize) -> Made<Slot> {
        Ok(self.counted(list, 1))
    }

    fn map_open(&mut self, ty: &TypePlan, _: usize) -> Made<OpenMap> {
        let of = match ty.parts().first() {
            Some(key) if self.hosts.form(key) == Form::BigInt => KeyKind::BigInt,
            Some(key) if matches!(key.kind(), Kind::String) => KeyKind::Text,
            _ => KeyKind::Slot,
        };
        Ok(OpenMap { start: self.arena.stack.len(), keys: HashSet::new(), of })
    }

    fn map_put(&mut self, map: &mut OpenMap, key: Slot, value: Slot) -> Made<bool> {
        let new = map.keys.insert(made(self.key(&map.of, key))?);
        self.arena.stack.extend([key.0, value.0]);
        Ok(new)
    }

    fn map_close(&mut self, _: &TypePlan, map: OpenMap) -> Made<Slot> {
        Ok(self.counted(map.start, 2))
    }

    #[inline]
    fn record_open(&mut self, message: &MessageSchema) -> Made<usize> {
        let start = self.arena.stack.len();
        self.arena.stack.resize(start + message.fields.len(), Slot::ABSENT.0);
        Ok(start)
    }

    #[inline]
    fn record_set(&mut self, record: &mut usize, _: &MessageSchema, index: usize, value: Slot) -> Made<()> {
        if let Some(field) = self.arena.stack.get_mut(*record + index) {
            *field = value.0;
        }
        Ok(())
    }

    fn record_computed(&mut self, record: &mut usize, message: &MessageSchema, index: usize) -> Made<()> {
        match self.hosts.plain {
            true => self.record_set(record, message, index, Slot::NULL),
            false => Err(Refusal::Host("JavaScript computes no defaults".to_owned())),
        }
    }

    #[inline]
    fn record_close(&mut self, message: &MessageSchema, record: usize) -> Made<Slot> {
        let arena = &mut self.arena;
        let slot = Slot::place(arena.slots.len());
        arena.slots.extend_from_slice(&arena.stack[record..]);
        arena.stack.truncate(record);
        if record == 0 {
            arena.slots.push(slot.0);
            self.root = Some(self.build(message.id.index())?);
        }
        Ok(slot)
    }
}
