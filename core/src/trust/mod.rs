//! Documents of admission, their verification, and the rule that opens or closes a gate (`trust.md` sections 3 to 6).
//!
//! Pure: bytes and the time come in, verdicts go out. Who is admitted at a moment is in `admission`.

mod cause;
mod consumer;
mod credential;
mod delegated;
mod draft;
mod enrollment;
mod gate;
mod hint;
mod iid;
mod json;
mod signature;
mod verify;

pub use cause::Cause;
pub use consumer::{ConsumerAnswer, ConsumerRequest, ServiceSummary};
pub use credential::{Credential, CredentialKind, canonical_attributes, read_attributes};
pub use delegated::{DelegatedGrant, DelegatedHello, DelegatedPolicy, ProofContext, delegated_canonical, proof_bytes};
pub use enrollment::{Enrollment, EnrollmentKind, Offline};
pub use gate::{GateDecision, GateFlag, decide_gate};
pub use hint::denial_hint;
pub use iid::{IidKeys, IidSettings};
pub(crate) use json::parse as strict_json;
pub use signature::Grant;
pub use verify::{Expectation, verify_credential};
