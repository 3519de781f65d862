//! Admission as programs use it by themselves: verification, and answers to requests (`trust.md` sections 4 and 15).

use std::sync::Arc;

use aster_core::admission::{self, Checks, ConsumerAdmission, Examination, IidBackend, ProducerAdmission, Verifier};
use aster_core::error::Result;
use aster_core::trust::{ConsumerAnswer, ConsumerRequest, IidKeys};
use napi::Env;
use napi::bindgen_prelude::{ClassInstance, Uint8Array};
use napi_derive::napi;

use crate::engine::{Engine, Outcome};
use crate::enrollment::{CredentialParts, key, wrong};
use crate::js::{Js, Scope};
use crate::mesh::Mesh;
use crate::nonces::{Host, Nonces};
use crate::peers::Peers;

/// What is to be checked of a credential, and against what.
#[napi(object)]
pub struct CheckOptions {
    /// `offline`, `runtime` or `all`.
    pub checks: String,
    pub root_pubkey: Option<Uint8Array>,
    pub peer: Option<String>,
    /// Seconds since 1970.
    pub now: Option<f64>,
    pub iid_token: String,
    /// Number of the program's object that verifies instance identities.
    pub backend: Option<f64>,
}

/// A request that a program has received.
#[napi(object)]
pub struct Received {
    pub root_pubkey: Uint8Array,
    pub request: Uint8Array,
    /// What the handshake has proved.
    pub peer: Option<String>,
}

/// What a program says to consumers.
#[napi(object)]
pub struct ConsumerDesk {
    pub require_bound: bool,
    /// What the admitted are told: services as a JSON array.
    pub services: String,
    pub registry_namespace: String,
    pub gossip_topic: String,
}

impl ConsumerDesk {
    fn answer(self, root_pubkey: &Uint8Array) -> Result<ConsumerAnswer> {
        Ok(ConsumerAnswer {
            admitted: true,
            services: serde_json::from_str(&self.services).map_err(|error| wrong(format!("services: {error}")))?,
            registry_namespace: self.registry_namespace,
            root_pubkey: root_pubkey.iter().map(|byte| format!("{byte:02x}")).collect(),
            gossip_topic: self.gossip_topic,
            ..ConsumerAnswer::denial()
        })
    }
}

fn verifier(
    peers: &Peers,
    root_pubkey: &Uint8Array,
    nonces: Option<&Nonces>,
    require_bound: bool,
) -> Result<Arc<Verifier>> {
    Ok(Arc::new(Verifier {
        gate: peers.gate.clone(),
        root_pubkey: key("rootPubkey", root_pubkey)?,
        require_bound,
        ttl_ms: peers.ttl_ms,
        nonces: nonces.map(|nonces| nonces.0.clone()),
        iid: IidKeys::default(),
    }))
}

/// Returns the document that a peer presents.
#[napi]
pub fn admission_request(credential_json: String, iid_token: String) -> String {
    ConsumerRequest { credential_json, iid_token }.to_json()
}

#[napi]
impl Engine {
    /// Checks a credential; completes the operation `op` with whether it holds, its attributes and the reason if not.
    #[napi]
    pub fn check_credential(
        &self,
        env: &Env,
        op: f64,
        credential: CredentialParts,
        options: CheckOptions,
        nonces: Option<ClassInstance<Nonces>>,
    ) -> Js {
        let scope = Scope::new(env);
        let examination = || -> Result<Examination> {
            Ok(Examination {
                credential: credential.read()?,
                checks: Checks::parse(&options.checks).ok_or_else(|| wrong("checks: unknown word"))?,
                root_pubkey: options.root_pubkey.map(|bytes| key("rootPubkey", &bytes)).transpose()?,
                peer: options.peer,
                now: options.now.map(|seconds| seconds as u64),
                iid_token: options.iid_token,
                store: nonces.map(|nonces| nonces.0.clone()),
                backend: options.backend.map(|id| Box::new(Host::new(&self.shared, id)) as Box<dyn IidBackend>),
            })
        };
        match examination() {
            Ok(examination) => {
                self.shared.spawn(scope, op, async move { Ok(Outcome::Checked(examination.run().await)) })
            }
            Err(error) => self.shared.errors.error(scope, &error),
        }
    }

    /// Answers a request of a consumer; completes the operation `op` with the answer.
    #[napi]
    pub fn answer_consumer(
        &self,
        env: &Env,
        op: f64,
        peers: &Peers,
        nonces: Option<ClassInstance<Nonces>>,
        received: Received,
        desk: ConsumerDesk,
    ) -> Js {
        let scope = Scope::new(env);
        let Received { root_pubkey, request, peer } = received;
        let verifier = verifier(peers, &root_pubkey, nonces.as_deref(), desk.require_bound);
        let desk = verifier.and_then(|verifier| {
            let answer = desk.answer(&root_pubkey)?;
            Ok(ConsumerAdmission::new(verifier, Box::new(move || answer.clone())))
        });
        match desk {
            Ok(desk) => {
                let (request, peer) = (request.to_vec(), peer.unwrap_or_default());
                let work = async move { admission::answer_consumer(&desk, &request, &peer).await };
                self.shared.spawn(scope, op, async move { Ok(Outcome::Text(work.await)) })
            }
            Err(error) => self.shared.errors.error(scope, &error),
        }
    }

    /// Answers a request of a producer; completes the operation `op` with the answer.
    #[napi]
    pub fn answer_producer(&self, env: &Env, op: f64, peers: &Peers, mesh: &Mesh, received: Received) -> Js {
        let scope = Scope::new(env);
        let Received { root_pubkey, request, peer } = received;
        match verifier(peers, &root_pubkey, None, false) {
            Ok(verifier) => {
                let (request, desk) = (request.to_vec(), ProducerAdmission { verifier, mesh: mesh.0.clone() });
                let work = async move { admission::answer_producer(&desk, &request, peer.as_deref()).await };
                self.shared.spawn(scope, op, async move { Ok(Outcome::Text(work.await)) })
            }
            Err(error) => self.shared.errors.error(scope, &error),
        }
    }
}
