//! Credentials of consumers and producers, read strictly (`trust.md` sections 3 and 4, checks 1 and 2).
//!
//! Not here: whom a credential admits.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

use super::json;
use super::signature::Grant;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{ENDPOINT_ID_LEN, EndpointId};
use crate::keys::verify;
use crate::limits;

/// Bytes of an Ed25519 public key.
const KEY_LEN: usize = 32;
/// Bytes of an Ed25519 signature.
const SIGNATURE_LEN: usize = 64;
/// Bytes of the nonce of a one-time token.
const NONCE_LEN: usize = 32;

/// What a credential is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum CredentialKind {
    /// A producer's: always bound.
    Producer,
    /// Valid until it expires.
    Policy,
    /// Spent when it is used.
    OneTime {
        /// What is remembered of it.
        nonce: [u8; NONCE_LEN],
    },
}

/// A credential that is well formed. Nothing about it has been proved.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// Its kind.
    pub kind: CredentialKind,
    /// The only peer that may present it; `None`: whoever holds it.
    pub endpoint_id: Option<EndpointId>,
    /// The root key that is said to have signed it.
    pub root_pubkey: [u8; KEY_LEN],
    /// First second in which it is no longer valid.
    pub expires_at: u64,
    /// What it grants.
    pub attributes: BTreeMap<String, String>,
    /// Signature by the root key; reading does not check it.
    pub signature: [u8; SIGNATURE_LEN],
}

impl fmt::Debug for CredentialKind {
    /// Leaves out the nonce.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Producer => "Producer",
            Self::Policy => "Policy",
            Self::OneTime { .. } => "OneTime",
        })
    }
}

impl fmt::Debug for Credential {
    /// Leaves out attributes and signature: a credential may be a bearer secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("kind", &self.kind)
            .field("endpoint_id", &self.endpoint_id)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

pub(super) fn malformed(reason: impl fmt::Display) -> Error {
    Error::new(ErrorKind::Credential, format!("malformed: {reason}"))
}

impl Credential {
    /// Parses a document strictly; keys that are not known are ignored.
    ///
    /// # Errors
    ///
    /// CREDENTIAL; the message begins with the cause for the operator's log: `too_large`, `malformed` or `structure`.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let fields = object(bytes)?;
        Self::from_fields(&fields, fields.get("credential_type"))
    }

    /// Parses a producer's credential strictly.
    ///
    /// # Errors
    ///
    /// As for [`parse`](Self::parse).
    pub fn parse_producer(bytes: &[u8]) -> Result<Self> {
        Self::producer_from_fields(&object(bytes)?)
    }

    /// Reads the fields of a producer's document or of an entry that has the same ones.
    ///
    /// # Errors
    ///
    /// As for [`parse`](Self::parse).
    pub fn producer_from_fields(fields: &Map<String, Value>) -> Result<Self> {
        let credential = Self::with_kind(fields, CredentialKind::Producer)?;
        match credential.endpoint_id {
            Some(_) => Ok(credential),
            None => Err(malformed("endpoint_id")),
        }
    }

    /// Parses a credential file, whose type may be under `type` (`config.md` section 8).
    ///
    /// # Errors
    ///
    /// As for [`parse`](Self::parse); producers' credentials are none of a consumer.
    pub fn parse_file(bytes: &[u8]) -> Result<Self> {
        let fields = object(bytes)?;
        Self::from_fields(&fields, fields.get("credential_type").or(fields.get("type")))
    }

    /// Reads the fields of a document or of an entry that has the same ones.
    ///
    /// # Errors
    ///
    /// As for [`parse`](Self::parse).
    pub fn from_fields(fields: &Map<String, Value>, kind: Option<&Value>) -> Result<Self> {
        let mut credential = Self::with_kind(fields, CredentialKind::Policy)?;
        let one_time = match kind.and_then(Value::as_str) {
            Some("policy") => false,
            Some("ott") => true,
            _ => return Err(malformed("credential_type")),
        };
        credential.kind = match (one_time, hex_field(fields, "nonce")?) {
            (false, None) => CredentialKind::Policy,
            (true, Some(nonce)) => CredentialKind::OneTime { nonce },
            _ => return Err(Error::new(ErrorKind::Credential, "structure: only one-time tokens have a nonce")),
        };
        Ok(credential)
    }

    fn with_kind(fields: &Map<String, Value>, kind: CredentialKind) -> Result<Self> {
        let root_pubkey = required(fields, "root_pubkey")?;
        let expires_at = match fields.get("expires_at").and_then(Value::as_u64) {
            Some(seconds) if seconds <= limits::MAX_EXPIRES_AT => seconds,
            _ => return Err(malformed("expires_at")),
        };
        let attributes = attributes(fields)?;
        let endpoint_id = endpoint_id(fields)?;
        let signature = required(fields, "signature")?;
        Ok(Self { kind, endpoint_id, root_pubkey, expires_at, attributes, signature })
    }

    /// Tells whether it is a producer's.
    pub fn is_producer(&self) -> bool {
        self.kind == CredentialKind::Producer
    }

    /// Returns what revocation lists know it by: the BLAKE3 hash of its signature.
    pub fn revocation_id(&self) -> [u8; 32] {
        *blake3::hash(&self.signature).as_bytes()
    }

    /// Tells whether its root key signed it, as a consumer's credential or as a producer's.
    pub fn is_signed(&self, as_producer: bool) -> bool {
        let Self { root_pubkey, expires_at, attributes, .. } = self;
        let grant = Grant { root_pubkey, expires_at: *expires_at, attributes };
        let id = self.endpoint_id.map(|id| id.to_string());
        let signed = match (as_producer, &self.kind) {
            (true, _) | (_, CredentialKind::Producer) => grant.producer_bytes(&id.unwrap_or_default()),
            (false, CredentialKind::Policy) => grant.consumer_bytes(false, id.as_deref(), None),
            (false, CredentialKind::OneTime { nonce }) => grant.consumer_bytes(true, id.as_deref(), Some(nonce)),
        };
        verify(root_pubkey, &signed, &self.signature)
    }

    /// Returns the document that is presented: no spaces, ASCII, keys in the order of `trust.md` section 3.
    pub fn to_json(&self) -> String {
        let id = self.endpoint_id.map(|id| id.to_string());
        let (kind, nonce) = match &self.kind {
            CredentialKind::Producer => return self.producer_json(id),
            CredentialKind::Policy => ("policy", Value::Null),
            CredentialKind::OneTime { nonce } => ("ott", hex::encode(nonce).into()),
        };
        let document = serde_json::json!({
            "credential_type": kind,
            "root_pubkey": hex::encode(self.root_pubkey),
            "expires_at": self.expires_at,
            "attributes": self.attributes,
            "endpoint_id": id,
            "nonce": nonce,
            "signature": hex::encode(self.signature),
        });
        json::ascii(&document.to_string())
    }

    fn producer_json(&self, endpoint_id: Option<String>) -> String {
        let document = serde_json::json!({
            "endpoint_id": endpoint_id,
            "root_pubkey": hex::encode(self.root_pubkey),
            "expires_at": self.expires_at,
            "attributes": self.attributes,
            "signature": hex::encode(self.signature),
        });
        json::ascii(&document.to_string())
    }
}

pub(super) fn object(bytes: &[u8]) -> Result<Map<String, Value>> {
    if bytes.len() > limits::MAX_CREDENTIAL_BYTES {
        return Err(Error::new(ErrorKind::Credential, "too_large"));
    }
    match json::parse(bytes)? {
        Value::Object(fields) => Ok(fields),
        _ => Err(malformed("not an object")),
    }
}

fn required<const N: usize>(fields: &Map<String, Value>, name: &str) -> Result<[u8; N]> {
    hex_field(fields, name)?.ok_or_else(|| malformed(name))
}

/// Reads hex of either case; null and empty text are as good as nothing.
fn hex_field<const N: usize>(fields: &Map<String, Value>, name: &str) -> Result<Option<[u8; N]>> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => {
            let mut bytes = [0; N];
            hex::decode_to_slice(text, &mut bytes).map_err(|_| malformed(name))?;
            Ok(Some(bytes))
        }
        Some(_) => Err(malformed(name)),
    }
}

/// Reads the endpoint id. Its text is signed, so only the canonical spelling is taken.
fn endpoint_id(fields: &Map<String, Value>) -> Result<Option<EndpointId>> {
    match fields.get("endpoint_id") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if !text.bytes().any(|byte| byte.is_ascii_uppercase()) => {
            let mut bytes = [0; ENDPOINT_ID_LEN];
            hex::decode_to_slice(text, &mut bytes).map_err(|_| malformed("endpoint_id"))?;
            Ok(Some(EndpointId(bytes)))
        }
        Some(_) => Err(malformed("endpoint_id")),
    }
}

pub(super) fn attributes(fields: &Map<String, Value>) -> Result<BTreeMap<String, String>> {
    let wrong = || malformed("attributes");
    let pairs = fields.get("attributes").and_then(Value::as_object).ok_or_else(wrong)?;
    if pairs.len() > limits::MAX_ATTRIBUTES {
        return Err(wrong());
    }
    let mut attributes = BTreeMap::new();
    for (key, value) in pairs {
        let value = value.as_str().ok_or_else(wrong)?;
        if key.is_empty() || key.len() > limits::MAX_ATTRIBUTE_KEY || value.len() > limits::MAX_ATTRIBUTE_VALUE {
            return Err(wrong());
        }
        attributes.insert(key.clone(), value.to_owned());
    }
    match canonical_attributes(&attributes).len() {
        0..=limits::MAX_CANONICAL_ATTRIBUTES => Ok(attributes),
        _ => Err(wrong()),
    }
}

/// Reads attributes by themselves: a JSON object of texts, within the limits of credentials.
///
/// # Errors
///
/// CREDENTIAL for anything else.
pub fn read_attributes(text: &str) -> Result<BTreeMap<String, String>> {
    let pairs = json::parse(text.as_bytes())?;
    attributes(&Map::from_iter([("attributes".to_owned(), pairs)]))
}

/// Returns the form of attributes that is signed: keys by code point, raw UTF-8, nothing escaped without need.
pub fn canonical_attributes(attributes: &BTreeMap<String, String>) -> String {
    let mut out = String::from("{");
    for (position, (key, value)) in attributes.iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        put_string(&mut out, key);
        out.push(':');
        put_string(&mut out, value);
    }
    out.push('}');
    out
}

fn put_string(out: &mut String, text: &str) {
    out.push('"');
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            control if control < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => out.push(other),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_holds_no_secret() {
        let (key, nonce, signature) = ("ab".repeat(32), "cd".repeat(32), "ef".repeat(64));
        let text = format!(
            r#"{{"credential_type":"ott","root_pubkey":"{key}","expires_at":1,"attributes":{{"a":"SECRET"}},"nonce":"{nonce}","signature":"{signature}"}}"#
        );
        let credential = Credential::parse(text.as_bytes()).unwrap();
        assert_eq!(credential.kind, CredentialKind::OneTime { nonce: [0xcd; 32] });
        let printed = format!("{credential:?}");
        assert_eq!(printed, "Credential { kind: OneTime, endpoint_id: None, expires_at: 1, .. }");
    }
}
