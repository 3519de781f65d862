//! What a binding sees of core: services, calls as handles, and one completion queue (`wire.md` section 20).
//!
//! Submissions are plain synchronous calls that encode on the caller's thread and own their bytes on return.
//! Results come back as [`Event`]s, drained in batches. Nothing here does I/O: the state machines that move
//! bytes are in [`crate::rpc`], the network is in [`crate::node`].

mod body;
mod client_call;
mod client_session;
mod doorbell;
mod event;
mod plan;
mod queue;
mod server_call;
mod session;
mod signal;

pub use body::{Body, Encoding};
pub use client_call::{CallOptions, ClientCall, Timeout};
pub use client_session::ClientSession;
pub use event::Event;
pub use plan::{MethodPlan, ServicePlan};
pub use queue::{Queue, Wake};
pub use server_call::{CallInfo, ServerCall};
pub use session::ServerSession;

pub(crate) use body::append;
pub(crate) use client_call::{CallRequest, Header};
pub(crate) use doorbell::Errand;
pub(crate) use queue::next_ticket;
pub(crate) use signal::Signal;
