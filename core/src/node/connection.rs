//! Raw connections to peers: streams, datagrams, facts, and the way to use one for calls.

use std::sync::Arc;

use bytes::Bytes;
use iroh::endpoint::{Connection, ConnectionError, PathId, SendDatagramError};
use tokio_util::sync::CancellationToken;

use super::failure;
use super::handler::BUSY;
use super::inbox::{Inbox, Taken};
use super::monitor::ConnectionFacts;
use super::stream::{ReceiveStream, SendStream};
use super::transport::{QuicConnection, close_cause};
use crate::error::{Error, ErrorKind, Result};
use crate::rpc::{self, BoxFuture};

/// Both directions of a stream.
pub type StreamPair = (SendStream, ReceiveStream);

/// A connection that a node has accepted for the application.
pub struct Incoming {
    /// Its protocol.
    pub alpn: Vec<u8>,
    /// The connection.
    pub connection: PeerConnection,
}

/// One connection to a peer, for one protocol. Clones are the same connection; it is closed when the last one and
/// its streams are gone.
#[derive(Clone)]
pub struct PeerConnection(Arc<Inner>);

struct Inner {
    connection: Connection,
    /// Cancelled when our node closes, which the transport calls an error of its own.
    closing: CancellationToken,
    pairs: Arc<Inbox<StreamPair>>,
    singles: Arc<Inbox<ReceiveStream>>,
    datagrams: Arc<Inbox<Bytes>>,
}

/// Why and by whom a connection was closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closing {
    /// `local`, `application` (by the peer), `timeout`, `reset`, `transport` or `version`.
    pub kind: &'static str,
    /// Application code of the close frame, if there was one.
    pub code: Option<u64>,
    /// Text for people.
    pub reason: String,
}

impl PeerConnection {
    pub(super) fn new(connection: Connection, closing: CancellationToken) -> Self {
        Self(Arc::new(Inner {
            connection,
            closing,
            pairs: Arc::default(),
            singles: Arc::default(),
            datagrams: Arc::default(),
        }))
    }

    pub(super) fn close_busy(&self) {
        self.0.connection.close(BUSY.0.into(), BUSY.1.as_bytes());
    }

    /// Returns the connection as calls want it.
    pub fn transport(&self) -> Arc<dyn rpc::Connection> {
        Arc::new(QuicConnection::new(self.0.connection.clone()))
    }

    /// Returns the peer, 64 hex digits, as the handshake proved it.
    pub fn remote_id(&self) -> String {
        self.0.connection.remote_id().to_string()
    }

    /// Opens a stream in both directions; waits while the peer allows no more. The peer sees it with the first
    /// bytes.
    ///
    /// # Errors
    ///
    /// CONNECT once the connection is gone.
    pub fn open_bi(&self) -> BoxFuture<'static, Result<StreamPair>> {
        let this = self.0.clone();
        Box::pin(async move {
            let (send, recv) = this.connection.open_bi().await.map_err(|e| this.lost(&e))?;
            Ok((SendStream::new(send), ReceiveStream::new(recv)))
        })
    }

    /// Opens a stream in our direction.
    ///
    /// # Errors
    ///
    /// As for [`open_bi`](Self::open_bi).
    pub fn open_uni(&self) -> BoxFuture<'static, Result<SendStream>> {
        let this = self.0.clone();
        Box::pin(async move { this.connection.open_uni().await.map(SendStream::new).map_err(|e| this.lost(&e)) })
    }

    /// Accepts the next stream of the peer in both directions. Cancel-safe.
    ///
    /// # Errors
    ///
    /// CONNECT once the connection is gone.
    pub fn accept_bi(&self) -> BoxFuture<'static, Result<Taken<StreamPair>>> {
        let this = self.0.clone();
        Box::pin(async move {
            let fresh = async {
                let (send, recv) = this.connection.accept_bi().await.map_err(|e| this.lost(&e))?;
                Ok((SendStream::new(send), ReceiveStream::new(recv)))
            };
            this.pairs.next(fresh).await
        })
    }

    /// Accepts the next stream in the peer's direction. Cancel-safe.
    ///
    /// # Errors
    ///
    /// CONNECT once the connection is gone.
    pub fn accept_uni(&self) -> BoxFuture<'static, Result<Taken<ReceiveStream>>> {
        let this = self.0.clone();
        Box::pin(async move {
            let fresh = async {
                let accepted = this.connection.accept_uni().await;
                accepted.map(ReceiveStream::new).map_err(|e| this.lost(&e))
            };
            this.singles.next(fresh).await
        })
    }

    /// Waits for a datagram. Cancel-safe; the oldest ones are dropped while nobody reads.
    ///
    /// # Errors
    ///
    /// CONNECT once the connection is gone.
    pub fn read_datagram(&self) -> BoxFuture<'static, Result<Taken<Bytes>>> {
        let this = self.0.clone();
        Box::pin(async move {
            let fresh = async { this.connection.read_datagram().await.map_err(|e| this.lost(&e)) };
            this.datagrams.next(fresh).await
        })
    }

    /// Sends a datagram, which may be lost; older ones that did not leave yet make room.
    ///
    /// # Errors
    ///
    /// LIMIT if it is too large, UNSUPPORTED if the peer takes none, CONNECT once the connection is gone.
    pub fn send_datagram(&self, data: &[u8]) -> Result<()> {
        let connection = &self.0.connection;
        connection.send_datagram(Bytes::copy_from_slice(data)).map_err(|error| match error {
            SendDatagramError::TooLarge => {
                Error::limit("datagram", connection.max_datagram_size().unwrap_or(0), data.len())
            }
            SendDatagramError::ConnectionLost(error) => self.0.lost(&error),
            other => Error::new(ErrorKind::Unsupported, other.to_string()).with_detail("object", "node"),
        })
    }

    /// Returns the largest datagram that the path carries, in bytes; `None` if the peer takes none.
    pub fn max_datagram_size(&self) -> Option<usize> {
        self.0.connection.max_datagram_size()
    }

    /// Returns the bytes of datagrams that may be sent before older ones are dropped.
    pub fn datagram_send_buffer_space(&self) -> usize {
        self.0.connection.datagram_send_buffer_space()
    }

    /// Closes the connection. Idempotent.
    ///
    /// # Errors
    ///
    /// INVALID_ARGUMENT for a code of 2^62 or more.
    pub fn close(&self, code: u64, reason: &[u8]) -> Result<()> {
        self.0.connection.close(failure::code(code)?, reason);
        Ok(())
    }

    /// Resolves when the connection has ended.
    pub fn closed(&self) -> BoxFuture<'static, Closing> {
        let this = self.0.clone();
        Box::pin(async move { this.closed_by(&this.connection.closed().await) })
    }

    /// Returns what is known of the connection now.
    pub fn facts(&self) -> ConnectionFacts {
        ConnectionFacts::of(&self.0.connection)
    }

    /// Returns the round-trip time of the path in use, in nanoseconds; `None` once the connection has ended.
    pub fn rtt_ns(&self) -> Option<u64> {
        let facts = self.facts();
        let first = || self.0.connection.rtt(PathId::ZERO).and_then(|rtt| rtt.as_nanos().try_into().ok());
        if facts.rtt_ns > 0 { Some(facts.rtt_ns) } else { first() }
    }
}

impl Inner {
    fn lost(&self, error: &ConnectionError) -> Error {
        if self.closing.is_cancelled() { failure::node_closed() } else { failure::connection_lost(error) }
    }

    fn closed_by(&self, error: &ConnectionError) -> Closing {
        let kind = match error {
            ConnectionError::ApplicationClosed(_) => "application",
            ConnectionError::LocallyClosed => "local",
            ConnectionError::TimedOut => "timeout",
            ConnectionError::Reset => "reset",
            ConnectionError::VersionMismatch => "version",
            _ if self.closing.is_cancelled() => {
                return Closing { kind: "local", code: None, reason: "node is closed".to_owned() };
            }
            _ => "transport",
        };
        let cause = close_cause(error);
        Closing { kind, code: cause.code, reason: cause.reason }
    }
}
