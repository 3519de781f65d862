//! Values of the schema as JavaScript values, without a tree in between (`codec.md` section 9).
//!
//! Records are opened and made by functions of the package, one call per record: `open` gives the fields in declared
//! order as an array, `make` takes them as arguments. Format rules are core's.

mod hosts;
mod sink;
mod source;

pub(crate) use hosts::{Helpers, HostTypes};
pub(crate) use sink::JsSink;
pub(crate) use source::JsSource;
