//! Ed25519 keys and signatures and BLAKE3 hashes as plain functions, for hosts that need the primitives themselves.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

use crate::error::{Error, ErrorKind, Result};
use crate::ids::EndpointId;

/// Makes a fresh key: seed and public key.
///
/// # Errors
///
/// IO if the system has no randomness.
pub fn generate() -> Result<([u8; 32], [u8; 32])> {
    let seed = random()?;
    Ok((seed, public_half(&seed)))
}

/// Draws 32 bytes from the system.
pub(crate) fn random() -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| Error::new(ErrorKind::Io, format!("no randomness: {error}")))?;
    Ok(bytes)
}

/// Returns the public key of a seed.
///
/// # Errors
///
/// INVALID_ARGUMENT unless the seed has 32 bytes.
pub fn public_key(seed: &[u8]) -> Result<[u8; 32]> {
    Ok(signing_key(seed)?.verifying_key().to_bytes())
}

/// Returns the public key of a seed that has its length.
pub fn public_half(seed: &[u8; 32]) -> [u8; 32] {
    SigningKey::from_bytes(seed).verifying_key().to_bytes()
}

/// Returns the endpoint id that a node key makes.
pub fn endpoint_id(seed: &[u8; 32]) -> EndpointId {
    EndpointId(public_half(seed))
}

/// Signs a message: 64 bytes.
///
/// # Errors
///
/// INVALID_ARGUMENT unless the seed has 32 bytes.
pub fn sign(seed: &[u8], message: &[u8]) -> Result<[u8; 64]> {
    Ok(signing_key(seed)?.sign(message).to_bytes())
}

/// Tells whether a public key may be trusted: a valid point, canonically encoded, not of small order.
pub fn is_public(key: &[u8]) -> bool {
    strict_key(key).is_some()
}

/// Tells whether a signature is that of a public key over a message, strictly (`trust.md` section 3): neither key nor R
/// of small order, canonical encodings. Keys and signatures of another length verify nothing.
pub fn verify(public: &[u8], message: &[u8], signature: &[u8]) -> bool {
    match (strict_key(public), Signature::from_slice(signature)) {
        (Some(public), Ok(signature)) => public.verify_strict(message, &signature).is_ok(),
        _ => false,
    }
}

fn strict_key(key: &[u8]) -> Option<VerifyingKey> {
    let bytes = <[u8; 32]>::try_from(key).ok()?;
    let point = VerifyingKey::from_bytes(&bytes).ok().filter(|point| !point.is_weak())?;
    // Bytes that decompress to a point need not be the ones that it compresses to.
    (point.to_edwards().compress().as_bytes() == &bytes).then_some(point)
}

/// Returns the BLAKE3 hash of bytes.
pub fn digest(data: &[u8]) -> [u8; 32] {
    *blake3::hash(data).as_bytes()
}

fn signing_key(seed: &[u8]) -> Result<SigningKey> {
    let seed =
        <[u8; 32]>::try_from(seed).map_err(|_| Error::new(ErrorKind::InvalidArgument, "a secret key has 32 bytes"))?;
    Ok(SigningKey::from_bytes(&seed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_signature_of_the_key_over_the_message_verifies() {
        let (seed, public) = generate().unwrap();
        assert_eq!(public_key(&seed).unwrap(), public);
        let signature = sign(&seed, b"message").unwrap();
        assert!(verify(&public, b"message", &signature));
        assert!(!verify(&public, b"messagf", &signature));
        assert!(!verify(&generate().unwrap().1, b"message", &signature));
        assert!(!verify(&public, b"message", &signature[..63]));
        assert!(!verify(&public[..31], b"message", &signature));
        assert!(sign(&seed[..31], b"").is_err());
    }

    #[test]
    fn tr26_a_signature_whose_r_is_of_small_order_is_refused_even_if_its_equation_holds() {
        // R is the neutral element, S = SHA-512(R, key, message) times the secret scalar: whoever has the key can make it.
        let seed: [u8; 32] = std::array::from_fn(|n| n as u8);
        let public = VerifyingKey::from_bytes(&public_key(&seed).unwrap()).unwrap();
        let mut signature = [0; 64];
        signature[0] = 1;
        hex::decode_to_slice("e404f4e96e0b12dc6c3ec416ed1d5e91b66a37ca15a8b36c06938736133a2d0c", &mut signature[32..])
            .unwrap();
        let parsed = Signature::from_slice(&signature).unwrap();
        assert!(ed25519_dalek::Verifier::verify(&public, b"message", &parsed).is_ok(), "the equation holds");
        assert!(!verify(public.as_bytes(), b"message", &signature));
    }

    #[test]
    fn keys_of_small_order_and_other_spellings_are_refused() {
        assert!(is_public(&generate().unwrap().1));
        assert!(!is_public(&[0; 32]));
        // y = p + 3 is another spelling of y = 3, which is on the curve.
        let mut other = [0xff; 32];
        (other[0], other[31]) = (0xf0, 0x7f);
        assert!(VerifyingKey::from_bytes(&other).is_ok(), "the library takes it");
        assert!(!is_public(&other));
    }
}
