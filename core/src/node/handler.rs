//! Router handlers of our protocols. A panic in one would end the router, so each catches its own.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use iroh::endpoint::Connection;
use iroh::protocol::{AcceptError, ProtocolHandler};
use tracing::error;

use super::transport::QuicConnection;
use crate::admission::ConsumerAdmission;
use crate::rpc::Dispatcher;

/// Serves calls.
#[derive(Debug)]
pub(crate) struct CallHandler(pub(crate) Arc<Dispatcher>);

impl ProtocolHandler for CallHandler {
    async fn accept(&self, connection: Connection) -> Result<(), AcceptError> {
        let serve = self.0.clone().serve(Arc::new(QuicConnection::new(connection)));
        if AssertUnwindSafe(serve).catch_unwind().await.is_err() {
            error!(target: "aster::rpc", "serving a connection panicked");
        }
        Ok(())
    }
}

/// Serves consumer admission.
#[derive(Debug)]
pub(crate) struct AdmissionHandler(pub(crate) Arc<ConsumerAdmission>);

impl ProtocolHandler for AdmissionHandler {
    async fn accept(&self, connection: Connection) -> Result<(), AcceptError> {
        let serve = self.0.serve(Arc::new(QuicConnection::new(connection)));
        if AssertUnwindSafe(serve).catch_unwind().await.is_err() {
            error!(target: "aster::admission", "serving an admission panicked");
        }
        Ok(())
    }
}
