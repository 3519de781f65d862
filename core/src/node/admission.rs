//! The protocols through which peers are admitted to a server.

use std::sync::Arc;

use iroh::Endpoint;
use iroh::endpoint::Connection;
use iroh::protocol::{AcceptError, ProtocolHandler};
use tracing::warn;

use super::handler::{AdmissionHandler, Guarded};
use super::node::Protocol;
use super::transport::QuicConnection;
use super::trust::Trust;
use crate::admission::{ConsumerAdmission, DelegatedAdmission, Directory, Doorkeeper, ProducerAdmission};
use crate::ids::EndpointId;
use crate::trust::{DelegatedPolicy, ServiceSummary};
use crate::wire;

/// Makes the protocols of a server: consumers always, producers and delegated consumers if it admits any.
pub(super) fn protocols(
    trust: &Trust,
    endpoint: &Endpoint,
    directory: Directory,
    hosted: &[ServiceSummary],
) -> Vec<Protocol> {
    let (verifier, keeper) = (trust.verifier.clone(), trust.doorkeeper.clone());
    let consumers = AdmissionHandler(keeper.clone(), ConsumerAdmission::new(verifier.clone(), directory));
    let mut protocols: Vec<Protocol> = vec![(wire::ALPN_CONSUMER_ADMISSION.to_vec(), Box::new(Guarded(consumers)))];
    let server = EndpointId(*endpoint.id().as_bytes());
    if let Some(mesh) = trust.make_mesh(server)
        && trust.gates_producers
    {
        let producers = AdmissionHandler(keeper.clone(), ProducerAdmission { verifier: verifier.clone(), mesh });
        protocols.push((wire::ALPN_PRODUCER_ADMISSION.to_vec(), Box::new(Guarded(producers))));
    }
    let policies = published(&trust.policies, hosted);
    if !policies.is_empty() {
        let delegated = DelegatedHandler(keeper, Arc::new(DelegatedAdmission { verifier, server, policies }));
        protocols.push((wire::ALPN_DELEGATED_ADMISSION.to_vec(), Box::new(Guarded(delegated))));
    }
    protocols
}

/// Returns the policies whose service is hosted with that contract.
fn published(policies: &[DelegatedPolicy], hosted: &[ServiceSummary]) -> Vec<DelegatedPolicy> {
    let is_hosted = |policy: &&DelegatedPolicy| {
        let same = hosted
            .iter()
            .any(|service| service.name == policy.target_service && service.contract_id == policy.target_contract_id);
        if !same {
            let service = &policy.target_service;
            warn!(target: "aster::trust", service, "published, but not hosted with that contract: nobody is delegated");
        }
        same
    };
    policies.iter().filter(is_hosted).cloned().collect()
}

/// Serves delegated admission.
#[derive(Debug)]
struct DelegatedHandler(Arc<Doorkeeper>, Arc<DelegatedAdmission>);

impl ProtocolHandler for DelegatedHandler {
    async fn accept(&self, connection: Connection) -> Result<(), AcceptError> {
        self.1.serve(&self.0, &QuicConnection::new(connection)).await;
        Ok(())
    }
}
