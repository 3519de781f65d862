//! Admission as programs use it by themselves: verification, and serving it on connections of their own
//! (`trust.md` sections 6, 11, 12 and 15).

use std::collections::BTreeMap;
use std::sync::Arc;

use aster_core::admission::{
    self, AdmissionResult, ConsumerAdmission, DelegatedAdmission, Desk, Iid, NonceStore, ProducerAdmission, Verifier,
};
use aster_core::clock::{Clock as _, SystemClock};
use aster_core::error::{Error, ErrorKind, Result};
use aster_core::ids::EndpointId;
use aster_core::rpc::{BoxFuture, Connection};
use aster_core::trust::{
    ConsumerAnswer, ConsumerRequest, Credential, DelegatedPolicy, Enrollment, EnrollmentKind, IidKeys, Offline,
    ServiceSummary,
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

/// What is checked of a credential.
#[derive(Clone, Copy)]
enum Checks {
    Offline,
    Runtime,
    All,
}

struct Examination {
    credential: Enrollment,
    checks: Checks,
    root_pubkey: Option<[u8; 32]>,
    peer: Option<String>,
    now: u64,
    iid_token: String,
    store: Option<Arc<dyn NonceStore>>,
    backend: Option<HostIid>,
}

impl Examination {
    async fn run(self) -> AdmissionResult {
        let Self { credential, root_pubkey, peer, now, iid_token, .. } = &self;
        let against = Offline { root_pubkey: root_pubkey.as_ref(), peer: peer.as_deref(), now: *now };
        let iid = self.backend.as_ref().map_or(Iid::None, |backend| Iid::Backend(backend));
        let store = self.store.as_deref();
        match self.checks {
            Checks::Offline => admission::check_offline(credential, &against, store).await,
            Checks::Runtime => admission::check_runtime(credential, &against, iid, iid_token).await,
            Checks::All => admission::admit(credential, &against, iid, iid_token, store).await,
        }
    }
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
    let checks = match checks {
        "offline" => Checks::Offline,
        "runtime" => Checks::Runtime,
        _ => Checks::All,
    };
    let examination = Examination {
        credential: enrollment(credential)?,
        checks,
        root_pubkey,
        peer,
        now: now.unwrap_or_else(|| u64::try_from(SystemClock.epoch_ms() / 1000).unwrap_or(0)),
        iid_token,
        store: nonces.map(|nonces| nonces.0.clone()),
        backend: proves.map(|proves| Host::new(py, queue, proves).map(HostIid)).transpose()?,
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

fn answered(
    py: Python<'_>,
    queue: &Queue,
    desk: impl Desk + 'static,
    request: Vec<u8>,
    peer: Option<EndpointId>,
) -> PyResult<Operation> {
    let work: BoxFuture<'static, Result<String>> = Box::pin(async move {
        Ok(match peer {
            Some(peer) => admission::answer(&desk, &request, peer).await.0,
            None => desk.denial(),
        })
    });
    start_value(py, queue, work)
}

/// Returns the endpoint that a producer's credential is for, by its own word.
fn claimed(request: &[u8]) -> Option<EndpointId> {
    let request = ConsumerRequest::parse(request).ok()?;
    Credential::parse_producer(request.credential_json.as_bytes()).ok()?.endpoint_id
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
        answered(py, queue, self.consumers(told), request, EndpointId::parse(peer).ok())
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
        let peer = match peer {
            Some(peer) => EndpointId::parse(peer).ok(),
            None => claimed(&request),
        };
        answered(py, queue, self.producers(mesh), request, peer)
    }
}

/// What a revocation names.
pub fn revoked(endpoint_id: Option<&str>, credential: Option<&[u8]>) -> Result<admission::Revoked> {
    match (endpoint_id, credential) {
        (Some(id), None) => EndpointId::parse(id).map(admission::Revoked::Endpoint),
        (None, Some(signature)) if signature.len() == 64 => {
            Ok(admission::Revoked::Credential(aster_core::keys::digest(signature)))
        }
        (None, Some(_)) => Err(Error::new(ErrorKind::InvalidArgument, "credential: it is not signed")),
        _ => Err(Error::new(ErrorKind::InvalidArgument, "revoke takes an endpoint_id or a credential")),
    }
}
