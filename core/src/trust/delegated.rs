//! Delegated admission: tokens of a consumer's authority, attested by a root key (`trust.md` section 12).
//!
//! Pure: documents, the proof and its verification. The exchange is in `admission`.

use serde_json::{Map, Value, json};

use super::{Cause, json as strict};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::EndpointId;
use crate::keys;
use crate::limits;

const PROOF_TAG: &[u8] = b"aster-delegated-proof/1\0";
/// Seconds for which a window may begin too late.
const TOLERANCE: u64 = 60;
const MAX_ROLES: usize = 64;
const MAX_ROLE: usize = 256;

/// Whose tokens a server takes for one of its services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DelegatedPolicy {
    /// Handle of the service's owner.
    pub target_handle: String,
    /// The service.
    pub target_service: String,
    /// Its contract.
    pub target_contract_id: String,
    /// Root key of the authority.
    pub root_pubkey: [u8; 32],
}

/// What a consumer shows first.
#[derive(Clone, Debug, PartialEq)]
pub struct DelegatedHello {
    token: Map<String, Value>,
    attestation: Map<String, Value>,
}

/// What is granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DelegatedGrant {
    /// The service that it is for.
    pub service: String,
    /// The consumer's name, for display.
    pub handle: String,
    /// Capabilities.
    pub roles: Vec<String>,
    /// First second in which it is no longer valid.
    pub expires_at: u64,
}

/// Between whom, and when, a proof is made.
#[derive(Clone, Copy, Debug)]
pub struct ProofContext<'a> {
    /// What the server chose.
    pub nonce: &'a [u8; 32],
    /// The consumer's endpoint, as the handshake proved it.
    pub client: EndpointId,
    /// The server's own endpoint.
    pub server: EndpointId,
}

fn object(value: &Value) -> Option<&Map<String, Value>> {
    value.as_object()
}

fn text<'a>(document: &'a Map<String, Value>, name: &str) -> std::result::Result<&'a str, Cause> {
    document.get(name).and_then(Value::as_str).ok_or(Cause::Malformed)
}

fn seconds(document: &Map<String, Value>, name: &str) -> std::result::Result<u64, Cause> {
    let seconds = document.get(name).and_then(Value::as_u64).filter(|seconds| *seconds <= limits::MAX_EXPIRES_AT);
    seconds.ok_or(Cause::Malformed)
}

fn bytes<const N: usize>(document: &Map<String, Value>, name: &str) -> std::result::Result<[u8; N], Cause> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text(document, name)?, &mut bytes).map_err(|_| Cause::Malformed)?;
    Ok(bytes)
}

/// Returns the form of a document that is signed: compact, keys sorted, everything beyond ASCII escaped.
pub fn delegated_canonical(document: &Map<String, Value>, without: &str) -> String {
    let mut out = String::new();
    put_object(&mut out, document, without);
    out
}

fn put_object(out: &mut String, document: &Map<String, Value>, without: &str) {
    let mut entries: Vec<_> = document.iter().filter(|(key, _)| key.as_str() != without).collect();
    entries.sort_by(|a, b| a.0.cmp(b.0));
    out.push('{');
    for (position, (key, value)) in entries.into_iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        put(out, &Value::from(key.as_str()));
        out.push(':');
        put(out, value);
    }
    out.push('}');
}

fn put(out: &mut String, value: &Value) {
    match value {
        Value::Object(document) => put_object(out, document, ""),
        Value::Array(items) => {
            out.push('[');
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                put(out, item);
            }
            out.push(']');
        }
        Value::String(_) => {
            let mut units = [0; 2];
            for char in value.to_string().chars() {
                match char {
                    char if char.is_ascii() => out.push(char),
                    char => {
                        char.encode_utf16(&mut units).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
                    }
                }
            }
        }
        other => out.push_str(&other.to_string()),
    }
}

/// Returns what a consumer signs to prove that a token is its own, on this very connection.
///
/// # Errors
///
/// CREDENTIAL if the token has no targets or no signature.
pub fn proof_bytes(token: &Map<String, Value>, context: &ProofContext<'_>) -> Result<Vec<u8>> {
    let mut bytes_ = PROOF_TAG.to_vec();
    bytes_.extend_from_slice(context.nonce);
    bytes_.extend_from_slice(&context.client.0);
    bytes_.extend_from_slice(&context.server.0);
    for name in ["target_handle", "target_service", "target_contract_id"] {
        let target = text(token, name)?;
        let length = u16::try_from(target.len()).map_err(|_| Error::from(Cause::Malformed))?;
        bytes_.extend_from_slice(&length.to_be_bytes());
        bytes_.extend_from_slice(target.as_bytes());
    }
    bytes_.extend_from_slice(&bytes::<64>(token, "signature")?);
    Ok(bytes_)
}

fn is_role(role: &str) -> bool {
    let is_plain = |char: char| char != ',' && !char.is_control();
    (1..=MAX_ROLE).contains(&role.len()) && role.trim() == role && role.chars().all(is_plain)
}

impl DelegatedHello {
    /// Makes the first message of a token and the attestation of its key, both JSON objects.
    ///
    /// # Errors
    ///
    /// CREDENTIAL if one is no JSON object.
    pub fn new(token: &str, attestation: &str) -> Result<Self> {
        let read = |text: &str| match strict::parse(text.as_bytes())? {
            Value::Object(document) => Ok(document),
            _ => Err(Error::from(Cause::Malformed)),
        };
        Ok(Self { token: read(token)?, attestation: read(attestation)? })
    }

    /// Returns the document.
    pub fn to_json(&self) -> String {
        json!({"v": 1, "token": self.token, "attestation": self.attestation}).to_string()
    }

    /// Reads a document strictly.
    ///
    /// # Errors
    ///
    /// MALFORMED.
    pub fn parse(bytes: &[u8]) -> std::result::Result<Self, Cause> {
        let document = strict::parse(bytes).map_err(|_| Cause::Malformed)?;
        let part = |name: &str| document.get(name).and_then(object).cloned().ok_or(Cause::Malformed);
        match document.get("v").and_then(Value::as_u64) {
            Some(1) => Ok(Self { token: part("token")?, attestation: part("attestation")? }),
            _ => Err(Cause::Malformed),
        }
    }

    /// Returns the token.
    pub fn token(&self) -> &Map<String, Value> {
        &self.token
    }

    /// Signs the proof with the key that the token names.
    ///
    /// # Errors
    ///
    /// CREDENTIAL for a token without targets, INVALID_ARGUMENT for a key without 32 bytes.
    pub fn prove(&self, context: &ProofContext<'_>, consumer_key: &[u8]) -> Result<[u8; 64]> {
        keys::sign(consumer_key, &proof_bytes(&self.token, context)?)
    }

    fn policy<'p>(&self, policies: &'p [DelegatedPolicy]) -> std::result::Result<&'p DelegatedPolicy, Cause> {
        let (handle, service) = (text(&self.token, "target_handle")?, text(&self.token, "target_service")?);
        let contract = text(&self.token, "target_contract_id")?;
        let is_meant = |policy: &&DelegatedPolicy| {
            policy.target_handle == handle && policy.target_service == service && policy.target_contract_id == contract
        };
        policies.iter().find(is_meant).ok_or(Cause::NoPolicy)
    }

    fn roles(&self) -> std::result::Result<Vec<String>, Cause> {
        let roles = self.token.get("roles").and_then(Value::as_array).ok_or(Cause::Malformed)?;
        let roles: Vec<_> =
            roles.iter().map(|role| role.as_str().map(str::to_owned)).collect::<Option<_>>().ok_or(Cause::Malformed)?;
        match roles.len() <= MAX_ROLES && roles.iter().all(|role| is_role(role)) {
            true => Ok(roles),
            false => Err(Cause::BadRoles),
        }
    }

    /// Verifies token, attestation and proof; `now` is in seconds.
    ///
    /// # Errors
    ///
    /// The cause, which the peer must not learn.
    pub fn verify(
        &self,
        proof: &[u8],
        context: &ProofContext<'_>,
        policies: &[DelegatedPolicy],
        now: u64,
    ) -> std::result::Result<DelegatedGrant, Cause> {
        let Self { token, attestation } = self;
        let policy = self.policy(policies)?;
        let roles = self.roles()?;
        let holds = |from: u64, until: u64| from.saturating_sub(TOLERANCE) <= now && now < until;
        let attested_until = seconds(attestation, "valid_until")?;
        if !holds(seconds(attestation, "valid_from")?, attested_until) {
            return Err(Cause::AttestationExpired);
        }
        let token_until = seconds(token, "expires_at")?;
        if !holds(seconds(token, "issued_at")?, token_until) {
            return Err(Cause::Expired);
        }
        if text(token, "signing_key_id")? != text(attestation, "key_id")? {
            return Err(Cause::WrongKeyId);
        }
        let signed = |document, without| delegated_canonical(document, without).into_bytes();
        let root_signature = bytes::<64>(attestation, "root_signature")?;
        if !keys::verify(&policy.root_pubkey, &signed(attestation, "root_signature"), &root_signature) {
            return Err(Cause::BadAttestation);
        }
        let signing_key = bytes::<32>(attestation, "signing_pubkey")?;
        if !keys::verify(&signing_key, &signed(token, "signature"), &bytes::<64>(token, "signature")?) {
            return Err(Cause::BadSignature);
        }
        let consumer = bytes::<32>(token, "consumer_pubkey")?;
        let proved = proof_bytes(token, context).map_err(|_| Cause::Malformed)?;
        if !keys::verify(&consumer, &proved, proof) {
            return Err(Cause::BadProof);
        }
        Ok(DelegatedGrant {
            service: policy.target_service.clone(),
            handle: text(token, "consumer_handle")?.to_owned(),
            roles,
            expires_at: token_until.min(attested_until),
        })
    }
}

impl DelegatedGrant {
    /// Returns the answer.
    pub fn to_json(&self) -> String {
        let Self { handle, roles, expires_at, .. } = self;
        json!({"admitted": true, "handle": handle, "roles": roles, "expires_at": expires_at}).to_string()
    }

    /// Returns the denial: one text for every cause.
    pub fn denial() -> String {
        json!({"admitted": false, "reason": ""}).to_string()
    }

    /// Reads the answer for a token's service; `None`: refused.
    ///
    /// # Errors
    ///
    /// CONNECT if it is unusable.
    pub fn parse(bytes: &[u8], service: &str) -> Result<Option<Self>> {
        let unusable = || Error::new(ErrorKind::Connect, "unusable reply of delegated admission");
        let document = strict::parse(bytes).map_err(|_| unusable())?;
        match document.get("admitted").and_then(Value::as_bool) {
            Some(true) => {}
            Some(false) => return Ok(None),
            None => return Err(unusable()),
        }
        let roles = document.get("roles").and_then(Value::as_array).ok_or_else(unusable)?;
        let read = || {
            Some(Self {
                service: service.to_owned(),
                handle: document.get("handle")?.as_str()?.to_owned(),
                roles: roles.iter().map(|role| role.as_str().map(str::to_owned)).collect::<Option<_>>()?,
                expires_at: document.get("expires_at")?.as_u64()?,
            })
        };
        read().map(Some).ok_or_else(unusable)
    }
}
