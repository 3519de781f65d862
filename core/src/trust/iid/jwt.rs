//! JSON web tokens of clouds: RS256 and ES256 with a key that is named (`trust.md` section 10).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey};
use serde_json::Value;

use crate::trust::json;

/// Seconds for which a token may be issued or valid too early.
const TOLERANCE: u64 = 60;
/// Longest validity in seconds.
const MAX_LIFETIME: u64 = 86_400;
/// Keys of one document.
const MAX_KEYS: usize = 100;

/// Public keys by their ids.
#[derive(Default)]
pub(super) struct Jwks(Vec<Key>);

struct Key {
    id: String,
    material: Material,
}

enum Material {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(Vec<u8>),
}

fn bytes(value: &Value) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(value.as_str()?).ok()
}

impl Key {
    /// Reads a key; keys for other purposes, and of kinds that are not verified with, are left out.
    fn read(value: &Value) -> Option<Self> {
        let is = |name: &str, expected: &str| value.get(name).is_none_or(|found| found == expected);
        let id = value["kid"].as_str()?.to_owned();
        let material = match value["kty"].as_str()? {
            "RSA" if is("use", "sig") && is("alg", "RS256") => {
                let n = bytes(&value["n"])?;
                let zeros = n.iter().take_while(|byte| **byte == 0).count();
                Material::Rsa { n: n.get(zeros..)?.to_vec(), e: bytes(&value["e"])? }
            }
            "EC" if is("use", "sig") && is("alg", "ES256") && value["crv"] == "P-256" => {
                let (x, y) = (bytes(&value["x"])?, bytes(&value["y"])?);
                Material::P256([&[4], x.as_slice(), y.as_slice()].concat()).checked()?
            }
            _ => return None,
        };
        Some(Self { id, material })
    }

    fn verifies(&self, algorithm: &str, message: &[u8], signature: &[u8]) -> bool {
        match (&self.material, algorithm) {
            (Material::Rsa { n, e }, "RS256") => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature).is_ok()
            }
            (Material::P256(point), "ES256") => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature).is_ok()
            }
            _ => false,
        }
    }
}

impl Material {
    fn checked(self) -> Option<Self> {
        match &self {
            Self::P256(point) if point.len() != 65 => None,
            _ => Some(self),
        }
    }
}

impl Jwks {
    /// Reads a document; `None` if it has no key that could verify anything.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let document: Value = serde_json::from_str(text).ok()?;
        let keys: Vec<_> = document["keys"].as_array()?.iter().take(MAX_KEYS).filter_map(Key::read).collect();
        (!keys.is_empty()).then_some(Self(keys))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the claims of a token that is signed by one of the keys and valid now.
    pub(super) fn verify(&self, token: &str, now: u64) -> Option<Value> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let document = |part: &str| json::parse(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
        let header = document(header)?;
        // What we do not understand, such as `crit`, must not be overlooked.
        if header.get("crit").is_some() {
            return None;
        }
        let (algorithm, id) = (header["alg"].as_str()?, header["kid"].as_str()?);
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let key = self.0.iter().find(|key| key.id == id)?;
        if !key.verifies(algorithm, signed.as_bytes(), &signature) {
            return None;
        }
        let claims = document(claims)?;
        is_current(&claims, now).then_some(claims)
    }
}

fn is_current(claims: &Value, now: u64) -> bool {
    let (Some(exp), Some(iat)) = (claims["exp"].as_u64(), claims["iat"].as_u64()) else { return false };
    let begins = match claims.get("nbf") {
        None => Some(0),
        Some(nbf) => nbf.as_u64(),
    };
    let soon = now.saturating_add(TOLERANCE);
    exp > now && iat <= soon && begins.is_some_and(|nbf| nbf <= soon) && exp.saturating_sub(iat) <= MAX_LIFETIME
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn encode(value: &Value) -> String {
        URL_SAFE_NO_PAD.encode(value.to_string())
    }

    struct Issuer(EcdsaKeyPair, Jwks);

    impl Issuer {
        fn new() -> Self {
            let random = SystemRandom::new();
            let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).unwrap();
            let point = pair.public_key().as_ref();
            let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
            let key = json!({"kty": "EC", "crv": "P-256", "kid": "k1", "x": x, "y": y});
            let keys = Jwks::parse(&json!({"keys": [key]}).to_string()).unwrap();
            Self(pair, keys)
        }

        fn token(&self, header: &Value, claims: &Value) -> String {
            let signed = format!("{}.{}", encode(header), encode(claims));
            let signature = self.0.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
            format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
        }
    }

    #[test]
    fn es256_verifies_and_anything_else_does_not() {
        let issuer = Issuer::new();
        let (header, claims) = (json!({"alg": "ES256", "kid": "k1"}), json!({"exp": NOW + 10, "iat": NOW, "nbf": NOW}));
        let token = issuer.token(&header, &claims);
        assert_eq!(issuer.1.verify(&token, NOW), Some(claims.clone()));
        assert_eq!(Issuer::new().1.verify(&token, NOW), None, "another key");
        assert_eq!(issuer.1.verify(&format!("{token}A"), NOW), None);
        assert_eq!(issuer.1.verify(&token.replace('.', ""), NOW), None);
        for header in [
            json!({"alg": "RS256", "kid": "k1"}),
            json!({"alg": "none", "kid": "k1"}),
            json!({"alg": "ES256"}),
            json!({"alg": "ES256", "kid": "k1", "crit": null}),
        ] {
            assert_eq!(issuer.1.verify(&issuer.token(&header, &claims), NOW), None, "{header}");
        }
    }

    #[test]
    fn times_are_exact() {
        let issuer = Issuer::new();
        let header = json!({"alg": "ES256", "kid": "k1"});
        let verifies = |claims: Value| issuer.1.verify(&issuer.token(&header, &claims), NOW).is_some();
        assert!(verifies(json!({"exp": NOW + 1, "iat": NOW + 60})));
        assert!(!verifies(json!({"exp": NOW, "iat": NOW - 10})));
        assert!(!verifies(json!({"exp": NOW + 100, "iat": NOW + 61})));
        assert!(!verifies(json!({"exp": NOW + 100, "iat": NOW, "nbf": NOW + 61})));
        assert!(!verifies(json!({"exp": NOW + 100, "iat": NOW, "nbf": "soon"})));
        assert!(verifies(json!({"exp": NOW + 86_400, "iat": NOW})));
        assert!(!verifies(json!({"exp": NOW + 86_401, "iat": NOW})));
        assert!(!verifies(json!({"exp": (NOW + 1) as f64, "iat": NOW})));
        assert!(!verifies(json!({"exp": NOW + 1})));
    }

    #[test]
    fn keys_that_cannot_verify_are_no_document() {
        for text in ["", "{}", r#"{"keys":[]}"#, r#"{"keys":[{"kty":"oct","kid":"k","k":"AA"}]}"#] {
            assert!(Jwks::parse(text).is_none(), "{text}");
        }
        let short = r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"k","x":"AA","y":"AA"}]}"#;
        assert!(Jwks::parse(short).is_none());
    }
}
