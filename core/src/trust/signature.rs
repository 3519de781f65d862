//! What a root key signs, and strict checks of signatures and keys (`trust.md` section 3).

use std::collections::BTreeMap;

use ed25519_dalek::{Signature, SigningKey, VerifyingKey};

use super::credential::canonical_attributes;
use crate::error::{Error, ErrorKind, Result};

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

/// Reads a key whose encoding is canonical and whose point is not of small order.
fn strict_key(key: &[u8; 32]) -> Option<VerifyingKey> {
    let point = VerifyingKey::from_bytes(key).ok().filter(|point| !point.is_weak())?;
    // Bytes that decompress to a point need not be the ones that it compresses to.
    (point.to_edwards().compress().as_bytes() == key).then_some(point)
}

/// Tells whether a public key may be trusted: a valid point, canonically encoded, not of small order.
pub fn is_public_key(key: &[u8; 32]) -> bool {
    strict_key(key).is_some()
}

/// Tells whether a signature is of this key, strictly: neither key nor R of small order, canonical encodings. Keys and
/// signatures of other lengths are none.
pub fn verify(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let (Ok(key), Ok(signature)) = (key.try_into(), Signature::from_slice(signature)) else { return false };
    strict_key(key).is_some_and(|key| key.verify_strict(message, &signature).is_ok())
}

/// Returns the public half of a seed.
pub fn public_key(seed: &[u8; 32]) -> [u8; 32] {
    SigningKey::from_bytes(seed).verifying_key().to_bytes()
}

/// Makes a key pair with the generator of the system: seed and public key.
///
/// # Errors
///
/// IO without randomness.
pub fn generate_keypair() -> Result<([u8; 32], [u8; 32])> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| Error::new(ErrorKind::Io, format!("no randomness: {error}")))?;
    Ok((seed, public_key(&seed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_small_order_and_other_spellings_are_refused() {
        let (seed, key) = generate_keypair().unwrap();
        assert!(is_public_key(&key) && public_key(&seed) == key);
        assert!(!is_public_key(&[0; 32]));
        // y = p + 3 is another spelling of y = 3, which is on the curve.
        let mut other = [0xff; 32];
        (other[0], other[31]) = (0xf0, 0x7f);
        assert!(VerifyingKey::from_bytes(&other).is_ok(), "the library takes it");
        assert!(!is_public_key(&other));
    }
}
