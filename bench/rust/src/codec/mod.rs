//! `aster-bench codec [SLICES] [MICROSECONDS]`: our codec against the fory crate, the same structs in one process.
//!
//! Both write into a kept buffer and read into owned structs. Short slices of all systems alternate; medians count, so that
//! neighbours on the machine do not. The
//! fory crate is set to what interoperates (xlang, compatible, by name, no references) and reads its own bytes.

mod model;
mod sink;
mod source;

use std::error::Error;
use std::fmt::Debug;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aster_core::codec::{RootId, Schema, Value, ValueSink, ValueSource, decode_json, decode_xlang, encode_xlang};
use aster_core::types::TypeTable;
use fory::{Fory, Serializer};
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};

use model::{Line, Order, Rows, Small};
use sink::{Built, Class, StructSink, classes};
use source::{Handle, StructSource, View};

/// A message of the benchmark, as both codecs want it.
trait Message: Serializer<Target = Self> + DeserializeOwned + Debug + PartialEq {
    fn view(&self) -> View<'_>;
    fn built(value: Built) -> Option<Box<Self>>;
}

macro_rules! message {
    ($name:ident) => {
        impl Message for $name {
            fn view(&self) -> View<'_> {
                View::$name(self)
            }

            fn built(value: Built) -> Option<Box<Self>> {
                if let Built::$name(value) = value { Some(value) } else { None }
            }
        }
    };
}

message!(Small);
message!(Order);
message!(Rows);

struct Settings {
    slices: usize,
    slice: Duration,
}

/// Runs the benchmark and prints a table and one JSON line per row.
pub fn run(args: &[String]) -> Result<(), Box<dyn Error + Send + Sync>> {
    let number = |at: usize, default: u64| args.get(at).map_or(Ok(default), |text| text.parse::<u64>());
    let settings = Settings { slices: number(0, 301)? as usize, slice: Duration::from_micros(number(1, 500)?) };
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../codec/messages.json"))?;
    let messages: Json = serde_json::from_str(&text)?;
    println!("| message | work | bytes | fory crate ns | aster structs ns | ratio | aster value tree ns | ratio |");
    println!("|---|---|---|---|---|---|---|---|");
    let rows = [
        measure::<Small>("small", &messages, &settings)?,
        measure::<Order>("medium", &messages, &settings)?,
        measure::<Rows>("rows1000", &messages, &settings)?,
    ];
    for row in rows.into_iter().flatten() {
        println!("{row}");
    }
    Ok(())
}

fn oracle() -> Result<Fory, fory::Error> {
    let mut fory = Fory::builder().xlang(true).compatible(true).track_ref(false).build();
    fory.register_by_name::<Line>("bench.Line")?;
    fory.register_by_name::<Order>("bench.Order")?;
    fory.register_by_name::<Rows>("bench.Rows")?;
    fory.register_by_name::<Small>("bench.Small")?;
    Ok(fory)
}

/// One message with everything that reads or writes it.
struct Subject<T> {
    schema: Arc<Schema>,
    root: RootId,
    classes: Vec<Class>,
    fory: Fory,
    message: T,
    tree: Value,
}

impl<T: Message> Subject<T> {
    fn new(case: &Json) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let schema = Schema::compile(&TypeTable::from_json(&case["types"])?)?;
        let root = schema.root(case["root"].as_str().unwrap_or_default())?;
        let tree = decode_json(&schema, root, case["value"].to_string().as_bytes(), &mut ValueSink)?;
        let message = serde_json::from_value(case["value"].clone())?;
        Ok(Self { classes: classes(&schema), schema, root, fory: oracle()?, message, tree })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let mut source = StructSource::default();
        let value = Handle::Record(self.message.view());
        encode_xlang(&self.schema, self.root, &mut source, &value, out).expect("bytes");
    }

    fn encode_tree(&self, out: &mut Vec<u8>) {
        let mut source = ValueSource::new();
        encode_xlang(&self.schema, self.root, &mut source, &&self.tree, out).expect("bytes");
    }

    fn encode_fory(&self, out: &mut Vec<u8>) {
        self.fory.serialize_to(out, &self.message).expect("bytes");
    }

    fn decode(&self, body: &[u8]) -> Box<T> {
        let built = decode_xlang(&self.schema, self.root, body, &mut StructSink(&self.classes)).expect("a value");
        T::built(built).expect("a message")
    }

    fn decode_tree(&self, body: &[u8]) -> Value {
        decode_xlang(&self.schema, self.root, body, &mut ValueSink).expect("a value")
    }

    fn decode_fory(&self, body: &[u8]) -> T {
        self.fory.deserialize(body).expect("a value")
    }

    /// Each reads what the other wrote, and all agree on the message.
    fn check(&self, ours: &[u8], theirs: &[u8]) {
        let mut tree = Vec::new();
        self.encode_tree(&mut tree);
        assert_eq!(tree, ours);
        assert_eq!(*self.decode(theirs), self.message);
        assert_eq!(self.decode_fory(ours), self.message);
        assert_eq!(self.decode_tree(theirs), self.tree);
    }
}

fn measure<T: Message>(
    name: &str,
    messages: &Json,
    settings: &Settings,
) -> Result<[Json; 2], Box<dyn Error + Send + Sync>> {
    let subject = Subject::<T>::new(&messages[name])?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    subject.encode(&mut ours);
    subject.encode_fory(&mut theirs);
    subject.check(&ours, &theirs);
    let mut kept: [Vec<u8>; 3] = std::array::from_fn(|_| Vec::new());
    let [fory, structs, tree] = &mut kept;
    let encode = compare(
        settings,
        [&mut || subject.encode_fory(cleared(fory)), &mut || subject.encode(cleared(structs)), &mut || {
            subject.encode_tree(cleared(tree))
        }],
    );
    let decode = compare(
        settings,
        [
            &mut || drop(black_box(subject.decode_fory(black_box(&theirs)))),
            &mut || drop(black_box(subject.decode(black_box(&ours)))),
            &mut || drop(black_box(subject.decode_tree(black_box(&ours)))),
        ],
    );
    Ok([row(name, "encode", ours.len(), encode), row(name, "decode", ours.len(), decode)])
}

fn cleared(out: &mut Vec<u8>) -> &mut Vec<u8> {
    black_box(&out);
    out.clear();
    out
}

fn row(message: &str, work: &str, bytes: usize, [fory, structs, tree]: [f64; 3]) -> Json {
    let (structs_ratio, tree_ratio) = (structs / fory, tree / fory);
    println!(
        "| {message} | {work} | {bytes} | {fory:.0} | {structs:.0} | {structs_ratio:.2}x | {tree:.0} | {tree_ratio:.2}x |"
    );
    json!({
        "bench": "codec-rust", "message": message, "work": work, "bytes": bytes, "fory_ns": fory, "structs_ns": structs,
        "structs_ratio": structs_ratio, "tree_ns": tree, "tree_ratio": tree_ratio,
    })
}

/// Returns the median nanoseconds of each piece of work; their slices alternate.
fn compare<const N: usize>(settings: &Settings, mut works: [&mut dyn FnMut(); N]) -> [f64; N] {
    let counts = std::array::from_fn::<_, N, _>(|at| calibrate(settings.slice, works[at]));
    let mut times: [Vec<f64>; N] = std::array::from_fn(|_| Vec::new());
    for _ in 0..settings.slices {
        for ((work, count), times) in works.iter_mut().zip(counts).zip(&mut times) {
            let start = Instant::now();
            (0..count).for_each(|_| work());
            times.push(start.elapsed().as_nanos() as f64 / f64::from(count));
        }
    }
    times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    })
}

/// Returns how often a piece of work runs in a slice, warm.
fn calibrate(slice: Duration, work: &mut dyn FnMut()) -> u32 {
    let mut count = 1;
    loop {
        let start = Instant::now();
        (0..count).for_each(|_| work());
        if start.elapsed() >= slice {
            return count;
        }
        count *= 2;
    }
}
