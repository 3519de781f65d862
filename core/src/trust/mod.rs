//! Documents of admission, and the rule that opens or closes a gate (`trust.md` sections 3 to 6).
//!
//! Credentials are read here, and their signatures checked where a file is read; admission verifies them with a later
//! version, and until then every credential is denied.

mod consumer;
mod credential;
mod gate;
mod json;
mod signature;

pub use consumer::{ConsumerAnswer, ConsumerRequest, ServiceSummary};
pub use credential::{Credential, CredentialKind, canonical_attributes};
pub use gate::{GateDecision, GateFlag, decide_gate};
pub use signature::Grant;
