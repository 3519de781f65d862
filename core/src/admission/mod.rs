//! Who gets in: the gate with its allowlist, and admission on both sides (`trust.md` sections 4 to 9).
//!
//! Nothing is admitted that core cannot prove: whatever is late, broken or full denies.

mod client;
mod connections;
mod consumer;
mod delegated;
mod desk;
mod gate;
mod library;
mod nonces;
mod peers;
mod producer;
mod rates;
mod rejects;
mod revocations;
mod roster;
mod streams;
mod verifier;

pub use client::{Presentation, request, request_producer};
pub use connections::{HeldConnection, LiveConnection};
pub use consumer::{ConsumerAdmission, Directory};
pub use delegated::{DelegatedAdmission, Delegation};
pub use desk::{Desk, Doorkeeper, answer};
pub use gate::Gate;
pub use library::{
    AdmissionResult, Checks, Examination, Iid, IidBackend, admit, answer_consumer, answer_producer, check_offline,
    check_runtime, verify_document,
};
pub use nonces::{MemoryNonces, NONCE_LEN, NonceStore, Nonces, nonce};
pub use peers::{Admission, AdmissionPath, Attributes, PeerList, PeerName, Standing};
pub use producer::ProducerAdmission;
pub use rates::Source;
use rejects::Rejects;
pub use revocations::{Revocations, Revoked};
pub use verifier::Verifier;
