//! Records that programs make or read by themselves: checked, and as they are written (`registry.md` sections 4 and 8).

use super::{ArtifactRef, EndpointLease, Hint};
use crate::error::{Error, ErrorKind, Result};

/// Checks a lease and returns it as it is written.
///
/// # Errors
///
/// Kind CONTRACT, with what is wrong with it.
pub fn checked_lease(value: &[u8]) -> Result<String> {
    EndpointLease::parse(value).map(|lease| lease.to_json()).map_err(bad)
}

/// Checks the record of a contract and returns it as it is written.
///
/// # Errors
///
/// Kind CONTRACT if it is malformed.
pub fn checked_artifact(value: &[u8]) -> Result<String> {
    ArtifactRef::of_any(value).map(|record| record.to_json()).ok_or_else(|| bad("malformed: no record of a contract"))
}

/// Checks a hint and returns it as it is written.
///
/// # Errors
///
/// Kind CONTRACT for a kind that is not known, and for what is no hint.
pub fn checked_hint(message: &[u8]) -> Result<String> {
    Hint::parse(message).map(|hint| hint.to_json()).ok_or_else(|| bad("malformed: no hint of a known kind"))
}

fn bad(reason: &str) -> Error {
    Error::new(ErrorKind::Contract, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sound_is_written_anew_and_the_rest_refused() {
        let id = "ab".repeat(32);
        let artifact = format!(r#"{{"collection_hash":"{id}","contract_id":"{id}","later":1}}"#);
        let written = checked_artifact(artifact.as_bytes()).unwrap();
        assert!(written.starts_with(&format!(r#"{{"contract_id":"{id}","collection_hash":"{id}","provider"#)));
        assert_eq!(checked_artifact(written.as_bytes()).unwrap(), written);
        for (from, to) in [("ab", "AB"), (":1", ""), ("_hash", "")] {
            let error = checked_artifact(artifact.replacen(from, to, 1).as_bytes()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Contract, "{to}");
        }
        assert!(checked_hint(br#"{"type":2}"#).unwrap().starts_with(r#"{"type":2,"service":null"#));
        assert_eq!(checked_hint(br#"{"type":6}"#).unwrap_err().kind(), ErrorKind::Contract);
        assert!(checked_lease(b"{}").unwrap_err().message().contains("malformed"));
    }
}
