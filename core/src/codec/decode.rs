//! XLANG bytes to values (`codec.md` sections 3 to 6).
//!
//! Not here: JSON mode ([`super::json`]), the values of single scalars ([`super::scalar`]).

use std::cell::OnceCell;
use std::collections::HashSet;
use std::sync::Arc;

use crate::limits;

use super::bytes::Reader;
use super::plan::{self, Kind, MessageId, TypePlan, WirePlan, type_name};
use super::scalar::Input;
use super::schema::{FieldDefault, MessageSchema, RootId, Schema};
use super::sink::Sink;
use super::value::ValueSink;
use super::violation::{CodecError, Fault, Step};
use super::walk::{Place, broken, locate, made, too_deep};
use super::{definition, foreign};

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

/// Foreign definitions of one payload, which live as long as its decoding.
#[derive(Default)]
struct Chain {
    first: OnceCell<Box<Link>>,
}

struct Link {
    plan: Arc<WirePlan>,
    next: OnceCell<Box<Link>>,
}

impl Drop for Chain {
    /// Unlinks one after the other, so that a long chain does not use the stack.
    fn drop(&mut self) {
        let mut link = self.first.take();
        while let Some(mut current) = link {
            link = current.next.take();
        }
    }
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

struct ListFrame<'a, K: Sink> {
    list: K::List,
    ty: &'a TypePlan,
    elements: Elements<'a>,
    len: usize,
    next: usize,
    nulls: bool,
    /// Elements of a set so far.
    seen: Option<HashSet<Vec<u8>>>,
}

struct MapFrame<'a, K: Sink> {
    map: K::Map,
    ty: &'a TypePlan,
    keys: Elements<'a>,
    values: Elements<'a>,
    len: usize,
    next: usize,
    current: Option<usize>,
    /// Entries left in the current run.
    run: usize,
    key: Option<K::Value>,
}

/// The common type of the elements of a container, or of the keys or values of a run.
#[derive(Clone, Copy)]
struct Elements<'a> {
    ty: &'a TypePlan,
    wire: u8,
    /// Set for messages, whose type precedes the elements.
    message: Option<(&'a MessageSchema, &'a WirePlan)>,
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
                self.open_record(sink, message, plan).map(Start::Frame)
            }
            Kind::List(_) | Kind::Set(_) | Kind::Map(_) => self.open_container(sink, ty).map(Start::Frame),
            _ => self.input.scalar(self.schema, sink, ty, wire).map(Start::Value),
        }
    }

    fn open_record<K: Sink>(
        &mut self,
        sink: &mut K,
        message: &'a MessageSchema,
        plan: &'a WirePlan,
    ) -> Step<Frame<'a, K>> {
        if self.depth >= limits::MAX_MESSAGE_DEPTH {
            return Err(too_deep());
        }
        self.depth += 1;
        let fields = message.fields.len().saturating_mul(limits::GRAPH_FIELD);
        self.input.charge(fields.saturating_add(limits::GRAPH_MESSAGE))?;
        let record = made(sink.record_open(message))?;
        Ok(Frame::Record(RecordFrame { record, message, plan, next: 0, current: None }))
    }

    fn open_container<K: Sink>(&mut self, sink: &mut K, ty: &'a TypePlan) -> Step<Frame<'a, K>> {
        let len = self.input.reader.uvarint32()? as usize;
        match &ty.kind {
            Kind::Map(entry) => {
                if len > self.input.reader.rest().len() {
                    return Err(too_many());
                }
                self.input.charge(len.saturating_mul(limits::GRAPH_ENTRY))?;
                let [keys, values] = &**entry;
                let (keys, values) = (Elements::declared(keys), Elements::declared(values));
                let map = made(sink.map_open(ty, len))?;
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
                let list = made(sink.list_open(ty, len))?;
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

    /// Goes on with a record; returns a part that has parts of its own.
    fn record<K: Sink>(&mut self, sink: &mut K, frame: &mut RecordFrame<'a, K>) -> Step<Option<Frame<'a, K>>> {
        let plan = frame.plan;
        while let Some(field) = plan.fields.get(frame.next) {
            frame.next += 1;
            frame.current = Some(field.index);
            let ty = &field.ty;
            let value = if ty.wire_nullable && self.input.reader.null_flag()? {
                if !ty.nullable {
                    return Err(Fault::null());
                }
                made(sink.null(ty))?
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
            self.complete(sink, frame, *index)?;
        }
        self.depth = self.depth.saturating_sub(1);
        Ok(None)
    }

    /// Gives a field that the writer does not know its default.
    fn complete<K: Sink>(&mut self, sink: &mut K, frame: &mut RecordFrame<'a, K>, index: usize) -> Step<()> {
        let (message, schema) = (frame.message, self.schema);
        let field = message.fields.get(index).ok_or_else(broken)?;
        let value = match &field.default {
            FieldDefault::Computed => return made(sink.record_computed(&mut frame.record, message, index)),
            FieldDefault::Null => made(sink.null(&field.ty))?,
            FieldDefault::Value(default) => {
                let foreign = Chain::default();
                let mut inner = Decoder::new(schema, self.root, &default.body, &foreign);
                inner.input.budget = self.input.budget;
                inner.depth = self.depth;
                let value = inner.run(sink, &field.ty, field.ty.wire);
                self.input.budget = inner.input.budget;
                value.map_err(|error| Fault::malformed(error.reason))?
            }
            FieldDefault::Required | FieldDefault::Pending => return Err(broken()),
        };
        made(sink.record_set(&mut frame.record, message, index, value))
    }

    fn list<K: Sink>(&mut self, sink: &mut K, frame: &mut ListFrame<'a, K>) -> Step<Option<Frame<'a, K>>> {
        let Elements { ty, wire, message } = frame.elements;
        while frame.next < frame.len {
            frame.next += 1;
            let value = if frame.nulls && self.input.reader.null_flag()? {
                if !ty.nullable {
                    return Err(Fault::null());
                }
                made(sink.null(ty))?
            } else if let Some((message, plan)) = message {
                return self.open_record(sink, message, plan).map(Some);
            } else {
                if let Some(seen) = &mut frame.seen {
                    self.distinct(seen, ty, wire)?;
                }
                match self.start(sink, ty, wire)? {
                    Start::Value(value) => value,
                    Start::Frame(child) => return Ok(Some(child)),
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

    fn map<K: Sink>(&mut self, sink: &mut K, frame: &mut MapFrame<'a, K>) -> Step<Option<Frame<'a, K>>> {
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
                Some((message, plan)) => Start::Frame(self.open_record(sink, message, plan)?),
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

    fn close<K: Sink>(&mut self, sink: &mut K, frame: Frame<'a, K>) -> Step<K::Value> {
        match frame {
            Frame::Record(frame) => made(sink.record_close(frame.message, frame.record)),
            Frame::List(frame) => made(sink.list_close(frame.ty, frame.list)),
            Frame::Map(frame) => made(sink.map_close(frame.ty, frame.map)),
        }
    }

    /// Reads which type follows; returns how its bodies are laid out.
    fn type_info(&mut self, message: &'a MessageSchema) -> Step<&'a WirePlan> {
        let class = message.simple_name.as_str();
        let id = self.input.reader.byte()?;
        if id != plan::MESSAGE {
            let got = type_name(u32::from(id));
            return Err(Fault::violation(format!("expected {class}, got type {got}")).of(class));
        }
        let marker = self.input.reader.uvarint32()?;
        let index = (marker >> 1) as usize;
        if marker & 1 == 1 {
            let known = self.definitions.get(index).copied();
            let (id, plan) = known.ok_or_else(|| Fault::malformed("unknown type index"))?;
            if id == message.id {
                return Ok(plan);
            }
            return Err(Fault::violation(format!("expected {class}, got another struct")).of(class));
        }
        if index != self.definitions.len() || index >= limits::MAX_TYPE_DEFINITIONS {
            return Err(Fault::malformed("bad type index"));
        }
        let plan = if self.input.reader.rest().starts_with(&message.definition) {
            self.input.reader.take(message.definition.len())?;
            &message.wire
        } else {
            self.foreign(message)?
        };
        self.definitions.push((message.id, plan));
        Ok(plan)
    }

    /// Reads a definition that is not ours.
    #[cold]
    fn foreign(&mut self, message: &'a MessageSchema) -> Step<&'a WirePlan> {
        let bytes = definition::split(&mut self.input.reader)?;
        let plan = match message.foreign.get(bytes) {
            Some(plan) => plan,
            None => {
                let written = definition::parse(bytes)?;
                let plan = Arc::new(foreign::match_definition(message, &written)?);
                message.foreign.keep(bytes, &plan);
                plan
            }
        };
        let link = self.tail.get_or_init(|| Box::new(Link { plan, next: OnceCell::new() }));
        self.tail = &link.next;
        Ok(&link.plan)
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

fn put<K: Sink>(sink: &mut K, frame: &mut MapFrame<'_, K>, key: K::Value, value: K::Value) -> Step<()> {
    if made(sink.map_put(&mut frame.map, key, value))? { Ok(()) } else { Err(Fault::violation("duplicate key")) }
}

#[cold]
fn too_many() -> Box<Fault> {
    Fault::malformed("more elements than bytes")
}
