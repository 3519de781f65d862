//! Hints: gossip that makes readers look at the document earlier (`registry.md` section 8).

use serde::{Deserialize, Serialize};

use super::records::to_json;
use crate::error::{Error, ErrorKind, Result};
use crate::{keys, limits};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HintKind {
    /// A contract was published.
    ContractPublished = 0,
    /// A channel points elsewhere.
    ChannelUpdated = 1,
    /// A lease was written.
    LeaseUpserted = 2,
    /// An endpoint goes.
    EndpointDown = 3,
    /// An access list changed.
    AclChanged = 4,
    /// Compatibility was published; reserved.
    CompatibilityPublished = 5,
}

/// A hint. It is not signed and says nothing that is believed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hint {
    /// Number of a [`HintKind`]; others are ignored.
    #[serde(rename = "type")]
    pub kind: u32,
    /// Name of the service.
    #[serde(default)]
    pub service: Option<String>,
    /// Version of the service.
    #[serde(default)]
    pub version: Option<i32>,
    /// Name of the channel.
    #[serde(default)]
    pub channel: Option<String>,
    /// The contract.
    #[serde(default)]
    pub contract_id: Option<String>,
    /// The endpoint.
    #[serde(default)]
    pub endpoint_id: Option<String>,
    /// Beginning of the keys that changed.
    #[serde(default)]
    pub key_prefix: Option<String>,
    /// When it was sent.
    #[serde(default)]
    pub timestamp_ms: i64,
}

impl Hint {
    /// Makes a hint.
    pub fn new(kind: HintKind, timestamp_ms: i64) -> Self {
        Self { kind: kind as u32, timestamp_ms, ..Self::default() }
    }

    /// Parses a message; `None` for a kind that is not known, and for what is no hint.
    pub fn parse(message: &[u8]) -> Option<Self> {
        if message.len() > limits::MAX_HINT_BYTES {
            return None;
        }
        let hint: Self = super::records::parse(message)?;
        (hint.kind <= HintKind::CompatibilityPublished as u32).then_some(hint)
    }

    /// Returns the message.
    pub fn to_json(&self) -> String {
        to_json(self)
    }
}

/// Returns the gossip topic of a registry.
pub fn topic(namespace: &[u8; 32]) -> [u8; 32] {
    keys::digest(&[b"aster-registry/1".as_slice(), namespace].concat())
}

/// Returns the gossip topic of a registry whose id is given as text.
///
/// # Errors
///
/// INVALID_ARGUMENT unless it has 64 hex digits.
pub fn topic_of(namespace: &str) -> Result<[u8; 32]> {
    let mut id = [0; 32];
    let bad = |_| Error::new(ErrorKind::InvalidArgument, "a namespace has 64 hex digits");
    hex::decode_to_slice(namespace, &mut id).map_err(bad)?;
    Ok(topic(&id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_have_an_exact_text_and_odd_ones_are_ignored() {
        let hint = Hint { service: Some("S".to_owned()), version: Some(2), ..Hint::new(HintKind::LeaseUpserted, 7) };
        let text = r#"{"type":2,"service":"S","version":2,"channel":null,"contract_id":null,"endpoint_id":null,"key_prefix":null,"timestamp_ms":7}"#;
        assert_eq!(hint.to_json(), text);
        assert_eq!(Hint::parse(text.as_bytes()), Some(hint));
        assert!(Hint::parse(br#"{"type":3,"more":true}"#).is_some());
        for bad in [&br#"{"type":6}"#[..], b"{}", b"[2]", b"\xff", br#"{"type":-1}"#, br#"{"type":2,"version":"x"}"#] {
            assert_eq!(Hint::parse(bad), None, "{}", String::from_utf8_lossy(bad));
        }
        let long = format!(r#"{{"type":2,"service":"{}"}}"#, "x".repeat(4096));
        assert_eq!(Hint::parse(long.as_bytes()), None);
    }

    #[test]
    fn each_registry_has_a_topic_of_its_own() {
        assert_eq!(topic(&[1; 32]), *blake3::hash(&[b"aster-registry/1".as_slice(), &[1; 32]].concat()).as_bytes());
        assert_ne!(topic(&[1; 32]), topic(&[2; 32]));
    }
}
