//! ROW mode: layouts, round trips, evolution, garbage, limits (`codec.md` sections 4 to 6, 8).

#[path = "support/properties.rs"]
mod properties;
#[path = "support/values.rs"]
mod values;
#[path = "support/vectors.rs"]
mod vectors;

use std::sync::Arc;

use aster_core::codec::{
    CodecError, CodecErrorKind, Record, RootId, RowReader, Schema, Value, ValueSink, ValueSource, encode_row,
    encode_row_schema,
};
use aster_core::error::ErrorKind;
use serde_json::{Value as Json, json};
use values::{compile, random_types, random_value};
use vectors::{Typed, check, items, same, text, vectors};

/// Both ends of a stream of rows.
struct Rows {
    schema: Arc<Schema>,
    root: RootId,
    definitions: Vec<u8>,
}

impl Rows {
    fn new(schema: &Arc<Schema>, root: &str) -> Self {
        let root = schema.root(root).expect("root");
        let definitions = encode_row_schema(schema, root).expect("definitions");
        Self { schema: Arc::clone(schema), root, definitions }
    }

    fn encode(&self, value: &Value) -> Result<Vec<u8>, CodecError> {
        let mut out = Vec::new();
        encode_row(&self.schema, self.root, &mut ValueSource::new(), &value, &mut out).map(|()| out)
    }

    fn open(&self, definitions: &[u8]) -> Result<RowReader, CodecError> {
        RowReader::open(&self.schema, self.root, definitions)
    }

    fn reader(&self) -> RowReader {
        self.open(&self.definitions).expect("our definitions")
    }
}

fn record(fields: Vec<(&str, Value)>) -> Value {
    Value::Record(Record { tag: None, fields: fields.into_iter().map(|(name, value)| (name.into(), value)).collect() })
}

fn words(parts: &[&str]) -> Vec<u8> {
    let out = hex::decode(parts.concat().replace(' ', "")).expect("hex");
    assert!(out.len().is_multiple_of(8));
    out
}

/// Checks both directions of a value in JSON form and the bytes of its row.
fn layout(types: Json, root: &str, value: &Json, row: &[&str]) {
    let typed = Typed::new(&json!({"types": types, "root": root}));
    let rows = Rows::new(&typed.schema, root);
    let host = typed.read_json(value.to_string().as_bytes()).expect("a value");
    assert_eq!(hex::encode(rows.encode(&host).expect("a row")), hex::encode(words(row)));
    assert_eq!(rows.reader().decode(&words(row), &mut ValueSink).expect("a value"), host);
}

#[test]
fn layout_of_the_specifications_cart() {
    let types = json!({
        "shop/Cart": {"fields": [{"name": "items", "type": "list<shop/Item>"}, {"name": "note", "type": "string?"}, {"name": "total", "type": "int"}]},
        "shop/Item": {"fields": [{"name": "name", "type": "string"}, {"name": "qty", "type": "int"}]},
    });
    let value = json!({"items": [{"name": "tea", "qty": 2}, {"name": "你", "qty": -1}], "note": null, "total": 300});
    let row = [
        "0200000000000000",  // note is null
        "60000000 20000000", // items: 96 bytes at 32
        "0000000000000000",
        "2c01000000000000",
        "0200000000000000", // two items, none is null
        "0000000000000000",
        "20000000 20000000", // 32 bytes at 32 of the array
        "20000000 40000000",
        "0000000000000000", // the first item: name at 24, qty
        "03000000 18000000",
        "0200000000000000",
        "7465610000000000",
        "0000000000000000", // the second one
        "03000000 18000000",
        "ffffffffffffffff",
        "e4bda00000000000",
    ];
    layout(types.clone(), "shop/Cart", &value, &row);
    let schema = compile(&types);
    let definition = |tag: &str| schema.message_by_tag(tag).expect("a message").definition().to_vec();
    let definitions = Rows::new(&schema, "shop/Cart").definitions;
    assert_eq!(definitions, [definition("shop/Cart"), definition("shop/Item")].concat());
}

#[test]
fn layout_of_maps_and_of_what_has_no_bytes() {
    let types = json!({
        "p/M": {"fields": [
            {"name": "s", "type": "string"}, {"name": "n", "type": "p/Empty"}, {"name": "m", "type": "map<string,int16?>"},
            {"name": "d", "type": "decimal"}, {"name": "a", "type": "int8"}, {"name": "z", "type": "list<bytes>"},
        ]},
        "p/Empty": {"fields": []},
    });
    let value = json!({"s": "", "n": {}, "m": {"k": -2, "": null}, "d": "-1.5", "a": -1, "z": []});
    let row = [
        "0000000000000000",
        "ff00000000000000",  // a, zero-extended
        "02000000 38000000", // d at 56
        "48000000 40000000", // m: 72 bytes at 64
        "00000000 88000000", // n and s at 136, without bytes
        "00000000 88000000",
        "08000000 88000000", // z
        "023a000000000000",
        "2800000000000000", // the keys take 40 bytes
        "0200000000000000",
        "0000000000000000",
        "01000000 20000000",
        "00000000 28000000",
        "6b00000000000000",
        "0200000000000000", // the second value is null
        "0200000000000000",
        "feff000000000000",
        "0000000000000000", // z has no elements
    ];
    layout(types, "p/M", &value, &row);
}

/// The bytes pyfory 1.7.7 writes with `pyfory.format`; so are those of the cart, but for the slot of the null, in which
/// it leaves old bytes.
#[test]
fn layout_of_containers_in_containers() {
    let types = json!({
        "p/M": {"fields": [{"name": "m", "type": "map<string,list<p/Item>>"}]},
        "p/Item": {"fields": [{"name": "qty", "type": "int"}, {"name": "name", "type": "string"}]},
    });
    let value = json!({"m": {"a": [{"name": "x", "qty": 1}], "b": []}});
    let row = [
        "0000000000000000",
        "98000000 10000000",
        "3000000000000000", // 48 bytes of keys
        "0200000000000000",
        "0000000000000000",
        "01000000 20000000",
        "01000000 28000000",
        "6100000000000000",
        "6200000000000000",
        "0200000000000000", // the values
        "0000000000000000",
        "38000000 20000000",
        "08000000 58000000",
        "0100000000000000", // the first list
        "0000000000000000",
        "20000000 18000000",
        "0000000000000000", // its item
        "01000000 18000000",
        "0100000000000000",
        "7800000000000000",
        "0000000000000000", // the second list
    ];
    layout(types, "p/M", &value, &row);
}

#[test]
fn layout_of_scalars() {
    let types = json!({
        "p/M": {"fields": [
            {"name": "b", "type": "bool"}, {"name": "c", "type": "p/Color"}, {"name": "d", "type": "date"},
            {"name": "f", "type": "float32"}, {"name": "g", "type": "float"}, {"name": "l", "type": "p/Level"},
            {"name": "s", "type": "set<varint32>"}, {"name": "t", "type": "timestamp"}, {"name": "u", "type": "duration"},
            {"name": "v", "type": "var_uint64"},
        ]},
        "p/Color": {"enum": [["RED", 0], ["GREEN", 1]]}, "p/Level": {"enum": [["LOW", 10], ["HIGH", 20]]},
    });
    let value = json!({
        "b": true, "c": "GREEN", "d": "1969-12-31", "f": -1.0, "g": 1.0, "l": "HIGH", "s": [1, -1, 3],
        "t": "1969-12-31T23:59:59.999999Z", "u": "1.000000s", "v": u64::MAX,
    });
    let row = [
        "0000000000000000",
        "0100000000000000",
        "0100000000000000",
        "ffffffff00000000",
        "000080bf00000000",
        "000000000000f03f",
        "04000000 58000000", // the name of the member
        "20000000 60000000",
        "ffffffffffffffff",
        "40420f0000000000",
        "ffffffffffffffff",
        "4849474800000000",
        "0300000000000000", // elements of 4 bytes
        "0000000000000000",
        "01000000ffffffff",
        "0300000000000000",
    ];
    layout(types, "p/M", &value, &row);
}

#[test]
fn vectors_round_trip() {
    let vectors = vectors();
    let mut count = 0;
    for case in items(&vectors["cases"]) {
        let id = text(&case["id"]);
        let typed = Typed::new(&vectors["schemas"][text(&case["schema"])]);
        let root = typed.schema.root(&typed.root).expect("root");
        if !typed.root.contains('/') && typed.schema.message_by_tag(&typed.root).is_none() {
            assert_eq!(encode_row_schema(&typed.schema, root).unwrap_err().kind(), ErrorKind::Contract, "{id}");
            continue;
        }
        let rows = Rows::new(&typed.schema, &typed.root);
        let value = typed.read_json(case["value"].to_string().as_bytes()).expect("a value");
        let row = rows.encode(&value).unwrap_or_else(|e| panic!("{id}: {e}"));
        assert!(row.len().is_multiple_of(8), "{id}");
        let reader = rows.reader();
        check(id, &typed, &reader.decode(&row, &mut ValueSink), case, false);
        for cut in (0..row.len()).step_by(if row.len() > 4096 { 97 } else { 1 }) {
            assert!(reader.decode(&row[..cut], &mut ValueSink).is_err(), "{id}: {cut}");
        }
        let more = reader.decode(&[&row[..], &[0; 8]].concat(), &mut ValueSink).unwrap_err();
        assert_eq!((more.kind, more.reason.as_str()), (CodecErrorKind::Violation, "8 bytes after the value"), "{id}");
        count += 1;
    }
    assert!(count > 100, "{count}");
}

#[test]
fn evolution() {
    let vectors = vectors();
    let mut count = 0;
    for case in items(&vectors["evolution"]) {
        let id = text(&case["id"]);
        // Bare roots have no rows.
        if id.starts_with("root_") {
            continue;
        }
        let (writer, reader) = (Typed::new(&case["writer"]), Typed::new(&case["reader"]));
        let value = writer.read_json(case["value"].to_string().as_bytes()).unwrap_or_else(|e| panic!("{id}: {e}"));
        let written = Rows::new(&writer.schema, &writer.root);
        let row = written.encode(&value).expect("a row");
        let read = Rows::new(&reader.schema, &reader.root);
        // Twice, because a definition that fits is kept.
        for _ in 0..2 {
            let outcome = read.open(&written.definitions).and_then(|rows| rows.decode(&row, &mut ValueSink));
            check(id, &reader, &outcome, &case["expect"], true);
        }
        count += 1;
    }
    assert!(count > 40, "{count}");
}

#[test]
fn values_that_are_refused_before_sending() {
    let typed = Typed::new(&json!({"root": "p/M", "types": {"p/M": {"fields": [
        {"name": "a", "type": "list<string>"}, {"name": "b", "type": "map<string,int8>"}, {"name": "c", "type": "set<int>"},
        {"name": "d", "type": "string", "factory": true},
    ]}}}));
    let rows = Rows::new(&typed.schema, "p/M");
    let list = |of: Vec<Value>| Value::List(of);
    let map = |of: Vec<(&str, i64)>| {
        Value::Map(of.into_iter().map(|(k, v)| (Value::Text(k.to_owned()), Value::Int(v))).collect())
    };
    let make = |a, b, c| record(vec![("a", a), ("b", b), ("c", c), ("d", Value::Text(String::new()))]);
    let refused = |value: Value| rows.encode(&value).unwrap_err().to_string();
    let none = || list(Vec::new());
    assert_eq!(
        refused(make(list(vec![Value::Text(String::new()), Value::Null]), map(Vec::new()), none())),
        "contract violation at M.a[1]: null, but not optional"
    );
    assert_eq!(
        refused(make(none(), map(vec![("x", 1), ("y", 128)]), none())),
        "contract violation at M.b[1]: expected int8"
    );
    assert_eq!(
        refused(make(none(), map(vec![("x", 1), ("x", 1)]), none())),
        "contract violation at M.b[1]: duplicate key"
    );
    assert_eq!(
        refused(make(none(), map(Vec::new()), list(vec![Value::Int(3), Value::Int(4), Value::Int(3)]))),
        "contract violation at M.c[2]: duplicate element"
    );
    assert_eq!(
        refused(make(none(), Value::Map(vec![(Value::Null, Value::Int(1))]), none())),
        "contract violation at M.b[0]: null key"
    );
    assert_eq!(refused(Value::Null), "contract violation at M: null, but not optional");
    // A computed default cannot be left out of a definition that was sent.
    assert_eq!(refused(record(Vec::new())), "contract violation at M: missing field(s) 'a', 'b', 'c', 'd'");
    // Nothing stays of a row that was refused.
    let mut out = vec![7];
    let bare = typed.schema.root("string").expect("root");
    for (root, value) in [(rows.root, Value::Null), (bare, Value::Text(String::new()))] {
        assert!(encode_row(&typed.schema, root, &mut ValueSource::new(), &&value, &mut out).is_err());
        assert_eq!(out, [7]);
    }
    let error = RowReader::open(&typed.schema, bare, &rows.definitions).unwrap_err();
    assert_eq!(error.to_string(), "contract violation at value: ROW mode needs a message as root, not a bare scalar");
}

#[test]
fn writers_complete_records() {
    let types = json!({
        "p/M": {"fields": [
            {"name": "a", "type": "int", "default": 7}, {"name": "b", "type": "string?"},
            {"name": "c", "type": "list<p/N>", "default": [{}]}, {"name": "d", "type": "p/N", "default": {"y": [1]}},
            {"name": "e", "type": "map<string,p/N?>", "default": {"k": null, "l": {}}},
        ]},
        "p/N": {"fields": [{"name": "x", "type": "bool", "default": true}, {"name": "y", "type": "set<int>", "default": []}]},
    });
    let typed = Typed::new(&json!({"types": types, "root": "p/M"}));
    let rows = Rows::new(&typed.schema, "p/M");
    let row = rows.encode(&record(Vec::new())).expect("a row");
    let value = rows.reader().decode(&row, &mut ValueSink).expect("a value");
    assert_eq!(value, typed.read_json(b"{}").expect("a value"));
}

#[test]
fn rows_follow_each_other_in_one_buffer() {
    let schema = compile(&json!({"p/M": {"fields": [{"name": "s", "type": "string"}]}}));
    let rows = Rows::new(&schema, "p/M");
    let value = record(vec![("s", Value::Text("abc".to_owned()))]);
    let mut out = vec![1, 2, 3];
    encode_row(&schema, rows.root, &mut ValueSource::new(), &&value, &mut out).expect("a row");
    assert_eq!(out[3..], rows.encode(&value).expect("a row"));
}

#[test]
fn definitions_are_read_strictly() {
    let schema = compile(&json!({
        "p/M": {"fields": [{"name": "z", "type": "p/B?"}, {"name": "a", "type": "map<int,list<p/C>>"}]},
        "p/B": {"fields": [{"name": "m", "type": "p/M?"}, {"name": "d", "type": "p/D?"}]},
        "p/C": {"fields": []}, "p/D": {"fields": []}, "p/Unused": {"fields": []},
    }));
    let rows = Rows::new(&schema, "p/M");
    let definition = |tag: &str| schema.message_by_tag(tag).expect("a message").definition().to_vec();
    let all: Vec<Vec<u8>> = ["p/M", "p/C", "p/B", "p/D"].map(definition).to_vec();
    assert_eq!(rows.definitions, all.concat());
    let reason = |definitions: Vec<Vec<u8>>| rows.open(&definitions.concat()).unwrap_err().reason;
    let [m, c, b, d] = &all[..] else { panic!("four") };
    assert!(rows.open(&[&m[..], b, d, c].concat()).is_ok());
    assert!(rows.open(&[&m[..], &definition("p/Unused")].concat()).is_ok());
    assert_eq!(reason(vec![c.clone(), m.clone()]), "expected M, got another struct");
    assert_eq!(reason(vec![m.clone(), c.clone(), c.clone()]), "a type is defined twice");
    let unused = definition("p/Unused");
    assert_eq!(reason(vec![m.clone(), unused.clone(), unused]), "a type is defined twice");
    assert_eq!(reason(vec![m.clone(), m.clone()]), "a type is defined twice");
    assert_eq!(reason(Vec::new()), "truncated");
    let mut ends: Vec<usize> = Vec::new();
    for part in &all {
        ends.push(ends.last().unwrap_or(&0) + part.len());
    }
    for cut in (0..rows.definitions.len()).filter(|cut| !ends.contains(cut)) {
        assert!(rows.open(&rows.definitions[..cut]).is_err(), "{cut}");
    }
    for bit in 0..rows.definitions.len() * 8 {
        let mut changed = rows.definitions.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(rows.open(&changed).is_err(), "{bit}");
    }
    // A type without a definition is refused where its first row is.
    let reader = rows.open(m).expect("the root alone");
    let child = |name: &str| {
        let value = match name {
            "z" => record(vec![("z", record(Vec::new())), ("a", Value::Map(Vec::new()))]),
            _ => {
                let list = Value::List(vec![record(Vec::new())]);
                record(vec![("a", Value::Map(vec![(Value::Int(1), list)]))])
            }
        };
        reader.decode(&rows.encode(&value).expect("a row"), &mut ValueSink).unwrap_err()
    };
    let (z, a) = (child("z"), child("a"));
    assert_eq!((z.location.as_str(), z.expected_class.as_deref()), ("M.z", Some("B")));
    assert_eq!((a.location.as_str(), a.expected_class.as_deref()), ("M.a[0][*]", Some("C")));
}

#[test]
fn more_definitions_than_the_limit_are_refused() {
    let schema = compile(&json!({"p/M": {"fields": []}}));
    let rows = Rows::new(&schema, "p/M");
    let others: serde_json::Map<String, Json> = (0..1024).map(|i| (format!("p/T{i}"), json!({"fields": []}))).collect();
    let others = compile(&Json::Object(others));
    let mut definitions = rows.definitions.clone();
    for message in others.messages().take(1023) {
        definitions.extend_from_slice(message.definition());
    }
    assert!(rows.open(&definitions).is_ok());
    definitions.extend_from_slice(others.messages().last().expect("a message").definition());
    assert_eq!(rows.open(&definitions).unwrap_err().reason, "too many type definitions");
    // A writer does not make more either.
    let chain = (0..1025).map(|i| {
        let fields = if i < 1024 { json!([{"name": "n", "type": format!("p/T{}", i + 1)}]) } else { json!([]) };
        (format!("p/T{i}"), json!({"fields": fields}))
    });
    let chain = compile(&Json::Object(chain.collect()));
    let error = encode_row_schema(&chain, chain.root("p/T0").expect("root")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Contract);
    assert!(encode_row_schema(&chain, chain.root("p/T1").expect("root")).is_ok());
}

/// Whatever decodes, encodes, to the same bytes if nothing in it has two encodings.
fn stable(rows: &Rows, reader: &RowReader, row: &[u8], exact: bool) {
    let Ok(value) = reader.decode(row, &mut ValueSink) else { return };
    let again = rows.encode(&value).expect("a decoded value encodes");
    if exact {
        assert_eq!(hex::encode(&again), hex::encode(row));
    }
    let value = reader.decode(&again, &mut ValueSink).expect("what was encoded decodes");
    assert_eq!(rows.encode(&value).expect("a row"), again);
}

/// Tells whether bytes follow from values: decimals may be overlong, and hosts may quiet a narrow NaN.
fn one_encoding(types: &Json) -> bool {
    let text = types.to_string();
    !text.contains("decimal") && !text.contains("float32")
}

#[test]
fn changed_vectors_are_refused_or_mean_what_they_say() {
    let vectors = vectors();
    for case in items(&vectors["cases"]) {
        let typed = Typed::new(&vectors["schemas"][text(&case["schema"])]);
        if typed.schema.message_by_tag(&typed.root).is_none() {
            continue;
        }
        let rows = Rows::new(&typed.schema, &typed.root);
        let reader = rows.reader();
        let value = typed.read_json(case["value"].to_string().as_bytes()).expect("a value");
        let row = rows.encode(&value).expect("a row");
        let exact = one_encoding(&vectors["schemas"][text(&case["schema"])]);
        for at in 0..row.len().min(200) {
            for value in [0x00, 0x01, 0x80, 0xff, row[at] ^ 0x04, row[at].wrapping_add(8)] {
                let mut changed = row.clone();
                changed[at] = value;
                stable(&rows, &reader, &changed, exact);
            }
        }
    }
}

#[test]
fn values_round_trip() {
    properties::run("rows: values_round_trip", 300, |choices| {
        let types = random_types(choices);
        let rows = Rows::new(&compile(&types), "p/A");
        let reader = rows.reader();
        let value = random_value(choices, &types, "p/A", 5);
        let row = rows.encode(&value).expect("a row");
        assert_eq!(reader.decode(&row, &mut ValueSink).expect("a value"), value);
        for cut in 0..row.len() {
            assert!(reader.decode(&row[..cut], &mut ValueSink).is_err());
        }
    });
}

#[test]
fn garbage_never_panics() {
    properties::run("rows: garbage_never_panics", 300, |choices| {
        let types = random_types(choices);
        let rows = Rows::new(&compile(&types), "p/A");
        let reader = rows.reader();
        let value = random_value(choices, &types, "p/A", 5);
        let row = rows.encode(&value).expect("a row");
        let exact = one_encoding(&types);
        for _ in 0..40 {
            let mut changed = row.clone();
            for _ in 0..choices.below(5) + 1 {
                let at = choices.below(changed.len() as u64) as usize;
                changed[at] = match choices.below(4) {
                    0 => changed[at] ^ 1 << choices.below(8),
                    1 => changed[at].wrapping_add(8),
                    2 => changed[choices.below(row.len() as u64) as usize],
                    _ => choices.pick(&[0, 1, 2, 8, 0x10, 0x7f, 0x80, 0xff]),
                };
            }
            stable(&rows, &reader, &changed, exact);
        }
    });
}

/// The deepest type there may be: messages whose children are sixteen containers away.
fn deep(messages: usize) -> (Rows, Value) {
    let ty = format!("{}p/Deep{}", "list<".repeat(15), ">".repeat(15));
    let schema = compile(&json!({"p/Deep": {"fields": [{"name": "next", "type": ty}]}}));
    let mut value = record(vec![("next", Value::List(Vec::new()))]);
    for _ in 1..messages {
        for _ in 0..15 {
            value = Value::List(vec![value]);
        }
        value = record(vec![("next", value)]);
    }
    (Rows::new(&schema, "p/Deep"), value)
}

#[test]
fn the_deepest_value_needs_little_stack() {
    let (rows, value) = deep(50);
    let row = rows.encode(&value).expect("a row");
    let run = move || {
        let decoded = rows.reader().decode(&row, &mut ValueSink).expect("a value");
        assert_eq!(rows.encode(&decoded).expect("a row"), row);
    };
    std::thread::Builder::new().stack_size(512 * 1024).spawn(run).expect("a thread").join().expect("no overflow");
}

#[test]
fn one_message_more_is_too_deep() {
    let (rows, value) = deep(51);
    let error = rows.encode(&value).unwrap_err();
    assert_eq!((error.kind, error.reason.as_str()), (CodecErrorKind::Malformed, "nesting deeper than 50"));
    // Around the deepest row a further one, by hand.
    let (rows, value) = deep(50);
    let mut data = rows.encode(&value).expect("a row");
    let pointer = |offset: u64, size: usize| (offset << 32 | size as u64).to_le_bytes();
    for _ in 0..15 {
        data = [&[1, 0, 0, 0, 0, 0, 0, 0], &[0; 8][..], &pointer(24, data.len()), &data].concat();
    }
    data = [&[0; 8][..], &pointer(16, data.len()), &data].concat();
    let error = rows.reader().decode(&data, &mut ValueSink).unwrap_err();
    assert_eq!((error.kind, error.reason.as_str()), (CodecErrorKind::Malformed, "nesting deeper than 50"));
}

#[test]
fn the_graph_is_bounded() {
    let schema = compile(&json!({"p/M": {"fields": [{"name": "l", "type": "list<bool>"}]}}));
    let rows = Rows::new(&schema, "p/M");
    let list = |count: usize| {
        let array = 8 + count.div_ceil(64) * 8 + count.next_multiple_of(8);
        let mut row = vec![0; 16 + array];
        row[8..16].copy_from_slice(&(16u64 << 32 | array as u64).to_le_bytes());
        row[16..24].copy_from_slice(&(count as u64).to_le_bytes());
        row
    };
    let most = (128 * 1024 * 1024 - 64 - 16 - 64) / 16;
    let reader = rows.reader();
    assert!(reader.decode(&list(most), &mut ValueSink).is_ok());
    assert_eq!(reader.decode(&list(most + 1), &mut ValueSink).unwrap_err().reason, "decoded value is too large");
}

#[test]
fn absent_fields_count_too() {
    // A row without bytes becomes a message of a thousand fields.
    let field = |i: usize| json!({"name": format!("f{i}"), "type": "int", "default": 1});
    let types = |fields: usize| {
        let fields: Vec<Json> = (0..fields).map(field).collect();
        compile(&json!({"p/L": {"fields": [{"name": "l", "type": "list<p/M>"}]}, "p/M": {"fields": fields}}))
    };
    let (writer, reader) = (Rows::new(&types(0), "p/L"), Rows::new(&types(1000), "p/L"));
    let value = record(vec![("l", Value::List(vec![record(Vec::new()); 9000]))]);
    let row = writer.encode(&value).expect("a row");
    let reader = reader.open(&writer.definitions).expect("a reader");
    assert_eq!(reader.decode(&row, &mut ValueSink).unwrap_err().reason, "decoded value is too large");
}

#[test]
fn json_of_rows_is_that_of_values() {
    let typed = Typed::new(&json!({"root": "p/T", "types": {"p/T": {"fields": [
        {"name": "userName", "type": "string"}, {"name": "kids", "type": "list<p/T?>"}, {"name": "m", "type": "map<bool,p/T?>"},
    ]}}}));
    let rows = Rows::new(&typed.schema, "p/T");
    let leaf = json!({"userName": "😀é", "kids": [], "m": {}});
    let value = json!({"userName": "\u{0}", "kids": [null, leaf, null], "m": {"true": leaf, "false": null}});
    let host = typed.read_json(value.to_string().as_bytes()).expect("a value");
    let back = rows.reader().decode(&rows.encode(&host).expect("a row"), &mut ValueSink).expect("a value");
    let written: Json = serde_json::from_str(&typed.write_json(&back).expect("text")).expect("JSON");
    assert!(same(&written, &value, true), "{written}");
}
