//! Events of a completion queue (`wire.md` section 20).

use std::any::Any;
use std::sync::Arc;

use super::{Body, ServerCall, ServerSession};
use crate::status::{RpcStatus, StatusCode};

/// Something that happened, for the host to act on.
pub enum Event {
    /// Client: a unary or client-stream call succeeded. Terminal.
    Response {
        /// The call.
        ticket: u64,
        /// Its response.
        body: Body,
    },
    /// Client: one item of a server-stream or bidi call; uses one credit.
    Item {
        /// The call.
        ticket: u64,
        /// The item.
        body: Body,
    },
    /// Client: a call that answered *full* takes items again.
    CallWritable {
        /// The call.
        ticket: u64,
    },
    /// Client: a session was opened at the server; before the first event of its calls.
    ClientSessionOpened {
        /// The session.
        ticket: u64,
    },
    /// Client: a session ended, after the last event of its calls.
    ClientSessionClosed {
        /// The session.
        ticket: u64,
        /// Why: OK if this side closed it, else the status of later calls.
        status: RpcStatus,
        /// Whether the loss of the connection ended it.
        connection_lost: bool,
    },
    /// Client: a call ended; the end of a stream and every failure come so. Terminal.
    Finished {
        /// The call.
        ticket: u64,
        /// How it ended.
        status: RpcStatus,
        /// Whether the loss of the connection ended it, rather than an answer.
        connection_lost: bool,
    },
    /// Server: a call passed core's checks. Carries the request of unary and server-stream calls.
    CallStarted {
        /// The call, to be answered and released.
        call: Arc<ServerCall>,
        /// Its request.
        body: Option<Body>,
    },
    /// Server: one item of a client-stream or bidi call; uses one credit.
    RequestItem {
        /// The call.
        call: Arc<ServerCall>,
        /// The item.
        body: Body,
    },
    /// Server: the input of a client-stream or bidi call is complete.
    HalfClosed {
        /// The call.
        call: Arc<ServerCall>,
    },
    /// Server: stop the handler; answers are ignored from here.
    Cancelled {
        /// The call.
        call: Arc<ServerCall>,
        /// Why: 1 by the peer, 4 deadline, 3, 13 or 101 bad input, 14 connection lost or server stopping.
        reason: StatusCode,
    },
    /// Server: a call that answered *full* takes items again.
    Writable {
        /// The call.
        call: Arc<ServerCall>,
    },
    /// Server: a session began; before the first of its calls.
    SessionOpened {
        /// The session.
        session: Arc<ServerSession>,
    },
    /// Server: a session ended, after the last of its handlers was released.
    SessionClosed {
        /// The session.
        session: Arc<ServerSession>,
    },
    /// The binding's own completion of a control-plane operation.
    Posted(Box<dyn Any + Send>),
    /// The last event of a queue.
    QueueClosed,
}
