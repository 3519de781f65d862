//! Random types and values of them.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::sync::Arc;

use aster_core::codec::{Record, Schema, Value};
use aster_core::types::TypeTable;
use serde_json::{Value as Json, json};

use super::properties::Choices;

/// Compiles types in the form of a service description.
pub fn compile(types: &Json) -> Arc<Schema> {
    Schema::compile(&TypeTable::from_json(types).expect("types")).expect("schema")
}

const KEYS: [&str; 6] = ["string", "int", "bool", "int8", "var_uint64", "p/Color"];
const SCALARS: [&str; 25] = [
    "string",
    "uuid",
    "int",
    "bool",
    "float",
    "bytes",
    "float32",
    "int8",
    "int16",
    "int32",
    "int64",
    "varint32",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "var_uint32",
    "var_uint64",
    "timestamp",
    "date",
    "duration",
    "decimal",
    "p/Color",
    "p/Color",
    "p/Level",
];

fn random_type(choices: &mut Choices, depth: u32) -> String {
    let text = match choices.below(if depth == 0 { 3 } else { 7 }) {
        0..=2 => choices.pick(&SCALARS).to_owned(),
        3 => format!("list<{}>", random_type(choices, depth - 1)),
        4 => format!("map<{},{}>", choices.pick(&KEYS), random_type(choices, depth - 1)),
        5 => format!("set<{}>", choices.pick(&SCALARS)),
        _ => choices.pick(&["p/A", "p/B"]).to_owned(),
    };
    // A message must be able to end.
    if text.starts_with("p/A") || text.starts_with("p/B") || choices.below(4) == 0 { text + "?" } else { text }
}

/// Types of two messages that refer to each other, and two enums.
pub fn random_types(choices: &mut Choices) -> Json {
    let mut message = |fields: u64| {
        let fields: Vec<Json> =
            (0..fields).map(|i| json!({"name": format!("field{i}"), "type": random_type(choices, 3)})).collect();
        json!({"fields": fields})
    };
    json!({
        "p/A": message(6), "p/B": message(3),
        "p/Color": {"enum": [["RED", 0], ["GREEN", 1]]}, "p/Level": {"enum": ["LOW", "HIGH"]},
    })
}

/// A value of a type; `depth` bounds its nesting.
pub fn random_value(choices: &mut Choices, types: &Json, ty: &str, depth: u32) -> Value {
    if let Some(inner) = ty.strip_suffix('?') {
        return if depth == 0 || choices.below(3) == 0 {
            Value::Null
        } else {
            random_value(choices, types, inner, depth)
        };
    }
    let less = depth.saturating_sub(1);
    let count = if depth == 0 { 0 } else { choices.below(4) };
    if let Some(item) = ty.strip_prefix("list<").and_then(|rest| rest.strip_suffix('>')) {
        return Value::List((0..count).map(|_| random_value(choices, types, item, less)).collect());
    }
    if let Some(item) = ty.strip_prefix("set<").and_then(|rest| rest.strip_suffix('>')) {
        let mut items: Vec<Value> = Vec::new();
        for _ in 0..count {
            let value = random_value(choices, types, item, less);
            // Zeros of both signs are equal here, and two elements on the wire.
            if !items.contains(&value) {
                items.push(value);
            }
        }
        return Value::List(items);
    }
    if let Some((key, value)) =
        ty.strip_prefix("map<").and_then(|r| r.strip_suffix('>')).and_then(|r| r.split_once(','))
    {
        let mut entries: Vec<(Value, Value)> = Vec::new();
        for _ in 0..count {
            let key = random_value(choices, types, key, less);
            if entries.iter().all(|(other, _)| *other != key) {
                entries.push((key, random_value(choices, types, value, less)));
            }
        }
        return Value::Map(entries);
    }
    let bits = choices.bits();
    match ty {
        "string" | "uuid" => Value::Text(choices.text()),
        "bytes" => Value::Bytes(bits.to_le_bytes()[..choices.below(9) as usize].to_vec()),
        "bool" => Value::Bool(bits & 1 == 1),
        "int" | "int64" => Value::Int(bits as i64),
        "int8" => Value::Int(i64::from(bits as i8)),
        "int16" => Value::Int(i64::from(bits as i16)),
        "int32" | "varint32" => Value::Int(i64::from(bits as i32)),
        "uint8" => Value::Uint(u64::from(bits as u8)),
        "uint16" => Value::Uint(u64::from(bits as u16)),
        "uint32" | "var_uint32" => Value::Uint(u64::from(bits as u32)),
        "uint64" | "var_uint64" => Value::Uint(bits),
        "float" => Value::Float(if f64::from_bits(bits).is_nan() { 0.5 } else { f64::from_bits(bits) }),
        "float32" => {
            Value::Float(if f32::from_bits(bits as u32).is_nan() { 0.5 } else { f32::from_bits(bits as u32).into() })
        }
        "timestamp" => Value::Timestamp((bits % 253_402_300_799_999_999) as i64 - 62_135_596_800_000_000),
        "date" => Value::Date((bits % 3_652_059) as i64 - 719_162),
        "duration" => Value::Duration(bits as i64),
        "decimal" => {
            Value::Decimal(format!("{}{}.{:05}", if bits & 1 == 1 { "-" } else { "" }, bits.max(1), bits % 99_999))
        }
        "p/Color" => Value::Enum(choices.pick(&["RED", "GREEN"]).into()),
        "p/Level" => Value::Enum(choices.pick(&["LOW", "HIGH"]).into()),
        tag => {
            let fields = types[tag]["fields"].as_array().expect("fields").iter().map(|field| {
                let value = random_value(choices, types, field["type"].as_str().expect("a type"), less);
                (field["name"].as_str().expect("a name").into(), value)
            });
            Value::Record(Record { tag: Some(tag.into()), fields: fields.collect() })
        }
    }
}
