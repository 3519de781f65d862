//! Router handlers. A panic in one would end the router, so each catches its own.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use iroh::endpoint::Connection;
use iroh::protocol::{AcceptError, DynProtocolHandler, ProtocolHandler};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::connection::{Incoming, PeerConnection};
use super::transport::QuicConnection;
use crate::admission::{Desk, Doorkeeper};
use crate::limits;
use crate::rpc::Dispatcher;
use crate::wire;

/// Keeps the panics of a handler from the router.
#[derive(Debug)]
pub(super) struct Guarded<H>(pub(super) H);

impl<H: ProtocolHandler> ProtocolHandler for Guarded<H> {
    async fn accept(&self, connection: Connection) -> Result<(), AcceptError> {
        let alpn = String::from_utf8_lossy(connection.alpn()).into_owned();
        match AssertUnwindSafe(self.0.accept(connection)).catch_unwind().await {
            Ok(done) => done,
            Err(_) => {
                error!(target: "aster::node", alpn, "serving a connection panicked");
                Ok(())
            }
        }
    }

    async fn shutdown(&self) {
        if AssertUnwindSafe(self.0.shutdown()).catch_unwind().await.is_err() {
            error!(target: "aster::node", "shutting a protocol down panicked");
        }
    }
}

/// Serves calls.
#[derive(Debug)]
pub(super) struct CallHandler(pub(super) Arc<Dispatcher>);

impl ProtocolHandler for CallHandler {
    async fn accept(&self, connection: Connection) -> Result<(), AcceptError> {
        self.0.clone().serve(Arc::new(QuicConnection::new(connection))).await;
        Ok(())
    }
}

/// Serves one kind of admission.
pub(super) struct AdmissionHandler<D>(pub(super) Arc<Doorkeeper>, pub(super) D);

impl<D> std::fmt::Debug for AdmissionHandler<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("AdmissionHandler").finish_non_exhaustive()
    }
}

impl<D: Desk + 'static> ProtocolHandler for AdmissionHandler<D> {
    async fn accept(&self, connection: Connection) -> Result<(), AcceptError> {
        self.0.serve(&self.1, &QuicConnection::new(connection)).await;
        Ok(())
    }
}

/// Keeps peers waiting until a server is up as a whole: what it answers before would lack something.
pub(super) struct Held {
    pub(super) handler: Box<dyn DynProtocolHandler>,
    pub(super) is_up: watch::Receiver<bool>,
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Held").finish_non_exhaustive()
    }
}

impl ProtocolHandler for Held {
    async fn accept(&self, connection: Connection) -> Result<(), AcceptError> {
        let mut is_up = self.is_up.clone();
        let up = timeout(limits::ADMISSION_REQUEST_TIMEOUT, async { is_up.wait_for(|is_up| *is_up).await.is_ok() });
        if up.await == Ok(true) {
            return self.handler.accept(connection).await;
        }
        Ok(())
    }

    async fn shutdown(&self) {
        self.handler.shutdown().await;
    }
}

/// Keeps connections for the application, as many as the queue holds.
#[derive(Debug)]
pub(super) struct IncomingHandler {
    pub(super) queue: mpsc::Sender<Incoming>,
    pub(super) closing: CancellationToken,
}

impl ProtocolHandler for IncomingHandler {
    async fn accept(&self, connection: Connection) -> Result<(), AcceptError> {
        let alpn = connection.alpn().to_vec();
        let incoming = Incoming { alpn, connection: PeerConnection::new(connection, self.closing.clone()) };
        if let Err(refused) = self.queue.try_send(incoming) {
            warn!(target: "aster::node", "a connection was closed: too many are waiting to be accepted");
            refused.into_inner().connection.close_busy();
        }
        Ok(())
    }
}

/// Close code of connections that are too many.
pub(super) const BUSY: (u32, &str) = (wire::CLOSE_BUSY, wire::BUSY_TEXT);
