//! Root keys and credentials as programs make and check them (`trust.md` section 15). All of it is core's.

use aster_core::error::{Error, ErrorKind, Result};
use aster_core::keys;
use aster_core::trust::{self, Enrollment, EnrollmentKind};
use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;

/// A credential in its parts; the package has classes for them.
#[napi(object)]
pub struct CredentialParts {
    /// `producer`, `policy` or `ott`.
    pub kind: String,
    pub endpoint_id: Option<String>,
    pub root_pubkey: Uint8Array,
    /// A whole number that is safe; the package sees to it.
    pub expires_at: f64,
    /// A JSON object of texts.
    pub attributes: String,
    pub nonce: Option<Uint8Array>,
    pub signature: Uint8Array,
}

/// A root key.
#[napi(object)]
pub struct Keypair {
    pub seed: Uint8Array,
    pub public_key: Uint8Array,
}

/// Throws a plain error where there is no engine that knows the classes.
pub(crate) fn thrown<T>(outcome: Result<T>) -> napi::Result<T> {
    outcome.map_err(|error| napi::Error::from_reason(error.message()))
}

/// Makes the failure of an argument.
pub(crate) fn wrong(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidArgument, text)
}

/// Reads a key of 32 bytes.
pub(crate) fn key(name: &str, bytes: &Uint8Array) -> Result<[u8; 32]> {
    bytes.as_ref().try_into().map_err(|_| wrong(format!("{name}: expected 32 bytes")))
}

impl CredentialParts {
    pub(crate) fn read(self) -> Result<Enrollment> {
        Ok(Enrollment {
            kind: EnrollmentKind::parse(&self.kind).ok_or_else(|| wrong("credentialType: expected policy or ott"))?,
            endpoint_id: self.endpoint_id,
            root_pubkey: key("rootPubkey", &self.root_pubkey)?,
            expires_at: self.expires_at as u64,
            attributes: serde_json::from_str(&self.attributes)
                .map_err(|error| wrong(format!("attributes: {error}")))?,
            nonce: self.nonce.map(|nonce| nonce.to_vec()),
            signature: self.signature.to_vec(),
        })
    }
}

impl From<Enrollment> for CredentialParts {
    fn from(read: Enrollment) -> Self {
        Self {
            kind: read.kind.name().to_owned(),
            endpoint_id: read.endpoint_id,
            root_pubkey: read.root_pubkey.to_vec().into(),
            expires_at: read.expires_at as f64,
            attributes: serde_json::json!(read.attributes).to_string(),
            nonce: read.nonce.map(Uint8Array::new),
            signature: read.signature.into(),
        }
    }
}

/// Makes a root key.
#[napi]
pub fn generate_keypair() -> napi::Result<Keypair> {
    let (seed, public_key) = thrown(keys::generate())?;
    Ok(Keypair { seed: seed.to_vec().into(), public_key: public_key.to_vec().into() })
}

/// Signs a credential: 64 bytes.
#[napi]
pub fn sign_credential(credential: CredentialParts, seed: Uint8Array) -> napi::Result<Uint8Array> {
    thrown(credential.read().and_then(|read| read.sign(&seed))).map(|signature| signature.to_vec().into())
}

/// Tells whether a root key signed a credential: the given one, else its own.
#[napi]
pub fn is_signed_credential(credential: CredentialParts, root_pubkey: Option<Uint8Array>) -> napi::Result<bool> {
    thrown(credential.read()).map(|read| read.is_signed(root_pubkey.as_deref()))
}

/// Returns the document that is presented.
#[napi]
pub fn credential_to_json(credential: CredentialParts) -> napi::Result<String> {
    thrown(credential.read()).map(|read| read.to_json())
}

/// Reads a document or a credential file strictly.
#[napi]
pub fn parse_credential(document: Uint8Array) -> napi::Result<CredentialParts> {
    thrown(Enrollment::parse(&document)).map(CredentialParts::from)
}

/// Returns what to do after a denial; `credential`: what the one that was presented is called.
#[napi]
pub fn denial_hint(credential: Option<String>, endpoint_id: String) -> String {
    trust::denial_hint(credential.as_deref(), &endpoint_id)
}
