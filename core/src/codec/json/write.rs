//! Values to JSON text: all fields in declaration order, no white space.

use std::collections::HashSet;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::limits;

use super::super::decimal::Decimal;
use super::super::plan::{Kind, TypePlan};
use super::super::schema::{EnumSchema, FieldDefault, FieldSchema, MessageSchema, RootId, Schema};
use super::super::source::{Mismatch, Read, Source};
use super::super::text::Text;
use super::super::time;
use super::super::value::ValueSource;
use super::super::violation::{CodecError, CodecErrorKind, Fault, Step};
use super::super::walk::{Place, broken, double, integer, locate, mismatch, missing, narrow, too_deep};

/// Appends the JSON text of a value to `out`.
///
/// # Errors
/// If the value does not fit the root type; `out` is as before then.
pub fn encode_json<S: Source>(
    schema: &Schema,
    root: RootId,
    source: &mut S,
    value: &S::Value,
    out: &mut Vec<u8>,
) -> Result<(), CodecError> {
    let start = out.len();
    let outcome = match schema.root_type(root) {
        Some(ty) => Writer { schema, root, out, depth: 0 }.run(source, ty, value),
        None => Err(broken().finish(String::new(), None)),
    };
    if outcome.is_err() {
        out.truncate(start);
    }
    outcome
}

struct Writer<'s, 'o> {
    schema: &'s Schema,
    root: RootId,
    out: &'o mut Vec<u8>,
    depth: usize,
}

/// A value that is being written.
enum Frame<'s, S: Source> {
    Record { record: S::Record, message: &'s MessageSchema, next: usize, current: Option<usize>, first: bool },
    List { list: S::List, element: &'s TypePlan, len: usize, next: usize, spans: Option<Vec<Range<usize>>> },
    Map { map: S::Map, entry: &'s [TypePlan; 2], len: usize, next: usize, spans: Option<Vec<Range<usize>>> },
}

impl<S: Source> Frame<'_, S> {
    fn place(&self) -> Place<'_> {
        match self {
            Frame::Record { message, current, .. } => Place::Field(message, *current),
            Frame::List { next, .. } | Frame::Map { next, .. } => Place::Entry(next.checked_sub(1)),
        }
    }
}

impl<'s> Writer<'s, '_> {
    fn run<S: Source>(&mut self, source: &mut S, ty: &'s TypePlan, value: &S::Value) -> Result<(), CodecError> {
        let mut stack: Vec<Frame<'s, S>> = Vec::new();
        let mut frame = match self.value(source, ty, value) {
            Ok(Some(frame)) => frame,
            Ok(None) => return Ok(()),
            Err(fault) => return Err(locate(fault, self.schema, self.root, std::iter::empty())),
        };
        loop {
            match self.advance(source, &mut frame) {
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

    /// Writes a null or scalar, or the start of anything else.
    fn value<S: Source>(&mut self, source: &mut S, ty: &'s TypePlan, value: &S::Value) -> Step<Option<Frame<'s, S>>> {
        if source.is_null(value) {
            if !ty.nullable {
                return Err(Fault::null());
            }
            self.out.extend_from_slice(b"null");
            return Ok(None);
        }
        let refused = |answer| mismatch(self.schema, ty, answer);
        let frame = match &ty.kind {
            Kind::Message(id) => {
                let message = self.schema.message(*id).ok_or_else(broken)?;
                let record = source.record(message, value).map_err(refused)?;
                if self.depth >= limits::MAX_MESSAGE_DEPTH {
                    return Err(too_deep());
                }
                self.depth += 1;
                self.out.push(b'{');
                Frame::Record { record, message, next: 0, current: None, first: true }
            }
            Kind::List(element) | Kind::Set(element) => {
                let (len, list) = source.list(ty, value).map_err(refused)?;
                self.out.push(b'[');
                let spans = matches!(ty.kind, Kind::Set(_)).then(Vec::new);
                Frame::List { list, element, len, next: 0, spans }
            }
            Kind::Map(entry) => {
                let entries = source.map(ty, value).map_err(refused)?;
                self.out.push(b'{');
                let spans = (!entries.distinct).then(Vec::new);
                Frame::Map { map: entries.state, entry, len: entries.len, next: 0, spans }
            }
            _ => {
                self.scalar(source, ty, value)?;
                return Ok(None);
            }
        };
        Ok(Some(frame))
    }

    fn advance<S: Source>(&mut self, source: &mut S, frame: &mut Frame<'s, S>) -> Step<Option<Frame<'s, S>>> {
        match frame {
            Frame::Record { record, message, next, current, first } => {
                while let Some(field) = message.fields.get(*next) {
                    *next += 1;
                    *current = Some(field.index);
                    let value = source.field(record, message, field.index);
                    let value = value.map_err(|m| mismatch(self.schema, &field.ty, m))?;
                    if value.is_none() && field.is_computed() {
                        continue;
                    }
                    self.separate(std::mem::take(first));
                    write_text(self.out, &field.name);
                    self.out.push(b':');
                    match value {
                        Some(value) => {
                            if let Some(child) = self.value(source, &field.ty, &value)? {
                                return Ok(Some(child));
                            }
                        }
                        None if self.default(field)? => {}
                        None => {
                            *current = None;
                            return Err(missing(source, record, message));
                        }
                    }
                }
                self.depth = self.depth.saturating_sub(1);
                self.out.push(b'}');
            }
            Frame::List { list, element, len, next, spans } => {
                while next < len {
                    self.separate(*next == 0);
                    *next += 1;
                    let item = source.next_item(list).map_err(|m| mismatch(self.schema, element, m))?;
                    let start = self.out.len();
                    if let Some(child) = self.value(source, element, &item.ok_or_else(changed)?)? {
                        return Ok(Some(child));
                    }
                    if let Some(spans) = spans {
                        spans.push(start..self.out.len());
                    }
                }
                self.distinct(spans.take(), "duplicate element", next)?;
                self.out.push(b']');
            }
            Frame::Map { map, entry, len, next, spans } => {
                let [key_type, value_type] = entry;
                while next < len {
                    self.separate(*next == 0);
                    *next += 1;
                    let entry = source.next_entry(map).map_err(|m| mismatch(self.schema, value_type, m))?;
                    let (key, value) = entry.ok_or_else(changed)?;
                    let start = self.out.len();
                    self.key(source, key_type, &key)?;
                    if let Some(spans) = spans {
                        spans.push(start..self.out.len());
                    }
                    self.out.push(b':');
                    if let Some(child) = self.value(source, value_type, &value)? {
                        return Ok(Some(child));
                    }
                }
                self.distinct(spans.take(), "duplicate key", next)?;
                self.out.push(b'}');
            }
        }
        Ok(None)
    }

    fn separate(&mut self, first: bool) {
        if !first {
            self.out.push(b',');
        }
    }

    /// Writes the declared default of a field; false if there is none.
    fn default(&mut self, field: &'s FieldSchema) -> Step<bool> {
        match &field.default {
            FieldDefault::Null => self.out.extend_from_slice(b"null"),
            FieldDefault::Value(default) => {
                let written = self.run(&mut ValueSource::new(), &field.ty, &&default.value);
                written.map_err(|error| match error.kind {
                    CodecErrorKind::Malformed => Fault::malformed(error.reason),
                    CodecErrorKind::Violation => Fault::violation(error.reason),
                })?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Refuses equal texts among the spans; moves the frame to the second of them.
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

    fn key<S: Source>(&mut self, source: &mut S, ty: &TypePlan, key: &S::Value) -> Step<()> {
        if source.is_null(key) {
            return Err(Fault::violation("null key"));
        }
        let quoted = matches!(ty.kind, Kind::Integer(_) | Kind::Bool);
        if quoted {
            self.out.push(b'"');
        }
        self.scalar(source, ty, key)?;
        if quoted {
            self.out.push(b'"');
        }
        Ok(())
    }

    fn scalar<S: Source>(&mut self, source: &mut S, ty: &TypePlan, value: &S::Value) -> Step<()> {
        let choices = match &ty.kind {
            Kind::Enum(id) => Some(self.schema.choices(*id).ok_or_else(broken)?),
            _ => None,
        };
        let answer = match choices {
            Some(choices) => write_member(self.out, source, ty, choices, value),
            None => write_scalar(self.out, source, ty, value),
        };
        answer.map_err(|answer| mismatch(self.schema, ty, answer))
    }
}

fn write_member<S: Source>(
    out: &mut Vec<u8>,
    source: &mut S,
    ty: &TypePlan,
    choices: &EnumSchema,
    value: &S::Value,
) -> Read<()> {
    let index = source.member(ty, choices, value)?;
    write_text(out, &choices.members.get(index).ok_or(Mismatch::Type)?.name);
    Ok(())
}

fn write_scalar<S: Source>(out: &mut Vec<u8>, source: &mut S, ty: &TypePlan, value: &S::Value) -> Read<()> {
    let in_range = |sound: bool| if sound { Ok(()) } else { Err(Mismatch::Type) };
    let text = match &ty.kind {
        Kind::String => {
            let sound = source.text(ty, value, |text| match text {
                Text::Utf16(units) => String::from_utf16(units).map(|text| write_text(out, &text)).is_ok(),
                text => {
                    write_text(out, &text.to_utf8());
                    true
                }
            })?;
            return in_range(sound);
        }
        Kind::Bool => if source.boolean(ty, value)? { "true" } else { "false" }.to_owned(),
        Kind::Integer(of) => integer(source, ty, *of, value)?.to_string(),
        Kind::Float64 => float_text(double(source, ty, value)?),
        Kind::Float32 => float_text(f64::from(narrow(double(source, ty, value)?).ok_or(Mismatch::Type)?)),
        Kind::Binary => format!("\"{}\"", source.bytes(ty, value, |raw| STANDARD.encode(raw))?),
        Kind::Timestamp => {
            let micros = source.timestamp(ty, value)?;
            in_range(time::is_timestamp(micros))?;
            format!("\"{}\"", time::timestamp_text(micros))
        }
        Kind::Date => {
            let days = source.date(ty, value)?;
            in_range(time::is_date(days))?;
            format!("\"{}\"", time::date_text(days))
        }
        Kind::Duration => format!("\"{}\"", time::duration_text(source.duration(ty, value)?)),
        Kind::Decimal => {
            let decimal = source.decimal(ty, value, Decimal::parse)?.ok_or(Mismatch::Type)?;
            format!("\"{}\"", decimal.text())
        }
        _ => return Err(Mismatch::Type),
    };
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

/// Writes a double in the shortest form that reads back; the special ones as words.
pub(super) fn float_text(value: f64) -> String {
    if value.is_finite() {
        return format!("{value:?}");
    }
    let word = match (value.is_nan(), value > 0.0) {
        (true, _) => "NaN",
        (false, true) => "Infinity",
        (false, false) => "-Infinity",
    };
    format!("\"{word}\"")
}

/// Writes a quoted text; only what JSON demands is escaped.
pub(super) fn write_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|c| *c < 0x20 || *c == b'"' || *c == b'\\') {
        let (plain, special) = rest.split_at_checked(at).unwrap_or_default();
        out.extend_from_slice(plain);
        let Some((special, after)) = special.split_first() else { break };
        match special {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *special]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            other => out.extend_from_slice(format!("\\u{other:04x}").as_bytes()),
        }
        rest = after;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Makes the error for a container whose length changed during the walk.
#[cold]
fn changed() -> Box<Fault> {
    Fault::malformed("a container was changed while it was read")
}
