//! Type definitions that a payload has sent already.

use crate::limits;

use super::super::bytes::put_uvarint32;
use super::super::definition;
use super::super::plan::{self, MessageId};
use super::super::schema::{MessageSchema, Schema};
use super::super::violation::{Fault, Step};
use super::super::walk::broken;

/// Messages of a schema whose definitions are counted without an allocation.
const FEW: usize = 16;

/// The definitions of one payload.
pub(super) struct Sent {
    /// For each message: 0, or one more than the index of its definition.
    few: [u16; FEW],
    /// The same for schemas of more messages; else empty.
    many: Vec<u16>,
    /// Definitions that leave out computed fields.
    partial: Vec<Partial>,
    count: u16,
}

/// A definition without some fields.
struct Partial {
    message: MessageId,
    left_out: Box<[usize]>,
    index: u16,
}

impl Sent {
    pub(super) fn new(schema: &Schema) -> Self {
        let count = schema.messages.len();
        let many = if count > FEW { vec![0; count] } else { Vec::new() };
        Self { few: [0; FEW], many, partial: Vec::new(), count: 0 }
    }

    fn full(&self, message: &MessageSchema) -> Option<&u16> {
        if self.many.is_empty() { self.few.get(message.id.index()) } else { self.many.get(message.id.index()) }
    }

    fn full_mut(&mut self, message: &MessageSchema) -> Option<&mut u16> {
        if self.many.is_empty() { self.few.get_mut(message.id.index()) } else { self.many.get_mut(message.id.index()) }
    }

    /// Returns the index of a definition that was sent.
    fn find(&self, message: &MessageSchema, left_out: &[usize]) -> Option<u16> {
        if left_out.is_empty() {
            return self.full(message)?.checked_sub(1);
        }
        let mut partial = self.partial.iter();
        Some(partial.find(|sent| sent.message == message.id && *sent.left_out == *left_out)?.index)
    }

    /// Writes which type follows, with its definition the first time.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, message: &MessageSchema, left_out: &[usize]) -> Step<()> {
        out.push(plan::MESSAGE);
        if let Some(index) = self.find(message, left_out) {
            put_uvarint32(out, u32::from(index) << 1 | 1);
            return Ok(());
        }
        let index = self.count;
        if usize::from(index) >= limits::MAX_TYPE_DEFINITIONS {
            return Err(Fault::malformed("too many type definitions"));
        }
        self.count += 1;
        put_uvarint32(out, u32::from(index) << 1);
        if left_out.is_empty() {
            let count = self.count;
            *self.full_mut(message).ok_or_else(broken)? = count;
            out.extend_from_slice(&message.definition);
            return Ok(());
        }
        self.partial.push(Partial { message: message.id, left_out: left_out.into(), index });
        let fields: Vec<_> = message
            .wire
            .fields
            .iter()
            .filter(|field| !left_out.contains(&field.index))
            .filter_map(|field| Some((message.fields.get(field.index)?.wire_name.as_str(), &field.ty)))
            .collect();
        out.extend(definition::write(&message.namespace, &message.type_name, fields.into_iter()));
        Ok(())
    }
}
