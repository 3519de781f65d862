//! The fory crate 1.7.7 as oracle: we read what it writes, and it reads what we write (`codec.md` section 11).
//!
//! Left out is what the crate cannot do: `Option<Box<Self>>`, and enums whose value is not the ordinal.

#[path = "support/properties.rs"]
mod properties;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use aster_core::codec::{Record, Schema, Value, ValueSink, ValueSource, decode_xlang, encode_xlang};
use aster_core::types::TypeTable;
use fory::{Date, Decimal, Duration, Fory, ForyEnum, ForyStruct, Serializer, Timestamp};
use properties::Choices;
use serde_json::{Value as Json, json};

/// A type of the oracle, and what its values are in ours.
trait Model {
    /// Makes a random value; containers are empty at depth 0.
    fn random(choices: &mut Choices, depth: u32) -> Self;
    /// Returns the value of a contract type that it stands for.
    fn value(&self, ty: &str) -> Value;
}

fn inner<'t>(ty: &'t str, container: &str) -> &'t str {
    let rest = ty.strip_prefix(container).and_then(|rest| rest.strip_prefix('<'));
    rest.and_then(|rest| rest.strip_suffix('>')).unwrap_or_else(|| panic!("{ty} is no {container}"))
}

macro_rules! integers {
    ($($rust:ty => $kind:ident($wide:ty);)*) => { $(
        impl Model for $rust {
            fn random(choices: &mut Choices, _: u32) -> Self {
                choices.bits() as $rust
            }

            fn value(&self, _: &str) -> Value {
                Value::$kind(<$wide>::from(*self))
            }
        }
    )* };
}

integers! {
    i8 => Int(i64); i16 => Int(i64); i32 => Int(i64); i64 => Int(i64);
    u8 => Uint(u64); u16 => Uint(u64); u32 => Uint(u64); u64 => Uint(u64);
}

impl Model for bool {
    fn random(choices: &mut Choices, _: u32) -> Self {
        choices.below(2) == 1
    }

    fn value(&self, _: &str) -> Value {
        Value::Bool(*self)
    }
}

impl Model for f64 {
    fn random(choices: &mut Choices, _: u32) -> Self {
        let value = f64::from_bits(choices.bits());
        // What is no number equals nothing.
        if value.is_nan() { -0.0 } else { value }
    }

    fn value(&self, _: &str) -> Value {
        Value::Float(*self)
    }
}

impl Model for f32 {
    fn random(choices: &mut Choices, _: u32) -> Self {
        let value = f32::from_bits(choices.bits() as u32);
        if value.is_nan() { f32::INFINITY } else { value }
    }

    fn value(&self, _: &str) -> Value {
        Value::Float(f64::from(*self))
    }
}

impl Model for String {
    fn random(choices: &mut Choices, _: u32) -> Self {
        let text = choices.text();
        // Long ones have longer headers.
        if choices.below(20) == 0 { text.repeat(40) } else { text }
    }

    fn value(&self, _: &str) -> Value {
        Value::Text(self.clone())
    }
}

impl Model for Timestamp {
    fn random(choices: &mut Choices, _: u32) -> Self {
        Timestamp::from_epoch_micros((choices.bits() % 253_402_300_799_999_999) as i64 - 62_135_596_800_000_000)
    }

    fn value(&self, _: &str) -> Value {
        Value::Timestamp(self.to_epoch_micros().expect("micros"))
    }
}

impl Model for Date {
    fn random(choices: &mut Choices, _: u32) -> Self {
        Date::from_epoch_days((choices.bits() % 3_652_059) as i64 - 719_162)
    }

    fn value(&self, _: &str) -> Value {
        Value::Date(self.epoch_days())
    }
}

impl Model for Duration {
    fn random(choices: &mut Choices, _: u32) -> Self {
        Duration::from_micros(choices.bits() as i64)
    }

    fn value(&self, _: &str) -> Value {
        Value::Duration(self.to_micros().expect("micros"))
    }
}

impl Model for Decimal {
    fn random(choices: &mut Choices, _: u32) -> Self {
        let magnitude = i128::from(choices.bits()) << choices.below(40);
        let unscaled = if choices.below(2) == 0 { magnitude } else { -magnitude };
        Decimal::new(unscaled.into(), choices.below(30) as i32 - 8)
    }

    fn value(&self, _: &str) -> Value {
        let text = self.unscaled.to_string();
        let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |digits| ("-", digits));
        Value::Decimal(match usize::try_from(self.scale) {
            Ok(0) => text,
            Ok(scale) => {
                let padded = format!("{digits:0>width$}", width = scale + 1);
                let (whole, fraction) = padded.split_at(padded.len() - scale);
                format!("{sign}{whole}.{fraction}")
            }
            Err(_) => format!("{text}E+{}", -self.scale),
        })
    }
}

impl<T: Model> Model for Option<T> {
    fn random(choices: &mut Choices, depth: u32) -> Self {
        (choices.below(3) > 0).then(|| T::random(choices, depth))
    }

    fn value(&self, ty: &str) -> Value {
        let ty = ty.strip_suffix('?').expect("an optional type");
        self.as_ref().map_or(Value::Null, |value| value.value(ty))
    }
}

fn several<T: Model, C: FromIterator<T>>(choices: &mut Choices, depth: u32) -> C {
    let count = if depth == 0 { 0 } else { choices.below(4) };
    (0..count).map(|_| T::random(choices, depth - 1)).collect()
}

impl<T: Model> Model for Vec<T> {
    fn random(choices: &mut Choices, depth: u32) -> Self {
        several(choices, depth)
    }

    fn value(&self, ty: &str) -> Value {
        if ty != "bytes" {
            return Value::List(self.iter().map(|item| item.value(inner(ty, "list"))).collect());
        }
        let byte = |item: &T| match item.value("uint8") {
            Value::Uint(byte) => byte as u8,
            other => panic!("{other:?} is no byte"),
        };
        Value::Bytes(self.iter().map(byte).collect())
    }
}

impl<T: Model + Ord> Model for BTreeSet<T> {
    fn random(choices: &mut Choices, depth: u32) -> Self {
        several(choices, depth)
    }

    fn value(&self, ty: &str) -> Value {
        Value::List(self.iter().map(|item| item.value(inner(ty, "set"))).collect())
    }
}

impl<K: Model + Ord, V: Model> Model for BTreeMap<K, V> {
    fn random(choices: &mut Choices, depth: u32) -> Self {
        several::<Entry<K, V>, Vec<_>>(choices, depth).into_iter().map(|Entry(key, value)| (key, value)).collect()
    }

    fn value(&self, ty: &str) -> Value {
        let (key_type, value_type) = inner(ty, "map").split_once(',').expect("two types");
        Value::Map(self.iter().map(|(key, value)| (key.value(key_type), value.value(value_type))).collect())
    }
}

struct Entry<K, V>(K, V);

impl<K: Model, V: Model> Model for Entry<K, V> {
    fn random(choices: &mut Choices, depth: u32) -> Self {
        Self(K::random(choices, depth), V::random(choices, depth))
    }

    fn value(&self, _: &str) -> Value {
        unreachable!("part of a map")
    }
}

#[derive(ForyEnum, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Color {
    #[default]
    Red = 0,
    Green = 1,
    Blue = 2,
}

impl Model for Color {
    fn random(choices: &mut Choices, _: u32) -> Self {
        choices.pick(&[Color::Red, Color::Green, Color::Blue])
    }

    fn value(&self, _: &str) -> Value {
        Value::Enum(format!("{self:?}").into())
    }
}

/// Declares messages once for both sides: the oracle's type and ours.
macro_rules! messages {
    ($($name:ident { $($(#[$meta:meta])* $field:ident: [$($rust:tt)*] = $ty:literal,)* })*) => {
        $(
            #[derive(ForyStruct, Clone, Debug, PartialEq)]
            struct $name { $($(#[$meta])* $field: $($rust)*,)* }

            impl Model for $name {
                fn random(_choices: &mut Choices, _depth: u32) -> Self {
                    Self { $($field: <$($rust)*>::random(_choices, _depth.saturating_sub(1)),)* }
                }

                fn value(&self, _: &str) -> Value {
                    let fields = vec![$((stringify!($field).into(), self.$field.value($ty)),)*];
                    Value::Record(Record { tag: Some(concat!("t/", stringify!($name)).into()), fields })
                }
            }
        )*

        fn types() -> Json {
            json!({
                "t/Color": {"enum": [["Red", 0], ["Green", 1], ["Blue", 2]]},
                $(concat!("t/", stringify!($name)): {
                    "fields": [$({"name": stringify!($field), "type": $ty}),*]
                },)*
            })
        }

        fn oracle() -> Fory {
            let mut fory = Fory::builder().xlang(true).compatible(true).track_ref(false).max_dyn_depth(100).build();
            fory.register_by_name::<Color>("t.Color").expect("Color");
            $(fory.register_by_name::<$name>(concat!("t.", stringify!($name))).expect(stringify!($name));)*
            fory
        }
    };
}

messages! {
    Numbers {
        a: [i8] = "int8", b: [i16] = "int16", #[fory(encoding = fixed)] c: [i32] = "int32", d: [i32] = "varint32",
        #[fory(encoding = fixed)] e: [i64] = "int64", f: [i64] = "int", g: [u8] = "uint8", h: [u16] = "uint16",
        #[fory(encoding = fixed)] i: [u32] = "uint32", j: [u32] = "var_uint32",
        #[fory(encoding = fixed)] k: [u64] = "uint64", l: [u64] = "var_uint64", m: [f32] = "float32", n: [f64] = "float",
        o: [bool] = "bool",
    }
    Texts { one: [String] = "string", two: [Option<String>] = "string?", #[fory(bytes)] raw: [Vec<u8>] = "bytes", }
    Optionals {
        a: [Option<i64>] = "int?", b: [Option<f64>] = "float?", c: [Option<bool>] = "bool?", d: [Option<u16>] = "uint16?",
        #[fory(bytes)] e: [Option<Vec<u8>>] = "bytes?", f: [Option<Vec<String>>] = "list<string>?",
        g: [Option<BTreeMap<String, i64>>] = "map<string,int>?", h: [Option<Item>] = "t/Item?",
        i: [Option<Timestamp>] = "timestamp?", j: [Option<Color>] = "t/Color?",
    }
    Item { name: [String] = "string", qty: [i64] = "int", }
    Lists {
        ints: [Vec<i64>] = "list<int>", texts: [Vec<Option<String>>] = "list<string?>", items: [Vec<Item>] = "list<t/Item>",
        maybe: [Vec<Option<Item>>] = "list<t/Item?>", nested: [Vec<Vec<Item>>] = "list<list<t/Item>>",
        flags: [Vec<bool>] = "list<bool>", floats: [Vec<f64>] = "list<float>",
    }
    Sets { ints: [BTreeSet<i64>] = "set<int>", texts: [BTreeSet<String>] = "set<string>", }
    Maps {
        ints: [BTreeMap<String, i64>] = "map<string,int>", texts: [BTreeMap<i64, Option<String>>] = "map<int,string?>",
        items: [BTreeMap<String, Item>] = "map<string,t/Item>",
        maybe: [BTreeMap<String, Option<Item>>] = "map<string,t/Item?>",
        lists: [BTreeMap<bool, Vec<Item>>] = "map<bool,list<t/Item>>",
        maps: [BTreeMap<String, BTreeMap<String, Item>>] = "map<string,map<string,t/Item>>",
    }
    Times {
        at: [Timestamp] = "timestamp", day: [Date] = "date", span: [Duration] = "duration", sum: [Decimal] = "decimal",
        ats: [Vec<Timestamp>] = "list<timestamp>", days: [Vec<Option<Date>>] = "list<date?>",
        spans: [BTreeMap<String, Duration>] = "map<string,duration>", sums: [Vec<Decimal>] = "list<decimal>",
    }
    Paint {
        one: [Color] = "t/Color", some: [Vec<Color>] = "list<t/Color>", maybe: [Vec<Option<Color>>] = "list<t/Color?>",
        by: [BTreeMap<String, Color>] = "map<string,t/Color>",
    }
    Empty { }
    Tree { value: [i64] = "int", children: [Vec<Tree>] = "list<t/Tree>", by: [BTreeMap<String, Tree>] = "map<string,t/Tree>", }
    All {
        numbers: [Numbers] = "t/Numbers", texts: [Texts] = "t/Texts", optionals: [Optionals] = "t/Optionals",
        lists: [Lists] = "t/Lists", sets: [Sets] = "t/Sets", maps: [Maps] = "t/Maps", times: [Times] = "t/Times",
        paint: [Paint] = "t/Paint", empty: [Empty] = "t/Empty", nothing: [Vec<Empty>] = "list<t/Empty>", tree: [Tree] = "t/Tree",
        again: [Option<Numbers>] = "t/Numbers?",
    }
}

struct Both {
    fory: Fory,
    schema: std::sync::Arc<Schema>,
}

impl Both {
    fn new() -> Self {
        let schema = Schema::compile(&TypeTable::from_json(&types()).expect("types")).expect("schema");
        Self { fory: oracle(), schema }
    }

    fn decode(&self, tag: &str, body: &[u8]) -> Value {
        let root = self.schema.root(tag).expect("root");
        decode_xlang(&self.schema, root, body, &mut ValueSink).unwrap_or_else(|e| panic!("{tag}: {e}"))
    }

    fn encode(&self, tag: &str, value: &Value) -> Vec<u8> {
        let (mut out, root) = (Vec::new(), self.schema.root(tag).expect("root"));
        encode_xlang(&self.schema, root, &mut ValueSource::new(), &value, &mut out).expect("bytes");
        out
    }

    fn check<T>(&self, tag: &str, choices: &mut Choices)
    where
        T: Model + Serializer<Target = T> + Debug + PartialEq,
    {
        let theirs = T::random(choices, 5);
        let ours = theirs.value(tag);
        let body = self.fory.serialize(&theirs).expect("the oracle writes");
        assert_eq!(self.decode(tag, &body), ours);
        let body = self.encode(tag, &ours);
        assert_eq!(self.fory.deserialize::<T>(&body).expect("the oracle reads"), theirs);
    }
}

#[test]
fn values_pass_in_both_directions() {
    let both = Both::new();
    properties::run("fory", 300, |choices| match choices.below(4) {
        0 => both.check::<All>("t/All", choices),
        1 => both.check::<Tree>("t/Tree", choices),
        2 => both.check::<Optionals>("t/Optionals", choices),
        _ => both.check::<Maps>("t/Maps", choices),
    });
}

#[test]
fn bare_scalars_pass_in_both_directions() {
    let both = Both::new();
    properties::run("fory scalars", 300, |choices| {
        let (text, int) = (String::random(choices, 0), i64::random(choices, 0));
        let (float, flag) = (f64::random(choices, 0), bool::random(choices, 0));
        for (root, body, value) in [
            ("string", both.fory.serialize(&text), text.value("string")),
            ("int", both.fory.serialize(&int), int.value("int")),
            ("float", both.fory.serialize(&float), float.value("float")),
            ("bool", both.fory.serialize(&flag), flag.value("bool")),
        ] {
            assert_eq!(both.decode(root, &body.expect("the oracle writes")), value);
        }
        let read = |root: &str, value: Value| both.encode(root, &value);
        assert_eq!(both.fory.deserialize::<String>(&read("string", text.value(""))).expect("text"), text);
        assert_eq!(both.fory.deserialize::<i64>(&read("int", int.value(""))).expect("int"), int);
        assert_eq!(both.fory.deserialize::<f64>(&read("float", float.value(""))).expect("float"), float);
        assert_eq!(both.fory.deserialize::<bool>(&read("bool", flag.value(""))).expect("bool"), flag);
    });
}
