//! What a writer's definitions make of its rows.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::limits;

use super::super::bytes::Reader;
use super::super::definition::Definition;
use super::super::plan::{Kind, MessageId, WirePlan};
use super::super::schema::{MessageSchema, RootId, Schema};
use super::super::sink::Sink;
use super::super::violation::{CodecError, Fault, Step};
use super::super::walk::locate;
use super::super::{definition, foreign};
use super::decode::Decoder;
use super::{not_a_message, order, reachable};

/// Decodes the rows of one writer, whose definitions it has read. One object serves a stream; it does not change.
#[derive(Debug)]
pub struct RowReader {
    pub(super) schema: Arc<Schema>,
    pub(super) root: RootId,
    /// How the rows of each message are laid out, as far as the writer has defined it.
    layouts: HashMap<MessageId, Layout>,
}

#[derive(Debug)]
enum Layout {
    /// As we write them.
    Own,
    /// Fields of another version, and the order of their slots.
    Foreign(Arc<WirePlan>, Vec<usize>),
    /// Does not fit; matters only if such a row comes.
    Refused(Box<Fault>),
}

impl RowReader {
    /// Reads what a writer sent in its R frame.
    ///
    /// # Errors
    /// If the bytes are not of this format, hit a limit, or the definition of the root does not fit the root type.
    pub fn open(schema: &Arc<Schema>, root: RootId, definitions: &[u8]) -> Result<Self, CodecError> {
        let mut out = Self { schema: Arc::clone(schema), root, layouts: HashMap::new() };
        let read = out.read(definitions);
        read.map_err(|fault| locate(fault, schema, root, std::iter::empty()))?;
        Ok(out)
    }

    /// Decodes one row.
    ///
    /// # Errors
    /// If the bytes are not of this format, hit a limit, or do not fit the root type.
    pub fn decode<K: Sink>(&self, row: &[u8], sink: &mut K) -> Result<K::Value, CodecError> {
        Decoder::new(self).run(sink, row)
    }

    /// Returns the message whose rows are read.
    pub(super) fn message(&self) -> Step<&MessageSchema> {
        match self.schema.root_type(self.root).map(|ty| &ty.kind) {
            Some(Kind::Message(id)) => self.schema.message(*id).ok_or_else(not_a_message),
            _ => Err(not_a_message()),
        }
    }

    /// Returns the fields of the rows of a message, and the order of their slots.
    pub(super) fn layout<'a>(&'a self, message: &'a MessageSchema) -> Step<(&'a WirePlan, &'a [usize])> {
        match self.layouts.get(&message.id) {
            Some(Layout::Own) => Ok((&message.wire, &message.row_order)),
            Some(Layout::Foreign(plan, order)) => Ok((plan, order)),
            Some(Layout::Refused(fault)) => Err(fault.clone()),
            None => Err(foreign::another_struct(message)),
        }
    }

    fn read(&mut self, definitions: &[u8]) -> Step<()> {
        let schema = Arc::clone(&self.schema);
        let root = self.message()?.id;
        let local: HashMap<_, _> = reachable(&schema, root)
            .map(|message| ((message.namespace.as_str(), message.type_name.as_str()), message))
            .collect();
        let mut reader = Reader::new(definitions);
        let mut seen = HashSet::new();
        while seen.is_empty() || !reader.rest().is_empty() {
            if seen.len() >= limits::MAX_TYPE_DEFINITIONS {
                return Err(Fault::malformed("too many type definitions"));
            }
            let bytes = definition::split(&mut reader)?;
            let written = definition::parse(bytes)?;
            let message = local.get(&(written.namespace.as_str(), written.name.as_str())).copied();
            if let Some(message) = message {
                self.layouts.insert(message.id, layout(message, bytes, &written));
            }
            // The first one is the root's.
            self.layout(self.message()?)?;
            if !seen.insert((written.namespace, written.name)) {
                return Err(Fault::malformed("a type is defined twice"));
            }
        }
        Ok(())
    }
}

/// Matches a definition with the local message of its name.
fn layout(message: &MessageSchema, bytes: &[u8], written: &Definition) -> Layout {
    if *bytes == *message.definition {
        return Layout::Own;
    }
    let plan = message.foreign.get(bytes).map_or_else(
        || {
            let plan = Arc::new(foreign::match_definition(message, written)?);
            message.foreign.keep(bytes, &plan);
            Ok(plan)
        },
        Ok,
    );
    match plan {
        Ok(plan) => Layout::Foreign(Arc::clone(&plan), order(&message.fields, &plan)),
        Err(fault) => Layout::Refused(fault),
    }
}
