//! Damaged bodies give an error or a value that holds together; memory and stack stay small (`codec.md` section 11).

#[path = "support/properties.rs"]
mod properties;
#[path = "support/values.rs"]
mod values;

use std::alloc::System;

use aster_core::codec::{
    RootId, Schema, Value, ValueSink, ValueSource, decode_json, decode_xlang, encode_json, encode_xlang,
    seal_definition,
};
use aster_core::types::TypeTable;
use cap::Cap;
use properties::Choices;
use values::{random_types, random_value};

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// What all the bodies here, of some hundred bytes each, may take at once.
const MEMORY: usize = 4 << 20;
const STACK: usize = 512 * 1024;
/// Where the first type definition is: behind `01 ff 1e 00`; and where its body is.
const DEFINITION: usize = 4;
const DEFINITION_BODY: usize = DEFINITION + 8;

/// One way to read and write bodies.
struct Mode<'s> {
    schema: &'s Schema,
    root: RootId,
    json: bool,
}

impl Mode<'_> {
    fn decode(&self, body: &[u8]) -> Option<Value> {
        let decoded = match self.json {
            true => decode_json(self.schema, self.root, body, &mut ValueSink),
            false => decode_xlang(self.schema, self.root, body, &mut ValueSink),
        };
        decoded.ok()
    }

    fn encode(&self, value: &Value) -> Vec<u8> {
        let mut out = Vec::new();
        let source = &mut ValueSource::new();
        let outcome = match self.json {
            true => encode_json(self.schema, self.root, source, &value, &mut out),
            false => encode_xlang(self.schema, self.root, source, &value, &mut out),
        };
        outcome.expect("a decoded value encodes");
        out
    }

    /// Whatever decodes, encodes, and decodes to itself.
    fn check(&self, body: &[u8]) {
        if let Some(value) = self.decode(body) {
            let again = self.encode(&value);
            let value = self.decode(&again).expect("what was encoded decodes");
            assert_eq!(self.encode(&value), again);
        }
    }
}

/// Changes some bytes, the first of them at `from` or behind it.
fn flip(choices: &mut Choices, body: &mut [u8], from: usize) {
    let from = from.min(body.len() - 1);
    for _ in 0..=choices.below(5) {
        let at = from + choices.below((body.len() - from) as u64) as usize;
        let old = body[at];
        body[at] = choices.pick(&[0, 1, 2, 0x0c, 0x1e, 0x24, 0x7f, 0x80, 0xfd, 0xff, b'{', b'"', b'9', old ^ 4]);
    }
}

/// Changes the first type definition and gives it the hash it needs.
fn redefine(choices: &mut Choices, body: &mut [u8], length: usize) {
    let end = DEFINITION + length;
    // Longer ones have their size behind the header, which stays as it is.
    if length < 0xff {
        flip(choices, &mut body[..end], DEFINITION_BODY);
        let sealed = seal_definition(&body[DEFINITION_BODY..end]);
        body[DEFINITION..end].copy_from_slice(&sealed);
    }
}

fn damage(choices: &mut Choices) {
    let types = random_types(choices);
    let schema = Schema::compile(&TypeTable::from_json(&types).expect("types")).expect("schema");
    let root = schema.root("p/A").expect("root");
    let value = random_value(choices, &types, "p/A", 5);
    let definition = schema.message_by_tag("p/A").expect("a message").definition().len();
    for json in [false, true] {
        let mode = Mode { schema: &schema, root, json };
        let sound = mode.encode(&value);
        for round in 0..20 {
            let mut body = sound.clone();
            match (json, round % 4) {
                (false, 0) => redefine(choices, &mut body, definition),
                // Behind the definition, whose hash protects it.
                (false, _) => flip(choices, &mut body, DEFINITION + definition),
                (true, _) => flip(choices, &mut body, 0),
            }
            if round % 5 == 4 {
                body.truncate(choices.below(body.len() as u64) as usize);
            }
            mode.check(&body);
        }
    }
}

/// The only test of this program: what others allocate would be counted too.
#[test]
fn damaged_bodies_give_errors_or_sound_values() {
    let run = || {
        let before = ALLOCATOR.allocated();
        properties::run("damaged_bodies", 300, |choices| {
            damage(choices);
            let taken = ALLOCATOR.max_allocated().saturating_sub(before);
            assert!(taken <= MEMORY, "{taken} bytes were allocated at once");
        });
    };
    std::thread::Builder::new().stack_size(STACK).spawn(run).expect("a thread").join().expect("no failure");
}
