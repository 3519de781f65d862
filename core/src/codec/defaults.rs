//! Declared defaults: checked against their types once, completed, and kept in both forms (`codec.md` section 5).

use crate::error::Result;
use crate::limits;
use crate::types::{TypeDecl, TypeTable};

use super::compile::{bad, in_type};
use super::encode::encode_default;
use super::json;
use super::schema::{DefaultValue, FieldDefault, RootId, RootKind, Schema};

/// Compiles every default of the schema.
///
/// A default may contain messages whose fields have defaults; those come first. Rounds are as many as messages may
/// nest, so defaults that contain themselves are found and refused.
pub(super) fn compile(schema: &mut Schema, types: &TypeTable) -> Result<()> {
    let mut pending = Vec::new();
    for (tag, declaration) in types.iter() {
        let (TypeDecl::Message { fields, .. }, Some(id)) = (declaration, schema.tags.get(tag)) else { continue };
        for (index, field) in fields.iter().enumerate() {
            let waits = schema.messages.get(id.index()).and_then(|message| message.fields.get(index));
            if let (Some(default), true) =
                (&field.default, waits.is_some_and(|f| matches!(f.default, FieldDefault::Pending)))
            {
                pending.push((*id, index, default.to_string()));
            }
        }
    }
    // What a peer's manifest declares must not take memory without bound: a default may hold the ones of other types.
    let mut budget = limits::MAX_SCHEMA_DEFAULTS;
    for _ in 0..limits::MAX_MESSAGE_DEPTH {
        let mut later = Vec::new();
        let mut ready = Vec::new();
        for (id, index, text) in pending {
            let compiled = one(schema, RootId(RootKind::Message(id)), index, &text, &mut budget);
            let named = compiled.map_err(|e| in_type(schema.messages.get(id.index()).map_or("", |m| &m.tag), &e))?;
            match named {
                Some(default) => ready.push((id, index, default)),
                None => later.push((id, index, text)),
            }
        }
        for (id, index, default) in ready {
            if let Some(field) = schema.messages.get_mut(id.index()).and_then(|message| message.fields.get_mut(index)) {
                field.default = FieldDefault::Value(Box::new(default));
            }
        }
        pending = later;
        if pending.is_empty() {
            return Ok(());
        }
    }
    let names = pending.iter().filter_map(|(id, index, _)| {
        let message = schema.messages.get(id.index())?;
        Some(format!("type `{}`: field `{}`", message.tag, message.fields.get(*index)?.name))
    });
    Err(bad(format!("{}: its default contains itself or nests too deep", names.collect::<Vec<_>>().join(", "))))
}

/// Compiles one default; `None` if it needs another one that is not there yet.
fn one(schema: &Schema, root: RootId, index: usize, text: &str, budget: &mut usize) -> Result<Option<DefaultValue>> {
    let message = schema.root_type(root).and_then(|ty| match ty.kind {
        super::plan::Kind::Message(id) => schema.message(id),
        _ => None,
    });
    let Some(field) = message.and_then(|message| message.fields.get(index)) else { return Ok(None) };
    let wrong = |reason: String| bad(format!("field `{}`: bad default: {reason}", field.name));
    let value = match json::decode_default(schema, root, &field.ty, text, budget) {
        Ok(Some(value)) => value,
        Ok(None) => return Ok(None),
        Err(error) => return Err(wrong(error.reason)),
    };
    let body = encode_default(schema, root, &field.ty, &value).map_err(|error| wrong(error.reason))?;
    if body.len() > limits::MAX_DEFAULT_SIZE {
        return Err(wrong(format!("it exceeds {} bytes", limits::MAX_DEFAULT_SIZE)));
    }
    *budget = budget.checked_sub(body.len()).ok_or_else(|| {
        bad(format!("field `{}`: the defaults of all types exceed {} bytes", field.name, limits::MAX_SCHEMA_DEFAULTS))
    })?;
    Ok(Some(DefaultValue { value, body }))
}
