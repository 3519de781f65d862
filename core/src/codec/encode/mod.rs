//! Values to XLANG bytes (`codec.md` sections 3 and 5).
//!
//! Not here: JSON mode ([`super::json`]), the values of single scalars ([`super::scalar`]).

mod containers;
mod sent;

use crate::limits;

use containers::{ListFrame, MapFrame};
use sent::Sent;

use super::bytes::{NULL, PRESENT};
use super::plan::{Kind, MessageId, TypePlan, WireField};
use super::scalar;
use super::schema::{FieldDefault, MessageSchema, RootId, Schema};
use super::source::Source;
use super::value::{Value, ValueSource};
use super::violation::{CodecError, Fault, Step};
use super::walk::{Place, broken, locate, mismatch, missing, too_deep};

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
pub(super) fn encode_default(
    schema: &Schema,
    root: RootId,
    ty: &TypePlan,
    value: &Value,
) -> Result<Vec<u8>, CodecError> {
    let mut out = Vec::new();
    Encoder::new(schema, root, &mut out).run(&mut ValueSource::new(), ty, &value)?;
    Ok(out)
}

struct Encoder<'s, 'o> {
    schema: &'s Schema,
    root: RootId,
    out: &'o mut Vec<u8>,
    sent: Sent,
    depth: usize,
}

/// A value that is being written.
enum Frame<'s, S: Source> {
    Record(RecordFrame<'s, S>),
    List(ListFrame<'s, S>),
    Map(MapFrame<'s, S>),
}

/// A record whose fields can be read.
struct Opened<'s, S: Source> {
    record: S::Record,
    message: &'s MessageSchema,
    /// Computed fields that are not in the written definition; empty as a rule.
    left_out: Box<[usize]>,
}

struct RecordFrame<'s, S: Source> {
    opened: Opened<'s, S>,
    next: usize,
    current: Option<usize>,
}

/// What a record says of a field.
enum Field<V> {
    /// It has a value that is still to be written.
    Value(V),
    /// It is null or left out, and that is written.
    Written,
    /// It is left out and has no default.
    Missing,
}

impl<S: Source> Frame<'_, S> {
    fn place(&self) -> Place<'_> {
        match self {
            Frame::Record(frame) => Place::Field(frame.opened.message, frame.current),
            Frame::List(frame) => Place::Entry(frame.next.checked_sub(1)),
            Frame::Map(frame) => Place::Entry(frame.next.checked_sub(1)),
        }
    }
}

impl<'s, 'o> Encoder<'s, 'o> {
    fn new(schema: &'s Schema, root: RootId, out: &'o mut Vec<u8>) -> Self {
        Self { schema, root, out, sent: Sent::new(schema), depth: 0 }
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
                let opened = self.open_record(source, ty, *id, value)?;
                self.sent.write(self.out, opened.message, &opened.left_out)?;
                self.go_on(source, opened)
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
    ) -> Step<Opened<'s, S>> {
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
        Ok(Opened { record, message, left_out: left_out.into() })
    }

    /// Writes the fields of a record if none has parts; else they get a frame.
    #[inline]
    fn go_on<S: Source>(&mut self, source: &mut S, mut opened: Opened<'s, S>) -> Step<Option<Frame<'s, S>>> {
        if self.depth >= limits::MAX_MESSAGE_DEPTH {
            return Err(too_deep());
        }
        let message = opened.message;
        if message.wire.flat && opened.left_out.is_empty() {
            self.flat_record(source, &mut opened.record, message)?;
            return Ok(None);
        }
        self.depth += 1;
        Ok(Some(Frame::Record(RecordFrame { opened, next: 0, current: None })))
    }

    fn flat_record<S: Source>(
        &mut self,
        source: &mut S,
        record: &mut S::Record,
        message: &'s MessageSchema,
    ) -> Step<()> {
        for field in &message.wire.fields {
            let ty = &field.ty;
            let written = match self.present(source, record, message, field) {
                Ok(Field::Value(value)) => scalar::write(self.schema, self.out, source, ty, &value),
                Ok(Field::Written) => Ok(()),
                Ok(Field::Missing) => {
                    return Err(missing(source, record, message).in_field(&message.simple_name, None));
                }
                Err(fault) => Err(fault),
            };
            if let Err(fault) = written {
                let name = message.fields.get(field.index).map(|field| &*field.name);
                return Err(fault.in_field(&message.simple_name, name));
            }
        }
        Ok(())
    }

    /// Reads a field, and writes its null flag or its default.
    #[inline(always)]
    fn present<S: Source>(
        &mut self,
        source: &mut S,
        record: &mut S::Record,
        message: &'s MessageSchema,
        field: &'s WireField,
    ) -> Step<Field<S::Value>> {
        let ty = &field.ty;
        let value = source.field(record, message, field.index).map_err(|m| mismatch(self.schema, ty, m))?;
        let Some(value) = value else {
            return self.default(message, field).map(|found| if found { Field::Written } else { Field::Missing });
        };
        let null = source.is_null(&value);
        if ty.nullable {
            self.out.push(if null { NULL } else { PRESENT });
        } else if null {
            return Err(Fault::null());
        }
        Ok(if null { Field::Written } else { Field::Value(value) })
    }

    /// Goes on with a record; returns a part that has parts of its own.
    fn record<S: Source>(&mut self, source: &mut S, frame: &mut RecordFrame<'s, S>) -> Step<Option<Frame<'s, S>>> {
        let message = frame.opened.message;
        while let Some(field) = message.wire.fields.get(frame.next) {
            frame.next += 1;
            frame.current = Some(field.index);
            if frame.opened.left_out.contains(&field.index) {
                continue;
            }
            let ty = &field.ty;
            let value = match self.present(source, &mut frame.opened.record, message, field)? {
                Field::Value(value) => value,
                Field::Written => continue,
                Field::Missing => {
                    frame.current = None;
                    return Err(missing(source, &mut frame.opened.record, message));
                }
            };
            if ty.is_scalar() {
                scalar::write(self.schema, self.out, source, ty, &value)?;
            } else if let Some(child) = self.value(source, ty, &value)? {
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
}
