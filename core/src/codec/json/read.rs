//! JSON text to values.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::limits;

use super::super::decode::fill_default;
use super::super::plan::{Kind, TypePlan};
use super::super::schema::{FieldDefault, MessageSchema, RootId, Schema};
use super::super::sink::Sink;
use super::super::value::{Value, ValueSink};
use super::super::violation::{CodecError, CodecErrorKind, Fault, Step};
use super::super::walk::{Place, broken, expected, locate, made, too_deep};
use super::lexer::{Lexer, check};

/// Decodes a JSON body.
///
/// # Errors
/// If the body is not JSON, hits a limit, or does not fit the root type.
pub fn decode_json<K: Sink>(schema: &Schema, root: RootId, body: &[u8], sink: &mut K) -> Result<K::Value, CodecError> {
    let ty = schema.root_type(root).ok_or_else(|| broken().finish(String::new(), None))?;
    Reader::decode(schema, root, ty, body, sink, &mut { limits::MAX_VALUE_GRAPH }).0
}

/// Decodes a declared default; `None` if it needs a default that is not compiled yet. `budget` is the memory estimate
/// that is left, and counts only what is returned.
pub(in super::super) fn decode_default(
    schema: &Schema,
    root: RootId,
    ty: &TypePlan,
    text: &str,
    budget: &mut usize,
) -> Result<Option<Value>, CodecError> {
    let mut left = *budget;
    match Reader::decode(schema, root, ty, text.as_bytes(), &mut ValueSink, &mut left) {
        (_, true) => Ok(None),
        (outcome, false) => {
            *budget = left;
            outcome.map(Some)
        }
    }
}

pub(super) struct Reader<'a, 'b> {
    pub(super) schema: &'a Schema,
    root: RootId,
    pub(super) lexer: Lexer<'b>,
    budget: usize,
    depth: usize,
    /// Whether a default was needed that is not compiled yet.
    pending: bool,
}

/// A value that is being built.
enum Frame<'a, K: Sink> {
    Record {
        record: K::Record,
        message: &'a MessageSchema,
        /// Which fields were there.
        seen: Vec<bool>,
        current: Option<usize>,
        first: bool,
    },
    List {
        list: K::List,
        ty: &'a TypePlan,
        element: &'a TypePlan,
        next: usize,
        seen: Option<HashSet<Vec<u8>>>,
    },
    Map {
        map: K::Map,
        ty: &'a TypePlan,
        entry: &'a [TypePlan; 2],
        next: usize,
        key: Option<K::Value>,
    },
}

/// What starts at a position: a value that is complete, or one with parts.
enum Start<'a, K: Sink> {
    Value(K::Value),
    Frame(Frame<'a, K>),
}

impl<K: Sink> Frame<'_, K> {
    fn place(&self) -> Place<'_> {
        match self {
            Frame::Record { message, current, .. } => Place::Field(message, *current),
            Frame::List { next, .. } | Frame::Map { next, .. } => Place::Entry(next.checked_sub(1)),
        }
    }
}

impl<'a, 'b> Reader<'a, 'b> {
    /// Decodes a whole text; also tells whether a default was missing.
    fn decode<K: Sink>(
        schema: &'a Schema,
        root: RootId,
        ty: &'a TypePlan,
        body: &'b [u8],
        sink: &mut K,
        budget: &mut usize,
    ) -> (Result<K::Value, CodecError>, bool) {
        let at_root = |fault| locate(fault, schema, root, std::iter::empty());
        let lexer = match Lexer::new(body) {
            Ok(lexer) => lexer,
            Err(fault) => return (Err(at_root(fault)), false),
        };
        let mut reader = Reader { schema, root, lexer, budget: *budget, depth: 0, pending: false };
        let value = reader.run(sink, ty);
        *budget = reader.budget;
        let outcome = match value {
            Ok(value) => reader.lexer.end().map(|()| value).map_err(at_root),
            // Text that is no JSON at all is malformed, wherever the walk stopped.
            Err(error) if error.kind == CodecErrorKind::Violation => Err(check(body).map_or_else(at_root, |()| error)),
            Err(error) => Err(error),
        };
        (outcome, reader.pending)
    }

    fn run<K: Sink>(&mut self, sink: &mut K, ty: &'a TypePlan) -> Result<K::Value, CodecError> {
        let mut stack: Vec<Frame<'a, K>> = Vec::new();
        let mut frame = match self.start(sink, ty) {
            Ok(Start::Frame(frame)) => frame,
            Ok(Start::Value(value)) => return Ok(value),
            Err(fault) => return Err(locate(fault, self.schema, self.root, std::iter::empty())),
        };
        loop {
            let child = match &mut frame {
                Frame::Record { record, message, seen, current, first } => {
                    self.record(sink, record, message, seen, current, first)
                }
                Frame::List { list, element, next, seen, .. } => self.list(sink, list, element, next, seen),
                Frame::Map { map, entry, next, key, .. } => self.map(sink, map, entry, next, key),
            };
            match child {
                Ok(Some(child)) => {
                    stack.push(std::mem::replace(&mut frame, child));
                    continue;
                }
                Ok(None) => {}
                Err(fault) => return Err(self.located(fault, stack.iter().chain([&frame]))),
            }
            let value = close(sink, frame).map_err(|fault| self.located(fault, stack.iter()))?;
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

    pub(super) fn charge(&mut self, amount: usize) -> Step<()> {
        self.budget = self.budget.checked_sub(amount).ok_or_else(|| Fault::malformed("decoded value is too large"))?;
        Ok(())
    }

    /// Reads a null or scalar, or the start of anything else.
    fn start<K: Sink>(&mut self, sink: &mut K, ty: &'a TypePlan) -> Step<Start<'a, K>> {
        let first = self.lexer.peek();
        if first == Some(b'n') {
            self.lexer.word("null")?;
            return if ty.nullable { made(sink.null(ty)).map(Start::Value) } else { Err(Fault::null()) };
        }
        let frame = match &ty.kind {
            Kind::Message(id) => {
                let message = self.schema.message(*id).ok_or_else(broken)?;
                if !self.lexer.take(b'{') {
                    return Err(self.other(ty));
                }
                if self.depth >= limits::MAX_MESSAGE_DEPTH {
                    return Err(too_deep());
                }
                self.depth += 1;
                let fields = message.fields.len();
                self.charge(fields.saturating_mul(limits::GRAPH_FIELD).saturating_add(limits::GRAPH_MESSAGE))?;
                let record = made(sink.record_open(message))?;
                Frame::Record { record, message, seen: vec![false; fields], current: None, first: true }
            }
            Kind::List(element) | Kind::Set(element) => {
                if !self.lexer.take(b'[') {
                    return Err(self.other(ty));
                }
                self.charge(limits::GRAPH_CONTAINER)?;
                let list = made(sink.list_open(ty, 0))?;
                let seen = matches!(ty.kind, Kind::Set(_)).then(HashSet::new);
                Frame::List { list, ty, element, next: 0, seen }
            }
            Kind::Map(entry) => {
                if !self.lexer.take(b'{') {
                    return Err(self.other(ty));
                }
                self.charge(limits::GRAPH_CONTAINER)?;
                Frame::Map { map: made(sink.map_open(ty, 0))?, ty, entry, next: 0, key: None }
            }
            _ => return self.scalar(sink, ty).map(Start::Value),
        };
        Ok(Start::Frame(frame))
    }

    /// Makes the error for a token of another type, or for no token at all.
    #[cold]
    pub(super) fn other(&mut self, ty: &TypePlan) -> Box<Fault> {
        match self.lexer.clone().skip() {
            Ok(()) => expected(self.schema, ty),
            Err(fault) => fault,
        }
    }

    fn record<K: Sink>(
        &mut self,
        sink: &mut K,
        record: &mut K::Record,
        message: &'a MessageSchema,
        seen: &mut [bool],
        current: &mut Option<usize>,
        first: &mut bool,
    ) -> Step<Option<Frame<'a, K>>> {
        while self.more(b'}', std::mem::take(first))? {
            let name = self.lexer.string()?;
            self.lexer.expect(b':')?;
            // Writers keep the order of declaration, so the next field is the first guess.
            let guess = current.map_or(0, |index| index.saturating_add(1));
            let index = match message.fields.get(guess) {
                Some(field) if *field.name == *name => Some(guess),
                _ => message.field_index(&name),
            };
            let Some(field) = index.and_then(|index| message.fields.get(index)) else {
                *current = None;
                return Err(self.unknown(message, name));
            };
            *current = Some(field.index);
            let there = seen.get_mut(field.index).ok_or_else(broken)?;
            if std::mem::replace(there, true) {
                *current = None;
                return Err(Fault::violation(format!("duplicate field {}", super::super::names::quote(&name))));
            }
            match self.start(sink, &field.ty)? {
                Start::Value(value) => made(sink.record_set(record, message, field.index, value))?,
                Start::Frame(child) => return Ok(Some(child)),
            }
        }
        *current = None;
        self.complete(sink, record, message, seen)?;
        self.depth = self.depth.saturating_sub(1);
        Ok(None)
    }

    /// Collects the unknown members of the object; their values are skipped, never built.
    #[cold]
    fn unknown(&mut self, message: &MessageSchema, name: Cow<'b, str>) -> Box<Fault> {
        let mut known = HashSet::from([name.clone()]);
        let mut names = vec![name];
        let mut rest = || -> Step<()> {
            self.lexer.skip()?;
            while self.more(b'}', false)? {
                let name = self.lexer.string()?;
                self.lexer.expect(b':')?;
                if message.field_index(&name).is_none() && known.insert(name.clone()) {
                    names.push(name);
                }
                self.lexer.skip()?;
            }
            Ok(())
        };
        match rest() {
            Ok(()) => Fault::unexpected(names.iter().map(|name| &**name)).of(&message.simple_name),
            Err(fault) => fault,
        }
    }

    /// Gives the fields that are not there their defaults.
    fn complete<K: Sink>(
        &mut self,
        sink: &mut K,
        record: &mut K::Record,
        message: &'a MessageSchema,
        seen: &[bool],
    ) -> Step<()> {
        let absent = || message.fields.iter().zip(seen).filter(|(_, seen)| !**seen).map(|(field, _)| field);
        if absent().any(|field| field.is_required()) {
            return Err(Fault::missing(absent().filter(|field| field.is_required()).map(|field| &*field.name)));
        }
        for field in absent() {
            if matches!(field.default, FieldDefault::Pending) {
                self.pending = true;
                return Err(broken());
            }
            fill_default(self.schema, self.root, sink, record, message, field.index, &mut self.budget, self.depth)?;
        }
        Ok(())
    }

    fn list<K: Sink>(
        &mut self,
        sink: &mut K,
        list: &mut K::List,
        element: &'a TypePlan,
        next: &mut usize,
        seen: &mut Option<HashSet<Vec<u8>>>,
    ) -> Step<Option<Frame<'a, K>>> {
        while self.more(b']', *next == 0)? {
            *next = next.saturating_add(1);
            self.charge(limits::GRAPH_ELEMENT)?;
            if let Some(seen) = seen {
                self.distinct(seen, element)?;
            }
            match self.start(sink, element)? {
                Start::Value(value) => made(sink.list_push(list, value))?,
                Start::Frame(child) => return Ok(Some(child)),
            }
        }
        Ok(None)
    }

    /// Looks ahead at an element of a set, which must be a new one.
    fn distinct(&mut self, seen: &mut HashSet<Vec<u8>>, element: &'a TypePlan) -> Step<()> {
        let (lexer, budget) = (self.lexer.clone(), self.budget);
        if let Start::Value(value) = self.start(&mut ValueSink, element)?
            && !seen.insert(value.key())
        {
            return Err(Fault::violation("duplicate element"));
        }
        (self.lexer, self.budget) = (lexer, budget);
        Ok(())
    }

    fn map<K: Sink>(
        &mut self,
        sink: &mut K,
        map: &mut K::Map,
        entry: &'a [TypePlan; 2],
        next: &mut usize,
        waiting: &mut Option<K::Value>,
    ) -> Step<Option<Frame<'a, K>>> {
        let [key_type, value_type] = entry;
        while self.more(b'}', *next == 0)? {
            *next = next.saturating_add(1);
            self.charge(limits::GRAPH_ENTRY)?;
            let text = self.lexer.string()?;
            self.lexer.expect(b':')?;
            let key = self.key(sink, key_type, &text)?;
            match self.start(sink, value_type)? {
                Start::Value(value) => put(sink, map, key, value)?,
                Start::Frame(child) => {
                    *waiting = Some(key);
                    return Ok(Some(child));
                }
            }
        }
        Ok(None)
    }

    /// Goes to the next member or element; false if the container ends.
    #[inline]
    fn more(&mut self, end: u8, first: bool) -> Step<bool> {
        if self.lexer.take(end) {
            return Ok(false);
        }
        if !first {
            self.lexer.expect(b',')?;
        }
        Ok(true)
    }
}

fn close<K: Sink>(sink: &mut K, frame: Frame<'_, K>) -> Step<K::Value> {
    match frame {
        Frame::Record { record, message, .. } => made(sink.record_close(message, record)),
        Frame::List { list, ty, .. } => made(sink.list_close(ty, list)),
        Frame::Map { map, ty, .. } => made(sink.map_close(ty, map)),
    }
}

/// Gives a complete value to the frame that waits for it.
fn accept<K: Sink>(sink: &mut K, frame: &mut Frame<'_, K>, value: K::Value) -> Step<()> {
    match frame {
        Frame::Record { record, message, current, .. } => {
            made(sink.record_set(record, message, current.ok_or_else(broken)?, value))
        }
        Frame::List { list, .. } => made(sink.list_push(list, value)),
        Frame::Map { map, key, .. } => put(sink, map, key.take().ok_or_else(broken)?, value),
    }
}

fn put<K: Sink>(sink: &mut K, map: &mut K::Map, key: K::Value, value: K::Value) -> Step<()> {
    if made(sink.map_put(map, key, value))? { Ok(()) } else { Err(Fault::violation("duplicate key")) }
}
