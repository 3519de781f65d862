//! Who gets in: the gate, and consumer admission on both sides (`trust.md` sections 5 to 7).
//!
//! This version decides for open gates. A closed gate cannot verify a credential yet and denies, as does every
//! credential that is presented: nothing is admitted that core cannot prove.

mod consumer;
mod gate;

pub use consumer::{ConsumerAdmission, Directory, request};
pub use gate::Gate;
