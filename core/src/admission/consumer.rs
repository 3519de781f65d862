//! Consumer admission, the server's side (`trust.md` section 6).

use std::sync::Arc;

use super::{AdmissionPath, Desk, Verifier};
use crate::ids::EndpointId;
use crate::rpc::BoxFuture;
use crate::trust::{Cause, ConsumerAnswer, ConsumerRequest};

/// Makes the answer for an admitted peer: services, namespace, root key and topic, current when asked.
pub type Directory = Box<dyn Fn() -> ConsumerAnswer + Send + Sync>;

/// Capability of operators, who may listen to the producers' mesh.
const OPERATOR: &str = "aster.operator";
const ROLE: &str = "aster.role";

/// The server side of consumer admission.
pub struct ConsumerAdmission {
    verifier: Arc<Verifier>,
    directory: Directory,
}

impl std::fmt::Debug for ConsumerAdmission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConsumerAdmission").field("verifier", &self.verifier).finish_non_exhaustive()
    }
}

impl ConsumerAdmission {
    /// Makes the server side.
    pub fn new(verifier: Arc<Verifier>, directory: Directory) -> Self {
        Self { verifier, directory }
    }

    /// Decides about a request. An empty credential is that of an open gate, or resumes an entry that holds.
    ///
    /// # Errors
    ///
    /// The cause, which the peer must not learn.
    pub async fn admit(&self, request: &[u8], peer: EndpointId) -> Result<ConsumerAnswer, Cause> {
        let request = ConsumerRequest::parse(request).map_err(|error| Cause::of(&error))?;
        let presented = request.credential().map_err(|error| Cause::of(&error))?;
        let gate = &self.verifier.gate;
        let attributes = match &presented {
            Some(credential) => {
                self.verifier.admit(credential, &request.iid_token, peer, AdmissionPath::Consumer).await?;
                credential.attributes.clone()
            }
            None if gate.is_revoked(&peer, None) => return Err(Cause::Revoked),
            None => match gate.attributes(&peer) {
                Some(attributes) => attributes.iter().cloned().collect(),
                None if gate.is_open() => {
                    gate.note_anonymous(peer);
                    Default::default()
                }
                None => return Err(Cause::Empty),
            },
        };
        let mut answer = (self.directory)();
        let roles = attributes.get(ROLE).map_or("", String::as_str);
        let is_operator = roles.split(',').any(|role| role.trim() == OPERATOR);
        // Operators of older versions dial with the root key itself.
        if !is_operator && peer.0 != self.verifier.root_pubkey {
            answer.gossip_topic.clear();
        }
        answer.attributes = attributes;
        Ok(answer)
    }
}

impl Desk for ConsumerAdmission {
    fn path(&self) -> &'static str {
        AdmissionPath::Consumer.name()
    }

    fn denial(&self) -> String {
        ConsumerAnswer::denial().to_json()
    }

    fn decide<'a>(&'a self, request: &'a [u8], peer: EndpointId) -> BoxFuture<'a, Result<String, Cause>> {
        Box::pin(async move { self.admit(request, peer).await.map(|answer| answer.to_json()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::{Admission, Gate};
    use crate::trust::IidKeys;

    #[tokio::test]
    async fn the_topic_is_for_operators_and_for_the_root_keys_own_endpoint() {
        let gate = Gate::new(false);
        let verifier = Arc::new(Verifier {
            gate: gate.clone(),
            root_pubkey: [9; 32],
            require_bound: false,
            ttl_ms: 1000,
            nonces: None,
            iid: IidKeys::default(),
        });
        let answer = || ConsumerAnswer { admitted: true, gossip_topic: "t".to_owned(), ..ConsumerAnswer::denial() };
        let desk = ConsumerAdmission::new(verifier, Box::new(answer));
        let empty = br#"{"credential_json":""}"#;
        let root = EndpointId([9; 32]);
        assert_eq!(desk.admit(empty, root).await, Err(Cause::Empty), "the root key's endpoint needs a credential, too");
        for (peer, roles, expected) in [
            (EndpointId([1; 32]), "ops, aster.operator", "t"),
            (EndpointId([2; 32]), "aster.operators", ""),
            (EndpointId([3; 32]), "", ""),
            (root, "", "t"),
        ] {
            let admission = Admission {
                handle: String::new(),
                attributes: vec![(ROLE.to_owned(), roles.to_owned())],
                admitted_at_ms: 0,
                deadline_ms: i64::MAX,
                path: AdmissionPath::Consumer,
                credential: None,
                service: None,
            };
            gate.admit(peer.into(), admission).unwrap();
            assert_eq!(desk.admit(empty, peer).await.unwrap().gossip_topic, expected, "{roles}");
        }
    }
}
