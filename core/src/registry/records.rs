//! Records that point to artefacts and bind authors to endpoints (`registry.md` section 4).

use serde::{Deserialize, Serialize};

use super::snapshot::Author;
use crate::ids::EndpointId;
use crate::{keys, limits};

/// What the signature of an owner record begins with.
const OWNER_CONTEXT: &[u8] = b"aster-registry-owner/1";

/// Where the collection of a contract is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactRef {
    /// The contract, 64 hex digits.
    pub contract_id: String,
    /// Hash of its collection, or of a single blob.
    pub collection_hash: String,
    /// Who has it.
    #[serde(default)]
    pub provider_endpoint_id: Option<String>,
    /// Where the provider can be reached.
    #[serde(default)]
    pub relay_url: Option<String>,
    /// A blob ticket of the provider.
    #[serde(default)]
    pub ticket: Option<String>,
    /// The author who wrote it, 64 hex digits.
    #[serde(default)]
    pub published_by: String,
    /// When it was written.
    #[serde(default)]
    pub published_at_epoch_ms: i64,
    /// `index`: a collection; `raw`: one blob.
    #[serde(default = "raw")]
    pub collection_format: String,
}

fn raw() -> String {
    "raw".to_owned()
}

/// Parses an object of at most 16 KiB; `None` if it is malformed.
pub(super) fn parse<T: for<'a> Deserialize<'a>>(value: &[u8]) -> Option<T> {
    // The library would read the members from an array as well.
    let sound = value.len() <= limits::MAX_REGISTRY_RECORD && value.trim_ascii_start().starts_with(b"{");
    sound.then(|| serde_json::from_slice(value).ok()).flatten()
}

/// Returns a record as compact JSON.
pub(super) fn to_json(record: &impl Serialize) -> String {
    serde_json::to_string(record).unwrap_or_default()
}

impl ArtifactRef {
    /// Parses the record of a contract; `None` if it is malformed or of another one.
    pub fn parse(value: &[u8], contract_id: &str) -> Option<Self> {
        Self::of_any(value).filter(|record| record.contract_id == contract_id)
    }

    /// Parses the record of any contract; `None` if it is malformed.
    pub(super) fn of_any(value: &[u8]) -> Option<Self> {
        let record: Self = parse(value)?;
        let ids = is_hex_id(&record.contract_id) && is_hex_id(&record.collection_hash);
        (ids && matches!(record.collection_format.as_str(), "raw" | "index")).then_some(record)
    }

    /// Returns the record as it is written.
    pub fn to_json(&self) -> String {
        to_json(self)
    }
}

/// Tells whether a text is 64 lower-case hex digits.
pub(super) fn is_hex_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The authors of an endpoint and of its registry, as the endpoint signed them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Who writes for the endpoint.
    pub author: Author,
    /// Who made the registry.
    pub creator: Author,
}

#[derive(Serialize, Deserialize)]
struct OwnerRecord {
    author: String,
    creator: String,
    signature: String,
}

impl Owner {
    /// Returns what an endpoint signs.
    fn signed_bytes(&self, namespace: &[u8; 32]) -> Vec<u8> {
        [OWNER_CONTEXT, namespace, &self.author.0, &self.creator.0].concat()
    }

    /// Returns the record, signed with the node key.
    ///
    /// # Errors
    ///
    /// INVALID_ARGUMENT never for a seed of 32 bytes.
    pub fn to_json(&self, namespace: &[u8; 32], node_seed: &[u8; 32]) -> crate::error::Result<String> {
        let signature = keys::sign(node_seed, &self.signed_bytes(namespace))?;
        Ok(to_json(&OwnerRecord {
            author: self.author.to_string(),
            creator: self.creator.to_string(),
            signature: hex::encode(signature),
        }))
    }

    /// Parses a record and checks that this endpoint signed it for this document; `None` if not.
    pub fn parse(value: &[u8], namespace: &[u8; 32], endpoint: &EndpointId) -> Option<Self> {
        let record: OwnerRecord = parse(value)?;
        let owner = Self { author: Author::parse(&record.author)?, creator: Author::parse(&record.creator)? };
        let mut signature = [0; 64];
        hex::decode_to_slice(&record.signature, &mut signature).ok()?;
        keys::verify(&endpoint.0, &owner.signed_bytes(namespace), &signature).then_some(owner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn artefacts_have_an_exact_text_and_defaults() {
        let id = "ab".repeat(32);
        let least = format!(r#"{{"contract_id":"{id}","collection_hash":"{id}","unknown":[1]}}"#);
        let read = ArtifactRef::parse(least.as_bytes(), &id).unwrap();
        let full = format!(
            r#"{{"contract_id":"{id}","collection_hash":"{id}","provider_endpoint_id":null,"relay_url":null,"ticket":null,"published_by":"","published_at_epoch_ms":0,"collection_format":"raw"}}"#
        );
        assert_eq!(read.to_json(), full);
        assert_eq!(ArtifactRef::parse(full.as_bytes(), &id), Some(read));
        assert_eq!(ArtifactRef::parse(full.as_bytes(), &"cd".repeat(32)), None, "of another contract");
        for (from, to) in [
            ("\"published_by\":\"\"", "\"published_by\":1"),
            ("\"raw\"", "\"zip\""),
            ("\"collection_hash\":\"ab", "\"collection_hash\":\"AB"),
            ("\"published_at_epoch_ms\":0", "\"published_at_epoch_ms\":0.5"),
        ] {
            assert_eq!(ArtifactRef::parse(full.replacen(from, to, 1).as_bytes(), &id), None, "{to}");
        }
        let long = full.replacen("\"published_by\":\"\"", &format!("\"published_by\":\"{}\"", "x".repeat(16_384)), 1);
        assert_eq!(ArtifactRef::parse(long.as_bytes(), &id), None, "over the limit");
    }

    #[test]
    fn an_owner_record_counts_for_its_endpoint_and_document_only() {
        let (seed, public) = keys::generate().unwrap();
        let endpoint = EndpointId(public);
        let owner = Owner { author: Author([1; 32]), creator: Author([2; 32]) };
        let text = owner.to_json(&[3; 32], &seed).unwrap();
        assert!(
            text.starts_with(&format!(r#"{{"author":"{}","creator":"{}","signature":""#, owner.author, owner.creator))
        );
        assert_eq!(Owner::parse(text.as_bytes(), &[3; 32], &endpoint), Some(owner));
        assert_eq!(Owner::parse(text.as_bytes(), &[4; 32], &endpoint), None);
        let other = EndpointId(keys::generate().unwrap().1);
        assert_eq!(Owner::parse(text.as_bytes(), &[3; 32], &other), None);
        let forged = text.replacen(&"02".repeat(32), &"05".repeat(32), 1);
        assert_eq!(Owner::parse(forged.as_bytes(), &[3; 32], &endpoint), None);
    }
}
