//! Properties of the codec: round trips, garbage, limits, stack, completion of records (`codec.md` sections 5, 6, 11).

#[path = "support/properties.rs"]
mod properties;
#[path = "support/values.rs"]
mod values;

use std::sync::Arc;

use aster_core::codec::{
    CodecError, CodecErrorKind, Record, RootId, Schema, Value, ValueSink, ValueSource, decode_json, decode_xlang,
    encode_json, encode_xlang,
};
use aster_core::error::ErrorKind;
use aster_core::types::TypeTable;
use serde_json::{Value as Json, json};
use values::{compile, random_types, random_value};

fn encode(schema: &Schema, root: RootId, value: &Value) -> Result<Vec<u8>, CodecError> {
    let mut out = Vec::new();
    encode_xlang(schema, root, &mut ValueSource::new(), &value, &mut out).map(|()| out)
}

fn decode(schema: &Schema, root: RootId, body: &[u8]) -> Result<Value, CodecError> {
    decode_xlang(schema, root, body, &mut ValueSink)
}

fn to_json(schema: &Schema, root: RootId, value: &Value) -> Result<Vec<u8>, CodecError> {
    let mut out = Vec::new();
    encode_json(schema, root, &mut ValueSource::new(), &value, &mut out).map(|()| out)
}

fn from_json(schema: &Schema, root: RootId, body: &[u8]) -> Result<Value, CodecError> {
    decode_json(schema, root, body, &mut ValueSink)
}

#[test]
fn values_round_trip() {
    properties::run("values_round_trip", 300, |choices| {
        let types = random_types(choices);
        let schema = compile(&types);
        let root = schema.root("p/A").expect("root");
        let value = random_value(choices, &types, "p/A", 5);
        let body = encode(&schema, root, &value).expect("bytes");
        assert_eq!(decode(&schema, root, &body).expect("a value"), value);
        let text = to_json(&schema, root, &value).expect("text");
        assert_eq!(from_json(&schema, root, &text).expect("a value"), value);
        assert!(serde_json::from_slice::<Json>(&text).is_ok());
        for cut in 0..body.len() {
            assert!(decode(&schema, root, &body[..cut]).is_err());
        }
        for cut in 0..text.len() {
            assert!(from_json(&schema, root, &text[..cut]).is_err());
        }
    });
}

/// The deepest type there may be: messages whose children are sixteen containers away.
fn deep() -> (Arc<Schema>, RootId, Value) {
    let ty = format!("{}p/Deep{}", "list<".repeat(15), ">".repeat(15));
    let schema = compile(&json!({"p/Deep": {"fields": [{"name": "next", "type": ty}]}}));
    let root = schema.root("p/Deep").expect("root");
    let record = |inner| Value::Record(Record { tag: None, fields: vec![("next".into(), inner)] });
    let mut value = record(Value::List(Vec::new()));
    for _ in 1..50 {
        for _ in 0..15 {
            value = Value::List(vec![value]);
        }
        value = record(value);
    }
    (schema, root, value)
}

#[test]
fn the_deepest_value_needs_little_stack() {
    let (schema, root, value) = deep();
    let body = encode(&schema, root, &value).expect("bytes");
    let text = to_json(&schema, root, &value).expect("text");
    let run = move || {
        let decoded = decode(&schema, root, &body).expect("a value");
        assert_eq!(encode(&schema, root, &decoded).expect("bytes"), body);
        let parsed = from_json(&schema, root, &text).expect("a value");
        assert_eq!(to_json(&schema, root, &parsed).expect("text"), text);
    };
    std::thread::Builder::new().stack_size(512 * 1024).spawn(run).expect("a thread").join().expect("no overflow");
}

#[test]
fn one_message_more_is_too_deep() {
    let (schema, root, value) = deep();
    let mut wrapped = value;
    for _ in 0..15 {
        wrapped = Value::List(vec![wrapped]);
    }
    let value = Value::Record(Record { tag: None, fields: vec![("next".into(), wrapped)] });
    for error in [encode(&schema, root, &value).unwrap_err(), to_json(&schema, root, &value).unwrap_err()] {
        assert_eq!((error.kind, error.reason.as_str()), (CodecErrorKind::Malformed, "nesting deeper than 50"));
    }
    let text = format!("{}{}", "{\"next\":[[[[[[[[[[[[[[[".repeat(51), "]]]]]]]]]]]]]]]}".repeat(51));
    let error = from_json(&schema, root, text.as_bytes()).unwrap_err();
    assert_eq!(error.reason, "nesting deeper than 50");
}

/// Messages without parts are walked in place; they count as a level and have their place all the same.
#[test]
fn messages_without_parts_have_depth_and_place() {
    let schema = compile(&json!({
        "p/N": {"fields": [{"name": "next", "type": "p/N?"}, {"name": "leaf", "type": "list<p/L>"}]},
        "p/L": {"fields": [{"name": "x", "type": "int"}, {"name": "y", "type": "bool"}]},
    }));
    let root = schema.root("p/N").expect("root");
    let record = |fields: Vec<(&str, Value)>| {
        let fields = fields.into_iter().map(|(name, value)| (name.into(), value)).collect();
        Value::Record(Record { tag: None, fields })
    };
    let leaf = |y: Value| record(vec![("x", Value::Int(1)), ("y", y)]);
    let tree = |depth: usize, y: Value| {
        let mut value =
            record(vec![("next", Value::Null), ("leaf", Value::List(vec![leaf(Value::Bool(true)), leaf(y)]))]);
        for _ in 1..depth {
            value = record(vec![("next", value), ("leaf", Value::List(Vec::new()))]);
        }
        value
    };
    let deepest = encode(&schema, root, &tree(49, Value::Bool(true))).expect("bytes");
    assert!(decode(&schema, root, &deepest).is_ok());
    let error = encode(&schema, root, &tree(50, Value::Bool(true))).unwrap_err();
    assert_eq!(error.reason, "nesting deeper than 50");
    let error = encode(&schema, root, &tree(2, Value::Int(1))).unwrap_err();
    assert_eq!((error.location.as_str(), error.expected_class.as_deref()), ("N.next.leaf[1].y", Some("L")));
    let short = record(vec![("next", Value::Null), ("leaf", Value::List(vec![record(vec![("x", Value::Int(1))])]))]);
    let error = encode(&schema, root, &short).unwrap_err();
    assert_eq!(error.to_string(), "contract violation at N.leaf[0]: missing field(s) 'y'");
    assert_eq!(error.expected_class.as_deref(), Some("L"));
    // In the last leaf the field `x` does not fit a type with fewer bits.
    let narrow = compile(&json!({
        "p/N": {"fields": [{"name": "next", "type": "p/N?"}, {"name": "leaf", "type": "list<p/L>"}]},
        "p/L": {"fields": [{"name": "x", "type": "int8"}, {"name": "y", "type": "bool"}]},
    }));
    let wide = record(vec![("x", Value::Int(300)), ("y", Value::Bool(true))]);
    let value = record(vec![("next", Value::Null), ("leaf", Value::List(vec![leaf(Value::Bool(true)), wide]))]);
    let body = encode(&schema, root, &value).expect("bytes");
    let error = decode(&narrow, narrow.root("p/N").expect("root"), &body).unwrap_err();
    assert_eq!((error.location.as_str(), error.expected_class.as_deref()), ("N.leaf[1].x", Some("L")));
}

#[test]
fn the_graph_is_bounded() {
    let schema = compile(&json!({"p/M": {"fields": [{"name": "l", "type": "list<bool>"}]}}));
    let root = schema.root("p/M").expect("root");
    let empty = Value::Record(Record { tag: None, fields: vec![("l".into(), Value::List(Vec::new()))] });
    let empty = encode(&schema, root, &empty).expect("bytes");
    let list = |count: usize| {
        let length = [count | 0x80, count >> 7 | 0x80, count >> 14 | 0x80, count >> 21].map(|byte| byte as u8);
        [&empty[..empty.len() - 1], &length, &[0x0c], &vec![1; count]].concat()
    };
    let most = (128 * 1024 * 1024 - 64 - 16 - 64) / 16;
    assert!(decode(&schema, root, &list(most)).is_ok());
    assert_eq!(decode(&schema, root, &list(most + 1)).unwrap_err().reason, "decoded value is too large");
}

#[test]
fn writers_complete_records() {
    let schema = compile(&json!({
        "p/M": {"fields": [
            {"name": "a", "type": "int", "default": 7}, {"name": "b", "type": "string?"},
            {"name": "c", "type": "list<p/N>", "default": [{}]}, {"name": "d", "type": "p/N", "default": {"y": [1]}},
            {"name": "e", "type": "p/Color?", "default": "RED"}, {"name": "f", "type": "decimal?", "default": null},
        ]},
        "p/N": {"fields": [{"name": "x", "type": "bool", "default": true}, {"name": "y", "type": "set<int>", "default": []}]},
        "p/Color": {"enum": [["RED", 0]]},
    }));
    let root = schema.root("p/M").expect("root");
    let expected =
        json!({"a": 7, "b": null, "c": [{"x": true, "y": []}], "d": {"x": true, "y": [1]}, "e": "RED", "f": null});
    let empty = Value::Record(Record::default());
    let body = encode(&schema, root, &empty).expect("bytes");
    let text = to_json(&schema, root, &empty).expect("text");
    assert_eq!(text, serde_json::to_vec(&expected).expect("text"));
    let from_bytes = decode(&schema, root, &body).expect("a value");
    let from_text = from_json(&schema, root, b"{}").expect("a value");
    assert_eq!(from_bytes, from_text);
    assert_eq!(to_json(&schema, root, &from_bytes).expect("text"), text);
}

#[test]
fn computed_defaults_are_left_to_the_reader() {
    let fields = json!([{"name": "id", "type": "string", "factory": true}, {"name": "n", "type": "int"}]);
    let schema = compile(&json!({
        "p/N": {"fields": fields},
        "p/M": {"fields": [{"name": "one", "type": "p/N"}, {"name": "all", "type": "list<p/N?>"}, {"name": "by", "type": "map<int,p/N?>"}]},
    }));
    let root = schema.root("p/M").expect("root");
    let short = || Value::Record(Record { tag: Some("p/N".into()), fields: vec![("n".into(), Value::Int(1))] });
    let full = || {
        let fields = vec![("id".into(), Value::Text("x".to_owned())), ("n".into(), Value::Int(2))];
        Value::Record(Record { tag: Some("p/N".into()), fields })
    };
    let make = |all: Vec<Value>, by: Vec<Value>| {
        let by = by.into_iter().enumerate().map(|(i, v)| (Value::Int(i as i64), v)).collect();
        let fields = vec![("one".into(), short()), ("all".into(), Value::List(all)), ("by".into(), Value::Map(by))];
        Value::Record(Record { tag: Some("p/M".into()), fields })
    };
    let value =
        make(vec![Value::Null, short(), Value::Null, short()], vec![short(), full(), full(), Value::Null, short()]);
    let body = encode(&schema, root, &value).expect("bytes");
    assert_eq!(decode(&schema, root, &body).expect("a value"), value);
    let text = to_json(&schema, root, &value).expect("text");
    assert_eq!(from_json(&schema, root, &text).expect("a value"), value);
    // Elements of a list share one definition.
    let error = encode(&schema, root, &make(vec![short(), full()], Vec::new())).unwrap_err();
    assert_eq!((error.kind, error.location.as_str()), (CodecErrorKind::Violation, "M.all[1]"));
    // Only nulls: the type is written all the same.
    let nulls = make(vec![Value::Null, Value::Null], Vec::new());
    assert_eq!(decode(&schema, root, &encode(&schema, root, &nulls).expect("bytes")).expect("a value"), nulls);
}

#[test]
fn bad_defaults_do_not_compile() {
    let refused = |types: Json| Schema::compile(&TypeTable::from_json(&types).expect("types")).unwrap_err();
    let error = refused(json!({"p/M": {"fields": [{"name": "a", "type": "int", "default": "x"}]}}));
    assert_eq!(error.message(), "type `p/M`: field `a`: bad default: expected varint64");
    let error = refused(json!({"p/M": {"fields": [{"name": "a", "type": "p/M?", "default": {}}]}}));
    assert!(error.message().contains("contains itself"), "{error}");
    // Each default holds the next one twice.
    let types: serde_json::Map<String, Json> = (0..40)
        .map(|i| {
            let (ty, default) =
                if i < 39 { (format!("p/M{}", i + 1), json!({})) } else { ("int".to_owned(), json!(1)) };
            let fields =
                json!([{"name": "a", "type": ty, "default": default}, {"name": "b", "type": ty, "default": default}]);
            (format!("p/M{i}"), json!({"fields": fields}))
        })
        .collect();
    assert!(refused(Json::Object(types)).message().contains("bad default"));
}

#[test]
fn many_foreign_definitions_are_read() {
    let types = |names: &[String]| {
        let fields: Vec<Json> = names.iter().map(|name| json!({"name": name, "type": "int?"})).collect();
        compile(&json!({"p/M": {"fields": fields}}))
    };
    let all: Vec<String> = (0..24).map(|i| format!("f{i}")).collect();
    let reader = types(&all);
    for _ in 0..2 {
        for count in 0..all.len() {
            let writer = types(&all[..count]);
            let empty = Value::Record(Record::default());
            let body = encode(&writer, writer.root("p/M").expect("root"), &empty).expect("bytes");
            assert!(decode(&reader, reader.root("p/M").expect("root"), &body).is_ok());
        }
    }
}

#[test]
fn doubled_keys_and_fields_are_refused() {
    let schema = compile(&json!({"p/M": {"fields": [{"name": "m", "type": "map<string,int>"}]}}));
    let root = schema.root("p/M").expect("root");
    let entry = || (Value::Text("k".to_owned()), Value::Int(1));
    let record = |fields| Value::Record(Record { tag: None, fields });
    let value = record(vec![("m".into(), Value::Map(vec![entry(), entry()]))]);
    for error in [encode(&schema, root, &value).unwrap_err(), to_json(&schema, root, &value).unwrap_err()] {
        assert_eq!(error.to_string(), "contract violation at M.m[1]: duplicate key");
    }
    let map = || ("m".into(), Value::Map(Vec::new()));
    let error = encode(&schema, root, &record(vec![map(), map()])).unwrap_err();
    assert_eq!(error.location, "M");
    assert!(schema.root("p/Other").is_err());
}

#[test]
fn a_refused_value_leaves_no_bytes() {
    let schema = compile(&json!({"p/M": {"fields": [{"name": "a", "type": "string"}, {"name": "b", "type": "int"}]}}));
    let root = schema.root("p/M").expect("root");
    let fields = vec![("a".into(), Value::Text("x".to_owned())), ("b".into(), Value::Bool(true))];
    let value = Value::Record(Record { tag: None, fields });
    let mut out = vec![9];
    let error = encode_xlang(&schema, root, &mut ValueSource::new(), &&value, &mut out).unwrap_err();
    assert_eq!(out, [9]);
    assert_eq!(error.for_local_encode().message, "contract violation at M.b: expected varint64");
    assert_eq!(error.for_local_encode().code.0, 101);
    let status = error.for_response_encode();
    assert_eq!(status.message, "cannot encode response: contract violation at M.b: expected varint64");
    let error = decode(&schema, root, b"\x01").unwrap_err();
    assert_eq!(error.for_request_at_server().message, "cannot decode request: truncated");
    assert_eq!(error.for_response_at_client().code.0, 13);
}

#[test]
fn bodies_of_huge_decimals_are_refused_before_they_cost_seconds() {
    let types = serde_json::json!({"t/D": {"fields": [{"name": "all", "type": "list<decimal>"}]}});
    let schema = Schema::compile(&TypeTable::from_json(&types).unwrap()).unwrap();
    let root = schema.root("t/D").unwrap();
    let body = |digits: usize, count: usize| {
        let all: Vec<String> = vec!["7".repeat(digits); count];
        serde_json::to_vec(&serde_json::json!({"all": all})).unwrap()
    };
    assert!(decode_json(&schema, root, &body(30, 10_000), &mut ValueSink).is_ok());
    let refused = decode_json(&schema, root, &body(20_000, 200), &mut ValueSink).unwrap_err();
    assert_eq!(refused.reason, "decoded value is too large");
    // Zeros in front of the digits cost no conversion.
    let zeros = vec![format!("0.{}1", "0".repeat(9_998)); 500];
    let text = serde_json::to_vec(&serde_json::json!({"all": zeros})).unwrap();
    assert!(decode_json(&schema, root, &text, &mut ValueSink).is_ok());
}

#[test]
fn containers_count_themselves() {
    // Each empty one takes memory in every host, and one byte of the body.
    let schema = compile(&json!({"p/M": {"fields": [{"name": "l", "type": "list<set<int>>"}]}}));
    let root = schema.root("p/M").expect("root");
    let text = |count: usize| format!(r#"{{"l":[{}]}}"#, vec!["[]"; count].join(","));
    assert!(from_json(&schema, root, text(1_600_000).as_bytes()).is_ok());
    assert!(from_json(&schema, root, text(1_700_000).as_bytes()).is_err());
}

#[test]
fn all_defaults_of_a_schema_together_are_bounded() {
    // Each counts 16 bytes per element and its encoded bytes.
    let most = 16 * 1024 * 1024 / (16 * 1000 + 1003);
    let split = |count: usize| {
        let fields: Vec<Json> = (0..100)
            .map(|i| json!({"name": format!("f{i}"), "type": "list<bool>", "default": vec![true; 1000]}))
            .collect();
        let types: serde_json::Map<String, Json> =
            (0..count).map(|i| (format!("p/M{i}"), json!({"fields": fields}))).collect();
        Schema::compile(&TypeTable::from_json(&Json::Object(types)).expect("types"))
    };
    assert!(split(most / 100).is_ok());
    let error = split(most / 100 + 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Contract);
    assert!(error.message().contains("bad default") || error.message().contains("exceed"), "{error}");
}
