//! The verification of what peers present, in the order of `trust.md` section 4.

use std::sync::Arc;

use tokio::time::timeout;

use super::gate::Gate;
use super::{Admission, AdmissionPath, NonceStore};
use crate::ids::EndpointId;
use crate::limits;
use crate::trust::{Cause, Credential, CredentialKind, Expectation, IidKeys, verify_credential};

const NAME: &str = "aster.name";

/// What a deployment verifies with.
pub struct Verifier {
    /// Where the admitted go.
    pub gate: Arc<Gate>,
    /// The root key of the deployment.
    pub root_pubkey: [u8; 32],
    /// Whether unbound credentials are refused.
    pub require_bound: bool,
    /// Longest time that an admission holds, in milliseconds.
    pub ttl_ms: i64,
    /// Spent one-time tokens; `None`: every token is denied.
    pub nonces: Option<Arc<dyn NonceStore>>,
    /// Keys of the clouds whose instances are believed.
    pub iid: IidKeys,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").field("gate", &self.gate).finish_non_exhaustive()
    }
}

impl Verifier {
    /// Checks 3 to 9: what can be said without changing anything.
    ///
    /// # Errors
    ///
    /// The cause, which the peer must not learn.
    pub fn check(&self, credential: &Credential, iid_token: &str, peer: EndpointId) -> Result<(), Cause> {
        let now = self.gate.now_s();
        let expected = Expectation {
            root_pubkey: &self.root_pubkey,
            now,
            peer,
            require_bound: self.require_bound,
            is_revoked: &|credential| self.gate.is_revoked(&peer, Some(credential)),
        };
        verify_credential(credential, &expected)?;
        self.iid.check(&credential.attributes, iid_token, &peer, now)
    }

    /// Verifies a credential to the end and puts the peer on the allowlist; a denial changes nothing.
    ///
    /// # Errors
    ///
    /// The cause, which the peer must not learn.
    pub async fn admit(
        &self,
        credential: &Credential,
        iid_token: &str,
        peer: EndpointId,
        path: AdmissionPath,
    ) -> Result<(), Cause> {
        self.check(credential, iid_token, peer)?;
        let place = self.gate.reserve(peer)?;
        if let CredentialKind::OneTime { nonce } = credential.kind {
            self.spend(nonce, credential.expires_at).await?;
        }
        place.take(self.admission(credential, path))
    }

    async fn spend(&self, nonce: [u8; 32], expires_at: u64) -> Result<(), Cause> {
        let store = self.nonces.as_ref().ok_or(Cause::NonceStore)?;
        match timeout(limits::HOST_DECISION_TIMEOUT, store.consume(nonce, expires_at)).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(Cause::NonceUsed),
            Ok(Err(_)) | Err(_) => Err(Cause::NonceStore),
        }
    }

    /// Returns the admission that a verified credential gives now.
    pub(crate) fn admission(&self, credential: &Credential, path: AdmissionPath) -> Admission {
        // What has expired was denied before; 0 would mean that there is no expiry.
        let (attributes, expires_at) = (credential.attributes.clone(), credential.expires_at.max(1));
        let admission = Admission::until(path, attributes, expires_at, (self.gate.now_ms(), self.ttl_ms));
        Admission {
            handle: credential.attributes.get(NAME).cloned().unwrap_or_default(),
            credential: Some(credential.revocation_id()),
            ..admission
        }
    }
}
