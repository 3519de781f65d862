//! Admission as programs use it by themselves: verification, and serving it on connections of their own
//! (`trust.md` sections 6, 11, 12 and 15).

use std::collections::BTreeMap;
use std::sync::Arc;

use aster_core::admission::{
    self, AdmissionResult, Checks, ConsumerAdmission, DelegatedAdmission, Desk, Examination, IidBackend,
    ProducerAdmission, Verifier,
};
use aster_core::error::Result;
use aster_core::ids::EndpointId;
use aster_core::rpc::{BoxFuture, Connection};
use aster_core::trust::{
    ConsumerAnswer, ConsumerRequest, DelegatedPolicy, Enrollment, EnrollmentKind, IidKeys, ServiceSummary,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::mesh::Mesh;
use crate::net::PeerConnection;
use crate::node::{checked, object, start, start_plain, start_value};
use crate::nonces::{Host, HostIid, Nonces};
use crate::peers::{List, Peers};
use crate::queue::{Operation, Queue};

/// Kind, endpoint id, root key, expiry, attributes, nonce and signature of a credential.
type Parts = (String, Option<String>, [u8; 32], u64, BTreeMap<String, String>, Option<Vec<u8>>, Vec<u8>);
/// What the admitted are told: services as tuples, namespace of the registry, topic of the mesh.
type Told = (Vec<TellService>, String, String);
/// Name, version, contract id, channels, pattern and modes of a service.
type TellService = (String, i32, String, BTreeMap<String, String>, String, Vec<String>);
/// Handle, service and contract id of a policy, and the root key of its authority.
type PolicyParts = (String, String, String, [u8; 32]);

fn enrollment(
    (kind, endpoint_id, root_pubkey, expires_at, attributes, nonce, signature): Parts,
) -> PyResult<Enrollment> {
    let kind = EnrollmentKind::parse(&kind)
        .ok_or_else(|| PyValueError::new_err(format!("credential_type: unknown type '{kind}'")))?;
    Ok(Enrollment { kind, endpoint_id, root_pubkey, expires_at, attributes, nonce, signature })
}

/// Checks a credential; gives whether it holds, its attributes, and the reason if not. `checks` is `offline`, `runtime`
/// or `all`; `proves` is called with attributes, token, peer and an `Answer`.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "what core's checks take, one by one")]
pub fn check_credential(
    py: Python<'_>,
    queue: &Queue,
    credential: Parts,
    checks: &str,
    root_pubkey: Option<[u8; 32]>,
    peer: Option<String>,
    now: Option<u64>,
    nonces: Option<&Nonces>,
    proves: Option<Py<PyAny>>,
    iid_token: String,
) -> PyResult<Operation> {
    let host = proves.map(|proves| Host::new(py, queue, proves)).transpose()?;
    let examination = Examination {
        credential: enrollment(credential)?,
        checks: Checks::parse(checks).ok_or_else(|| PyValueError::new_err("checks: unknown word"))?,
        root_pubkey,
        peer,
        now,
        iid_token,
        store: nonces.map(|nonces| nonces.0.clone()),
        backend: host.map(|host| Box::new(HostIid(host)) as Box<dyn IidBackend>),
    };
    let work: BoxFuture<'static, Result<AdmissionResult>> = Box::pin(async move { Ok(examination.run().await) });
    start(py, queue, work, |py, result| object(py, (result.admitted, result.attributes, result.reason)))
}

/// Admission that a program serves by itself, for one list of peers.
#[pyclass(frozen, module = "aster._aster")]
pub struct AdmissionDesk {
    verifier: Arc<Verifier>,
    keeper: Arc<admission::Doorkeeper>,
}

fn directory((services, registry_namespace, gossip_topic): Told, root_pubkey: [u8; 32]) -> admission::Directory {
    let summary = |(name, version, contract_id, channels, pattern, serialization_modes)| ServiceSummary {
        name,
        version,
        contract_id,
        channels,
        pattern,
        serialization_modes,
    };
    let answer = ConsumerAnswer {
        admitted: true,
        services: services.into_iter().map(summary).collect(),
        registry_namespace,
        root_pubkey: root_pubkey.iter().map(|byte| format!("{byte:02x}")).collect(),
        gossip_topic,
        ..ConsumerAnswer::denial()
    };
    Box::new(move || answer.clone())
}

/// Returns the document that a consumer presents.
#[pyfunction]
pub fn admission_request(credential_json: String, iid_token: String) -> String {
    ConsumerRequest { credential_json, iid_token }.to_json()
}

impl AdmissionDesk {
    fn consumers(&self, told: Told) -> ConsumerAdmission {
        ConsumerAdmission::new(self.verifier.clone(), directory(told, self.verifier.root_pubkey))
    }

    fn producers(&self, mesh: &Mesh) -> ProducerAdmission {
        ProducerAdmission { verifier: self.verifier.clone(), mesh: mesh.0.clone() }
    }

    fn serve(
        &self,
        py: Python<'_>,
        queue: &Queue,
        connection: Arc<dyn Connection>,
        desk: impl Desk + 'static,
    ) -> PyResult<Operation> {
        let keeper = self.keeper.clone();
        let work = Box::pin(async move {
            keeper.serve(&desk, connection.as_ref()).await;
            Ok(())
        });
        start_plain(py, queue, work)
    }
}

#[pymethods]
impl AdmissionDesk {
    /// Makes a desk that admits to a list.
    #[new]
    fn new(
        py: Python<'_>,
        peers: &Peers,
        root_pubkey: [u8; 32],
        nonces: Option<&Nonces>,
        require_bound: bool,
    ) -> PyResult<Self> {
        let List { gate, ttl_ms, keeper } = peers.list(py)?.clone();
        let verifier = Arc::new(Verifier {
            gate,
            root_pubkey,
            require_bound,
            ttl_ms,
            nonces: nonces.map(|nonces| nonces.0.clone()),
            iid: IidKeys::default(),
        });
        Ok(Self { verifier, keeper })
    }

    /// Serves consumer admission on a connection until it ends.
    fn serve_consumers(
        &self,
        py: Python<'_>,
        queue: &Queue,
        connection: &PeerConnection,
        told: Told,
    ) -> PyResult<Operation> {
        let desk = self.consumers(told);
        self.serve(py, queue, connection.transport(py)?, desk)
    }

    /// Serves producer admission on a connection until it ends.
    fn serve_producers(
        &self,
        py: Python<'_>,
        queue: &Queue,
        connection: &PeerConnection,
        mesh: &Mesh,
    ) -> PyResult<Operation> {
        self.serve(py, queue, connection.transport(py)?, self.producers(mesh))
    }

    /// Serves delegated admission on a connection to our endpoint until it ends.
    fn serve_delegated(
        &self,
        py: Python<'_>,
        queue: &Queue,
        connection: &PeerConnection,
        own_id: &str,
        policies: Vec<PolicyParts>,
    ) -> PyResult<Operation> {
        let policy = |(target_handle, target_service, target_contract_id, root_pubkey)| DelegatedPolicy {
            target_handle,
            target_service,
            target_contract_id,
            root_pubkey,
        };
        let server = checked(py, EndpointId::parse(own_id))?;
        let policies = policies.into_iter().map(policy).collect();
        let delegated = DelegatedAdmission { verifier: self.verifier.clone(), server, policies };
        let (keeper, connection) = (self.keeper.clone(), connection.transport(py)?);
        let work = Box::pin(async move {
            delegated.serve(&keeper, connection.as_ref()).await;
            Ok(())
        });
        start_plain(py, queue, work)
    }

    /// Answers a request of a consumer; a peer without a valid id is denied.
    fn answer_consumer(
        &self,
        py: Python<'_>,
        queue: &Queue,
        request: Vec<u8>,
        peer: &str,
        told: Told,
    ) -> PyResult<Operation> {
        let (desk, peer) = (self.consumers(told), peer.to_owned());
        let work = Box::pin(async move { Ok(admission::answer_consumer(&desk, &request, &peer).await) });
        start_value(py, queue, work)
    }

    /// Answers a request of a producer; without a peer the id in its credential is believed.
    fn answer_producer(
        &self,
        py: Python<'_>,
        queue: &Queue,
        request: Vec<u8>,
        peer: Option<&str>,
        mesh: &Mesh,
    ) -> PyResult<Operation> {
        let (desk, peer) = (self.producers(mesh), peer.map(str::to_owned));
        let work = Box::pin(async move { Ok(admission::answer_producer(&desk, &request, peer.as_deref()).await) });
        start_value(py, queue, work)
    }
}
