//! The vectors of the codec, and what compares outcomes with them.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::BTreeMap;
use std::sync::Arc;

use aster_core::codec::{
    CodecError, CodecErrorKind, Schema, Value, ValueSink, ValueSource, decode_json, decode_xlang, encode_json,
    encode_xlang,
};
use aster_core::types::TypeTable;
use serde_json::Value as Json;

pub type Outcome = Result<Value, CodecError>;

pub fn vectors() -> Json {
    let folder = std::env::var("ASTER_VECTORS_DIR")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/vectors").to_owned());
    let text = std::fs::read_to_string(format!("{folder}/codec.json")).expect("codec.json");
    // The one value that Rust text cannot express; its case is skipped below.
    let text = text.replace(r#""\ud800""#, "\"lone surrogate\"");
    serde_json::from_str(&text).expect("vectors are JSON")
}

pub fn text(json: &Json) -> &str {
    json.as_str().expect("a text")
}

pub fn items(json: &Json) -> &[Json] {
    json.as_array().expect("a list")
}

pub fn bytes(json: &Json) -> Vec<u8> {
    hex::decode(text(json)).expect("hex")
}

/// The types of one vector with their root.
pub struct Typed {
    pub table: TypeTable,
    pub schema: Arc<Schema>,
    pub root: String,
}

impl Typed {
    pub fn new(json: &Json) -> Self {
        let table = TypeTable::from_json(&json["types"]).expect("types");
        let schema = Schema::compile(&table).expect("schema");
        Self { table, schema, root: text(&json["root"]).to_owned() }
    }

    pub fn encode(&self, value: &Value) -> Result<Vec<u8>, CodecError> {
        let mut out = Vec::new();
        let root = self.schema.root(&self.root).expect("root");
        encode_xlang(&self.schema, root, &mut ValueSource::new(), &value, &mut out).map(|()| out)
    }

    pub fn decode(&self, body: &[u8]) -> Outcome {
        decode_xlang(&self.schema, self.schema.root(&self.root).expect("root"), body, &mut ValueSink)
    }

    pub fn write_json(&self, value: &Value) -> Result<String, CodecError> {
        let mut out = Vec::new();
        let root = self.schema.root(&self.root).expect("root");
        encode_json(&self.schema, root, &mut ValueSource::new(), &value, &mut out)?;
        Ok(String::from_utf8(out).expect("JSON is UTF-8"))
    }

    pub fn read_json(&self, body: &[u8]) -> Outcome {
        decode_json(&self.schema, self.schema.root(&self.root).expect("root"), body, &mut ValueSink)
    }
}

/// Compares JSON: number spelling aside, order of members only if asked for.
pub fn same(a: &Json, b: &Json, ordered: bool) -> bool {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => {
            a == b || a.as_f64().map(f64::to_bits) == b.as_f64().map(f64::to_bits) && a.is_f64() == b.is_f64()
        }
        (Json::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b, ordered)),
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len()
                && (!ordered || a.keys().eq(b.keys()))
                && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b, ordered)))
        }
        _ => a == b,
    }
}

/// Compares an outcome with the expectation of a vector; reasons may differ.
pub fn check(id: &str, types: &Typed, outcome: &Outcome, expect: &Json, details: bool) {
    if let Some(value) = expect.get("value") {
        let got = outcome.as_ref().unwrap_or_else(|error| panic!("{id}: refused: {error}"));
        let json: Json = serde_json::from_str(&types.write_json(got).expect("JSON")).expect("JSON");
        assert!(same(&json, value, true), "{id}: got {json}, expected {value}");
        return;
    }
    let error = outcome.as_ref().err().unwrap_or_else(|| panic!("{id}: accepted, expected {expect}"));
    let kind = match error.kind {
        CodecErrorKind::Malformed => "INVALID_ARGUMENT",
        CodecErrorKind::Violation => "CONTRACT_VIOLATION",
    };
    assert_eq!(kind, text(&expect["error"]), "{id}: {error}");
    if details {
        let got: BTreeMap<String, String> = error.details().into_iter().collect();
        let wanted = expect.get("details").and_then(Json::as_object).cloned().unwrap_or_default();
        let wanted: BTreeMap<String, String> = wanted.iter().map(|(k, v)| (k.clone(), text(v).to_owned())).collect();
        assert_eq!(got, wanted, "{id}: {error}");
    }
}
