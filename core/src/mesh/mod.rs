//! The producers' mesh: who is a member, in which order messages count, whose clock is believed (`trust.md` section 11).
//!
//! Pure: bytes and the time come in, effects go out. Topics and connections are in `node`.

mod admission;
mod drift;
mod file;
mod message;
mod state;

pub use admission::{Accepted, producer_denial};
pub use drift::DriftConfig;
pub use message::{Envelope, MessageKind, Notice, signed_bytes, topic};
pub use state::{Dropped, Effect, Mesh, VerifyProducer};
