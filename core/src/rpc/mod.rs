//! Calls: the state machines of both sides over any transport (`wire.md` sections 7 to 18).
//!
//! Server: [`Dispatcher`] serves connections, one task per stream, and talks to hosts through
//! [`crate::engine`]. Client: [`Caller`] submits calls over connections it dials when needed.
//! Sockets are not here but in [`crate::node`]; who may connect is decided in [`crate::admission`].

mod budget;
mod call;
mod caller;
mod checks;
mod dispatcher;
mod driver;
pub mod pipe;
mod session;
mod stream;
mod transport;

pub use caller::{Caller, Submission};
pub use dispatcher::{Dispatcher, DispatcherOptions, Service};
pub use transport::{BiStream, BoxFuture, CloseCause, Connection, Dialer, RecvHalf, SendHalf, StreamError};
