//! Rows to values.

use std::collections::HashSet;

use crate::limits;

use super::super::decode::fill_default;
use super::super::plan::{Kind, TypePlan, WirePlan};
use super::super::schema::MessageSchema;
use super::super::sink::Sink;
use super::super::value::ValueSink;
use super::super::violation::{CodecError, Fault, Step};
use super::super::walk::{Place, broken, locate, made, too_deep};
use super::layout::{Region, WORD};
use super::reader::RowReader;
use super::scalar;

/// Longest container a host is told of in advance; longer ones grow as elements arrive.
const MAX_HINT: usize = 1024;

pub(super) struct Decoder<'a> {
    reader: &'a RowReader,
    /// Estimate of the graph that is left.
    budget: usize,
    depth: usize,
}

/// A value that is being built.
enum Frame<'a, 'b, K: Sink> {
    Record(RecordFrame<'a, 'b, K>),
    List(ListFrame<'a, 'b, K>),
    Map(MapFrame<'a, 'b, K>),
}

struct RecordFrame<'a, 'b, K: Sink> {
    record: K::Record,
    message: &'a MessageSchema,
    plan: &'a WirePlan,
    order: &'a [usize],
    row: Region<'b>,
    next: usize,
    current: Option<usize>,
}

struct ListFrame<'a, 'b, K: Sink> {
    list: K::List,
    ty: &'a TypePlan,
    element: &'a TypePlan,
    array: Region<'b>,
    next: usize,
    /// Elements of a set so far.
    seen: Option<HashSet<Vec<u8>>>,
}

struct MapFrame<'a, 'b, K: Sink> {
    map: K::Map,
    ty: &'a TypePlan,
    entry: &'a [TypePlan; 2],
    keys: Region<'b>,
    values: Region<'b>,
    next: usize,
    key: Option<K::Value>,
}

/// What is in a slot: a value that is complete, or one with parts.
enum Start<'a, 'b, K: Sink> {
    Value(K::Value),
    Frame(Frame<'a, 'b, K>),
}

impl<K: Sink> Frame<'_, '_, K> {
    fn place(&self) -> Place<'_> {
        match self {
            Frame::Record(frame) => Place::Field(frame.message, frame.current),
            Frame::List(frame) => Place::Entry(frame.next.checked_sub(1)),
            Frame::Map(frame) => Place::Entry(frame.next.checked_sub(1)),
        }
    }
}

impl<'a> Decoder<'a> {
    pub(super) fn new(reader: &'a RowReader) -> Self {
        Self { reader, budget: limits::MAX_VALUE_GRAPH, depth: 0 }
    }

    /// Reads a row and all its parts.
    pub(super) fn run<K: Sink>(&mut self, sink: &mut K, row: &[u8]) -> Result<K::Value, CodecError> {
        let mut stack: Vec<Frame<'a, '_, K>> = Vec::new();
        let first = self.reader.message().and_then(|message| self.open_record(sink, message, row));
        let mut frame = first.map_err(|fault| self.located::<K>(fault, &[], None))?;
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
                Err(fault) => return Err(self.located(fault, &stack, Some(&frame))),
            }
            let value = close(sink, frame).map_err(|fault| self.located(fault, &stack, None))?;
            let Some(parent) = stack.pop() else { return Ok(value) };
            frame = parent;
            if let Err(fault) = accept(sink, &mut frame, value) {
                return Err(self.located(fault, &stack, Some(&frame)));
            }
        }
    }

    #[cold]
    fn located<K: Sink>(
        &self,
        fault: Box<Fault>,
        stack: &[Frame<'_, '_, K>],
        last: Option<&Frame<'_, '_, K>>,
    ) -> CodecError {
        let places = stack.iter().map(Frame::place).chain(last.map(Frame::place));
        locate(fault, &self.reader.schema, self.reader.root, places)
    }

    /// Counts memory of the decoded graph.
    fn charge(&mut self, amount: usize) -> Step<()> {
        self.budget = self.budget.checked_sub(amount).ok_or_else(|| Fault::malformed("decoded value is too large"))?;
        Ok(())
    }

    /// Reads what is in a slot that is not null.
    fn value<'b, K: Sink>(
        &mut self,
        sink: &mut K,
        ty: &'a TypePlan,
        region: &mut Region<'b>,
        slot: u64,
    ) -> Step<Start<'a, 'b, K>> {
        let schema = &*self.reader.schema;
        if scalar::fixed(ty).is_some() {
            return scalar::from_bits(schema, sink, ty, slot).map(Start::Value);
        }
        let data = region.data(slot)?;
        match &ty.kind {
            Kind::Message(id) => {
                let message = schema.message(*id).ok_or_else(broken)?;
                self.open_record(sink, message, data).map(Start::Frame)
            }
            Kind::List(element) | Kind::Set(element) => self.open_list(sink, ty, element, data).map(Start::Frame),
            Kind::Map(entry) => self.open_map(sink, ty, entry, data).map(Start::Frame),
            _ => scalar::from_data(schema, sink, ty, data, |amount| self.charge(amount)).map(Start::Value),
        }
    }

    fn open_record<'b, K: Sink>(
        &mut self,
        sink: &mut K,
        message: &'a MessageSchema,
        data: &'b [u8],
    ) -> Step<Frame<'a, 'b, K>> {
        let (plan, order) = self.reader.layout(message)?;
        if self.depth >= limits::MAX_MESSAGE_DEPTH {
            return Err(too_deep());
        }
        self.depth += 1;
        let fields = message.fields.len().saturating_mul(limits::GRAPH_FIELD);
        self.charge(fields.saturating_add(limits::GRAPH_MESSAGE))?;
        let row = Region::row(data, order.len())?;
        let record = made(sink.record_open(message))?;
        Ok(Frame::Record(RecordFrame { record, message, plan, order, row, next: 0, current: None }))
    }

    fn open_list<'b, K: Sink>(
        &mut self,
        sink: &mut K,
        ty: &'a TypePlan,
        element: &'a TypePlan,
        data: &'b [u8],
    ) -> Step<Frame<'a, 'b, K>> {
        let array = Region::array(data, scalar::width(element))?;
        self.charge(array.count().saturating_mul(limits::GRAPH_ELEMENT).saturating_add(limits::GRAPH_CONTAINER))?;
        self.element_layout(element, &array)?;
        let list = made(sink.list_open(ty, array.count().min(MAX_HINT)))?;
        let seen = matches!(ty.kind, Kind::Set(_)).then(HashSet::new);
        Ok(Frame::List(ListFrame { list, ty, element, array, next: 0, seen }))
    }

    fn open_map<'b, K: Sink>(
        &mut self,
        sink: &mut K,
        ty: &'a TypePlan,
        entry: &'a [TypePlan; 2],
        data: &'b [u8],
    ) -> Step<Frame<'a, 'b, K>> {
        let [key, value] = entry;
        let (size, arrays) = data.split_first_chunk::<WORD>().ok_or_else(Fault::truncated)?;
        let size = usize::try_from(u64::from_le_bytes(*size)).unwrap_or(usize::MAX);
        let (keys, values) = arrays.split_at_checked(size).ok_or_else(Fault::truncated)?;
        let keys = Region::array(keys, scalar::width(key))?;
        let values = Region::array(values, scalar::width(value))?;
        if keys.count() != values.count() {
            return Err(Fault::malformed("a map has other keys than values"));
        }
        self.charge(keys.count().saturating_mul(limits::GRAPH_ENTRY).saturating_add(limits::GRAPH_CONTAINER))?;
        self.element_layout(value, &values)?;
        let map = made(sink.map_open(ty, keys.count().min(MAX_HINT)))?;
        Ok(Frame::Map(MapFrame { map, ty, entry, keys, values, next: 0, key: None }))
    }

    /// Refuses rows of a type that does not fit before the first one, at the place of all of them.
    fn element_layout(&self, element: &TypePlan, array: &Region<'_>) -> Step<()> {
        let Kind::Message(id) = element.kind else { return Ok(()) };
        if (0..array.count()).all(|index| array.is_null(index)) {
            return Ok(());
        }
        let message = self.reader.schema.message(id).ok_or_else(broken)?;
        self.reader.layout(message).map(|_| ()).map_err(|fault| fault.in_elements())
    }

    /// Goes on with a record; returns a part that has parts of its own.
    fn record<'b, K: Sink>(
        &mut self,
        sink: &mut K,
        frame: &mut RecordFrame<'a, 'b, K>,
    ) -> Step<Option<Frame<'a, 'b, K>>> {
        while let Some(position) = frame.order.get(frame.next) {
            let field = frame.plan.fields.get(*position).ok_or_else(broken)?;
            frame.current = Some(field.index);
            let slot = frame.row.slot(frame.next)?;
            frame.next += 1;
            let value = match slot {
                None => null(sink, &field.ty)?,
                Some(slot) => match self.value(sink, &field.ty, &mut frame.row, slot)? {
                    Start::Value(value) => value,
                    Start::Frame(child) => return Ok(Some(child)),
                },
            };
            made(sink.record_set(&mut frame.record, frame.message, field.index, value))?;
        }
        frame.current = None;
        match frame.row.left() {
            left @ 1.. if self.depth == 1 => return Err(Fault::violation(format!("{left} bytes after the value"))),
            _ => frame.row.close()?,
        }
        for index in &frame.plan.absent {
            frame.current = Some(*index);
            let (schema, root, budget) = (&*self.reader.schema, self.reader.root, &mut self.budget);
            fill_default(schema, root, sink, &mut frame.record, frame.message, *index, budget, self.depth)?;
        }
        self.depth = self.depth.saturating_sub(1);
        Ok(None)
    }

    fn list<'b, K: Sink>(&mut self, sink: &mut K, frame: &mut ListFrame<'a, 'b, K>) -> Step<Option<Frame<'a, 'b, K>>> {
        while frame.next < frame.array.count() {
            let slot = frame.array.slot(frame.next)?;
            frame.next += 1;
            let value = match (slot, &mut frame.seen) {
                (None, _) => null(sink, frame.element)?,
                (Some(slot), None) => match self.value(sink, frame.element, &mut frame.array, slot)? {
                    Start::Value(value) => value,
                    Start::Frame(child) => return Ok(Some(child)),
                },
                (Some(slot), Some(seen)) => self.member(sink, frame.element, &mut frame.array, slot, seen)?,
            };
            made(sink.list_push(&mut frame.list, value))?;
        }
        frame.array.close().map(|()| None)
    }

    /// Reads an element of a set, which must be a new one.
    fn member<K: Sink>(
        &mut self,
        sink: &mut K,
        ty: &TypePlan,
        array: &mut Region<'_>,
        slot: u64,
        seen: &mut HashSet<Vec<u8>>,
    ) -> Step<K::Value> {
        let schema = &*self.reader.schema;
        if scalar::fixed(ty).is_some() {
            let value = scalar::from_bits(schema, &mut ValueSink, ty, slot)?;
            distinct(seen, value.key())?;
            return scalar::from_bits(schema, sink, ty, slot);
        }
        let data = array.data(slot)?;
        let value = scalar::from_data(schema, &mut ValueSink, ty, data, |amount| self.charge(amount))?;
        distinct(seen, value.key())?;
        scalar::from_data(schema, sink, ty, data, |_| Ok(()))
    }

    fn map<'b, K: Sink>(&mut self, sink: &mut K, frame: &mut MapFrame<'a, 'b, K>) -> Step<Option<Frame<'a, 'b, K>>> {
        let [key_ty, value_ty] = frame.entry;
        while frame.next < frame.keys.count() {
            let (key, value) = (frame.keys.slot(frame.next)?, frame.values.slot(frame.next)?);
            frame.next += 1;
            let key = key.ok_or_else(|| Fault::violation("null key"))?;
            let Start::Value(key) = self.value(sink, key_ty, &mut frame.keys, key)? else { return Err(broken()) };
            let value = match value {
                None => null(sink, value_ty)?,
                Some(value) => match self.value(sink, value_ty, &mut frame.values, value)? {
                    Start::Value(value) => value,
                    Start::Frame(child) => {
                        frame.key = Some(key);
                        return Ok(Some(child));
                    }
                },
            };
            put(sink, &mut frame.map, key, value)?;
        }
        frame.keys.close()?;
        frame.values.close().map(|()| None)
    }
}

fn distinct(seen: &mut HashSet<Vec<u8>>, key: Vec<u8>) -> Step<()> {
    if seen.insert(key) { Ok(()) } else { Err(Fault::violation("duplicate element")) }
}

fn null<K: Sink>(sink: &mut K, ty: &TypePlan) -> Step<K::Value> {
    if ty.nullable { made(sink.null(ty)) } else { Err(Fault::null()) }
}

fn put<K: Sink>(sink: &mut K, map: &mut K::Map, key: K::Value, value: K::Value) -> Step<()> {
    if made(sink.map_put(map, key, value))? { Ok(()) } else { Err(Fault::violation("duplicate key")) }
}

fn close<K: Sink>(sink: &mut K, frame: Frame<'_, '_, K>) -> Step<K::Value> {
    match frame {
        Frame::Record(frame) => made(sink.record_close(frame.message, frame.record)),
        Frame::List(frame) => made(sink.list_close(frame.ty, frame.list)),
        Frame::Map(frame) => made(sink.map_close(frame.ty, frame.map)),
    }
}

/// Gives a complete value to the frame that waits for it.
fn accept<K: Sink>(sink: &mut K, frame: &mut Frame<'_, '_, K>, value: K::Value) -> Step<()> {
    match frame {
        Frame::Record(frame) => {
            let index = frame.current.ok_or_else(broken)?;
            made(sink.record_set(&mut frame.record, frame.message, index, value))
        }
        Frame::List(frame) => made(sink.list_push(&mut frame.list, value)),
        Frame::Map(frame) => {
            let key = frame.key.take().ok_or_else(broken)?;
            put(sink, &mut frame.map, key, value)
        }
    }
}
