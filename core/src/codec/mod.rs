//! Payload codec: values to body bytes and back, driven by the types of a service (`codec.md`).
//!
//! A [`Schema`] is compiled once from the declared types. [`encode_xlang`] and [`decode_xlang`] speak Apache Fory
//! xlang, [`encode_json`] and [`decode_json`] strict JSON, [`encode_row`] and [`RowReader`] rows. Hosts take part through
//! [`Source`] and [`Sink`].
//!
//! Not here: frames and modes (`crate::frame`, `crate::wire`), contract identity (`crate::contract`).

mod bytes;
mod compile;
mod compress;
mod decimal;
mod decode;
mod defaults;
mod definition;
mod encode;
mod foreign;
mod json;
mod names;
mod plan;
mod root_name;
mod row;
mod scalar;
mod schema;
mod sink;
mod source;
mod text;
mod time;
mod value;
mod violation;
mod walk;

pub use compress::{Expansion, compress, decompress, zstd_frame};
pub use decode::decode_xlang;
pub use definition::seal_definition;
pub use encode::encode_xlang;
pub use json::{decode_json, encode_json};
pub use names::quote;
pub use plan::{EnumId, Integer, Kind, MessageId, TypePlan};
pub use root_name::root_name;
pub use row::{RowReader, encode_row, encode_row_schema};
pub use schema::{EnumSchema, FieldSchema, MemberSchema, MessageSchema, RootId, Schema};
pub use sink::{Made, Refusal, Sink};
pub use source::{Entries, Mismatch, Number, Read, Source};
pub use text::{Text, is_uuid};
pub use value::{OpenMap, Record, Value, ValueSink, ValueSource};
pub use violation::{CodecError, CodecErrorKind};
