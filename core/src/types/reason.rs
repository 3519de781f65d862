//! Errors of kind CONTRACT, and how they name what they are about.
//!
//! Not here: the error type ([`crate::error`]).

use crate::error::{Error, ErrorKind};

/// Characters of a name that an error repeats.
const SHOWN_CHARS: usize = 80;

/// Makes an error of kind CONTRACT.
pub(crate) fn bad(reason: impl Into<String>) -> Error {
    Error::new(ErrorKind::Contract, reason)
}

/// Puts what an error is about before its message: `type `a/X`: ...`.
pub(crate) fn within(what: &str, name: &str, error: &Error) -> Error {
    bad(format!("{what} {}: {}", quote(name), error.message()))
}

/// Quotes a name that others wrote: no control characters, never long.
pub(crate) fn quote(name: &str) -> String {
    let mut out = String::from("`");
    for (count, c) in name.chars().enumerate() {
        if count == SHOWN_CHARS {
            out.push_str("...");
            break;
        }
        match c {
            '`' => out.push_str("\\`"),
            '\'' | '"' => out.push(c),
            _ => out.extend(c.escape_debug()),
        }
    }
    out.push('`');
    out
}
