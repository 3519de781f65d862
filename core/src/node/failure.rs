//! Errors of nodes. The detail `object` says what they are about, so that bindings can choose a class.

use std::fmt::Display;

use iroh::endpoint::{ConnectionError, VarInt};

use super::transport::close_cause;
use crate::error::{Error, ErrorKind};

/// Something of the node failed.
pub(super) fn failed(what: &str, cause: impl Display) -> Error {
    Error::new(ErrorKind::Io, format!("{what}: {cause:#}")).with_detail("object", "node")
}

/// The node is closed, or closed while somebody waited.
pub(super) fn node_closed() -> Error {
    Error::new(ErrorKind::Closed, "node is closed").with_detail("object", "node")
}

/// A text is no ticket of the wanted kind.
pub(super) fn bad_ticket(cause: impl Display) -> Error {
    Error::new(ErrorKind::Address, format!("invalid ticket: {cause}")).with_detail("object", "ticket")
}

/// An argument is wrong.
pub(super) fn bad_argument(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidArgument, text)
}

/// A blob is not here, or not whole.
pub(super) fn no_blob(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::NotFound, text).with_detail("object", "blob")
}

/// A document is not here.
pub(super) fn no_document(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::NotFound, text).with_detail("object", "document")
}

/// One direction of a stream has ended early.
pub(super) fn stream_ended(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Closed, text).with_detail("object", "stream")
}

/// A connection is gone.
pub(super) fn connection_lost(error: &ConnectionError) -> Error {
    let cause = close_cause(error);
    let lost = Error::new(ErrorKind::Connect, format!("connection lost: {cause}")).with_detail("reason", cause.reason);
    match cause.code {
        Some(code) => lost.with_detail("code", code.to_string()),
        None => lost,
    }
}

/// Checks an application code of QUIC.
pub(super) fn code(code: u64) -> Result<VarInt, Error> {
    VarInt::from_u64(code).map_err(|_| bad_argument("a code must be below 2**62"))
}
