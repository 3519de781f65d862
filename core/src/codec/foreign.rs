//! Type definitions of peers with another version of a message: match and keep (`codec.md` sections 4, 5, 10).
//!
//! Not here: their bytes ([`super::definition`]).

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use crate::limits;
use crate::sync::lock;

use super::definition::{Definition, WireType};
use super::plan::{self, Integer, Kind, TypePlan, WireField, WirePlan};
use super::schema::MessageSchema;
use super::violation::{Fault, Step};

/// The foreign definitions of one message that were seen last and fit.
#[derive(Debug, Default)]
pub(super) struct ForeignPlans(Mutex<VecDeque<Kept>>);

#[derive(Debug)]
struct Kept {
    definition: Box<[u8]>,
    plan: Arc<WirePlan>,
}

impl ForeignPlans {
    /// Returns the plan for the bytes of a definition.
    pub(super) fn get(&self, definition: &[u8]) -> Option<Arc<WirePlan>> {
        let kept = lock(&self.0);
        kept.iter().find(|kept| *kept.definition == *definition).map(|kept| Arc::clone(&kept.plan))
    }

    /// Keeps a plan, instead of the oldest one if there are too many.
    pub(super) fn keep(&self, definition: &[u8], plan: &Arc<WirePlan>) {
        let mut kept = lock(&self.0);
        if kept.len() >= limits::MAX_FOREIGN_DEFINITIONS {
            kept.pop_front();
        }
        kept.push_back(Kept { definition: definition.into(), plan: Arc::clone(plan) });
    }
}

/// Matches a foreign definition with the local message.
pub(super) fn match_definition(message: &MessageSchema, definition: &Definition) -> Step<WirePlan> {
    let class = message.simple_name.as_str();
    if definition.namespace != message.namespace || definition.name != message.type_name {
        return Err(another_struct(message));
    }
    let local: HashMap<&str, usize> = message.fields.iter().map(|f| (f.wire_name.as_str(), f.index)).collect();
    let unknown: Vec<&str> =
        definition.fields.iter().map(|f| f.wire_name.as_str()).filter(|name| !local.contains_key(name)).collect();
    if !unknown.is_empty() {
        return Err(Fault::unexpected(unknown).of(class));
    }
    let mut fields = Vec::with_capacity(definition.fields.len());
    let mut present = vec![false; message.fields.len()];
    for written in &definition.fields {
        let field = local.get(written.wire_name.as_str()).and_then(|index| message.fields.get(*index));
        let Some(field) = field else { continue };
        let ty = match_type(&field.ty, &written.ty).map_err(|mut fault| {
            fault.suffix = format!(".{}", field.name);
            fault.of(class)
        })?;
        if let Some(seen) = present.get_mut(field.index) {
            *seen = true;
        }
        fields.push(WireField { index: field.index, ty });
    }
    let absent: Vec<usize> = present.iter().enumerate().filter(|(_, seen)| !**seen).map(|(index, _)| index).collect();
    let missing: Vec<&str> = absent
        .iter()
        .filter_map(|index| message.fields.get(*index))
        .filter(|field| field.is_required())
        .map(|field| &*field.name)
        .collect();
    if missing.is_empty() { Ok(WirePlan::new(fields, absent)) } else { Err(Fault::missing(missing).of(class)) }
}

/// Matches a foreign type with the local one; both have the same shape in the result.
fn match_type(local: &TypePlan, written: &WireType) -> Step<TypePlan> {
    let id = u8::try_from(written.id).ok().filter(|id| fits(local, *id)).ok_or_else(|| refused(local, written.id))?;
    let mut out = local.clone();
    out.wire = id;
    out.wire_nullable = written.nullable;
    match (&mut out.kind, written.parts.as_slice()) {
        (Kind::List(element) | Kind::Set(element), [part]) => **element = match_type(element, part)?,
        (Kind::Map(entry), [key, value]) => {
            let [local_key, local_value] = &mut **entry;
            *local_key = match_type(local_key, key)?;
            *local_value = match_type(local_value, value)?;
        }
        _ => {}
    }
    Ok(out)
}

/// Tells whether bytes of a type can be read where another one is declared, without loss.
pub(super) fn fits(local: &TypePlan, id: u8) -> bool {
    match &local.kind {
        _ if id == local.id => true,
        Kind::Integer(integer) => Integer::from_id(id).is_some_and(|other| other.is_signed() == integer.is_signed()),
        Kind::Float64 => id == plan::FLOAT32,
        Kind::Message(_) => (27..=29).contains(&id),
        // A named enum has the number of strings, which is only equal to itself.
        Kind::Enum(_) => local.id == plan::ENUM && id == plan::NAMED_ENUM,
        _ => false,
    }
}

/// Makes the error for bytes of a type that cannot be read.
#[cold]
pub(super) fn refused(local: &TypePlan, id: u32) -> Box<Fault> {
    let mark = if local.nullable { "?" } else { "" };
    Fault::violation(format!("expected {}{mark}, got {}", local.text, plan::type_name(id)))
}

/// Makes the error for a message of another name.
#[cold]
pub(super) fn another_struct(message: &MessageSchema) -> Box<Fault> {
    let class = message.simple_name.as_str();
    Fault::violation(format!("expected {class}, got another struct")).of(class)
}
