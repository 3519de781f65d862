//! Errors of the codec: kind, place, reason, and the statuses they become (`codec.md` sections 1 and 4).

use std::fmt;

use crate::status::{RpcStatus, StatusCode};

use super::names::quote_all;

/// Whether bytes are no payload at all, or a payload of another shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodecErrorKind {
    /// Not of this format, or a limit is hit.
    Malformed,
    /// Well formed, but not the contract's shape.
    Violation,
}

/// A value or body that was refused, with place and reason. Values never appear in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodecError {
    /// What went wrong in general.
    pub kind: CodecErrorKind,
    /// What went wrong in words.
    pub reason: String,
    /// Where, such as `Order.lines[2].sku`; empty if malformed.
    pub location: String,
    /// Simple name of the message that owns the field, or was expected.
    pub expected_class: Option<String>,
    /// Quoted names of fields that the contract does not have.
    pub unexpected_fields: Option<String>,
}

impl CodecError {
    /// Returns the details of the status: `location` first; none if malformed.
    pub fn details(&self) -> Vec<(String, String)> {
        if self.kind == CodecErrorKind::Malformed {
            return Vec::new();
        }
        let mut out = vec![("location".to_owned(), self.location.clone())];
        out.extend(self.expected_class.iter().map(|name| ("expected_class".to_owned(), name.clone())));
        out.extend(self.unexpected_fields.iter().map(|names| ("unexpected_fields".to_owned(), names.clone())));
        out
    }

    /// Returns the status for a request that a server could not read.
    pub fn for_request_at_server(&self) -> RpcStatus {
        self.status(StatusCode::INVALID_ARGUMENT, "cannot decode request: ")
    }

    /// Returns the status for a response that a client could not read.
    pub fn for_response_at_client(&self) -> RpcStatus {
        self.status(StatusCode::INTERNAL, "cannot decode response: ")
    }

    /// Returns the status for a value that is refused before anything is sent.
    pub fn for_local_encode(&self) -> RpcStatus {
        self.status(StatusCode::INVALID_ARGUMENT, "")
    }

    /// Returns the status for a handler's response that does not fit the contract.
    pub fn for_response_encode(&self) -> RpcStatus {
        RpcStatus::new(StatusCode::INTERNAL, format!("cannot encode response: {self}")).with_details(self.details())
    }

    fn status(&self, malformed: StatusCode, prefix: &str) -> RpcStatus {
        match self.kind {
            CodecErrorKind::Malformed => RpcStatus::new(malformed, format!("{prefix}{}", self.reason)),
            CodecErrorKind::Violation => {
                RpcStatus::new(StatusCode::CONTRACT_VIOLATION, self.to_string()).with_details(self.details())
            }
        }
    }
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            CodecErrorKind::Malformed => f.write_str(&self.reason),
            CodecErrorKind::Violation => write!(f, "contract violation at {}: {}", self.location, self.reason),
        }
    }
}

impl std::error::Error for CodecError {}

/// An error on its way out of a walk, which knows its place only relative to the walk's position.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) kind: CodecErrorKind,
    pub(super) reason: String,
    /// Appended to the location of the walk: `[*]`, `.field`.
    pub(super) suffix: String,
    /// Replaces the message that owns the position.
    pub(super) class: Option<String>,
    pub(super) unexpected: Option<String>,
}

/// Result of a step of a walk; the error is boxed so that success stays small.
pub(super) type Step<T> = Result<T, Box<Fault>>;

impl Fault {
    /// Makes an error of the first kind.
    #[cold]
    pub(super) fn malformed(reason: impl Into<String>) -> Box<Self> {
        Self::new(CodecErrorKind::Malformed, reason.into())
    }

    /// Makes an error of the second kind.
    #[cold]
    pub(super) fn violation(reason: impl Into<String>) -> Box<Self> {
        Self::new(CodecErrorKind::Violation, reason.into())
    }

    /// Makes the error for fields the contract does not have.
    #[cold]
    pub(super) fn unexpected<'n>(names: impl IntoIterator<Item = &'n str>) -> Box<Self> {
        let names = quote_all(names);
        let mut out = Self::violation(format!("unexpected field(s) {}", names.join(", ")));
        out.unexpected = Some(names.join(","));
        out
    }

    /// Makes the error for fields that are not there and have no default.
    #[cold]
    pub(super) fn missing<'n>(names: impl IntoIterator<Item = &'n str>) -> Box<Self> {
        Self::violation(format!("missing field(s) {}", quote_all(names).join(", ")))
    }

    /// Makes the error for a null where none may be.
    #[cold]
    pub(super) fn null() -> Box<Self> {
        Self::violation("null, but not optional")
    }

    /// Makes the error for bytes that end too early.
    #[cold]
    pub(super) fn truncated() -> Box<Self> {
        Self::malformed("truncated")
    }

    fn new(kind: CodecErrorKind, reason: String) -> Box<Self> {
        Box::new(Self { kind, reason, suffix: String::new(), class: None, unexpected: None })
    }

    /// Sets the message that was expected here.
    pub(super) fn of(mut self: Box<Self>, class: &str) -> Box<Self> {
        self.class = Some(class.to_owned());
        self
    }

    /// Moves the error to the common type of the container's elements.
    pub(super) fn in_elements(mut self: Box<Self>) -> Box<Self> {
        self.suffix.insert_str(0, "[*]");
        self
    }

    /// Moves the error to a field of a message that stands at the walk's position.
    #[cold]
    pub(super) fn in_field(mut self: Box<Self>, class: &str, field: Option<&str>) -> Box<Self> {
        if let Some(field) = field {
            self.suffix.insert_str(0, field);
            self.suffix.insert(0, '.');
        }
        self.class.get_or_insert_with(|| class.to_owned());
        self
    }

    /// Completes the error with the location and the owner of the walk's position.
    pub(super) fn finish(self, location: String, owner: Option<&str>) -> CodecError {
        let Fault { kind, reason, suffix, class, unexpected } = self;
        if kind == CodecErrorKind::Malformed {
            let (location, expected_class, unexpected_fields) = (String::new(), None, None);
            return CodecError { kind, reason, location, expected_class, unexpected_fields };
        }
        let expected_class = class.or_else(|| owner.map(str::to_owned));
        CodecError { kind, reason, location: location + &suffix, expected_class, unexpected_fields: unexpected }
    }
}
