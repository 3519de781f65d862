//! The schemas that inputs are decoded with: all of `codec.json`, those of evolution included.
//!
//! An input is two bytes that select the subject, little endian, and a body. `fuzz/seeds.py` writes the same.

use std::fmt::Debug;
use std::sync::{Arc, LazyLock};

use aster_core::codec::{
    CodecError, CodecErrorKind, RootId, RowReader, Schema, Value, ValueSink, ValueSource, decode_json, decode_xlang,
    encode_json, encode_row, encode_row_schema, encode_xlang, seal_definition,
};
use aster_core::types::TypeTable;
use serde_json::Value as Json;

use crate::bounded;

/// A schema and the root that bodies are decoded to.
pub struct Subject {
    schema: Arc<Schema>,
    root: RootId,
}

static SUBJECTS: LazyLock<Vec<Subject>> = LazyLock::new(|| {
    let folder = std::env::var("ASTER_VECTORS_DIR")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/vectors").to_owned());
    let text = std::fs::read_to_string(format!("{folder}/codec.json")).expect("codec.json");
    // The one value that Rust text cannot express.
    let vectors: Json = serde_json::from_str(&text.replace(r#""\ud800""#, "\"\"")).expect("vectors are JSON");
    let schemas = vectors["schemas"].as_object().expect("schemas").values();
    let readers = vectors["evolution"].as_array().expect("evolution").iter().map(|case| &case["reader"]);
    schemas.chain(readers).map(Subject::compile).collect()
});

/// Splits an input into the subject it selects and the body for it.
pub fn select(input: &[u8]) -> Option<(&'static Subject, &[u8])> {
    let (selector, body) = input.split_first_chunk::<2>()?;
    let index = usize::from(u16::from_le_bytes(*selector)) % SUBJECTS.len();
    Some((&SUBJECTS[index], body))
}

impl Subject {
    fn compile(case: &Json) -> Self {
        let schema = Schema::compile(&TypeTable::from_json(&case["types"]).expect("types")).expect("schema");
        let root = schema.root(case["root"].as_str().expect("root")).expect("root");
        Self { schema, root }
    }

    /// Decodes an XLANG body; whatever decodes must encode, and decode to itself, in both modes.
    pub fn check_xlang(&self, body: &[u8]) {
        let decoded = bounded(body.len(), || self.from_xlang(body));
        // A foreign type definition is kept by now.
        assert_same(&decoded, &self.from_xlang(body));
        if let Ok(value) = decoded {
            self.check_value(&value);
        }
    }

    /// Decodes a JSON body; whatever decodes must encode, and decode to itself, in both modes.
    pub fn check_json(&self, body: &[u8]) {
        if let Ok(value) = bounded(body.len(), || self.from_json(body)) {
            self.check_value(&value);
        }
    }

    /// Decodes a row. The body is one, or else XLANG whose value is written as one; patches change it then: a count,
    /// and for each two bytes of position and the byte to put there.
    pub fn check_row(&self, input: &[u8]) {
        let Ok(definitions) = encode_row_schema(&self.schema, self.root) else { return };
        let Some((count, rest)) = input.split_first() else { return };
        let Some((patches, body)) = rest.split_at_checked(usize::from(*count) * 3) else { return };
        let mut row = match self.from_xlang(body) {
            // Computed defaults cannot be left out of rows.
            Ok(value) => self.to_row(&value).unwrap_or_default(),
            Err(_) => body.to_vec(),
        };
        for patch in patches.chunks_exact(3) {
            let at = usize::from(u16::from_le_bytes([patch[0], patch[1]])) % row.len().max(1);
            if let Some(byte) = row.get_mut(at) {
                *byte = patch[2];
            }
        }
        let reader = RowReader::open(&self.schema, self.root, &definitions).expect("our own definitions");
        let Ok(value) = bounded(row.len(), || reader.decode(&row, &mut ValueSink)) else { return };
        let again = self.to_row(&value).expect("a decoded value encodes");
        assert_same(&reader.decode(&again, &mut ValueSink), &Ok(value));
    }

    /// Opens definitions of a writer of rows.
    pub fn check_row_definitions(&self, definitions: &[u8]) {
        let _ = bounded(definitions.len(), || RowReader::open(&self.schema, self.root, definitions).is_ok());
    }

    fn check_value(&self, value: &Value) {
        let body = self.to_xlang(value).expect("a decoded value encodes");
        let again = self.from_xlang(&body);
        assert_same(&again, &Ok(value.clone()));
        assert_eq!(self.to_xlang(&again.expect("a value")), Ok(body));
        match self.to_json(value) {
            Ok(text) => assert_same(&self.from_json(&text), &Ok(value.clone())),
            // Text is longer than bytes and may hit a limit.
            Err(error) => assert_eq!(error.kind, CodecErrorKind::Malformed, "{error}"),
        }
    }

    fn from_xlang(&self, body: &[u8]) -> Result<Value, CodecError> {
        decode_xlang(&self.schema, self.root, body, &mut ValueSink)
    }

    fn to_row(&self, value: &Value) -> Result<Vec<u8>, CodecError> {
        let mut out = Vec::new();
        encode_row(&self.schema, self.root, &mut ValueSource::new(), &value, &mut out).map(|()| out)
    }

    fn from_json(&self, body: &[u8]) -> Result<Value, CodecError> {
        decode_json(&self.schema, self.root, body, &mut ValueSink)
    }

    fn to_xlang(&self, value: &Value) -> Result<Vec<u8>, CodecError> {
        let mut out = Vec::new();
        encode_xlang(&self.schema, self.root, &mut ValueSource::new(), &value, &mut out).map(|()| out)
    }

    fn to_json(&self, value: &Value) -> Result<Vec<u8>, CodecError> {
        let mut out = Vec::new();
        encode_json(&self.schema, self.root, &mut ValueSource::new(), &value, &mut out).map(|()| out)
    }
}

/// Compares results; floats that are no number count as equal.
fn assert_same<T: Debug + PartialEq>(one: &T, other: &T) {
    if one != other {
        assert_eq!(format!("{one:?}"), format!("{other:?}"));
    }
}

/// Gives everything in a body that may be a type definition the header its bytes want.
///
/// A fuzzer cannot guess hashes; with the right ones it gets behind their check.
pub fn repair(body: &mut [u8]) {
    let mut at = 0;
    while at + 10 < body.len() {
        let size = usize::from(body[at + 2]);
        // The number of messages, an index that is new, and a definition of less than 255 bytes.
        let definition = body[at] == 0x1e && body[at + 1] & 1 == 0 && size < 0xff;
        let end = at + 10 + size;
        if definition && end <= body.len() {
            let sealed = seal_definition(&body[at + 10..end]);
            body[at + 2..end].copy_from_slice(&sealed);
            at = end;
        } else {
            at += 1;
        }
    }
}
