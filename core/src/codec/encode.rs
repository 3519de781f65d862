//! Values to XLANG bytes (`codec.md` sections 3 and 5).
//!
//! Not here: JSON mode ([`super::json`]), the values of single scalars ([`super::scalar`]).

use std::collections::HashSet;
use std::ops::Range;

use crate::limits;

use super::bytes::{NULL, PRESENT, put_uvarint32};
use super::plan::{self, Kind, MessageId, TypePlan, WireField};
use super::schema::{FieldDefault, MessageSchema, RootId, Schema};
use super::source::Source;
use super::value::{Value, ValueSource};
use super::violation::{CodecError, Fault, Step};
use super::walk::{Place, broken, locate, mismatch, missing, too_deep};
use super::{definition, scalar};

/// Elements of one type, which is the declared one.
const DECLARED_ELEMENTS: u8 = 0x0c;
/// Elements of one type, which follows.
const TYPED_ELEMENTS: u8 = 0x08;
/// Elements have null flags.
const NULL_ELEMENTS: u8 = 0x02;
/// Entries with declared key and value types.
const DECLARED_ENTRIES: u8 = 0x24;
/// Entries with a declared key type; the value type follows.
const TYPED_ENTRIES: u8 = 0x04;
/// An entry with a declared key type and a null value.
const NULL_ENTRY: u8 = 0x14;
/// Longest run of entries.
const MAX_RUN: u8 = 255;

/// Appends the XLANG body of a value to `out`.
///
/// # Errors
/// If the value does not fit the root type; `out` is as before then.
pub fn encode_xlang<S: Source>(
    schema: &Schema,
    root: RootId,
    source: &mut S,
    value: &S::Value,
    out: &mut Vec<u8>,
) -> Result<(), CodecError> {
    let start = out.len();
    let outcome = match schema.root_type(root) {
        Some(ty) => {
            out.extend_from_slice(&[1, PRESENT]);
            if ty.is_scalar() {
                out.push(ty.id);
            }
            Encoder::new(schema, root, out).run(source, ty, value)
        }
        None => Err(broken().finish(String::new(), None)),
    };
    if outcome.is_err() {
        out.truncate(start);
    }
    outcome
}

/// Encodes a value of any type as the body of a declared default: type info if a message, then the value.
pub(super) fn encode_default(schema: &Schema, root: RootId, ty: &TypePlan, value: &Value) -> Result<Vec<u8>, CodecError> {
    let mut out = Vec::new();
    Encoder::new(schema, root, &mut out).run(&mut ValueSource::new(), ty, &value)?;
    Ok(out)
}

struct Encoder<'s, 'o> {
    schema: &'s Schema,
    root: RootId,
    out: &'o mut Vec<u8>,
    /// For each message: 0, or one more than the index of its definition in this payload.
    sent: Vec<u16>,
    /// Definitions that leave out computed fields.
    partial: Vec<(MessageId, Box<[usize]>, u16)>,
    definitions: u16,
    depth: usize,
}

/// A value that is being written.
enum Frame<'s, S: Source> {
    Record(RecordFrame<'s, S>),
    List(ListFrame<'s, S>),
    Map(MapFrame<'s, S>),
}

struct RecordFrame<'s, S: Source> {
    record: S::Record,
    message: &'s MessageSchema,
    /// Computed fields that are not in the written definition; empty as a rule.
    left_out: Box<[usize]>,
    next: usize,
    current: Option<usize>,
}

struct ListFrame<'s, S: Source> {
    list: S::List,
    element: &'s TypePlan,
    len: usize,
    next: usize,
    nulls: bool,
    /// Nulls before the type of message elements is known.
    leading: usize,
    /// What message elements leave out, once their type is written.
    shape: Option<Box<[usize]>>,
    /// Where the elements of a set are.
    spans: Option<Vec<Range<usize>>>,
}

struct MapFrame<'s, S: Source> {
    map: S::Map,
    key: &'s TypePlan,
    value: &'s TypePlan,
    len: usize,
    next: usize,
    /// Where the length of the current run is.
    run: Option<usize>,
    shape: Box<[usize]>,
    /// Where the keys are, if the host does not vouch for them.
    spans: Option<Vec<Range<usize>>>,
}

impl<S: Source> Frame<'_, S> {
    fn place(&self) -> Place<'_> {
        match self {
            Frame::Record(frame) => Place::Field(frame.message, frame.current),
            Frame::List(frame) => Place::Entry(frame.next.checked_sub(1)),
            Frame::Map(frame) => Place::Entry(frame.next.checked_sub(1)),
        }
    }
}

impl<'s, 'o> Encoder<'s, 'o> {
    fn new(schema: &'s Schema, root: RootId, out: &'o mut Vec<u8>) -> Self {
        let sent = vec![0; schema.messages.len()];
        Self { schema, root, out, sent, partial: Vec::new(), definitions: 0, depth: 0 }
    }

    /// Writes a value and all its parts.
    fn run<S: Source>(&mut self, source: &mut S, ty: &'s TypePlan, value: &S::Value) -> Result<(), CodecError> {
        let mut stack: Vec<Frame<'s, S>> = Vec::new();
        let first = if source.is_null(value) { Err(Fault::null()) } else { self.value(source, ty, value) };
        let mut frame = match first {
            Ok(Some(frame)) => frame,
            Ok(None) => return Ok(()),
            Err(fault) => return Err(locate(fault, self.schema, self.root, std::iter::empty())),
        };
        loop {
            let child = match &mut frame {
                Frame::Record(record) => self.record(source, record),
                Frame::List(list) => self.list(source, list),
                Frame::Map(map) => self.map(source, map),
            };
            match child {
                Ok(Some(child)) => stack.push(std::mem::replace(&mut frame, child)),
                Ok(None) => match stack.pop() {
                    Some(parent) => frame = parent,
                    None => return Ok(()),
                },
                Err(fault) => {
                    let frames = stack.iter().chain([&frame]).map(Frame::place);
                    return Err(locate(fault, self.schema, self.root, frames));
                }
            }
        }
    }

    /// Writes a scalar, or the start of anything else.
    #[inline]
    fn value<S: Source>(&mut self, source: &mut S, ty: &'s TypePlan, value: &S::Value) -> Step<Option<Frame<'s, S>>> {
        match &ty.kind {
            Kind::Message(id) => {
                let (record, message, left_out) = self.open_record(source, ty, *id, value)?;
                self.type_info(message, &left_out)?;
                self.record_frame(record, message, left_out).map(Some)
            }
            Kind::List(element) | Kind::Set(element) => self.open_list(source, ty, element, value).map(Some),
            Kind::Map(entry) => self.open_map(source, ty, entry, value).map(Some),
            _ => scalar::write(self.schema, self.out, source, ty, value).map(|()| None),
        }
    }

    fn open_record<S: Source>(
        &mut self,
        source: &mut S,
        ty: &TypePlan,
        id: MessageId,
        value: &S::Value,
    ) -> Step<(S::Record, &'s MessageSchema, Box<[usize]>)> {
        let message = self.schema.message(id).ok_or_else(broken)?;
        let mut record = source.record(message, value).map_err(|m| mismatch(self.schema, ty, m))?;
        let mut left_out = Vec::new();
        if message.computed {
            for field in message.fields.iter().filter(|field| field.is_computed()) {
                let value = source.field(&mut record, message, field.index);
                if value.map_err(|m| mismatch(self.schema, &field.ty, m))?.is_none() {
                    left_out.push(field.index);
                }
            }
        }
        Ok((record, message, left_out.into()))
    }

    fn record_frame<S: Source>(
        &mut self,
        record: S::Record,
        message: &'s MessageSchema,
        left_out: Box<[usize]>,
    ) -> Step<Frame<'s, S>> {
        if self.depth >= limits::MAX_MESSAGE_DEPTH {
            return Err(too_deep());
        }
        self.depth += 1;
        Ok(Frame::Record(RecordFrame { record, message, left_out, next: 0, current: None }))
    }

    fn open_list<S: Source>(
        &mut self,
        source: &mut S,
        ty: &'s TypePlan,
        element: &'s TypePlan,
        value: &S::Value,
    ) -> Step<Frame<'s, S>> {
        let (len, list) = source.list(ty, value).map_err(|m| mismatch(self.schema, ty, m))?;
        put_uvarint32(self.out, u32::try_from(len).map_err(|_| Fault::malformed("too many elements"))?);
        let spans = matches!(ty.kind, Kind::Set(_)).then(Vec::new);
        let mut frame = ListFrame { list, element, len, next: 0, nulls: false, leading: 0, shape: None, spans };
        if len > 0 {
            let typed = matches!(element.kind, Kind::Message(_));
            frame.nulls = element.nullable && source.has_null(value).map_err(|m| mismatch(self.schema, ty, m))?;
            let flags = if typed { TYPED_ELEMENTS } else { DECLARED_ELEMENTS };
            self.out.push(flags | if frame.nulls { NULL_ELEMENTS } else { 0 });
        }
        Ok(Frame::List(frame))
    }

    fn open_map<S: Source>(
        &mut self,
        source: &mut S,
        ty: &'s TypePlan,
        entry: &'s [TypePlan; 2],
        value: &S::Value,
    ) -> Step<Frame<'s, S>> {
        let entries = source.map(ty, value).map_err(|m| mismatch(self.schema, ty, m))?;
        put_uvarint32(self.out, u32::try_from(entries.len).map_err(|_| Fault::malformed("too many entries"))?);
        let [key, value] = entry;
        let spans = (!entries.distinct).then(Vec::new);
        let (map, len) = (entries.state, entries.len);
        Ok(Frame::Map(MapFrame { map, key, value, len, next: 0, run: None, shape: Box::default(), spans }))
    }

    /// Goes on with a record; returns a part that has parts of its own.
    fn record<S: Source>(&mut self, source: &mut S, frame: &mut RecordFrame<'s, S>) -> Step<Option<Frame<'s, S>>> {
        let message = frame.message;
        while let Some(field) = message.wire.fields.get(frame.next) {
            frame.next += 1;
            frame.current = Some(field.index);
            if frame.left_out.contains(&field.index) {
                continue;
            }
            let ty = &field.ty;
            let value = source.field(&mut frame.record, message, field.index);
            let Some(value) = value.map_err(|m| mismatch(self.schema, ty, m))? else {
                if !self.default(message, field)? {
                    frame.current = None;
                    return Err(missing(source, &mut frame.record, message));
                }
                continue;
            };
            let null = source.is_null(&value);
            if ty.nullable {
                self.out.push(if null { NULL } else { PRESENT });
            } else if null {
                return Err(Fault::null());
            }
            if null {
                continue;
            }
            if let Some(child) = self.value(source, ty, &value)? {
                return Ok(Some(child));
            }
        }
        self.depth = self.depth.saturating_sub(1);
        Ok(None)
    }

    /// Writes the declared default of a field; false if there is none.
    fn default(&mut self, message: &'s MessageSchema, field: &'s WireField) -> Step<bool> {
        match message.fields.get(field.index).map(|field| &field.default) {
            Some(FieldDefault::Null) => self.out.push(NULL),
            Some(FieldDefault::Value(default)) => {
                if field.ty.nullable {
                    self.out.push(PRESENT);
                }
                let written = self.run(&mut ValueSource::new(), &field.ty, &&default.value);
                written.map_err(|error| match error.kind {
                    super::violation::CodecErrorKind::Malformed => Fault::malformed(error.reason),
                    super::violation::CodecErrorKind::Violation => Fault::violation(error.reason),
                })?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn list<S: Source>(&mut self, source: &mut S, frame: &mut ListFrame<'s, S>) -> Step<Option<Frame<'s, S>>> {
        while frame.next < frame.len {
            frame.next += 1;
            let ty = frame.element;
            let item = source.next_item(&mut frame.list).map_err(|m| mismatch(self.schema, ty, m))?;
            let item = item.ok_or_else(changed)?;
            let null = source.is_null(&item);
            if null && !frame.nulls {
                return Err(Fault::null());
            }
            if let Kind::Message(id) = ty.kind {
                if !null {
                    return self.message_item(source, frame, id, &item).map(Some);
                }
                match frame.shape {
                    Some(_) => self.out.push(NULL),
                    None => frame.leading += 1,
                }
                continue;
            }
            if frame.nulls {
                self.out.push(if null { NULL } else { PRESENT });
            }
            if null {
                continue;
            }
            let start = self.out.len();
            if let Some(child) = self.value(source, ty, &item)? {
                return Ok(Some(child));
            }
            if let Some(spans) = &mut frame.spans {
                spans.push(start..self.out.len());
            }
        }
        if let (Kind::Message(id), None, 1..) = (&frame.element.kind, &frame.shape, frame.len) {
            let message = self.schema.message(*id).ok_or_else(broken)?;
            self.element_type(frame, message, Box::default())?;
        }
        self.distinct(frame.spans.take(), "duplicate element", &mut frame.next)?;
        Ok(None)
    }

    fn message_item<S: Source>(
        &mut self,
        source: &mut S,
        frame: &mut ListFrame<'s, S>,
        id: MessageId,
        item: &S::Value,
    ) -> Step<Frame<'s, S>> {
        let (record, message, left_out) = self.open_record(source, frame.element, id, item)?;
        match &frame.shape {
            None => self.element_type(frame, message, left_out.clone())?,
            Some(shape) if *shape != left_out => return Err(uneven(message, shape, &left_out)),
            Some(_) => {}
        }
        if frame.nulls {
            self.out.push(PRESENT);
        }
        self.record_frame(record, message, left_out)
    }

    /// Writes the common type of message elements and the nulls that had to wait for it.
    fn element_type<S: Source>(
        &mut self,
        frame: &mut ListFrame<'s, S>,
        message: &'s MessageSchema,
        shape: Box<[usize]>,
    ) -> Step<()> {
        self.type_info(message, &shape)?;
        frame.shape = Some(shape);
        self.out.extend(std::iter::repeat_n(NULL, frame.leading));
        Ok(())
    }

    fn map<S: Source>(&mut self, source: &mut S, frame: &mut MapFrame<'s, S>) -> Step<Option<Frame<'s, S>>> {
        while frame.next < frame.len {
            frame.next += 1;
            let ty = frame.value;
            let entry = source.next_entry(&mut frame.map).map_err(|m| mismatch(self.schema, ty, m))?;
            let (key, value) = entry.ok_or_else(changed)?;
            if source.is_null(&value) {
                if !ty.nullable {
                    return Err(Fault::null());
                }
                frame.run = None;
                self.out.push(NULL_ENTRY);
                self.key(source, frame, &key)?;
                continue;
            }
            if let Kind::Message(id) = ty.kind {
                let (record, message, left_out) = self.open_record(source, ty, id, &value)?;
                if frame.shape != left_out {
                    frame.run = None;
                }
                if self.extend_run(frame) {
                    self.type_info(message, &left_out)?;
                    frame.shape = left_out.clone();
                }
                self.key(source, frame, &key)?;
                return self.record_frame(record, message, left_out).map(Some);
            }
            self.extend_run(frame);
            self.key(source, frame, &key)?;
            if let Some(child) = self.value(source, ty, &value)? {
                return Ok(Some(child));
            }
        }
        self.distinct(frame.spans.take(), "duplicate key", &mut frame.next)?;
        Ok(None)
    }

    /// Counts an entry into the current run; true if a new run had to be started.
    fn extend_run<S: Source>(&mut self, frame: &mut MapFrame<'s, S>) -> bool {
        if let Some(length) = frame.run.and_then(|at| self.out.get_mut(at))
            && *length < MAX_RUN
        {
            *length += 1;
            return false;
        }
        let typed = matches!(frame.value.kind, Kind::Message(_));
        self.out.push(if typed { TYPED_ENTRIES } else { DECLARED_ENTRIES });
        frame.run = Some(self.out.len());
        self.out.push(1);
        true
    }

    fn key<S: Source>(&mut self, source: &mut S, frame: &mut MapFrame<'s, S>, key: &S::Value) -> Step<()> {
        if source.is_null(key) {
            return Err(Fault::violation("null key"));
        }
        let start = self.out.len();
        scalar::write(self.schema, self.out, source, frame.key, key)?;
        if let Some(spans) = &mut frame.spans {
            spans.push(start..self.out.len());
        }
        Ok(())
    }

    /// Refuses equal bytes among the spans; moves the frame to the second of them.
    fn distinct(&self, spans: Option<Vec<Range<usize>>>, reason: &str, next: &mut usize) -> Step<()> {
        let spans = spans.unwrap_or_default();
        let mut seen = HashSet::with_capacity(spans.len());
        for (index, span) in spans.into_iter().enumerate() {
            if !seen.insert(self.out.get(span)) {
                *next = index + 1;
                return Err(Fault::violation(reason));
            }
        }
        Ok(())
    }

    /// Writes which type follows, with its definition the first time.
    fn type_info(&mut self, message: &'s MessageSchema, left_out: &[usize]) -> Step<()> {
        self.out.push(plan::MESSAGE);
        let full = left_out.is_empty();
        let known = if full {
            self.sent.get(message.id.index()).and_then(|number| number.checked_sub(1))
        } else {
            let mut partial = self.partial.iter();
            partial.find(|(id, fields, _)| *id == message.id && **fields == *left_out).map(|(_, _, index)| *index)
        };
        if let Some(index) = known {
            put_uvarint32(self.out, u32::from(index) << 1 | 1);
            return Ok(());
        }
        let index = self.definitions;
        if usize::from(index) >= limits::MAX_TYPE_DEFINITIONS {
            return Err(Fault::malformed("too many type definitions"));
        }
        self.definitions += 1;
        put_uvarint32(self.out, u32::from(index) << 1);
        if full {
            *self.sent.get_mut(message.id.index()).ok_or_else(broken)? = index + 1;
            self.out.extend_from_slice(&message.definition);
            return Ok(());
        }
        self.partial.push((message.id, left_out.into(), index));
        let fields: Vec<_> = message
            .wire
            .fields
            .iter()
            .filter(|field| !left_out.contains(&field.index))
            .filter_map(|field| Some((message.fields.get(field.index)?.wire_name.as_str(), &field.ty)))
            .collect();
        self.out.extend(definition::write(&message.namespace, &message.type_name, fields.into_iter()));
        Ok(())
    }
}

/// Makes the error for a container whose length changed during the walk.
#[cold]
fn changed() -> Box<Fault> {
    Fault::malformed("a container was changed while it was read")
}

/// Makes the error for elements of one list that leave out different computed fields: they share one definition.
#[cold]
fn uneven(message: &MessageSchema, first: &[usize], other: &[usize]) -> Box<Fault> {
    let differing = first.iter().chain(other).filter(|index| first.contains(index) != other.contains(index));
    let names = differing.filter_map(|index| message.fields.get(*index)).map(|field| &*field.name);
    let fault = Fault::violation(format!(
        "field(s) {} must be in all elements of a list or in none",
        super::names::quote_all(names).join(", ")
    ));
    fault.of(&message.simple_name)
}

