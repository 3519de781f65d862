//! Lists, sets and maps as XLANG bytes.

use std::ops::Range;

use super::super::bytes::{NULL, PRESENT, put_uvarint32};
use super::super::names::quote_all;
use super::super::plan::{Kind, MessageId, TypePlan};
use super::super::scalar;
use super::super::schema::MessageSchema;
use super::super::source::Source;
use super::super::violation::{Fault, Step};
use super::super::walk::{broken, changed, mismatch, second_of_equals};
use super::{Encoder, Frame};

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

pub(super) struct ListFrame<'s, S: Source> {
    pub(super) list: S::List,
    pub(super) element: &'s TypePlan,
    pub(super) len: usize,
    pub(super) next: usize,
    pub(super) nulls: bool,
    /// Nulls before the type of message elements is known.
    pub(super) leading: usize,
    /// What message elements leave out, once their type is written.
    pub(super) shape: Option<Box<[usize]>>,
    /// Where the elements of a set are.
    pub(super) spans: Option<Vec<Range<usize>>>,
}

pub(super) struct MapFrame<'s, S: Source> {
    pub(super) map: S::Map,
    pub(super) key: &'s TypePlan,
    pub(super) value: &'s TypePlan,
    pub(super) len: usize,
    pub(super) next: usize,
    /// Where the length of the current run is.
    pub(super) run: Option<usize>,
    pub(super) shape: Box<[usize]>,
    /// Where the keys are, if the host does not vouch for them.
    pub(super) spans: Option<Vec<Range<usize>>>,
}

impl<'s> Encoder<'s, '_> {
    pub(super) fn open_list<S: Source>(
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

    pub(super) fn open_map<S: Source>(
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

    pub(super) fn list<S: Source>(
        &mut self,
        source: &mut S,
        frame: &mut ListFrame<'s, S>,
    ) -> Step<Option<Frame<'s, S>>> {
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
                    match self.message_item(source, frame, id, &item)? {
                        Some(child) => return Ok(Some(child)),
                        None => continue,
                    }
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
            if ty.is_scalar() {
                scalar::write(self.schema, self.out, source, ty, &item)?;
            } else if let Some(child) = self.value(source, ty, &item)? {
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
    ) -> Step<Option<Frame<'s, S>>> {
        let opened = self.open_record(source, frame.element, id, item)?;
        match &frame.shape {
            None => self.element_type(frame, opened.message, opened.left_out.clone())?,
            Some(shape) if *shape != opened.left_out => return Err(uneven(opened.message, shape, &opened.left_out)),
            Some(_) => {}
        }
        if frame.nulls {
            self.out.push(PRESENT);
        }
        self.go_on(source, opened)
    }

    /// Writes the common type of message elements and the nulls that had to wait for it.
    fn element_type<S: Source>(
        &mut self,
        frame: &mut ListFrame<'s, S>,
        message: &'s MessageSchema,
        shape: Box<[usize]>,
    ) -> Step<()> {
        self.sent.write(self.out, message, &shape)?;
        frame.shape = Some(shape);
        self.out.extend(std::iter::repeat_n(NULL, frame.leading));
        Ok(())
    }

    pub(super) fn map<S: Source>(&mut self, source: &mut S, frame: &mut MapFrame<'s, S>) -> Step<Option<Frame<'s, S>>> {
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
                let opened = self.open_record(source, ty, id, &value)?;
                if frame.shape != opened.left_out {
                    frame.run = None;
                }
                if self.extend_run(frame) {
                    self.sent.write(self.out, opened.message, &opened.left_out)?;
                    frame.shape = opened.left_out.clone();
                }
                self.key(source, frame, &key)?;
                match self.go_on(source, opened)? {
                    Some(child) => return Ok(Some(child)),
                    None => continue,
                }
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
        match spans.and_then(|spans| second_of_equals(self.out, spans)) {
            Some(index) => {
                *next = index + 1;
                Err(Fault::violation(reason))
            }
            None => Ok(()),
        }
    }
}

/// Makes the error for elements of one list that leave out different computed fields: they share one definition.
#[cold]
fn uneven(message: &MessageSchema, first: &[usize], other: &[usize]) -> Box<Fault> {
    let differing = first.iter().chain(other).filter(|index| first.contains(index) != other.contains(index));
    let names = differing.filter_map(|index| message.fields.get(*index)).map(|field| &*field.name);
    let fault = Fault::violation(format!(
        "field(s) {} must be in all elements of a list or in none",
        quote_all(names).join(", ")
    ));
    fault.of(&message.simple_name)
}
