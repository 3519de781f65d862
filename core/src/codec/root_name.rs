//! The type that a body says it holds, for readers that accept several (`codec.md` section 3).

use super::bytes::Reader;
use super::definition;
use super::plan::{self, Integer};
use super::violation::{CodecError, Fault, Step};

/// Returns the name of the root type of an XLANG body: a bare scalar's, or namespace, `/` and name of a message, as
/// [`super::MessageSchema::wire_name`] gives it.
///
/// # Errors
/// If the body does not start like one.
pub fn root_name(body: &[u8]) -> Result<String, CodecError> {
    read(body).map_err(|fault| fault.finish(String::new(), None))
}

/// Joins the two parts of a name.
pub(super) fn joined(namespace: &str, name: &str) -> String {
    if namespace.is_empty() { name.to_owned() } else { format!("{namespace}/{name}") }
}

fn read(body: &[u8]) -> Step<String> {
    let mut reader = Reader::new(body);
    if reader.byte()? != 1 {
        return Err(Fault::malformed("unknown payload format"));
    }
    if reader.null_flag()? {
        return Err(Fault::null());
    }
    let id = reader.byte()?;
    let scalar = match id {
        plan::STRING => "string",
        plan::BOOL => "bool",
        plan::BINARY => "bytes",
        plan::FLOAT32 | plan::FLOAT64 => "float",
        plan::MESSAGE => {
            if reader.uvarint32()? != 0 {
                return Err(Fault::malformed("unexpected type index"));
            }
            let found = definition::parse(definition::split(&mut reader)?)?;
            return Ok(joined(&found.namespace, &found.name));
        }
        _ if Integer::from_id(id).is_some_and(Integer::is_signed) => "int",
        _ => return Err(Fault::malformed("unknown root type")),
    };
    Ok(scalar.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Schema, ValueSource, encode_xlang};
    use super::*;
    use crate::codec::Value;
    use crate::types::TypeTable;

    #[test]
    fn bodies_tell_their_root() {
        let table = TypeTable::from_json(&json!({"a/b/Cart": {"fields": []}, "Bare": {"fields": []}})).unwrap();
        let schema = Schema::compile(&table).unwrap();
        for (root, name) in [("a/b/Cart", "a.b/Cart"), ("Bare", "Bare")] {
            let mut body = Vec::new();
            let value = Value::Record(crate::codec::Record::default());
            encode_xlang(&schema, schema.root(root).unwrap(), &mut ValueSource::new(), &&value, &mut body).unwrap();
            assert_eq!(root_name(&body).unwrap(), name);
            assert_eq!(schema.message_by_tag(root).unwrap().wire_name(), name);
            for length in 0..body.len() {
                assert!(root_name(&body[..length]).is_err(), "{length}");
            }
        }
        assert_eq!(root_name(&[1, 0xff, 21, 0]).unwrap(), "string");
        assert_eq!(root_name(&[1, 0xff, 5, 0]).unwrap(), "int");
        assert!(root_name(&[1, 0xff, 12, 0]).is_err());
    }
}
