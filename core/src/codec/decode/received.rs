//! Type definitions of one payload: ours by comparison, others by match.

use std::cell::OnceCell;
use std::sync::Arc;

use crate::limits;

use super::super::plan::{self, WirePlan, type_name};
use super::super::schema::MessageSchema;
use super::super::violation::{Fault, Step};
use super::super::{definition, foreign};
use super::Decoder;

/// Foreign definitions of one payload, which live as long as its decoding.
#[derive(Default)]
pub(super) struct Chain {
    pub(super) first: OnceCell<Box<Link>>,
}

pub(super) struct Link {
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

impl<'a> Decoder<'a, '_> {
    /// Reads which type follows; returns how its bodies are laid out.
    pub(super) fn type_info(&mut self, message: &'a MessageSchema) -> Step<&'a WirePlan> {
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
            return Err(foreign::another_struct(message));
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
