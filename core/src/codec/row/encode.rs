//! Values to rows.

use std::ops::Range;

use crate::limits;

use super::super::plan::{Kind, TypePlan};
use super::super::schema::{FieldDefault, MessageSchema, RootId, Schema};
use super::super::source::Source;
use super::super::value::ValueSource;
use super::super::violation::{CodecError, CodecErrorKind, Fault, Step};
use super::super::walk::{Place, broken, changed, locate, mismatch, second_of_equals, too_deep};
use super::layout::{Shape, WORD, padded};
use super::{not_a_message, scalar};

/// Appends the row of a message to `out`; the payload of one D frame.
///
/// # Errors
/// If the root is a bare scalar, or the value does not fit the root type; `out` is as before then.
pub fn encode_row<S: Source>(
    schema: &Schema,
    root: RootId,
    source: &mut S,
    value: &S::Value,
    out: &mut Vec<u8>,
) -> Result<(), CodecError> {
    let start = out.len();
    let outcome = match schema.root_type(root).filter(|ty| matches!(ty.kind, Kind::Message(_))) {
        Some(ty) => Encoder { schema, root, out, depth: 0 }.run(source, ty, value, None),
        None => Err(locate(not_a_message(), schema, root, std::iter::empty())),
    };
    if outcome.is_err() {
        out.truncate(start);
    }
    outcome
}

struct Encoder<'s, 'o> {
    schema: &'s Schema,
    root: RootId,
    out: &'o mut Vec<u8>,
    depth: usize,
}

/// Where a value goes.
#[derive(Clone)]
struct Slot {
    at: Range<usize>,
    /// Where the row or array of the slot starts.
    base: usize,
}

/// A row or array that is being written: reserved slots, then data as they come.
#[derive(Clone)]
struct Reserved {
    base: usize,
    shape: Shape,
    next: usize,
}

impl Reserved {
    /// Goes to the next slot.
    fn advance(&mut self) -> Slot {
        let at = self.shape.slot(self.next);
        self.next += 1;
        Slot { at: self.base.saturating_add(at.start)..self.base.saturating_add(at.end), base: self.base }
    }
}

/// A value that is being written.
enum Frame<'s, S: Source> {
    Record(RecordFrame<'s, S>),
    Array(ArrayFrame<'s, S>),
}

struct RecordFrame<'s, S: Source> {
    record: S::Record,
    message: &'s MessageSchema,
    row: Reserved,
    current: Option<usize>,
    /// What points to the row; `None` for the root.
    slot: Option<Slot>,
}

struct ArrayFrame<'s, S: Source> {
    items: Items<'s, S>,
    element: &'s TypePlan,
    array: Reserved,
    /// Where keys and elements of sets are, if they must be compared.
    spans: Option<Vec<Range<usize>>>,
    slot: Option<Slot>,
    /// Where the array starts, or the map it belongs to.
    start: usize,
}

enum Items<'s, S: Source> {
    List(S::List),
    /// Keys are written as they come, their values wait.
    Keys(S::Map, Vec<S::Value>, &'s TypePlan),
    Values(std::vec::IntoIter<S::Value>),
}

impl<S: Source> Frame<'_, S> {
    fn place(&self) -> Place<'_> {
        match self {
            Frame::Record(frame) => Place::Field(frame.message, frame.current),
            Frame::Array(frame) => Place::Entry(frame.array.next.checked_sub(1)),
        }
    }
}

impl<'s> Encoder<'s, '_> {
    /// Writes a value and all its parts.
    fn run<S: Source>(
        &mut self,
        source: &mut S,
        ty: &'s TypePlan,
        value: &S::Value,
        slot: Option<Slot>,
    ) -> Result<(), CodecError> {
        let mut stack: Vec<Frame<'s, S>> = Vec::new();
        let first = if source.is_null(value) { Err(Fault::null()) } else { self.value(source, ty, value, slot) };
        let mut frame = match first {
            Ok(Some(frame)) => frame,
            Ok(None) => return Ok(()),
            Err(fault) => return Err(locate(fault, self.schema, self.root, std::iter::empty())),
        };
        loop {
            let child = match &mut frame {
                Frame::Record(record) => self.record(source, record),
                Frame::Array(array) => self.array(source, array),
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
    fn value<S: Source>(
        &mut self,
        source: &mut S,
        ty: &'s TypePlan,
        value: &S::Value,
        slot: Option<Slot>,
    ) -> Step<Option<Frame<'s, S>>> {
        let answer = match &ty.kind {
            Kind::Message(id) => {
                let message = self.schema.message(*id).ok_or_else(broken)?;
                source.record(message, value).map(|record| self.open_record(record, message, slot).map(Some))
            }
            Kind::List(element) => source
                .list(ty, value)
                .map(|(len, list)| self.open_array(Items::List(list), len, element, None, slot).map(Some)),
            Kind::Set(element) => source
                .list(ty, value)
                .map(|(len, list)| self.open_array(Items::List(list), len, element, Some(Vec::new()), slot).map(Some)),
            Kind::Map(entry) => source.map(ty, value).map(|entries| {
                let [key, of] = &**entry;
                let spans = (!entries.distinct).then(Vec::new);
                let items = Items::Keys(entries.state, Vec::new(), of);
                self.open_array(items, entries.len, key, spans, slot).map(Some)
            }),
            _ => {
                let slot = slot.ok_or_else(broken)?;
                return self.scalar(source, ty, value, slot).map(|_| None);
            }
        };
        answer.map_err(|answer| mismatch(self.schema, ty, answer))?
    }

    fn open_record<S: Source>(
        &mut self,
        record: S::Record,
        message: &'s MessageSchema,
        slot: Option<Slot>,
    ) -> Step<Frame<'s, S>> {
        if self.depth >= limits::MAX_MESSAGE_DEPTH {
            return Err(too_deep());
        }
        self.depth += 1;
        let row = self.reserve(Shape::row(message.row_order.len()));
        Ok(Frame::Record(RecordFrame { record, message, row, current: None, slot }))
    }

    fn open_array<S: Source>(
        &mut self,
        items: Items<'s, S>,
        len: usize,
        element: &'s TypePlan,
        spans: Option<Vec<Range<usize>>>,
        slot: Option<Slot>,
    ) -> Step<Frame<'s, S>> {
        let start = self.out.len();
        if let Items::Keys(..) = items {
            // The size of the keys, once they are there.
            self.out.extend_from_slice(&[0; WORD]);
        }
        let array = self.reserve_array(len, element)?;
        Ok(Frame::Array(ArrayFrame { items, element, array, spans, slot, start }))
    }

    /// Appends zeros for everything but the data.
    fn reserve(&mut self, shape: Shape) -> Reserved {
        let base = self.out.len();
        self.out.resize(base.saturating_add(shape.size()), 0);
        Reserved { base, shape, next: 0 }
    }

    fn reserve_array(&mut self, len: usize, element: &TypePlan) -> Step<Reserved> {
        let shape = Shape::array(len, scalar::width(element));
        u32::try_from(shape.size()).map_err(|_| too_large())?;
        let array = self.reserve(shape);
        self.put(array.base..array.base.saturating_add(WORD), len as u64);
        Ok(array)
    }

    /// Goes on with a record; returns a part that has parts of its own.
    fn record<S: Source>(&mut self, source: &mut S, frame: &mut RecordFrame<'s, S>) -> Step<Option<Frame<'s, S>>> {
        let message = frame.message;
        while let Some(position) = message.row_order.get(frame.row.next) {
            let field = message.wire.fields.get(*position).ok_or_else(broken)?;
            let bit = frame.row.shape.null_bit(frame.row.next);
            let slot = frame.row.advance();
            frame.current = Some(field.index);
            let ty = &field.ty;
            let value = source.field(&mut frame.record, message, field.index);
            let Some(value) = value.map_err(|m| mismatch(self.schema, ty, m))? else {
                match message.fields.get(field.index).map(|field| &field.default) {
                    Some(FieldDefault::Null) => self.null(slot.base, bit),
                    Some(FieldDefault::Value(default)) => {
                        let written = self.run(&mut ValueSource::new(), ty, &&default.value, Some(slot));
                        written.map_err(again)?;
                    }
                    _ => {
                        frame.current = None;
                        return Err(missing(source, &mut frame.record, message));
                    }
                }
                continue;
            };
            if source.is_null(&value) {
                if !ty.nullable {
                    return Err(Fault::null());
                }
                self.null(slot.base, bit);
            } else if let Some(child) = self.value(source, ty, &value, Some(slot))? {
                return Ok(Some(child));
            }
        }
        self.depth = self.depth.saturating_sub(1);
        frame.current = None;
        self.close(frame.slot.take(), frame.row.base)?;
        Ok(None)
    }

    /// Goes on with a list, set or map; returns a part that has parts of its own.
    fn array<S: Source>(&mut self, source: &mut S, frame: &mut ArrayFrame<'s, S>) -> Step<Option<Frame<'s, S>>> {
        loop {
            while frame.array.next < frame.array.shape.count {
                let bit = frame.array.shape.null_bit(frame.array.next);
                let slot = frame.array.advance();
                let ty = frame.element;
                let item = next(source, &mut frame.items).map_err(|m| mismatch(self.schema, ty, m))?;
                let item = item.ok_or_else(changed)?;
                if source.is_null(&item) {
                    if let Items::Keys(..) = frame.items {
                        return Err(Fault::violation("null key"));
                    }
                    if !ty.nullable {
                        return Err(Fault::null());
                    }
                    self.null(slot.base, bit);
                } else if ty.is_scalar() {
                    let span = self.scalar(source, ty, &item, slot)?;
                    frame.spans.iter_mut().for_each(|spans| spans.push(span.clone()));
                } else if let Some(child) = self.value(source, ty, &item, Some(slot))? {
                    return Ok(Some(child));
                }
            }
            let keys = matches!(frame.items, Items::Keys(..));
            if let Some(index) = frame.spans.take().and_then(|spans| second_of_equals(self.out, spans)) {
                frame.array.next = index.saturating_add(1);
                return Err(Fault::violation(if keys { "duplicate key" } else { "duplicate element" }));
            }
            if let Items::Keys(_, values, of) = &mut frame.items {
                let (values, of) = (std::mem::take(values), *of);
                let size = self.out.len().saturating_sub(frame.array.base);
                self.put(frame.start..frame.array.base, size as u64);
                frame.array = self.reserve_array(frame.array.shape.count, of)?;
                (frame.items, frame.element) = (Items::Values(values.into_iter()), of);
                continue;
            }
            self.close(frame.slot.take(), frame.start)?;
            return Ok(None);
        }
    }

    /// Writes a scalar; returns where it is, without padding.
    fn scalar<S: Source>(&mut self, source: &mut S, ty: &TypePlan, value: &S::Value, slot: Slot) -> Step<Range<usize>> {
        if let Some(width) = scalar::fixed(ty) {
            let bits = scalar::bits(self.schema, source, ty, value).map_err(|m| mismatch(self.schema, ty, m))?;
            let at = slot.at.start..slot.at.start.saturating_add(width);
            self.put(at.clone(), bits);
            return Ok(at);
        }
        let start = self.out.len();
        let written = scalar::data(self.schema, source, ty, value, self.out);
        written.map_err(|m| mismatch(self.schema, ty, m))?;
        let end = self.out.len();
        self.close(Some(slot), start)?;
        Ok(start..end)
    }

    /// Lets a slot point to the data from `start` on, and pads them.
    fn close(&mut self, slot: Option<Slot>, start: usize) -> Step<()> {
        let size = self.out.len().saturating_sub(start);
        let Some(slot) = slot else { return Ok(()) };
        let offset = u32::try_from(start.saturating_sub(slot.base)).map_err(|_| too_large())?;
        let short = u32::try_from(size).map_err(|_| too_large())?;
        self.put(slot.at, u64::from(offset) << 32 | u64::from(short));
        self.out.resize(start.saturating_add(padded(size)), 0);
        Ok(())
    }

    /// Sets a null bit of the row or array at `base`.
    fn null(&mut self, base: usize, (at, mask): (usize, u8)) {
        if let Some(byte) = self.out.get_mut(base.saturating_add(at)) {
            *byte |= mask;
        }
    }

    /// Overwrites bytes with the low ones of a number.
    fn put(&mut self, at: Range<usize>, bits: u64) {
        for (to, from) in self.out.get_mut(at).into_iter().flatten().zip(bits.to_le_bytes()) {
            *to = from;
        }
    }
}

fn next<S: Source>(source: &mut S, items: &mut Items<'_, S>) -> super::super::source::Read<Option<S::Value>> {
    match items {
        Items::List(list) => source.next_item(list),
        Items::Values(values) => Ok(values.next()),
        Items::Keys(map, values, _) => Ok(source.next_entry(map)?.map(|(key, value)| {
            values.push(value);
            key
        })),
    }
}

/// Takes the error of a walk within this one.
#[cold]
fn again(error: CodecError) -> Box<Fault> {
    match error.kind {
        CodecErrorKind::Malformed => Fault::malformed(error.reason),
        CodecErrorKind::Violation => Fault::violation(error.reason),
    }
}

#[cold]
fn too_large() -> Box<Fault> {
    Fault::malformed("row too large")
}

/// Makes the error for fields that a record leaves out and a row cannot.
#[cold]
fn missing<S: Source>(source: &mut S, record: &mut S::Record, message: &MessageSchema) -> Box<Fault> {
    let mut names = Vec::new();
    for field in message.fields.iter().filter(|field| field.is_required() || field.is_computed()) {
        if matches!(source.field(record, message, field.index), Ok(None)) {
            names.push(&*field.name);
        }
    }
    Fault::missing(names)
}
