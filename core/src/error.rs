//! The one error type of the library and its stable table (`c-abi.md` section 1).
//!
//! A call that ends with a status has kind [`ErrorKind::Rpc`]; everything else is a local failure.

use std::fmt;

use crate::status::{RpcStatus, StatusCode};

/// Result of the library's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $name:literal;)*) => {
        /// Kind of a failure, with a stable number in every language.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(i32)]
        #[non_exhaustive]
        pub enum ErrorKind {
            $($(#[$doc])* $variant = $number,)*
        }

        impl ErrorKind {
            /// Every kind, in ascending order of its number.
            pub const ALL: &'static [ErrorKind] = &[$(ErrorKind::$variant,)*];

            /// Returns the upper-case name, as in `ASTER_ERR_<NAME>`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(ErrorKind::$variant => $name,)*
                }
            }
        }
    };
}

kinds! {
    /// A required pointer is NULL.
    NullArgument = 1000, "NULL_ARGUMENT";
    /// Bad number, enum, length or option struct.
    InvalidArgument = 1001, "INVALID_ARGUMENT";
    /// Text that is not UTF-8.
    InvalidUtf8 = 1002, "INVALID_UTF8";
    /// Not possible in this state.
    State = 1003, "STATE";
    /// The object, or its parent, is closed.
    Closed = 1004, "CLOSED";
    /// The send window is full.
    WouldBlock = 1005, "WOULD_BLOCK";
    /// A local wait ended; the operation goes on.
    Timeout = 1006, "TIMEOUT";
    /// An operation was cancelled.
    Cancelled = 1007, "CANCELLED";
    /// A local limit was hit.
    Limit = 1008, "LIMIT";
    /// Not in this build.
    Unsupported = 1009, "UNSUPPORTED";
    /// A handle of another process.
    Forked = 1010, "FORKED";
    /// A defect of the library: a panic.
    Panic = 1011, "PANIC";
    /// A defect of the library.
    Internal = 1012, "INTERNAL";
    /// A file could not be read or written.
    Io = 1020, "IO";
    /// A setting is wrong.
    Config = 1021, "CONFIG";
    /// Not a ticket, base64 address or endpoint id.
    Address = 1022, "ADDRESS";
    /// Something named does not exist.
    NotFound = 1023, "NOT_FOUND";
    /// Something named exists already.
    AlreadyExists = 1024, "ALREADY_EXISTS";
    /// The peer is unreachable, or was lost outside a call.
    Connect = 1025, "CONNECT";
    /// The peer refused admission.
    AdmissionDenied = 1026, "ADMISSION_DENIED";
    /// A credential, signature or identity file is bad.
    Credential = 1027, "CREDENTIAL";
    /// A description, manifest or contract id is bad.
    Contract = 1028, "CONTRACT";
    /// A value does not fit its type.
    Codec = 1029, "CODEC";
    /// A call ended with a status other than OK.
    Rpc = 1030, "RPC";
}

impl ErrorKind {
    /// Returns the stable number.
    pub const fn number(self) -> i32 {
        self as i32
    }
}

/// A failure: kind, message for people, details for programs.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    status: Option<StatusCode>,
    message: String,
    details: Vec<(String, String)>,
    source: Option<Error>,
}

impl Error {
    /// Makes an error of a kind with a message.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, status: None, message: message.into(), details: Vec::new(), source: None }))
    }

    /// Makes the error of a call that ended with a status other than OK.
    pub fn rpc(status: RpcStatus) -> Self {
        let RpcStatus { code, message, details } = status;
        Self(Box::new(Inner { kind: ErrorKind::Rpc, status: Some(code), message, details, source: None }))
    }

    /// Makes a codec error, which carries the status the caller would see.
    pub fn codec(status: RpcStatus) -> Self {
        let mut error = Self::rpc(status);
        error.0.kind = ErrorKind::Codec;
        error
    }

    /// Returns the same error as one of another kind.
    #[must_use]
    pub fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// Adds one detail.
    #[must_use]
    pub fn with_detail(mut self, key: &str, value: impl Into<String>) -> Self {
        self.0.details.push((key.to_owned(), value.into()));
        self
    }

    /// Adds the status a call would end with.
    #[must_use]
    pub fn with_status(mut self, code: StatusCode) -> Self {
        self.0.status = Some(code);
        self
    }

    /// Adds the error that caused this one.
    #[must_use]
    pub fn with_source(mut self, source: Error) -> Self {
        self.0.source = Some(source);
        self
    }

    /// Makes the error of a limit that was exceeded, with details `field`, `limit` and `actual`.
    pub fn limit(field: &str, limit: usize, actual: usize) -> Self {
        Self::new(ErrorKind::Limit, format!("{field} exceeds limit of {limit} (got {actual})"))
            .with_detail("field", field)
            .with_detail("limit", limit.to_string())
            .with_detail("actual", actual.to_string())
    }

    /// Returns the kind.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the status of the call, if there is one.
    pub fn status(&self) -> Option<StatusCode> {
        self.0.status
    }

    /// Returns the message for people.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Returns the details.
    pub fn details(&self) -> &[(String, String)] {
        &self.0.details
    }

    /// Returns one detail by its key.
    pub fn detail(&self, key: &str) -> Option<&str> {
        self.0.details.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }

    /// Returns the error that caused this one.
    pub fn cause(&self) -> Option<&Error> {
        self.0.source.as_ref()
    }

    /// Tells whether an idempotent operation may be tried again.
    pub fn is_retryable(&self) -> bool {
        self.0.status.is_some_and(StatusCode::is_retryable)
    }

    /// Returns the status a call ends with because of this error: its own, else INTERNAL.
    pub fn to_status(&self) -> RpcStatus {
        RpcStatus::new(self.0.status.unwrap_or(StatusCode::INTERNAL), self.0.message.clone())
            .with_details(self.0.details.iter().cloned())
    }
}

impl From<RpcStatus> for Error {
    fn from(status: RpcStatus) -> Self {
        Self::rpc(status)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("status", &self.0.status)
            .field("message", &self.0.message)
            .field("details", &self.0.details)
            .field("source", &self.0.source)
            .finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|e| e as _)
    }
}
