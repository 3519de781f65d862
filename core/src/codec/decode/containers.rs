//! Lists, sets and maps of XLANG bytes.

use std::collections::HashSet;

use crate::limits;

use super::super::foreign;
use super::super::plan::{self, Kind, TypePlan, WirePlan};
use super::super::schema::MessageSchema;
use super::super::sink::Sink;
use super::super::value::ValueSink;
use super::super::violation::{Fault, Step};
use super::super::walk::{broken, made};
use super::{Decoder, Frame, Start};

/// Longest container a host is told of in advance; longer ones grow as elements arrive.
const MAX_HINT: usize = 1024;

pub(super) struct ListFrame<'a, K: Sink> {
    pub(super) list: K::List,
    pub(super) ty: &'a TypePlan,
    pub(super) elements: Elements<'a>,
    pub(super) len: usize,
    pub(super) next: usize,
    pub(super) nulls: bool,
    /// Elements of a set so far.
    pub(super) seen: Option<HashSet<Vec<u8>>>,
}

pub(super) struct MapFrame<'a, K: Sink> {
    pub(super) map: K::Map,
    pub(super) ty: &'a TypePlan,
    pub(super) keys: Elements<'a>,
    pub(super) values: Elements<'a>,
    pub(super) len: usize,
    pub(super) next: usize,
    pub(super) current: Option<usize>,
    /// Entries left in the current run.
    pub(super) run: usize,
    pub(super) key: Option<K::Value>,
}

/// The common type of the elements of a container, or of the keys or values of a run.
#[derive(Clone, Copy)]
pub(super) struct Elements<'a> {
    pub(super) ty: &'a TypePlan,
    pub(super) wire: u8,
    /// Set for messages, whose type precedes the elements.
    pub(super) message: Option<(&'a MessageSchema, &'a WirePlan)>,
}

impl<'a> Decoder<'a, '_> {
    pub(super) fn open_container<K: Sink>(&mut self, sink: &mut K, ty: &'a TypePlan) -> Step<Frame<'a, K>> {
        let len = self.input.reader.uvarint32()? as usize;
        self.input.charge(limits::GRAPH_CONTAINER)?;
        match &ty.kind {
            Kind::Map(entry) => {
                if len > self.input.reader.rest().len() {
                    return Err(too_many());
                }
                self.input.charge(len.saturating_mul(limits::GRAPH_ENTRY))?;
                let [keys, values] = &**entry;
                let (keys, values) = (Elements::declared(keys), Elements::declared(values));
                let map = made(sink.map_open(ty, len.min(MAX_HINT)))?;
                Ok(Frame::Map(MapFrame { map, ty, keys, values, len, next: 0, current: None, run: 0, key: None }))
            }
            Kind::List(element) | Kind::Set(element) => {
                let mut elements = Elements::declared(element);
                let mut nulls = false;
                if len > 0 {
                    let flags = self.input.reader.byte()?;
                    nulls = flags & 0x02 != 0;
                    elements = self.element_header(element, flags)?;
                    let empty = elements.message.is_some_and(|(_, plan)| plan.fields.is_empty()) && !nulls;
                    self.count_elements(len, empty)?;
                }
                let list = made(sink.list_open(ty, len.min(MAX_HINT)))?;
                let seen = matches!(ty.kind, Kind::Set(_)).then(HashSet::new);
                Ok(Frame::List(ListFrame { list, ty, elements, len, next: 0, nulls, seen }))
            }
            _ => Err(broken()),
        }
    }

    fn element_header(&mut self, element: &'a TypePlan, flags: u8) -> Step<Elements<'a>> {
        if flags & 0x01 != 0 {
            return Err(Fault::malformed("reference tracking is not supported"));
        }
        if flags & 0xf0 != 0 {
            return Err(Fault::malformed("bad list flags"));
        }
        if flags & 0x08 == 0 {
            return Err(Fault::violation("elements of different types"));
        }
        self.elements(element, flags & 0x04 != 0)
    }

    /// Counts elements before any is read, so that a count alone costs nothing.
    fn count_elements(&mut self, len: usize, empty: bool) -> Step<()> {
        if empty {
            self.empty_elements = self.empty_elements.saturating_add(len);
            if self.empty_elements > limits::MAX_EMPTY_ELEMENTS {
                return Err(Fault::malformed("too many empty elements"));
            }
        } else if len > self.input.reader.rest().len() {
            return Err(too_many());
        }
        self.input.charge(len.saturating_mul(limits::GRAPH_ELEMENT))
    }

    /// Reads the common type of elements, keys or values, if it is not the declared one.
    fn elements(&mut self, ty: &'a TypePlan, declared: bool) -> Step<Elements<'a>> {
        let mut out = Elements::declared(ty);
        if let Kind::Message(id) = ty.kind {
            if declared {
                return Err(Fault::malformed("a struct element needs its type"));
            }
            let message = self.schema.message(id).ok_or_else(broken)?;
            out.message = Some((message, self.type_info(message).map_err(|fault| fault.in_elements())?));
        } else if !declared {
            out.wire = self.input.reader.byte()?;
            if matches!(out.wire, plan::LIST | plan::SET | plan::MAP) {
                return Err(Fault::malformed("a container element must have its declared type"));
            }
            if out.wire == plan::NAMED_ENUM && ty.id == plan::ENUM {
                return Err(Fault::violation("enum elements must have their declared type").in_elements());
            }
            if !foreign::fits(ty, out.wire) {
                return Err(foreign::refused(ty, u32::from(out.wire)).in_elements());
            }
        }
        Ok(out)
    }

    pub(super) fn list<K: Sink>(&mut self, sink: &mut K, frame: &mut ListFrame<'a, K>) -> Step<Option<Frame<'a, K>>> {
        let Elements { ty, wire, message } = frame.elements;
        while frame.next < frame.len {
            frame.next += 1;
            let value = if frame.nulls && self.input.reader.null_flag()? {
                if !ty.nullable {
                    return Err(Fault::null());
                }
                made(sink.null(ty))?
            } else if let Some((message, plan)) = message {
                if !plan.flat {
                    return self.open_record(sink, message, plan).map(Some);
                }
                self.flat_record(sink, message, plan)?
            } else {
                if let Some(seen) = &mut frame.seen {
                    self.distinct(seen, ty, wire)?;
                }
                if ty.is_scalar() {
                    self.input.scalar(self.schema, sink, ty, wire)?
                } else {
                    match self.start(sink, ty, wire)? {
                        Start::Value(value) => value,
                        Start::Frame(child) => return Ok(Some(child)),
                    }
                }
            };
            made(sink.list_push(&mut frame.list, value))?;
        }
        Ok(None)
    }

    /// Looks ahead at an element of a set, which must be a new one.
    fn distinct(&mut self, seen: &mut HashSet<Vec<u8>>, ty: &TypePlan, wire: u8) -> Step<()> {
        let (reader, budget) = (self.input.reader.clone(), self.input.budget);
        let value = self.input.scalar(self.schema, &mut ValueSink, ty, wire)?;
        (self.input.reader, self.input.budget) = (reader, budget);
        if seen.insert(value.key()) { Ok(()) } else { Err(Fault::violation("duplicate element")) }
    }

    pub(super) fn map<K: Sink>(&mut self, sink: &mut K, frame: &mut MapFrame<'a, K>) -> Step<Option<Frame<'a, K>>> {
        while frame.next < frame.len {
            if frame.run == 0 {
                // A header belongs to the map, not to an entry.
                frame.current = None;
                if self.run_header(frame)? {
                    frame.advance();
                    self.null_entry(sink, frame)?;
                    continue;
                }
            }
            frame.advance();
            frame.run -= 1;
            let Elements { ty, wire, .. } = frame.keys;
            let key = self.input.scalar(self.schema, sink, ty, wire)?;
            let values = frame.values;
            let started = match values.message {
                Some((message, plan)) => self.message(sink, message, plan)?,
                None => self.start(sink, values.ty, values.wire)?,
            };
            match started {
                Start::Value(value) => put(sink, frame, key, value)?,
                Start::Frame(child) => {
                    frame.key = Some(key);
                    return Ok(Some(child));
                }
            }
        }
        Ok(None)
    }

    /// Reads the header of a run; true if it is one entry with a null value.
    fn run_header<K: Sink>(&mut self, frame: &mut MapFrame<'a, K>) -> Step<bool> {
        let flags = self.input.reader.byte()?;
        if flags & 0x09 != 0 {
            return Err(Fault::malformed("reference tracking is not supported"));
        }
        if flags & 0xc0 != 0 {
            return Err(Fault::malformed("bad map flags"));
        }
        if flags & 0x02 != 0 {
            return Err(Fault::violation("null key"));
        }
        if flags & 0x10 != 0 {
            frame.keys = self.elements(frame.keys.ty, flags & 0x04 != 0)?;
            return Ok(true);
        }
        frame.run = usize::from(self.input.reader.byte()?);
        if frame.run == 0 || frame.run > frame.len.saturating_sub(frame.next) {
            return Err(Fault::malformed("bad map chunk size"));
        }
        frame.keys = self.elements(frame.keys.ty, flags & 0x04 != 0)?;
        frame.values = self.elements(frame.values.ty, flags & 0x20 != 0)?;
        Ok(false)
    }

    fn null_entry<K: Sink>(&mut self, sink: &mut K, frame: &mut MapFrame<'a, K>) -> Step<()> {
        let Elements { ty, wire, .. } = frame.keys;
        let key = self.input.scalar(self.schema, sink, ty, wire)?;
        if !frame.values.ty.nullable {
            return Err(Fault::null());
        }
        let value = made(sink.null(frame.values.ty))?;
        put(sink, frame, key, value)
    }
}

impl<K: Sink> MapFrame<'_, K> {
    fn advance(&mut self) {
        self.current = Some(self.next);
        self.next += 1;
    }
}

impl<'a> Elements<'a> {
    fn declared(ty: &'a TypePlan) -> Self {
        Self { ty, wire: ty.wire, message: None }
    }
}

pub(super) fn put<K: Sink>(sink: &mut K, frame: &mut MapFrame<'_, K>, key: K::Value, value: K::Value) -> Step<()> {
    if made(sink.map_put(&mut frame.map, key, value))? { Ok(()) } else { Err(Fault::violation("duplicate key")) }
}

#[cold]
fn too_many() -> Box<Fault> {
    Fault::malformed("more elements than bytes")
}
