//! XLANG bytes to values (`codec.md` sections 3 to 6).
//!
//! Not here: JSON mode ([`super::json`]), the values of single scalars ([`super::scalar`]).

mod containers;
mod received;

use std::cell::OnceCell;

use crate::limits;

use containers::{ListFrame, MapFrame, put};
use received::{Chain, Link};

use super::bytes::Reader;
use super::foreign;
use super::plan::{Kind, MessageId, TypePlan, WireField, WirePlan};
use super::scalar::Input;
use super::schema::{FieldDefault, MessageSchema, RootId, Schema};
use super::sink::Sink;
use super::violation::{CodecError, Fault, Step};
use super::walk::{Place, broken, locate, made, too_deep};

/// Decodes an XLANG body.
///
/// # Errors
/// If the body is not of this format, hits a limit, or does not fit the root type.
pub fn decode_xlang<K: Sink>(schema: &Schema, root: RootId, body: &[u8], sink: &mut K) -> Result<K::Value, CodecError> {
    let foreign = Chain::default();
    let mut decoder = Decoder::new(schema, root, body, &foreign);
    let ty = schema.root_type(root).ok_or_else(|| broken().finish(String::new(), None))?;
    let wire = decoder.head(ty).map_err(|fault| decoder.at_root(fault))?;
    let value = decoder.run(sink, ty, wire)?;
    match decoder.input.reader.rest().len() {
        0 => Ok(value),
        left => Err(decoder.at_root(Fault::violation(format!("{left} bytes after the value")))),
    }
}

/// Gives a field that the writer does not know its default, a fresh one each time.
#[allow(clippy::too_many_arguments)]
pub(super) fn fill_default<K: Sink>(
    schema: &Schema,
    root: RootId,
    sink: &mut K,
    record: &mut K::Record,
    message: &MessageSchema,
    index: usize,
    budget: &mut usize,
    depth: usize,
) -> Step<()> {
    let field = message.fields.get(index).ok_or_else(broken)?;
    let value = match &field.default {
        FieldDefault::Computed => return made(sink.record_computed(record, message, index)),
        FieldDefault::Null => made(sink.null(&field.ty))?,
        FieldDefault::Value(default) => {
            let foreign = Chain::default();
            let mut inner = Decoder::new(schema, root, &default.body, &foreign);
            inner.input.budget = *budget;
            inner.depth = depth;
            let value = inner.run(sink, &field.ty, field.ty.wire);
            *budget = inner.input.budget;
            value.map_err(|error| Fault::malformed(error.reason))?
        }
        FieldDefault::Required | FieldDefault::Pending => return Err(broken()),
    };
    made(sink.record_set(record, message, index, value))
}

struct Decoder<'a, 'b> {
    schema: &'a Schema,
    root: RootId,
    input: Input<'b>,
    /// The definitions of this payload, by index.
    definitions: Vec<(MessageId, &'a WirePlan)>,
    /// Where the next foreign definition is kept.
    tail: &'a OnceCell<Box<Link>>,
    depth: usize,
    empty_elements: usize,
}

/// A value that is being built.
enum Frame<'a, K: Sink> {
    Record(RecordFrame<'a, K>),
    List(ListFrame<'a, K>),
    Map(MapFrame<'a, K>),
}

struct RecordFrame<'a, K: Sink> {
    record: K::Record,
    message: &'a MessageSchema,
    plan: &'a WirePlan,
    next: usize,
    current: Option<usize>,
}

/// What starts at a position: a value that is complete, or one with parts.
enum Start<'a, K: Sink> {
    Value(K::Value),
    Frame(Frame<'a, K>),
}

impl<K: Sink> Frame<'_, K> {
    fn place(&self) -> Place<'_> {
        match self {
            Frame::Record(frame) => Place::Field(frame.message, frame.current),
            Frame::List(frame) => Place::Entry(frame.next.checked_sub(1)),
            Frame::Map(frame) => Place::Entry(frame.current),
        }
    }
}

impl<'a, 'b> Decoder<'a, 'b> {
    fn new(schema: &'a Schema, root: RootId, body: &'b [u8], foreign: &'a Chain) -> Self {
        let input = Input { reader: Reader::new(body), budget: limits::MAX_VALUE_GRAPH };
        let (definitions, tail) = (Vec::new(), &foreign.first);
        Self { schema, root, input, definitions, tail, depth: 0, empty_elements: 0 }
    }

    #[cold]
    fn at_root(&self, fault: Box<Fault>) -> CodecError {
        locate(fault, self.schema, self.root, std::iter::empty())
    }

    /// Reads what precedes the root value; returns the type of its bytes.
    fn head(&mut self, ty: &TypePlan) -> Step<u8> {
        let reader = &mut self.input.reader;
        match reader.rest().first() {
            Some(1) => reader.byte()?,
            Some(2) => return Err(Fault::malformed("payload uses Fory 0.x encoding; use the JSON mode")),
            Some(_) => return Err(Fault::malformed("unknown payload format")),
            None => return Err(Fault::malformed("empty payload")),
        };
        if reader.null_flag()? {
            return Err(Fault::null());
        }
        if !ty.is_scalar() {
            return Ok(ty.wire);
        }
        let id = reader.byte()?;
        if foreign::fits(ty, id) { Ok(id) } else { Err(foreign::refused(ty, u32::from(id))) }
    }

    /// Reads a value and all its parts.
    fn run<K: Sink>(&mut self, sink: &mut K, ty: &'a TypePlan, wire: u8) -> Result<K::Value, CodecError> {
        let mut stack: Vec<Frame<'a, K>> = Vec::new();
        let mut frame = match self.start(sink, ty, wire) {
            Ok(Start::Frame(frame)) => frame,
            Ok(Start::Value(value)) => return Ok(value),
            Err(fault) => return Err(self.at_root(fault)),
        };
        loop {
            let child = match &mut frame {
                Frame::Record(record) => self.record(sink, record),
                Frame::List(list) => self.list(sink, list),
                Frame::Map(map) => self.map(sink, map),
            };
            match child {
                Ok(Some(child)) => {
                    stack.push(std::mem::replace(&mut frame, child));
                    continue;
                }
                Ok(None) => {}
                Err(fault) => return Err(self.located(fault, stack.iter().chain([&frame]))),
            }
            let value = self.close(sink, frame).map_err(|fault| self.located(fault, stack.iter()))?;
            let Some(parent) = stack.pop() else { return Ok(value) };
            frame = parent;
            if let Err(fault) = accept(sink, &mut frame, value) {
                return Err(self.located(fault, stack.iter().chain([&frame])));
            }
        }
    }

    #[cold]
    fn located<'f, K: Sink + 'f>(&self, fault: Box<Fault>, frames: impl Iterator<Item = &'f Frame<'f, K>>) -> CodecError
    where
        'a: 'f,
    {
        locate(fault, self.schema, self.root, frames.map(Frame::place))
    }

    /// Reads a scalar, or the start of anything else. The type of a message precedes it.
    #[inline]
    fn start<K: Sink>(&mut self, sink: &mut K, ty: &'a TypePlan, wire: u8) -> Step<Start<'a, K>> {
        match &ty.kind {
            Kind::Message(id) => {
                let message = self.schema.message(*id).ok_or_else(broken)?;
                let plan = self.type_info(message)?;
                self.message(sink, message, plan)
            }
            Kind::List(_) | Kind::Set(_) | Kind::Map(_) => self.open_container(sink, ty).map(Start::Frame),
            _ => self.input.scalar(self.schema, sink, ty, wire).map(Start::Value),
        }
    }

    /// Reads a message whose fields have no parts, or the start of another one.
    #[inline]
    fn message<K: Sink>(&mut self, sink: &mut K, message: &'a MessageSchema, plan: &'a WirePlan) -> Step<Start<'a, K>> {
        if plan.flat {
            self.flat_record(sink, message, plan).map(Start::Value)
        } else {
            self.open_record(sink, message, plan).map(Start::Frame)
        }
    }

    fn flat_record<K: Sink>(&mut self, sink: &mut K, message: &'a MessageSchema, plan: &'a WirePlan) -> Step<K::Value> {
        let mut record = self.admit_record(sink, message)?;
        for field in &plan.fields {
            if let Err(fault) = self.flat_field(sink, &mut record, message, field) {
                let name = message.fields.get(field.index).map(|field| &*field.name);
                return Err(fault.in_field(&message.simple_name, name));
            }
        }
        made(sink.record_close(message, record))
    }

    #[inline(always)]
    fn flat_field<K: Sink>(
        &mut self,
        sink: &mut K,
        record: &mut K::Record,
        message: &'a MessageSchema,
        field: &'a WireField,
    ) -> Step<()> {
        let value = match self.null(sink, &field.ty)? {
            Some(null) => null,
            None => self.input.scalar(self.schema, sink, &field.ty, field.ty.wire)?,
        };
        made(sink.record_set(record, message, field.index, value))
    }

    /// Reads the null flag of a field, if it has one.
    #[inline]
    fn null<K: Sink>(&mut self, sink: &mut K, ty: &'a TypePlan) -> Step<Option<K::Value>> {
        if !ty.wire_nullable || !self.input.reader.null_flag()? {
            return Ok(None);
        }
        if !ty.nullable {
            return Err(Fault::null());
        }
        made(sink.null(ty)).map(Some)
    }

    /// Counts a record and lets the host start it.
    fn admit_record<K: Sink>(&mut self, sink: &mut K, message: &'a MessageSchema) -> Step<K::Record> {
        if self.depth >= limits::MAX_MESSAGE_DEPTH {
            return Err(too_deep());
        }
        let fields = message.fields.len().saturating_mul(limits::GRAPH_FIELD);
        self.input.charge(fields.saturating_add(limits::GRAPH_MESSAGE))?;
        made(sink.record_open(message))
    }

    fn open_record<K: Sink>(
        &mut self,
        sink: &mut K,
        message: &'a MessageSchema,
        plan: &'a WirePlan,
    ) -> Step<Frame<'a, K>> {
        let record = self.admit_record(sink, message)?;
        self.depth += 1;
        Ok(Frame::Record(RecordFrame { record, message, plan, next: 0, current: None }))
    }

    /// Goes on with a record; returns a part that has parts of its own.
    fn record<K: Sink>(&mut self, sink: &mut K, frame: &mut RecordFrame<'a, K>) -> Step<Option<Frame<'a, K>>> {
        let plan = frame.plan;
        while let Some(field) = plan.fields.get(frame.next) {
            frame.next += 1;
            frame.current = Some(field.index);
            let ty = &field.ty;
            let value = if let Some(null) = self.null(sink, ty)? {
                null
            } else if ty.is_scalar() {
                self.input.scalar(self.schema, sink, ty, ty.wire)?
            } else {
                match self.start(sink, ty, ty.wire)? {
                    Start::Value(value) => value,
                    Start::Frame(child) => return Ok(Some(child)),
                }
            };
            made(sink.record_set(&mut frame.record, frame.message, field.index, value))?;
        }
        for index in &plan.absent {
            frame.current = Some(*index);
            let budget = &mut self.input.budget;
            fill_default(self.schema, self.root, sink, &mut frame.record, frame.message, *index, budget, self.depth)?;
        }
        self.depth = self.depth.saturating_sub(1);
        Ok(None)
    }

    fn close<K: Sink>(&mut self, sink: &mut K, frame: Frame<'a, K>) -> Step<K::Value> {
        match frame {
            Frame::Record(frame) => made(sink.record_close(frame.message, frame.record)),
            Frame::List(frame) => made(sink.list_close(frame.ty, frame.list)),
            Frame::Map(frame) => made(sink.map_close(frame.ty, frame.map)),
        }
    }
}

/// Gives a complete value to the frame that waits for it.
fn accept<K: Sink>(sink: &mut K, frame: &mut Frame<'_, K>, value: K::Value) -> Step<()> {
    match frame {
        Frame::Record(frame) => {
            let index = frame.current.ok_or_else(broken)?;
            made(sink.record_set(&mut frame.record, frame.message, index, value))
        }
        Frame::List(frame) => made(sink.list_push(&mut frame.list, value)),
        Frame::Map(frame) => {
            let key = frame.key.take().ok_or_else(broken)?;
            put(sink, frame, key, value)
        }
    }
}
