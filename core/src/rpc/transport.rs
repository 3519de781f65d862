//! What a call needs of a connection: streams with flow control, reset and stop (`wire.md` section 2).
//!
//! The iroh transport (`crate::node`) and the in-process pipe ([`super::pipe`]) implement these traits.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};

use crate::admission::Source;
use crate::ids::EndpointId;
use crate::limits;
use crate::status::{RpcStatus, StatusCode};
use crate::wire;

/// A boxed future of the control plane.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Why a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseCause {
    /// Application code of the close frame, if the connection was closed by one.
    pub code: Option<u64>,
    /// Text for people.
    pub reason: String,
}

impl CloseCause {
    /// Makes a cause without a code.
    pub fn lost(reason: impl Into<String>) -> Self {
        Self { code: None, reason: reason.into() }
    }

    /// Returns the status of calls that the connection takes with it (`wire.md` section 10).
    pub fn to_status(&self) -> RpcStatus {
        if self.code == Some(wire::CLOSE_NOT_ADMITTED.into()) {
            return RpcStatus::new(StatusCode::PERMISSION_DENIED, wire::NOT_ADMITTED_TEXT);
        }
        RpcStatus::new(StatusCode::UNAVAILABLE, format!("connection lost: {self}"))
    }
}

impl fmt::Display for CloseCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) if self.reason.is_empty() => write!(f, "closed with code {code}"),
            _ => f.write_str(&self.reason),
        }
    }
}

/// Why one direction of a stream ended early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamError {
    /// The peer reset its direction, or stopped ours, with this code.
    Aborted(u64),
    /// The connection ended.
    Lost(CloseCause),
}

/// The sending direction of a stream. Dropping it without [`finish`](Self::finish) resets it.
pub trait SendHalf: Send {
    /// Writes some bytes; pending while the peer's window is full.
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, StreamError>>;
    /// Writes some bytes from the front of a buffer and takes them away; a transport may keep them without a copy.
    fn poll_write_owned(&mut self, cx: &mut Context<'_>, bytes: &mut Bytes) -> Poll<Result<(), StreamError>> {
        self.poll_write(cx, bytes).map_ok(|n| bytes.advance(n))
    }
    /// Ends the direction after what was written.
    fn finish(&mut self);
    /// Ends the direction at once and discards what was not delivered.
    fn reset(&mut self, code: u32);
    /// Resolves when the peer stops the direction or the connection ends.
    fn poll_stopped(&mut self, cx: &mut Context<'_>) -> Poll<StreamError>;
}

/// The receiving direction of a stream. Dropping it stops the peer with code 0.
pub trait RecvHalf: Send {
    /// Appends what arrived, at most `max` bytes; 0 is the end of the direction.
    fn poll_read(&mut self, cx: &mut Context<'_>, max: usize, into: &mut BytesMut) -> Poll<Result<usize, StreamError>>;
    /// Asks the peer to stop sending.
    fn stop(&mut self, code: u32);
}

/// A bidirectional stream.
pub struct BiStream {
    /// Our direction.
    pub send: Box<dyn SendHalf>,
    /// The peer's direction.
    pub recv: Box<dyn RecvHalf>,
}

/// A connection to one peer for one protocol.
pub trait Connection: Send + Sync {
    /// Returns the endpoint id that the handshake proved; `None` in process.
    fn remote(&self) -> Option<EndpointId>;
    /// Returns the network that the peer is in, as far as rates are concerned.
    fn source(&self) -> Source {
        Source::Exempt
    }
    /// Opens a stream; pending while the peer allows no more.
    fn open_bi(&self) -> BoxFuture<'_, Result<BiStream, CloseCause>>;
    /// Accepts the next stream of the peer.
    fn accept_bi(&self) -> BoxFuture<'_, Result<BiStream, CloseCause>>;
    /// Resolves when the connection has ended.
    fn closed(&self) -> BoxFuture<'static, CloseCause>;
    /// Tells why the connection ended, if it has.
    fn close_cause(&self) -> Option<CloseCause>;
    /// Tells whether both ends are one program that passes objects instead of encoded bodies; hosts tell them apart.
    fn passes_objects(&self) -> bool {
        false
    }
    /// Returns the bytes that one direction of a call holds at most, on each side.
    fn window_bytes(&self) -> usize {
        if self.passes_objects() { limits::OBJECT_WINDOW_BYTES } else { limits::WINDOW_BYTES }
    }
    /// Returns how many datagrams have arrived; `None` if the transport does not count them.
    fn datagrams_received(&self) -> Option<u64> {
        None
    }
    /// Closes the connection.
    fn close(&self, code: u32, reason: &str);
}

/// Makes connections to one server, admission included.
pub trait Dialer: Send + Sync {
    /// Dials the server for calls.
    ///
    /// # Errors
    ///
    /// CONNECT if the server cannot be reached.
    fn dial(&self) -> BoxFuture<'_, crate::error::Result<std::sync::Arc<dyn Connection>>>;
    /// Runs admission again, after the server closed a connection as not admitted.
    ///
    /// # Errors
    ///
    /// ADMISSION_DENIED if it refuses, CONNECT if it cannot be asked.
    fn readmit(&self) -> BoxFuture<'_, crate::error::Result<()>> {
        Box::pin(std::future::ready(Ok(())))
    }
}
