//! Credentials in the making as JSON texts: what a draft may leave out, and what signing fills in (`trust.md` sections 3
//! and 16).

use serde_json::{Map, Value};

use super::credential::{attributes, malformed, object};
use super::{Enrollment, EnrollmentKind};
use crate::error::Result;
use crate::keys;
use crate::limits;

impl Enrollment {
    /// Signs a draft: a credential without signature, or whose signature is to be replaced. The root key is that of the
    /// seed, which the draft may say; a one-time token without a nonce gets one. `credential_type` may be called `type`;
    /// a draft with neither is a producer's.
    ///
    /// # Errors
    ///
    /// CREDENTIAL for a draft that names another root key, or that no reader would take; IO without randomness.
    pub fn signed(document: &[u8], seed: &[u8; 32]) -> Result<Self> {
        let mut made = draft(document, Some(keys::public_half(seed)))?;
        if made.kind == EnrollmentKind::OneTime && made.nonce.is_none() {
            made.nonce = Some(keys::random()?.to_vec());
        }
        made.signature = made.sign(seed)?.to_vec();
        made.check_readable()?;
        Ok(made)
    }

    /// Returns the bytes that the root key signs for a draft: nonces have any length, endpoint ids are any text.
    ///
    /// # Errors
    ///
    /// CREDENTIAL for what is no draft, or names no root key.
    pub fn signed_bytes_of(document: &[u8]) -> Result<Vec<u8>> {
        Ok(draft(document, None)?.signed_bytes())
    }
}

/// Reads a draft for a root key; `None`: it has to name one.
fn draft(document: &[u8], root: Option<[u8; 32]>) -> Result<Enrollment> {
    let fields = object(document)?;
    let expires_at = fields.get("expires_at").and_then(Value::as_u64);
    let endpoint_id = match text(&fields, "endpoint_id")? {
        Some("") => return Err(malformed("endpoint_id")),
        other => other.map(str::to_owned),
    };
    let told =
        bytes(&fields, "root_pubkey")?.map(|key| <[u8; 32]>::try_from(key).map_err(|_| malformed("root_pubkey")));
    let root_pubkey = match (told.transpose()?, root) {
        (Some(told), Some(root)) if told != root => return Err(malformed("root_pubkey is not that of the key")),
        (told, root) => told.or(root).ok_or_else(|| malformed("root_pubkey"))?,
    };
    Ok(Enrollment {
        kind: kind(&fields)?,
        endpoint_id,
        root_pubkey,
        expires_at: expires_at.filter(|s| *s <= limits::MAX_EXPIRES_AT).ok_or_else(|| malformed("expires_at"))?,
        attributes: attributes(&fields)?,
        nonce: bytes(&fields, "nonce")?,
        signature: Vec::new(),
    })
}

fn kind(fields: &Map<String, Value>) -> Result<EnrollmentKind> {
    match fields.get("credential_type").or(fields.get("type")) {
        None => Ok(EnrollmentKind::Producer),
        Some(name) => name.as_str().and_then(EnrollmentKind::parse).ok_or_else(|| malformed("credential_type")),
    }
}

fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(malformed(name)),
    }
}

/// Reads hex; empty text is as good as nothing.
fn bytes(fields: &Map<String, Value>, name: &str) -> Result<Option<Vec<u8>>> {
    let text = text(fields, name)?.filter(|text| !text.is_empty());
    text.map(|text| hex::decode(text).map_err(|_| malformed(name))).transpose()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::trust::Offline;

    const SEED: [u8; 32] = [7; 32];

    fn sign(document: &Value) -> Result<Enrollment> {
        Enrollment::signed(document.to_string().as_bytes(), &SEED)
    }

    #[test]
    fn signing_fills_in_what_is_missing() {
        let root = keys::public_half(&SEED);
        let policy = sign(&json!({"type": "policy", "expires_at": 100, "attributes": {"a": "b"}})).unwrap();
        assert_eq!((policy.root_pubkey, &policy.nonce, &policy.endpoint_id), (root, &None, &None));
        let named = json!({"credential_type": "ott", "root_pubkey": hex::encode_upper(root), "expires_at": 100,
            "attributes": {}, "endpoint_id": "d0".repeat(32), "signature": "anything"});
        let (one, two) = (sign(&named).unwrap(), sign(&named).unwrap());
        assert!(one.nonce.as_ref().is_some_and(|nonce| nonce.len() == 32) && one.nonce != two.nonce);
        let producer = sign(&json!({"endpoint_id": "d0".repeat(32), "expires_at": 100, "attributes": {}})).unwrap();
        assert_eq!(producer.kind, EnrollmentKind::Producer);
        for made in [policy, one, producer] {
            assert_eq!(Enrollment::parse(made.to_json().as_bytes()).unwrap(), made);
            let against = Offline { root_pubkey: Some(&root), peer: None, now: 99 };
            assert_eq!(made.check_offline(&against), Ok(()));
        }
        assert!(sign(&json!({"endpoint_id": "node a", "expires_at": 1, "attributes": {}})).is_ok(), "any text");
    }

    #[test]
    fn what_nobody_would_take_is_not_signed() {
        let good = json!({"type": "policy", "expires_at": 100, "attributes": {}});
        for (key, value, complaint) in [
            ("root_pubkey", json!("07".repeat(32)), "root_pubkey is not that of the key"),
            ("root_pubkey", json!("07"), "root_pubkey"),
            ("type", json!("admin"), "credential_type"),
            ("type", json!("producer"), "endpoint_id"),
            ("expires_at", json!("100"), "expires_at"),
            ("expires_at", json!(limits::MAX_EXPIRES_AT + 1), "expires_at"),
            ("attributes", json!({"a": 1}), "attributes"),
            ("attributes", json!(null), "attributes"),
            ("endpoint_id", json!(""), "endpoint_id"),
            ("endpoint_id", json!(5), "endpoint_id"),
            ("nonce", json!("ab".repeat(32)), "structure"),
            ("nonce", json!("x"), "nonce"),
        ] {
            let mut changed = good.clone();
            changed[key] = value;
            let error = sign(&changed).unwrap_err();
            assert!(error.message().contains(complaint), "{changed}: {error}");
        }
        let short = json!({"type": "ott", "expires_at": 1, "attributes": {}, "nonce": "abcd"});
        assert!(sign(&short).is_err());
        assert!(Enrollment::signed(b"[]", &SEED).is_err() && Enrollment::signed(b"{", &SEED).is_err());
    }

    #[test]
    fn the_bytes_take_any_nonce_but_need_a_root_key() {
        let mut draft = json!({"type": "ott", "expires_at": 1, "attributes": {}, "nonce": "abcd"});
        let bytes = |draft: &Value| Enrollment::signed_bytes_of(draft.to_string().as_bytes());
        assert!(bytes(&draft).unwrap_err().message().contains("root_pubkey"));
        draft["root_pubkey"] = json!("07".repeat(32));
        assert!(bytes(&draft).unwrap().ends_with(b"{}\x01\xab\xcd"));
    }
}
