//! What holds for every contract: random graphs, mutated bytes, the longest chains (`contract.md` section 10).

#[path = "support/properties.rs"]
mod properties;

use std::sync::Arc;

use aster_core::contract::{Contract, ServiceContract, ServiceDescription, TypeDef, TypeGraph, link};
use aster_core::types::{TypeExpr, TypeTable};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn contract(description: &Value) -> Arc<Contract> {
    Contract::new(ServiceDescription::from_json(&description.to_string()).unwrap()).unwrap()
}

/// A service whose one method reaches type 0.
fn service(types: Value) -> Value {
    let method = json!({"name": "call", "pattern": "unary", "request": "g/T0", "response": "string"});
    json!({"service": "S", "version": 1, "types": types, "methods": [method]})
}

fn tag(number: usize) -> String {
    format!("g/T{number}")
}

/// A type text around a reference or a primitive.
fn type_text(shape: usize, target: String) -> String {
    match shape % 8 {
        0 => target,
        1 => format!("{target}?"),
        2 => format!("list<{target}>"),
        3 => format!("list<{target}?>?"),
        4 => format!("map<string,{target}>"),
        5 => format!("map<int,list<list<{target}>>>"),
        6 => format!("list<map<bool,{target}?>>"),
        _ => format!("list<list<{target}>?>"),
    }
}

/// Messages that refer to each other at random; half of the fields are references.
fn types() -> impl Strategy<Value = Vec<Vec<String>>> {
    (1usize..9).prop_flat_map(|count| {
        let field = (0..count * 2, 0usize..8).prop_map(move |(target, shape)| {
            type_text(shape, if target < count { tag(target) } else { "int".to_owned() })
        });
        vec(vec(field, 0..5), count)
    })
}

fn declared(types: &[Vec<String>]) -> Value {
    let field = |(at, ty): (usize, &String)| json!({"name": format!("f{at}"), "type": ty});
    let message = |fields: &Vec<String>| json!({"fields": fields.iter().enumerate().map(field).collect::<Vec<_>>()});
    types.iter().enumerate().map(|(at, fields)| (tag(at), message(fields))).collect::<Map<_, _>>().into()
}

/// Which types type 0 reaches, by the texts alone.
fn reached(types: &[Vec<String>]) -> Vec<bool> {
    let mut seen = vec![false; types.len()];
    let mut todo = vec![0];
    while let Some(at) = todo.pop() {
        if !std::mem::replace(&mut seen[at], true) {
            let refers = |to: &usize| types[at].iter().any(|text| text.contains(&tag(*to)));
            todo.extend((0..types.len()).filter(refers));
        }
    }
    seen
}

proptest! {
    #![proptest_config(properties::config(256))]

    #[test]
    fn a_change_of_a_type_changes_the_id_iff_it_is_reached(types in types(), at in any::<prop::sample::Index>()) {
        let before = contract(&service(declared(&types)));
        let at = at.index(types.len());
        let mut changed = types.clone();
        changed[at].push("bool".to_owned());
        let after = contract(&service(declared(&changed)));
        prop_assert_eq!(before.id() != after.id(), reached(&types)[at]);
    }

    #[test]
    fn order_docs_and_defaults_change_no_id(types in types()) {
        let before = contract(&service(declared(&types)));
        let mut fields = declared(&types);
        for entry in fields.as_object_mut().unwrap().values_mut() {
            let fields = entry["fields"].as_array_mut().unwrap();
            fields.reverse();
            for field in fields {
                field["default"] = Value::Null;
                field["description"] = json!("text");
                field["tags"] = json!(["a"]);
            }
        }
        let reversed: Map<String, Value> = fields.as_object().unwrap().clone().into_iter().rev().collect();
        let mut described = service(reversed.into());
        described["public"] = json!(true);
        described["description"] = json!("text");
        described["methods"][0]["deprecated"] = json!(true);
        let after = contract(&described);
        prop_assert_eq!(before.id(), after.id());
        let manifest = after.manifest_text();
        let from_manifest = Contract::from_manifest(&manifest).unwrap();
        prop_assert_eq!(from_manifest.id(), before.id());
    }

    #[test]
    fn types_link_back_from_their_bytes(types in types(), drop in any::<prop::sample::Index>()) {
        let contract = contract(&service(declared(&types)));
        let method = &contract.service().methods[0];
        let roots = [method.request_type.unwrap(), method.response_type.unwrap()];
        let nodes = contract.graph().nodes();
        let mut bodies: Vec<&[u8]> = nodes.iter().map(|node| node.bytes.as_slice()).collect();
        let linked = link(&bodies, &roots).unwrap();
        prop_assert_eq!(linked.len(), nodes.len());
        for back in &linked {
            let node = contract.graph().get(&back.fqn).unwrap();
            prop_assert_eq!((&back.def, back.entering), (&node.def, node.entering));
        }
        bodies.swap_remove(drop.index(bodies.len()));
        prop_assert!(link(&bodies, &roots).is_err());
    }

    #[test]
    fn a_foreign_type_among_the_bytes_is_refused(types in types()) {
        let contract = contract(&service(declared(&types)));
        let method = &contract.service().methods[0];
        let roots = [method.request_type.unwrap(), method.response_type.unwrap()];
        let lonely = TypeDef { name: "Lonely".to_owned(), ..TypeDef::default() }.canonical().unwrap();
        let mut bodies: Vec<&[u8]> = contract.graph().nodes().iter().map(|node| node.bytes.as_slice()).collect();
        bodies.push(&lonely);
        prop_assert!(link(&bodies, &roots).is_err());
    }

    #[test]
    fn what_decodes_encodes_to_itself(
        types in types(), node in any::<prop::sample::Index>(),
        edits in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4), cut in any::<prop::sample::Index>(), cuts: bool,
    ) {
        let contract = contract(&service(declared(&types)));
        let nodes = contract.graph().nodes();
        for original in [&nodes[node.index(nodes.len())].bytes, contract.canonical()] {
            let mut bytes = original.to_vec();
            for (at, byte) in &edits {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            if cuts {
                bytes.truncate(cut.index(bytes.len()));
            }
            if let Ok(read) = TypeDef::from_canonical(&bytes) {
                prop_assert_eq!(read.canonical().unwrap(), bytes.clone());
                prop_assert_eq!(TypeDef::from_json(&read.to_json()).unwrap(), read);
            }
            if let Ok(read) = ServiceContract::from_canonical(&bytes) {
                prop_assert_eq!(read.canonical().unwrap(), bytes.clone());
                prop_assert_eq!(ServiceContract::from_json(&read.to_json()).unwrap(), read);
            }
            let _ = link(&[bytes], &[]);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..200)) {
        let _ = TypeDef::from_canonical(&bytes);
        let _ = ServiceContract::from_canonical(&bytes);
    }

    #[test]
    fn type_texts_never_panic_and_read_back(text in "(list<|set<|map<|>|,|\\?|int|uuid|a/B|e\u{301}|\u{212b}|\u{338}|<| |\"){0,12}") {
        if let Ok(parsed) = TypeExpr::parse(&text) {
            prop_assert_eq!(TypeExpr::parse(&parsed.to_string()).unwrap(), parsed);
        }
    }

    #[test]
    fn mutated_descriptions_never_panic(at in any::<prop::sample::Index>(), byte in prop::sample::select(b"[]{}\",:019nte<>?/\\ ".as_slice())) {
        let mut bytes = full_description().to_string().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(description) = ServiceDescription::from_json(&String::from_utf8(bytes).unwrap()) {
            let contract = Contract::new(description);
            if let Ok(contract) = contract {
                prop_assert!(Contract::from_manifest(&contract.manifest_text()).is_ok());
            }
        }
    }
}

fn full_description() -> Value {
    json!({
        "service": "Shop", "version": 2, "scoped": "session", "serialization_modes": ["xlang", "json"],
        "requires": {"any_of": ["a", "b"]}, "public": false, "producer_language": "", "description": "", "tags": [],
        "types": {
            "shop/Colour": {"enum": [["RED", 0], ["GREEN", 1]]},
            "shop/Size": {"enum": ["S", "L"], "texts": {"S": "small"}},
            "shop/Order": {"fields": [
                {"name": "id", "type": "string"},
                {"name": "parents", "type": "list<shop/Order?>", "default": []},
                {"name": "colours", "type": "map<shop/Colour,shop/Size>", "default": {}},
                {"name": "at", "type": "timestamp", "factory": true},
            ]},
        },
        "methods": [
            {"name": "place", "pattern": "unary", "request": "shop/Order", "response": "string", "timeout_s": 1.5,
             "idempotent": true, "requires": "c", "request_style": "inline"},
            {"name": "list", "pattern": "server_stream", "request": "int", "response": "shop/Order"},
        ],
    })
}

#[test]
fn every_identity_member_changes_the_id() {
    let base = contract(&full_description());
    let changes = [
        ("/service", json!("Shop2")),
        ("/version", json!(3)),
        ("/scoped", json!("shared")),
        ("/serialization_modes", json!(["json", "xlang"])),
        ("/requires", json!({"all_of": ["a", "b"]})),
        ("/requires/any_of", json!(["a"])),
        ("/types/shop~1Colour/enum/1/1", json!(2)),
        ("/types/shop~1Colour/enum/1/0", json!("BLUE")),
        ("/types/shop~1Order/fields/0/name", json!("key")),
        ("/types/shop~1Order/fields/0/type", json!("string?")),
        ("/types/shop~1Order/fields/1/type", json!("list<shop/Order>")),
        ("/types/shop~1Order/fields/2/type", json!("map<string,shop/Size>")),
        ("/methods/0/name", json!("put")),
        ("/methods/0/pattern", json!("client_stream")),
        ("/methods/0/response", json!("bytes")),
        ("/methods/0/timeout_s", json!(2.5)),
        ("/methods/0/idempotent", json!(false)),
        ("/methods/0/requires", Value::Null),
    ];
    for (path, value) in changes {
        let mut changed = full_description();
        *changed.pointer_mut(path).unwrap() = value;
        assert_ne!(contract(&changed).id(), base.id(), "{path}");
    }
    let same = [
        ("/public", json!(true)),
        ("/description", json!("text")),
        ("/requires/any_of", json!(["b", "a"])),
        ("/types/shop~1Size/texts", json!({"L": "large"})),
        ("/types/shop~1Order/fields/1/default", Value::Null),
        ("/types/shop~1Order/fields/3/factory", json!(false)),
        ("/methods/0/request_style", json!("explicit")),
    ];
    for (path, value) in same {
        let mut changed = full_description();
        *changed.pointer_mut(path).unwrap() = value;
        assert_eq!(contract(&changed).id(), base.id(), "{path}");
    }
}

#[test]
fn broken_descriptions_are_refused_with_their_place() {
    let cases = [
        (
            "/types/shop~1Order/fields/0/type",
            json!("shop/None"),
            "service `Shop`: type `shop/Order`: field `id`: unknown type `shop/None`",
        ),
        (
            "/methods/0/request",
            json!("shop/Colour"),
            "service `Shop`: method `place`: a method takes and returns messages; `shop/Colour` is an enum",
        ),
        (
            "/methods/0/request",
            json!("list<int>"),
            "service `Shop`: method `place`: a method takes and returns a message or a bare scalar, not `list<int>`",
        ),
        (
            "/methods/0/request",
            json!("timestamp"),
            "service `Shop`: method `place`: a method takes and returns a message or a bare scalar, not `timestamp`",
        ),
        ("/methods/1/name", json!("place"), "service `Shop`: method `place`: the name is declared twice"),
        ("/methods/1/pattern", json!("both"), "service `Shop`: method `list`: unknown pattern `both`"),
        (
            "/methods/0/timeout_s",
            json!(-1.0),
            "service `Shop`: method `place`: `timeout_s` must be finite and not negative",
        ),
        (
            "/serialization_modes",
            json!(["native"]),
            "service `Shop`: `producer_language` must be set exactly when `native` is among the modes",
        ),
        ("/serialization_modes", json!(["xlang", "xlang"]), "service `Shop`: duplicate serialization mode `xlang`"),
        ("/version", json!(1.5), "service `Shop`: `version` is not a signed 32-bit integer"),
        ("/version", json!(4_294_967_296_u64), "service `Shop`: `version` is not a signed 32-bit integer"),
        ("/requires", json!({"any_of": []}), "service `Shop`: `any_of` has no roles, so nobody could call"),
        ("/service", json!(""), "the service name is empty"),
        ("/types/shop~1Order/fields/3/default", json!(1), ""),
    ];
    for (path, value, reason) in cases {
        let mut broken = full_description();
        match broken.pointer_mut(path) {
            Some(place) => *place = value,
            None => broken["types"]["shop/Order"]["fields"][3]["default"] = value,
        }
        let refused = ServiceDescription::from_json(&broken.to_string()).and_then(Contract::new);
        let error = refused.err().unwrap_or_else(|| panic!("{path} was accepted"));
        assert!(reason.is_empty() || error.message() == reason, "{path}: {error}");
    }
    let unknown = r#"{"service":"S","version":1,"methods":[],"color":1}"#;
    assert_eq!(ServiceDescription::from_json(unknown).unwrap_err().message(), "service `S`: unknown key `color`");
    assert!(ServiceDescription::from_json(r#"{"service":"S","service":"T","version":1,"methods":[]}"#).is_err());
}

#[test]
fn a_tag_that_reads_like_a_signature_does_not_take_its_place() {
    let clash = json!({
        "a": {"fields": []},
        "optional<a>": {"fields": [{"name": "x", "type": "int"}]},
        "g/T0": {"fields": [{"name": "x", "type": "list<list<a?>>"}, {"name": "y", "type": "list<list<optional<a>>>"}]},
    });
    let description = ServiceDescription::from_json(&service(clash).to_string()).unwrap();
    assert!(Contract::new(description).is_err());
}

#[test]
fn the_longest_chain_and_ring_fit_a_small_stack() {
    let small = std::thread::Builder::new().stack_size(512 * 1024);
    let run = || {
        let count = 10_000;
        for ring in [false, true] {
            let mut types: Vec<Vec<String>> = (1..count).map(|next| vec![tag(next)]).collect();
            types.push(if ring { vec![tag(0)] } else { Vec::new() });
            let contract = contract(&service(declared(&types)));
            assert_eq!(contract.graph().nodes().len(), count);
            assert_eq!(contract.graph().cycles().len(), usize::from(ring));
            let bodies: Vec<&[u8]> = contract.graph().nodes().iter().map(|node| node.bytes.as_slice()).collect();
            let roots: Vec<_> = contract.service().methods[0].request_type.into_iter().collect();
            assert_eq!(link(&bodies, &roots).unwrap().len(), count);
        }
        let over: Vec<Vec<String>> = vec![Vec::new(); count + 1];
        assert!(TypeTable::from_json(&declared(&over)).is_err());
    };
    small.spawn(run).unwrap().join().unwrap();
}

#[test]
fn container_types_are_bounded_in_number() {
    // Every field needs 15 container types of its own.
    let declared = |fields: usize| {
        let ty = |at: usize| format!("{}g/E{at}{}", "list<".repeat(16), ">".repeat(16));
        let field = |at: usize| json!({"name": format!("f{at}"), "type": ty(at)});
        let message = |part: usize| json!({"fields": (part..fields.min(part + 1000)).map(field).collect::<Vec<_>>()});
        let mut types: Map<String, Value> = (0..fields).step_by(1000).map(|part| (tag(part), message(part))).collect();
        types.extend((0..fields).map(|at| (format!("g/E{at}"), json!({"enum": ["A"]}))));
        TypeTable::from_json(&types.into()).unwrap()
    };
    assert_eq!(TypeGraph::new(&declared(2000)).unwrap().nodes().len(), 2 + 2000 * 16);
    assert!(TypeGraph::new(&declared(6500)).is_err());
}

#[test]
fn a_reference_that_does_not_commit_to_its_cycle_is_refused() {
    let types = json!({
        "g/T0": {"fields": [{"name": "first", "type": "g/Book"}]},
        "g/Book": {"fields": [{"name": "by", "type": "g/Author"}]},
        "g/Author": {"fields": [{"name": "books", "type": "list<g/Book>"}]},
    });
    let contract = contract(&service(types));
    let book = contract.graph().get("g.Book").unwrap();
    let mut shelf = contract.graph().get("g.T0").unwrap().def.clone();
    assert_eq!(shelf.fields[0].type_ref, Some(book.entering));
    let of_cycle = ["g.Book", "g.Author"].map(|name| contract.graph().get(name).unwrap().bytes.clone());
    let link_shelf = |shelf: &TypeDef| {
        let mut bodies = of_cycle.to_vec();
        bodies.push(shelf.canonical().unwrap());
        link(&bodies, &[shelf.hash().unwrap()])
    };
    assert!(link_shelf(&shelf).is_ok());
    shelf.fields[0].type_ref = Some(book.hash);
    let error = link_shelf(&shelf).unwrap_err();
    assert_eq!(error.message(), "type `g.T0`: field `first`: its reference does not commit to what it refers to");
    // Nor may a method refer to a member by its hash alone.
    assert!(link(&of_cycle, &[book.hash]).is_err());
    assert!(link(&of_cycle, &[book.entering]).is_ok());
}
