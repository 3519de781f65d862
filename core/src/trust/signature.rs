//! What a root key signs (`trust.md` section 3).

use std::collections::BTreeMap;

use super::credential::canonical_attributes;

/// What a credential grants, as its signature covers it. Endpoint ids are opaque text here.
#[derive(Clone, Copy, Debug)]
pub struct Grant<'a> {
    /// The root key.
    pub root_pubkey: &'a [u8; 32],
    /// First second in which the credential is no longer valid.
    pub expires_at: u64,
    /// What it grants.
    pub attributes: &'a BTreeMap<String, String>,
}

impl Grant<'_> {
    fn put(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(self.root_pubkey);
        bytes.extend_from_slice(&self.expires_at.to_be_bytes());
        bytes.extend_from_slice(canonical_attributes(self.attributes).as_bytes());
    }

    /// Returns the signed bytes of a producer's credential.
    pub fn producer_bytes(&self, endpoint_id: &str) -> Vec<u8> {
        let mut bytes = endpoint_id.as_bytes().to_vec();
        self.put(&mut bytes);
        bytes
    }

    /// Returns the signed bytes of a consumer's credential.
    pub fn consumer_bytes(&self, is_one_time: bool, endpoint_id: Option<&str>, nonce: Option<&[u8]>) -> Vec<u8> {
        let mut bytes = vec![u8::from(is_one_time), u8::from(endpoint_id.is_some())];
        bytes.extend_from_slice(endpoint_id.unwrap_or_default().as_bytes());
        self.put(&mut bytes);
        bytes.push(u8::from(nonce.is_some()));
        bytes.extend_from_slice(nonce.unwrap_or_default());
        bytes
    }
}
