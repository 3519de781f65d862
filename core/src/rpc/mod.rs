//! Calls: the state machines of both sides over any transport (`wire.md` sections 7 to 18).
//!
//! Server: [`Dispatcher`] serves connections, one task per stream, and talks to hosts through
//! [`crate::engine`]. Client: [`Caller`] submits calls over connections it dials when needed.
//! Sockets are not here but in [`crate::node`]; who may connect is decided in [`crate::admission`].

mod alarm;
mod bound;
mod budget;
mod call;
mod caller;
mod capability;
mod checks;
mod dispatcher;
mod driver;
mod exchange;
mod failover;
mod inbound;
mod local;
mod outflow;
pub mod pipe;
mod session;
mod session_client;
mod stream;
mod transport;

pub use bound::BoundService;
pub use caller::{Caller, Submission};
pub use capability::CapabilityMap;
pub use dispatcher::{Dispatcher, DispatcherOptions, Load, Service};
pub use failover::{Route, Routes};
pub use local::{connected_caller, local_caller};
pub use transport::{BiStream, BoxFuture, CloseCause, Connection, Dialer, RecvHalf, SendHalf, StreamError};
