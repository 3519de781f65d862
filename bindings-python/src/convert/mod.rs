//! Values between Python objects and core's codec, without anything in between (`codec.md` section 9).
//!
//! Not here: format rules, declarations (`python/aster`).

mod hosts;
mod sink;
mod source;
mod standard;

pub use hosts::HostTypes;
pub use sink::PySink;
pub use source::PySource;
