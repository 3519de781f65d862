//! Why a peer is refused (`trust.md` section 4). Causes are for the operator's log and never leave the process.

use std::fmt;

use crate::error::{Error, ErrorKind};

macro_rules! causes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// Why a presentation is refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Cause {
            $($(#[$doc])* $variant,)*
        }

        impl Cause {
            /// Returns the name that logs use.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// Returns the cause that an error's message begins with; anything else is malformed.
            pub fn of(error: &Error) -> Self {
                match error.message().split(':').next() {
                    $(Some($name) => Self::$variant,)*
                    _ => Self::Malformed,
                }
            }
        }
    };
}

causes! {
    /// More bytes than the limit.
    TooLarge = "too_large",
    /// Not a document of the expected form.
    Malformed = "malformed",
    /// Nothing was presented.
    Empty = "empty",
    /// The request was not complete in time.
    Late = "late",
    /// A one-time token without a nonce, or a policy with one.
    Structure = "structure",
    /// Signed for another deployment.
    WrongRoot = "wrong_root",
    /// The expiry has come.
    Expired = "expired",
    /// Bound to another peer.
    WrongEndpoint = "wrong_endpoint",
    /// Not bound although it must be.
    Unbound = "unbound",
    /// Endpoint or credential was revoked.
    Revoked = "revoked",
    /// The signature is not that of the root key.
    BadSignature = "bad_signature",
    /// No keys for the instance's provider.
    IidUnconfigured = "iid_unconfigured",
    /// The instance's document does not verify.
    IidInvalid = "iid_invalid",
    /// The instance's document proves something else.
    IidMismatch = "iid_mismatch",
    /// The allowlist is full.
    Capacity = "capacity",
    /// The one-time token was spent before.
    NonceUsed = "nonce_used",
    /// The store of spent tokens is missing, full, late or broken.
    NonceStore = "nonce_store",
    /// A defect: a panic or a poisoned lock.
    Failed = "failed",
    /// No policy of this server has the token's targets.
    NoPolicy = "no_policy",
    /// Roles that cannot be granted.
    BadRoles = "bad_roles",
    /// The attestation is not valid now.
    AttestationExpired = "attestation_expired",
    /// The token names another signing key than the attestation.
    WrongKeyId = "wrong_key_id",
    /// The attestation is not signed by the policy's root key.
    BadAttestation = "bad_attestation",
    /// The proof is not that of the token's consumer for this connection.
    BadProof = "bad_proof",
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl From<Cause> for Error {
    fn from(cause: Cause) -> Self {
        Self::new(ErrorKind::Credential, cause.name())
    }
}
