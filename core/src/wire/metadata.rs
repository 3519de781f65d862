//! Metadata of calls: limits, reserved keys, local notes (`wire.md` section 13).

use super::texts;
use crate::error::{Error, ErrorKind};
use crate::limits;
use crate::status::RpcStatus;

/// Prefix of keys that are core's.
const RESERVED_PREFIX: &str = "aster-";
/// Prefix of local notes, never sent and dropped on receipt.
const LOCAL_PREFIX: &str = "_aster_";
/// Milliseconds that are left of a call when its header is sent.
pub(super) const TIMEOUT_KEY: &str = "aster-timeout-ms";
/// Asks for a trailer after every call of a session.
const SESSION_TRAILERS_KEY: &str = "aster-session-trailers";
/// Local note: bodies of this call longer than its value are compressed; -1: none.
const COMPRESSION_NOTE: &str = "_aster_compression_threshold";

/// Metadata that passed the checks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// The application's pairs; the last value of a repeated key.
    pub pairs: Vec<(String, String)>,
    /// Text of the time that is left, unchecked.
    pub timeout_ms: Option<String>,
    /// Whether every call of a session ends with a trailer.
    pub session_trailers: bool,
}

/// Checks received metadata and takes core's own keys out.
///
/// # Errors
///
/// RESOURCE_EXHAUSTED over a limit; nothing is cut.
pub fn accept(received: &[(String, String)]) -> Result<Accepted, RpcStatus> {
    let mut accepted = Accepted::default();
    let reserved = || received.iter().filter(|(key, _)| key.starts_with(RESERVED_PREFIX));
    limit("reserved metadata entries", limits::MAX_RESERVED_ENTRIES, reserved().count())?;
    for (key, value) in reserved() {
        limit("reserved metadata value length", limits::MAX_RESERVED_VALUE_CHARS, value.chars().count())?;
        match key.as_str() {
            TIMEOUT_KEY => accepted.timeout_ms = Some(value.clone()),
            SESSION_TRAILERS_KEY => accepted.session_trailers = value == "1",
            _ => {}
        }
    }
    let application = || received.iter().filter(|(key, _)| is_application(key));
    check_limits(application())?;
    for (key, value) in application() {
        match accepted.pairs.iter_mut().find(|(known, _)| known == key) {
            Some((_, last)) => last.clone_from(value),
            None => accepted.pairs.push((key.clone(), value.clone())),
        }
    }
    Ok(accepted)
}

/// Checks metadata before it is used in a call.
///
/// # Errors
///
/// INVALID_ARGUMENT for reserved keys, LIMIT naming the limit.
pub fn validate(pairs: &[(String, String)]) -> crate::error::Result<()> {
    if let Some((key, _)) = pairs.iter().find(|(key, _)| key.starts_with(RESERVED_PREFIX)) {
        return Err(Error::new(ErrorKind::InvalidArgument, texts::reserved_metadata_key(key).message));
    }
    over_limit(pairs.iter().filter(|(key, _)| is_application(key)))
        .map_or(Ok(()), |over| Err(Error::limit(over.what, over.most, over.got)))
}

/// Checks metadata that an application wants to send; local notes are left out.
///
/// # Errors
///
/// INVALID_ARGUMENT for reserved keys, RESOURCE_EXHAUSTED over a limit; nothing is sent then.
pub fn outgoing(pairs: &[(String, String)]) -> Result<Vec<(String, String)>, RpcStatus> {
    if let Some((key, _)) = pairs.iter().find(|(key, _)| key.starts_with(RESERVED_PREFIX)) {
        return Err(texts::reserved_metadata_key(key));
    }
    let sent = || pairs.iter().filter(|(key, _)| is_application(key));
    check_limits(sent())?;
    Ok(sent().cloned().collect())
}

/// Returns the metadata of a session's header. `trailers`: every call is to end with a trailer.
pub fn of_session(trailers: bool) -> Vec<(String, String)> {
    if trailers { vec![(SESSION_TRAILERS_KEY.to_owned(), "1".to_owned())] } else { Vec::new() }
}

/// Returns the compression threshold that local notes ask for, else the default.
pub fn compression_threshold(pairs: &[(String, String)]) -> i64 {
    let note = pairs.iter().rev().find(|(key, _)| key == COMPRESSION_NOTE);
    note.and_then(|(_, value)| value.parse().ok()).unwrap_or(limits::COMPRESSION_THRESHOLD as i64)
}

fn is_application(key: &str) -> bool {
    !key.starts_with(RESERVED_PREFIX) && !key.starts_with(LOCAL_PREFIX)
}

/// A limit that metadata is over.
struct Over {
    what: &'static str,
    most: usize,
    got: usize,
}

fn over(what: &'static str, most: usize, got: usize) -> Option<Over> {
    (got > most).then_some(Over { what, most, got })
}

fn over_limit<'m>(pairs: impl Iterator<Item = &'m (String, String)> + Clone) -> Option<Over> {
    if let Some(over) = over("metadata entries", limits::MAX_METADATA_ENTRIES, pairs.clone().count()) {
        return Some(over);
    }
    let mut total = 0;
    for (key, value) in pairs {
        let over = over("metadata key length", limits::MAX_METADATA_KEY_CHARS, key.chars().count())
            .or_else(|| over("metadata value length", limits::MAX_METADATA_VALUE_CHARS, value.chars().count()));
        if over.is_some() {
            return over;
        }
        total += key.len() + value.len();
    }
    over("metadata total bytes", limits::MAX_METADATA_TOTAL_BYTES, total)
}

fn check_limits<'m>(pairs: impl Iterator<Item = &'m (String, String)> + Clone) -> Result<(), RpcStatus> {
    refused(over_limit(pairs))
}

fn limit(what: &'static str, most: usize, got: usize) -> Result<(), RpcStatus> {
    refused(over(what, most, got))
}

fn refused(over: Option<Over>) -> Result<(), RpcStatus> {
    over.map_or(Ok(()), |over| Err(texts::metadata_limit(over.what, over.most, over.got)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::StatusCode;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn handlers_see_the_last_value_and_no_key_of_core() {
        let received = pairs(&[
            ("k", "1"),
            ("aster-timeout-ms", "5"),
            ("_aster_note", "x"),
            ("k", "2"),
            ("aster-session-trailers", "1"),
            ("aster-new", "?"),
        ]);
        let accepted = accept(&received).unwrap();
        assert_eq!(accepted.pairs, pairs(&[("k", "2")]));
        assert_eq!(accepted.timeout_ms.as_deref(), Some("5"));
        assert!(accepted.session_trailers);
    }

    #[test]
    fn reserved_pairs_are_bounded_and_not_for_applications() {
        let code = |result: Result<_, RpcStatus>| result.map(|_: Accepted| ()).unwrap_err().code;
        assert!(accept(&vec![("aster-x".to_owned(), String::new()); 8]).is_ok());
        assert_eq!(code(accept(&vec![("aster-x".to_owned(), String::new()); 9])), StatusCode::RESOURCE_EXHAUSTED);
        assert_eq!(code(accept(&[("aster-x".to_owned(), "v".repeat(257))])), StatusCode::RESOURCE_EXHAUSTED);
        assert_eq!(outgoing(&pairs(&[("aster-x", "")])).unwrap_err().code, StatusCode::INVALID_ARGUMENT);
        assert_eq!(outgoing(&pairs(&[("_aster_x", ""), ("k", "v")])).unwrap(), pairs(&[("k", "v")]));
    }
}
