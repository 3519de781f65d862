//! ROW mode: rows of one message type, described once (`codec.md` section 8).
//!
//! [`encode_row_schema`] makes the payload of the R frame, [`encode_row`] the body of each D frame; a [`RowReader`] is
//! opened with the former and decodes the latter. The layout is that of Apache Fory's row format: pyfory 1.7.7 writes
//! the same rows for the types it has there, but leaves old bytes in the slots of nulls. Where the specification leaves a
//! choice open, this is what is written, and all that is read. Numbers are little endian, "aligned" is a
//! multiple of 8.
//!
//! **R frame.** The type definition of the root, then the type definition of every other message that the root reaches,
//! once each, without anything between them. Order: depth first, fields by wire name, a map's key before its value. The
//! reader needs the root's first and takes the others in any order; two definitions of one name are malformed.
//! Definitions are those of XLANG and match the local messages by name under the same rules. One that does not match is
//! refused when the first row of its type is met, so unused types do no harm; the root's is refused when the reader is
//! opened. A message without a definition is another struct.
//!
//! **Row** of n fields, by wire name of the *written* definition in code point order: null bits, `ceil(n / 64) * 8`
//! bytes, bit i (least significant first) is set if field i is null, the rest is 0; n slots of 8 bytes; data.
//!
//! **Array**, for lists and sets: count u64; null bits, always there, as in a row but for elements; the elements
//! without space between them, zero padded to be aligned; data. An empty array is 8 zero bytes.
//!
//! **Map**: size of the array of keys in bytes, u64; array of keys; array of values. Both have the same count; keys are
//! never null.
//!
//! **Slots** hold the value in its width, zero-extended (also negative numbers); array elements have just the width:
//!
//! | type | width |
//! |---|---|
//! | bool (0 or 1), int8, uint8 | 1 |
//! | int16, uint16 | 2 |
//! | int32, uint32, varint32, var_uint32, float32, date (i32 days), enum by ordinal (u32) | 4 |
//! | int64, uint64, varint64, var_uint64, float64, timestamp and duration (i64 microseconds) | 8 |
//! | string, binary, decimal, enum by name, message, list, set, map: `offset << 32 \| size` | 8 |
//!
//! A null's slot is 0 and has no data. Offsets count from the first byte of the row or array that holds the slot, in a
//! map from that of the keys or values. Text and names are UTF-8, a decimal is as in XLANG, a message is a row.
//! `size` does not count padding; sizes of rows, arrays and maps are aligned as they are.
//!
//! **Data** follow the slots in the order of the slots, each at the next aligned offset, zero padded: so there is one
//! place for every value, and overlaps, gaps and cycles cannot be written down. Something without bytes (`""`, a
//! message without fields) still has the offset at which it would be.
//!
//! A null is accepted where the reader's type is optional. Computed defaults cannot be left out, because the
//! definition is written before the rows are known; a writer without the value is refused.
//!
//! Not here: the frames and modes of calls (`crate::frame`, `crate::wire`), XLANG bytes ([`super::encode`]).

mod decode;
mod encode;
mod layout;
mod reader;
mod scalar;

use std::collections::HashSet;

use crate::error::{Error, ErrorKind, Result};
use crate::limits;

use super::plan::{Kind, MessageId, TypePlan, WirePlan};
use super::schema::{FieldSchema, MessageSchema, RootId, Schema};
use super::violation::Fault;

pub use encode::encode_row;
pub use reader::RowReader;

/// Makes the payload of the R frame: the definitions of the root and of all messages it reaches.
///
/// # Errors
/// Kind CONTRACT if the root is a bare scalar, or reaches more messages than a payload may define.
pub fn encode_row_schema(schema: &Schema, root: RootId) -> Result<Vec<u8>> {
    let refused = |reason: &str| Error::new(ErrorKind::Contract, reason);
    let ty = schema.root_type(root).ok_or_else(|| refused(NOT_A_MESSAGE))?;
    let Kind::Message(first) = ty.kind else { return Err(refused(NOT_A_MESSAGE)) };
    let mut out = Vec::new();
    for (count, message) in reachable(schema, first).enumerate() {
        if count >= limits::MAX_TYPE_DEFINITIONS {
            return Err(refused("too many types for one row schema"));
        }
        out.extend_from_slice(&message.definition);
    }
    Ok(out)
}

/// Walks a message and all it reaches, in the order of their definitions.
fn reachable(schema: &Schema, first: MessageId) -> impl Iterator<Item = &MessageSchema> {
    let mut seen = HashSet::new();
    // The next message is on top.
    let mut waiting = vec![first];
    std::iter::from_fn(move || {
        loop {
            let id = waiting.pop()?;
            let Some(message) = schema.message(id).filter(|_| seen.insert(id)) else { continue };
            for field in message.row_order.iter().rev().filter_map(|position| message.wire.fields.get(*position)) {
                push_messages(&field.ty, &mut waiting);
            }
            return Some(message);
        }
    })
}

/// Puts the messages of a type on the stack, the first one on top. Types nest at most [`limits::MAX_TYPE_DEPTH`] deep.
fn push_messages(ty: &TypePlan, stack: &mut Vec<MessageId>) {
    if let Kind::Message(id) = ty.kind {
        stack.push(id);
    }
    for part in ty.parts().iter().rev() {
        push_messages(part, stack);
    }
}

/// Returns the positions of a plan's fields in the order of their slots.
///
/// A field of a foreign definition has the wire name of the local field it was matched with.
pub(super) fn order(fields: &[FieldSchema], plan: &WirePlan) -> Vec<usize> {
    let name = |position: &usize| {
        let field = plan.fields.get(*position).and_then(|field| fields.get(field.index));
        field.map_or("", |field| field.wire_name.as_str())
    };
    let mut out: Vec<usize> = (0..plan.fields.len()).collect();
    out.sort_by(|a, b| name(a).cmp(name(b)));
    out
}

const NOT_A_MESSAGE: &str = "ROW mode needs a message as root, not a bare scalar";

/// Makes the error for a root that has no rows.
#[cold]
fn not_a_message() -> Box<Fault> {
    Fault::violation(NOT_A_MESSAGE)
}
