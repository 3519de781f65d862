//! Producer admission, the server's side (`trust.md` section 11).

use std::sync::{Arc, Mutex};

use super::{AdmissionPath, Desk, Verifier};
use crate::ids::EndpointId;
use crate::mesh::{Accepted, Mesh, producer_denial};
use crate::rpc::BoxFuture;
use crate::trust::{Cause, ConsumerRequest, Credential};

/// The server side of producer admission.
#[derive(Debug)]
pub struct ProducerAdmission {
    /// Who admits.
    pub verifier: Arc<Verifier>,
    /// The mesh that producers are admitted to.
    pub mesh: Arc<Mutex<Mesh>>,
}

impl ProducerAdmission {
    /// Decides about a request.
    ///
    /// # Errors
    ///
    /// The cause, which the peer must not learn.
    pub async fn admit(&self, request: &[u8], peer: EndpointId) -> Result<Accepted, Cause> {
        let request = ConsumerRequest::parse(request).map_err(|error| Cause::of(&error))?;
        if request.credential_json.is_empty() {
            return Err(Cause::Empty);
        }
        let credential = Credential::parse_producer(request.credential_json.as_bytes());
        let credential = credential.map_err(|error| Cause::of(&error))?;
        self.verifier.check(&credential, &request.iid_token, peer)?;
        let now_ms = u64::try_from(self.verifier.gate.now_ms()).unwrap_or(0);
        let accepted = {
            let mut mesh = self.mesh.lock().map_err(|_| Cause::Failed)?;
            if !mesh.is_settled() {
                return Err(Cause::Failed);
            }
            if !mesh.accept(peer, credential.expires_at.saturating_mul(1000), now_ms) {
                return Err(Cause::Capacity);
            }
            Accepted { salt: *mesh.salt(), producers: mesh.accepted_with(&peer, now_ms) }
        };
        let admission = self.verifier.admission(&credential, AdmissionPath::Producer);
        if let Err(cause) = self.verifier.gate.admit(peer.into(), admission) {
            self.mesh.lock().map_err(|_| Cause::Failed)?.remove(&peer);
            return Err(cause);
        }
        Ok(accepted)
    }
}

impl Desk for ProducerAdmission {
    fn path(&self) -> &'static str {
        AdmissionPath::Producer.name()
    }

    fn denial(&self) -> String {
        producer_denial()
    }

    fn decide<'a>(&'a self, request: &'a [u8], peer: EndpointId) -> BoxFuture<'a, Result<String, Cause>> {
        Box::pin(async move { self.admit(request, peer).await.map(|accepted| accepted.to_json()) })
    }
}
