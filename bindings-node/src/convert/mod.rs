//! Values of the schema as JavaScript values, without a tree in between (`codec.md` section 9).
//!
//! The package walks its own objects and leaves a tape of slots, or builds objects from one: one crossing per message.
//! Format rules are core's.

mod hosts;
mod sink;
mod source;
mod tape;

pub(crate) use hosts::HostTypes;
pub(crate) use sink::TapeSink;
pub(crate) use source::{Handed, TapeSource};
pub(crate) use tape::Tapes;
