//! Values between Python objects and core's codec, without anything in between (`codec.md` section 9).
//!
//! Not here: format rules. Types beyond those a declaration may use today are refused by `aster` before.

mod sink;
mod source;

pub use sink::PySink;
pub use source::PySource;
