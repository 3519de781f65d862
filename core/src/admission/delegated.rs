//! The exchange of delegated admission: token, challenge, proof, answer (`trust.md` section 12).

use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::FutureExt;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tracing::info;

use super::desk::next_denial;
use super::streams::{write_all, write_part};
use super::{Admission, AdmissionPath, Doorkeeper, Verifier};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::EndpointId;
use crate::limits;
use crate::rpc::{BiStream, Connection, RecvHalf};
use crate::trust::{Cause, DelegatedGrant, DelegatedHello, DelegatedPolicy, ProofContext, strict_json};
use crate::wire;

/// Bytes of the length before each message.
const PREFIX: usize = 4;

/// The server side of delegated admission.
pub struct DelegatedAdmission {
    /// Who admits.
    pub verifier: Arc<Verifier>,
    /// The server's own endpoint.
    pub server: EndpointId,
    /// Whose tokens are taken for which service.
    pub policies: Vec<DelegatedPolicy>,
}

impl std::fmt::Debug for DelegatedAdmission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DelegatedAdmission").field("policies", &self.policies).finish_non_exhaustive()
    }
}

fn framed(text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    [length.to_le_bytes().as_slice(), text.as_bytes()].concat()
}

/// Reads one message; the error tells whether it is too large.
async fn read_message(
    recv: &mut dyn RecvHalf,
    buffer: &mut BytesMut,
    limit: usize,
) -> std::result::Result<BytesMut, bool> {
    let mut wanted = PREFIX;
    loop {
        if buffer.len() >= PREFIX && wanted == PREFIX {
            let length = buffer.first_chunk::<PREFIX>().map_or(0, |prefix| u32::from_le_bytes(*prefix)) as usize;
            if length > limit {
                return Err(true);
            }
            wanted = PREFIX + length;
        }
        if wanted > PREFIX && buffer.len() >= wanted {
            let mut message = buffer.split_to(wanted);
            return Ok(message.split_off(PREFIX));
        }
        if wanted == PREFIX && buffer.len() >= PREFIX {
            return Err(false); // An empty message is none.
        }
        match poll_fn(|cx| recv.poll_read(cx, wanted - buffer.len(), buffer)).await {
            Ok(0) | Err(_) => return Err(false),
            Ok(_) => {}
        }
    }
}

impl DelegatedAdmission {
    /// Serves a connection with its one exchange.
    pub async fn serve(&self, keeper: &Doorkeeper, connection: &dyn Connection) {
        let serve = async |peer| {
            let accepted = timeout(limits::ADMISSION_REQUEST_TIMEOUT, connection.accept_bi()).await;
            let Ok(Ok(stream)) = accepted else { return };
            if !keeper.may_ask(peer, connection.source()) {
                return connection.close(wire::CLOSE_BUSY, wire::BUSY_TEXT);
            }
            self.exchange(keeper, stream, peer).await;
            connection.closed().await;
        };
        keeper.with_seat(connection, serve).await;
    }

    async fn exchange(&self, keeper: &Doorkeeper, mut stream: BiStream, peer: EndpointId) {
        let mut received = Instant::now();
        // A panic in the decision denies.
        let decided = AssertUnwindSafe(self.decide(keeper, &mut stream, peer, &mut received)).catch_unwind().await;
        let granted = decided.unwrap_or(Err(Some(Cause::Failed)));
        let (answer, grant) = match granted {
            Ok((grant, previous)) => {
                info!(target: "aster::admission", event = "delegated.allow", peer = peer.short(), service = grant.service);
                (grant.to_json(), Some((grant.service, previous)))
            }
            Err(None) => return, // Nobody is there any more.
            Err(Some(cause)) => {
                info!(target: "aster::admission", event = "delegated.deny", peer = peer.short(), cause = cause.name());
                keeper.denied(peer);
                sleep_until(next_denial(received)).await;
                (DelegatedGrant::denial(), None)
            }
        };
        let bytes = framed(&answer);
        let sent = timeout(limits::ADMISSION_REQUEST_TIMEOUT, write_all(stream.send.as_mut(), &bytes)).await;
        if let (Some((service, previous)), Err(_) | Ok(Err(()))) = (grant, sent) {
            // What its owner does not know of must not stay.
            self.verifier.gate.withdraw(peer, &service, previous);
        }
    }

    async fn decide(
        &self,
        keeper: &Doorkeeper,
        stream: &mut BiStream,
        peer: EndpointId,
        received: &mut Instant,
    ) -> std::result::Result<(DelegatedGrant, Option<Admission>), Option<Cause>> {
        let mut buffer = BytesMut::new();
        let (recv, send) = (stream.recv.as_mut(), stream.send.as_mut());
        let first = read_message(recv, &mut buffer, limits::MAX_ADMISSION_REQUEST);
        let hello = match timeout(limits::ADMISSION_REQUEST_TIMEOUT, first).await {
            Ok(Ok(bytes)) => DelegatedHello::parse(&bytes),
            Ok(Err(true)) => Err(Cause::TooLarge),
            Ok(Err(false)) => return Err(None),
            Err(_) => Err(Cause::Late),
        };
        let mut nonce = [0; 32];
        getrandom::fill(&mut nonce).map_err(|_| Some(Cause::Failed))?;
        // Whatever the token is, the challenge looks the same.
        let challenge = json!({"v": 1, "nonce": hex::encode(nonce), "server_endpoint_id": self.server.to_string()});
        let written =
            timeout(limits::ADMISSION_REQUEST_TIMEOUT, write_part(send, &framed(&challenge.to_string()))).await;
        if !matches!(written, Ok(Ok(()))) {
            return Err(None);
        }
        let proof = read_message(recv, &mut buffer, limits::MAX_DELEGATED_PROOF);
        let proof = match timeout(limits::DELEGATED_PROOF_TIMEOUT, proof).await {
            Ok(Ok(bytes)) => read_proof(&bytes).ok_or(Cause::Malformed),
            Ok(Err(true)) => Err(Cause::TooLarge),
            Ok(Err(false)) => return Err(None),
            Err(_) => Err(Cause::Late),
        };
        *received = Instant::now();
        let _verification = keeper.verification().await.ok_or(Some(Cause::Late))?;
        let context = ProofContext { nonce: &nonce, client: peer, server: self.server };
        self.admit(&hello?, &proof?, &context).map_err(Some)
    }

    /// Verifies what was shown, and grants it for one service; returns the grant, and the one that it replaced.
    ///
    /// # Errors
    ///
    /// The cause, which the peer must not learn.
    pub fn admit(
        &self,
        hello: &DelegatedHello,
        proof: &[u8; 64],
        context: &ProofContext<'_>,
    ) -> std::result::Result<(DelegatedGrant, Option<Admission>), Cause> {
        let gate = &self.verifier.gate;
        if gate.is_revoked(&context.client, None) {
            return Err(Cause::Revoked);
        }
        let now = gate.now_s();
        let mut grant = hello.verify(proof, context, &self.policies, now)?;
        let now_ms = gate.now_ms();
        let latest = u64::try_from(now_ms.saturating_add(self.verifier.ttl_ms) / 1000).unwrap_or(0);
        grant.expires_at = grant.expires_at.min(latest);
        let attributes =
            vec![("aster.role".to_owned(), grant.roles.join(",")), ("aster.name".to_owned(), grant.handle.clone())];
        let held = (now_ms, self.verifier.ttl_ms);
        let admission = Admission {
            handle: grant.handle.clone(),
            service: Some(grant.service.clone()),
            ..Admission::until(AdmissionPath::Delegated, attributes, grant.expires_at.max(1), held)
        };
        let previous = gate.grant_of(&context.client, &grant.service);
        gate.admit(context.client.into(), admission)?;
        Ok((grant, previous))
    }
}

fn read_proof(bytes: &[u8]) -> Option<[u8; 64]> {
    let document = strict_json(bytes).ok()?;
    let mut signature = [0; 64];
    hex::decode_to_slice(document.get("signature")?.as_str()?, &mut signature).ok()?;
    Some(signature)
}

/// What a client shows for a service of somebody else's deployment.
#[derive(Clone)]
pub struct Delegation {
    hello: DelegatedHello,
    consumer_key: [u8; 32],
}

impl std::fmt::Debug for Delegation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delegation").finish_non_exhaustive()
    }
}

impl Delegation {
    /// Reads a token and the attestation of its key, both JSON objects, and takes the key that the token names.
    ///
    /// # Errors
    ///
    /// CREDENTIAL for documents that are none, INVALID_ARGUMENT for a key without 32 bytes.
    pub fn new(token: &str, attestation: &str, consumer_key: &[u8]) -> Result<Self> {
        let consumer_key = consumer_key
            .try_into()
            .map_err(|_| Error::new(ErrorKind::InvalidArgument, "a signing key has 32 bytes"))?;
        Ok(Self { hello: DelegatedHello::new(token, attestation)?, consumer_key })
    }

    /// Runs the exchange on a connection to a server; `client` is our own endpoint.
    ///
    /// # Errors
    ///
    /// ADMISSION_DENIED if the server refuses, CONNECT if it is another one, or its messages are late or unusable.
    pub async fn request(
        &self,
        connection: &dyn Connection,
        client: EndpointId,
        within: Duration,
    ) -> Result<DelegatedGrant> {
        let exchange = self.exchange(connection, client);
        timeout_at(Instant::now() + within, exchange).await.map_err(|_| unusable("no answer in time"))?
    }

    async fn exchange(&self, connection: &dyn Connection, client: EndpointId) -> Result<DelegatedGrant> {
        let server = connection.remote().ok_or_else(|| unusable("no endpoint"))?;
        let mut stream = connection.open_bi().await.map_err(|cause| super::client::refused(&cause))?;
        let lost = || super::client::lost(connection);
        let (send, recv) = (stream.send.as_mut(), stream.recv.as_mut());
        write_part(send, &framed(&self.hello.to_json())).await.map_err(|()| lost())?;
        let mut buffer = BytesMut::new();
        let read = read_message(recv, &mut buffer, limits::MAX_DELEGATED_PROOF).await;
        let challenge = read.map_err(|too_large| if too_large { unusable("challenge") } else { lost() })?;
        let nonce = challenged(&challenge, &server)?;
        let proof = self.hello.prove(&ProofContext { nonce: &nonce, client, server }, &self.consumer_key)?;
        let proof = framed(&json!({"signature": hex::encode(proof)}).to_string());
        write_all(send, &proof).await.map_err(|()| lost())?;
        let read = read_message(recv, &mut buffer, limits::MAX_ADMISSION_REQUEST).await;
        let answer = read.map_err(|too_large| if too_large { unusable("answer is too large") } else { lost() })?;
        let service = self.hello.token().get("target_service").and_then(Value::as_str).unwrap_or_default();
        let granted = DelegatedGrant::parse(&answer, service)?;
        granted.ok_or_else(|| Error::new(ErrorKind::AdmissionDenied, "delegated admission denied"))
    }
}

/// Reads a challenge. One that another server made would be answered for it: it must name the one that was dialled.
fn challenged(bytes: &[u8], server: &EndpointId) -> Result<[u8; 32]> {
    let document = strict_json(bytes).map_err(|_| unusable("challenge"))?;
    let read = || {
        let id = EndpointId::parse(document.get("server_endpoint_id")?.as_str()?).ok()?;
        let mut nonce = [0; 32];
        hex::decode_to_slice(document.get("nonce")?.as_str()?, &mut nonce).ok()?;
        (id == *server && document.get("v")?.as_u64() == Some(1)).then_some(nonce)
    };
    read().ok_or_else(|| unusable("challenge of another server, or none"))
}

fn unusable(reason: &str) -> Error {
    Error::new(ErrorKind::Connect, format!("unusable reply of delegated admission: {reason}"))
}
