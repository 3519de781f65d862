//! Documents of admission, and the rule that opens or closes a gate (`trust.md` sections 3 to 6).
//!
//! Credentials are told from their absence here; their verification comes with a later version, and until then
//! every credential is denied.

mod consumer;
mod gate;
mod json;

pub use consumer::{ConsumerAnswer, ConsumerRequest, ServiceSummary};
pub use gate::{GateDecision, GateFlag, decide_gate};
