//! JSON mode: strict JSON of the same types (`codec.md` section 7).
//!
//! Not here: the JSON form of frames (`crate::wire`) and of contracts (`crate::contract`).

mod lexer;
mod read;
mod scalar;
mod untyped;
mod write;

pub(super) use read::decode_default;
pub use read::decode_json;
pub use write::encode_json;
