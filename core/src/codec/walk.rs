//! What the walks over values and bodies share: places, locations, host answers (`codec.md` section 4).
//!
//! All four walks keep their own stack of frames, so that nesting never uses the thread's stack.

use std::collections::HashSet;
use std::ops::Range;

use crate::limits;

use super::plan::{Integer, Kind, TypePlan};
use super::schema::{EnumSchema, MessageSchema, RootId, Schema};
use super::sink::{Made, Refusal};
use super::source::{Mismatch, Number, Read, Source};
use super::violation::{CodecError, Fault, Step};

/// Where a frame of a walk stands.
pub(super) enum Place<'a> {
    /// At a field of a message.
    Field(&'a MessageSchema, Option<usize>),
    /// At an entry of a container, or at the container itself.
    Entry(Option<usize>),
}

/// Completes an error with the places of the frames, outermost first.
#[cold]
#[expect(clippy::boxed_local, reason = "errors travel boxed; this is where they arrive")]
pub(super) fn locate<'a>(
    fault: Box<Fault>,
    schema: &Schema,
    root: RootId,
    frames: impl Iterator<Item = Place<'a>>,
) -> CodecError {
    let mut owner = schema.root_class(root);
    let mut location = owner.unwrap_or("value").to_owned();
    for place in frames {
        match place {
            Place::Field(message, index) => {
                owner = Some(&message.simple_name);
                if let Some(field) = index.and_then(|index| message.fields.get(index)) {
                    location.push('.');
                    location.push_str(&field.name);
                }
            }
            Place::Entry(Some(index)) => location.push_str(&format!("[{index}]")),
            Place::Entry(None) => {}
        }
    }
    fault.finish(location, owner)
}

/// Makes the error for a part of the library that broke its own rules.
#[cold]
pub(super) fn broken() -> Box<Fault> {
    Fault::malformed("schema is inconsistent")
}

/// Makes the error for nesting beyond the limit.
#[cold]
pub(super) fn too_deep() -> Box<Fault> {
    Fault::malformed(format!("nesting deeper than {}", limits::MAX_MESSAGE_DEPTH))
}

/// Makes the error for a value of another type.
#[cold]
pub(super) fn expected(schema: &Schema, ty: &TypePlan) -> Box<Fault> {
    match &ty.kind {
        Kind::Message(id) => match schema.message(*id) {
            Some(message) => Fault::violation(format!("expected {}", message.simple_name)).of(&message.simple_name),
            None => broken(),
        },
        Kind::Enum(id) => match schema.choices(*id) {
            Some(choices) => unknown_member(choices),
            None => broken(),
        },
        _ => Fault::violation(format!("expected {}", ty.text)),
    }
}

/// Makes the error for a name, number or text that is no member.
#[cold]
pub(super) fn unknown_member(choices: &EnumSchema) -> Box<Fault> {
    Fault::violation(format!("unknown member of {}", choices.simple_name))
}

/// Turns a front end's answer into an error of the walk.
#[cold]
pub(super) fn mismatch(schema: &Schema, ty: &TypePlan, answer: Mismatch) -> Box<Fault> {
    match answer {
        Mismatch::Type => expected(schema, ty),
        Mismatch::Refused(reason) => Fault::violation(reason),
        Mismatch::Host(reason) => Fault::malformed(reason),
        Mismatch::Unknown(names) => {
            let fault = Fault::unexpected(names.iter().map(String::as_str));
            match &ty.kind {
                Kind::Message(id) => match schema.message(*id) {
                    Some(message) => fault.of(&message.simple_name),
                    None => fault,
                },
                _ => fault,
            }
        }
    }
}

/// Makes the error for a container whose length changed during the walk.
#[cold]
pub(super) fn changed() -> Box<Fault> {
    Fault::malformed("a container was changed while it was read")
}

/// Finds written keys or elements of equal bytes; returns the number of the second one.
pub(super) fn second_of_equals(written: &[u8], spans: Vec<Range<usize>>) -> Option<usize> {
    let mut seen = HashSet::with_capacity(spans.len());
    spans.into_iter().position(|span| !seen.insert(written.get(span)))
}

/// Takes a value that a host made.
#[inline]
pub(super) fn made<T>(answer: Made<T>) -> Step<T> {
    answer.map_err(|refusal| match refusal {
        Refusal::Host(reason) => Fault::malformed(reason),
        Refusal::Range(reason) => Fault::violation(reason),
    })
}

/// Makes the error for fields that a record leaves out and that have no default.
#[cold]
pub(super) fn missing<S: Source>(source: &mut S, record: &mut S::Record, message: &MessageSchema) -> Box<Fault> {
    let mut names = Vec::new();
    for field in &message.fields {
        if field.is_required() && matches!(source.field(record, message, field.index), Ok(None)) {
            names.push(&*field.name);
        }
    }
    Fault::missing(names)
}

/// Reads a whole number that is in the domain of its type.
#[inline(always)]
pub(super) fn integer<S: Source>(source: &mut S, ty: &TypePlan, of: Integer, value: &S::Value) -> Read<i128> {
    let value = source.integer(ty, value)?;
    if of.holds(value) { Ok(value) } else { Err(Mismatch::Type) }
}

/// Reads a number as a double, if that is exact.
#[inline(always)]
pub(super) fn double<S: Source>(source: &mut S, ty: &TypePlan, value: &S::Value) -> Read<f64> {
    match source.float(ty, value)? {
        Number::Float(value) => Ok(value),
        Number::Integer(value) => {
            let out = value as f64;
            // The largest values round up to a power of two, which would saturate on the way back.
            if out.abs() < 1e38 && out as i128 == value { Ok(out) } else { Err(Mismatch::Type) }
        }
    }
}

/// Narrows a double to four bytes, if nothing is lost.
#[inline]
pub(super) fn narrow(value: f64) -> Option<f32> {
    let out = value as f32;
    (value.is_nan() || f64::from(out) == value).then_some(out)
}
