//! Status codes of calls, and the status a call ends with (`wire.md` section 6).
//!
//! Not here: the error table of the library ([`crate::error`]) and the bytes of a trailer ([`crate::wire`]).

use std::fmt;

use crate::error::{Error, Result};
use crate::limits;

/// Number a call ends with. Unknown numbers from newer peers and applications are kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StatusCode(pub i32);

/// One row of the status table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusRow {
    /// The number on the wire.
    pub code: StatusCode,
    /// Upper-case name, equal in every language.
    pub name: &'static str,
    /// Name of the exception class in Python and JavaScript; empty for OK.
    pub class: &'static str,
}

macro_rules! statuses {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $class:literal;)*) => {
        impl StatusCode {
            $($(#[$doc])* pub const $name: StatusCode = StatusCode($code);)*
        }

        /// Every status that has a name, in ascending order.
        pub const STATUS_TABLE: &[StatusRow] = &[
            $(StatusRow { code: StatusCode($code), name: stringify!($name), class: $class },)*
        ];
    };
}

statuses! {
    /// Success.
    OK = 0, "";
    /// Cancelled by the caller.
    CANCELLED = 1, "CancelledError";
    /// The handler failed without a status.
    UNKNOWN = 2, "UnknownRpcError";
    /// The caller's data is wrong.
    INVALID_ARGUMENT = 3, "InvalidArgumentError";
    /// Time is up.
    DEADLINE_EXCEEDED = 4, "DeadlineExceededError";
    /// Unknown service or thing.
    NOT_FOUND = 5, "NotFoundError";
    /// It exists already.
    ALREADY_EXISTS = 6, "AlreadyExistsError";
    /// Not allowed.
    PERMISSION_DENIED = 7, "PermissionDeniedError";
    /// A limit was hit.
    RESOURCE_EXHAUSTED = 8, "ResourceExhaustedError";
    /// Wrong state or scope.
    FAILED_PRECONDITION = 9, "FailedPreconditionError";
    /// Conflict.
    ABORTED = 10, "AbortedError";
    /// Past the valid range.
    OUT_OF_RANGE = 11, "OutOfRangeError";
    /// Unknown method.
    UNIMPLEMENTED = 12, "UnimplementedError";
    /// Protocol or invariant broken.
    INTERNAL = 13, "InternalError";
    /// Not reachable now; the only status that is retried automatically.
    UNAVAILABLE = 14, "UnavailableError";
    /// Unrecoverable loss.
    DATA_LOSS = 15, "DataLossError";
    /// No valid credential.
    UNAUTHENTICATED = 16, "UnauthenticatedError";
    /// Data does not fit the contract.
    CONTRACT_VIOLATION = 101, "ContractViolationError";
}

impl StatusCode {
    /// Returns the row of the table, or `None` for a number without a name.
    pub fn row(self) -> Option<&'static StatusRow> {
        STATUS_TABLE.iter().find(|row| row.code == self)
    }

    /// Returns the upper-case name, or `CODE_<n>` for a number without one.
    pub fn name(self) -> String {
        self.row().map_or_else(|| format!("CODE_{}", self.0), |row| row.name.to_owned())
    }

    /// Tells whether an idempotent call that ended so may be sent again.
    pub fn is_retryable(self) -> bool {
        self == Self::UNAVAILABLE
    }
}

impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

impl fmt::Debug for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name(), self.0)
    }
}

/// How a call ended: code, message and details, as a trailer carries them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpcStatus {
    /// The status number.
    pub code: StatusCode,
    /// Text for people.
    pub message: String,
    /// String pairs for programs.
    pub details: Vec<(String, String)>,
}

impl RpcStatus {
    /// Makes the status of a call that succeeded.
    pub fn ok() -> Self {
        Self::new(StatusCode::OK, "")
    }

    /// Makes a status without details. The message is cut to the limit.
    pub fn new(code: StatusCode, message: impl Into<String>) -> Self {
        Self { code, message: cut_message(message.into()), details: Vec::new() }
    }

    /// Adds details, as many as the limits allow (`wire.md` section 6).
    #[must_use]
    pub fn with_details(mut self, details: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut bytes: usize = self.details.iter().map(|(k, v)| k.len() + v.len()).sum();
        for (key, value) in details {
            bytes += key.len() + value.len();
            if self.details.len() >= limits::MAX_STATUS_DETAILS || bytes > limits::MAX_STATUS_DETAIL_BYTES {
                break;
            }
            self.details.push((key, value));
        }
        self
    }

    /// Tells whether the call succeeded.
    pub fn is_ok(&self) -> bool {
        self.code == StatusCode::OK
    }
}

/// Checks that a message travels uncut.
///
/// # Errors
///
/// LIMIT.
pub fn check_message(message: &str) -> Result<()> {
    match message.chars().count() {
        got if got > limits::MAX_STATUS_MESSAGE_CHARS => {
            Err(Error::limit("status message", limits::MAX_STATUS_MESSAGE_CHARS, got))
        }
        _ => Ok(()),
    }
}

/// Cuts a message to 4096 characters, the last three `...` if it was longer.
pub fn cut_message(message: String) -> String {
    if message.len() <= limits::MAX_STATUS_MESSAGE_CHARS {
        return message;
    }
    let keep = limits::MAX_STATUS_MESSAGE_CHARS;
    if message.chars().nth(keep).is_none() {
        return message;
    }
    let mut cut: String = message.chars().take(keep - 3).collect();
    cut.push_str("...");
    cut
}
