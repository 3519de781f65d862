//! Whether a credential holds for a peer: checks 3 to 8 of `trust.md` section 4, in their order.
//!
//! Reading came before (checks 1 and 2); instance identity, room and nonces come after, in `admission`.

use super::{Cause, Credential};
use crate::ids::EndpointId;

/// Attribute that asks for an instance identity.
pub(crate) const IID_PROVIDER: &str = "aster.iid_provider";

/// What a credential is held against.
pub struct Expectation<'a> {
    /// The root key of the deployment.
    pub root_pubkey: &'a [u8; 32],
    /// Seconds since 1970.
    pub now: u64,
    /// The peer, as the handshake proved it.
    pub peer: EndpointId,
    /// Whether unbound credentials are refused.
    pub require_bound: bool,
    /// Tells whether endpoint or credential was revoked.
    pub is_revoked: &'a dyn Fn(&Credential) -> bool,
}

/// Verifies a credential; the first check that fails decides.
///
/// # Errors
///
/// The cause, which the peer must not learn.
pub fn verify_credential(credential: &Credential, expected: &Expectation<'_>) -> Result<(), Cause> {
    if credential.root_pubkey != *expected.root_pubkey {
        return Err(Cause::WrongRoot);
    }
    if credential.expires_at <= expected.now {
        return Err(Cause::Expired);
    }
    match credential.endpoint_id {
        Some(bound) if bound != expected.peer => return Err(Cause::WrongEndpoint),
        None if expected.require_bound || credential.attributes.contains_key(IID_PROVIDER) => {
            return Err(Cause::Unbound);
        }
        _ => {}
    }
    if (expected.is_revoked)(credential) {
        return Err(Cause::Revoked);
    }
    match credential.is_signed(credential.is_producer()) {
        true => Ok(()),
        false => Err(Cause::BadSignature),
    }
}
