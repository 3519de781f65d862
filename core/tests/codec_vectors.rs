//! Runs every group of `codec.json` (`codec.md` section 11).

#[path = "support/vectors.rs"]
mod vectors;

use aster_core::codec::{Record, Value};
use aster_core::types::{TypeDecl, TypeExpr, TypeTable, wire_name};
use serde_json::Value as Json;
use vectors::{Typed, bytes, check, items, same, text, vectors};

/// Makes the host form of a value that need not fit; `None` if a tree cannot express it.
fn host(table: &TypeTable, ty: &TypeExpr, json: &Json) -> Option<Value> {
    Some(match (json, ty) {
        (json, TypeExpr::Optional(inner)) => host(table, inner, json)?,
        (Json::Null, _) => Value::Null,
        (Json::Bool(value), _) => Value::Bool(*value),
        (Json::Number(number), _) => match (number.as_i64(), number.as_u64()) {
            (Some(value), _) => Value::Int(value),
            (None, Some(value)) => Value::Uint(value),
            // serde_json reads integers beyond 64 bits as floats, which they are not.
            _ if number.as_f64()?.abs() >= 9e15 && number.as_f64()? < 1e30 => return None,
            _ => Value::Float(number.as_f64()?),
        },
        (Json::String(text), TypeExpr::Named(tag)) if matches!(table.get(tag), Some(TypeDecl::Enum { .. })) => {
            Value::Enum(text.as_str().into())
        }
        (Json::String(text), TypeExpr::Primitive(primitive)) if primitive.name() == "decimal" => {
            Value::Decimal(text.clone())
        }
        (Json::String(text), _) => Value::Text(text.clone()),
        (Json::Array(list), TypeExpr::List(item) | TypeExpr::Set(item)) => {
            Value::List(list.iter().map(|x| host(table, item, x)).collect::<Option<_>>()?)
        }
        (Json::Array(_), _) => Value::List(Vec::new()),
        (Json::Object(entries), TypeExpr::Map(key, value)) => {
            let number = |text: &str| text.parse().map_or_else(|_| Value::Text(text.to_owned()), Value::Int);
            let key_of = |text: &str| match &**key {
                TypeExpr::Primitive(primitive) if primitive.name() == "string" => Value::Text(text.to_owned()),
                _ => number(text),
            };
            let pairs = entries.iter().map(|(k, v)| Some((key_of(k), host(table, value, v)?)));
            Value::Map(pairs.collect::<Option<_>>()?)
        }
        (Json::Object(entries), TypeExpr::Named(tag)) => {
            let Some(TypeDecl::Message { fields: declared, .. }) = table.get(tag) else { return None };
            let fields = entries.iter().map(|(name, value)| {
                let field = declared.iter().find(|field| field.name == *name);
                let any = TypeExpr::Named(String::new());
                Some((name.as_str().into(), host(table, field.map_or(&any, |field| &field.ty), value)?))
            });
            Value::Record(Record { tag: None, fields: fields.collect::<Option<_>>()? })
        }
        (Json::Object(_), _) => Value::Map(Vec::new()),
    })
}

#[test]
fn every_group_is_known() {
    let known =
        ["format", "produced_by", "wire_names", "schemas", "cases", "evolution", "decode", "encode_refused", "json"];
    for group in vectors().as_object().expect("an object").keys() {
        assert!(known.contains(&group.as_str()), "unknown group `{group}`");
    }
}

#[test]
fn wire_names() {
    for (name, expected) in vectors()["wire_names"].as_object().expect("an object") {
        assert_eq!(wire_name(name), text(expected), "{name}");
    }
}

#[test]
fn schemas() {
    for (id, json) in vectors()["schemas"].as_object().expect("an object") {
        let types = Typed::new(json);
        for (tag, definition) in json["type_definitions"].as_object().expect("an object") {
            let message = types.schema.message_by_tag(tag).expect("a message");
            assert_eq!(hex::encode(message.definition()), text(definition), "{id}: {tag}");
        }
    }
}

#[test]
fn cases() {
    let vectors = vectors();
    for case in items(&vectors["cases"]) {
        let id = text(&case["id"]);
        let types = Typed::new(&vectors["schemas"][text(&case["schema"])]);
        let value = types.read_json(case["value"].to_string().as_bytes()).unwrap_or_else(|e| panic!("{id}: {e}"));
        let body = types.encode(&value).unwrap_or_else(|e| panic!("{id}: {e}"));
        assert_eq!(hex::encode(&body), text(&case["hex"]), "{id}");
        check(id, &types, &types.decode(&body), case, false);
        let written: Json = serde_json::from_str(&types.write_json(&value).expect("JSON")).expect("JSON");
        assert!(same(&written, &case["value"], true), "{id}: wrote {written}");
        if let Some(other) = case.get("fory_rs").and_then(|other| other.get("hex")) {
            let value = types.decode(&bytes(other)).unwrap_or_else(|e| panic!("{id}: fory crate: {e}"));
            let json: Json = serde_json::from_str(&types.write_json(&value).expect("JSON")).expect("JSON");
            assert!(same(&json, &case["value"], false), "{id}: fory crate: {json}");
        }
    }
}

#[test]
fn evolution() {
    let vectors = vectors();
    for case in items(&vectors["evolution"]) {
        let id = text(&case["id"]);
        let (writer, reader) = (Typed::new(&case["writer"]), Typed::new(&case["reader"]));
        let value = writer.read_json(case["value"].to_string().as_bytes()).unwrap_or_else(|e| panic!("{id}: {e}"));
        assert_eq!(hex::encode(writer.encode(&value).expect("a body")), text(&case["hex"]), "{id}");
        let body = bytes(&case["hex"]);
        // Twice, because a definition that fits is kept.
        for _ in 0..2 {
            check(id, &reader, &reader.decode(&body), &case["expect"], true);
        }
    }
}

#[test]
fn decode() {
    let vectors = vectors();
    for case in items(&vectors["decode"]) {
        let types = Typed::new(&vectors["schemas"][text(&case["schema"])]);
        check(text(&case["id"]), &types, &types.decode(&bytes(&case["hex"])), &case["expect"], true);
    }
}

#[test]
fn encode_refused() {
    let vectors = vectors();
    let mut skipped = Vec::new();
    for case in items(&vectors["encode_refused"]) {
        let id = text(&case["id"]);
        let types = Typed::new(&vectors["schemas"][text(&case["schema"])]);
        let root = TypeExpr::parse(&types.root).expect("a type");
        let value = host(&types.table, &root, &case["value"]);
        let Some(value) = value.filter(|_| id != "lone_surrogate") else {
            skipped.push(id);
            continue;
        };
        let outcome = types.encode(&value).map(|_| Value::Null);
        check(id, &types, &outcome, &case["expect"], true);
        let outcome = types.write_json(&value).map(|_| Value::Null);
        check(id, &types, &outcome, &case["expect"], true);
    }
    println!("a tree of values cannot express: {skipped:?}");
    assert!(skipped.len() <= 4, "{skipped:?}");
}

#[test]
fn json() {
    let vectors = vectors();
    for case in items(&vectors["json"]) {
        let types = Typed::new(&vectors["schemas"][text(&case["schema"])]);
        let body = match case.get("hex") {
            Some(hex) => bytes(hex),
            None => text(&case["text"]).as_bytes().to_vec(),
        };
        check(text(&case["id"]), &types, &types.read_json(&body), &case["expect"], true);
    }
}

#[test]
fn changed_vectors_never_panic() {
    let vectors = vectors();
    for case in items(&vectors["cases"]) {
        let id = text(&case["id"]);
        let types = Typed::new(&vectors["schemas"][text(&case["schema"])]);
        let body = bytes(&case["hex"]);
        for at in 0..body.len().min(120) {
            for value in [0x00, 0x01, 0x7f, 0x80, 0xfd, 0xff, body[at] ^ 0x04] {
                let mut changed = body.clone();
                changed[at] = value;
                // Whatever decodes, encodes.
                if let Ok(value) = types.decode(&changed) {
                    types.encode(&value).unwrap_or_else(|error| panic!("{id}: {error}"));
                }
            }
        }
        let json = case["value"].to_string().into_bytes();
        for at in 0..json.len().min(120) {
            for value in *b"\"\\{}[],:0-enx \x00\xff" {
                let mut changed = json.clone();
                changed[at] = value;
                if let Ok(value) = types.read_json(&changed) {
                    types.write_json(&value).unwrap_or_else(|error| panic!("{id}: {error}"));
                }
            }
        }
    }
}
