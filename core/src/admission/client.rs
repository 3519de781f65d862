//! Consumer admission, the client's side (`trust.md` section 14).

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use bytes::BytesMut;
use tokio::time::{Instant, timeout, timeout_at};

use super::streams::{read_to_end, write_all};
use crate::error::{Error, ErrorKind, Result};
use crate::limits;
use crate::mesh::Accepted;
use crate::rpc::{CloseCause, Connection};
use crate::sync::lock;
use crate::trust::{ConsumerAnswer, ConsumerRequest, Credential, CredentialKind};
use crate::wire;

/// One-time tokens that this process has sent, oldest first: a token is sent once.
static SENT: Mutex<VecDeque<[u8; 32]>> = Mutex::new(VecDeque::new());

/// What a client presents.
#[derive(Clone, Default)]
pub struct Presentation {
    /// The credential as JSON text; empty: none.
    pub credential_json: String,
    /// A signed document of the instance's identity; empty: none.
    pub iid_token: String,
}

impl std::fmt::Debug for Presentation {
    /// Tells only whether there is something: both may be bearer secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Presentation")
            .field("has_credential", &!self.credential_json.is_empty())
            .finish_non_exhaustive()
    }
}

impl Presentation {
    /// Returns what one-time tokens are remembered by; `None` for everything else, which may be sent at will.
    fn token(&self) -> Option<[u8; 32]> {
        match Credential::parse(self.credential_json.as_bytes()).ok()?.kind {
            CredentialKind::OneTime { nonce } => Some(nonce),
            _ => None,
        }
    }

    /// Tells whether it is a policy, which is presented again from time to time.
    pub fn is_policy(&self) -> bool {
        !self.credential_json.is_empty() && self.token().is_none()
    }
}

fn was_sent(token: &[u8; 32]) -> bool {
    lock(&SENT).contains(token)
}

fn note_sent(token: [u8; 32]) {
    let mut sent = lock(&SENT);
    if !sent.contains(&token) {
        sent.push_back(token);
    }
    if sent.len() > limits::MAX_SENT_TOKENS {
        sent.pop_front();
    }
}

fn forget_sent(token: &[u8; 32]) {
    lock(&SENT).retain(|sent| sent != token);
}

/// Presents what there is on an admission connection. A one-time token is sent once; afterwards, and once after its
/// denial, the client resumes what it has.
///
/// # Errors
///
/// ADMISSION_DENIED if the server refuses, CONNECT if its answer is unusable, late or absent.
pub async fn request(
    connection: &dyn Connection,
    presentation: &Presentation,
    within: Duration,
) -> Result<ConsumerAnswer> {
    let deadline = Instant::now() + within;
    let resume = ConsumerRequest::default();
    let token = presentation.token();
    if token.is_some_and(|token| was_sent(&token)) {
        return ask(connection, resume, None, deadline).await;
    }
    let Presentation { credential_json, iid_token } = presentation.clone();
    let answered = ask(connection, ConsumerRequest { credential_json, iid_token }, token, deadline).await;
    match answered {
        Err(error) if token.is_some() && error.kind() == ErrorKind::AdmissionDenied => {
            ask(connection, resume, None, deadline).await.map_err(|_| error)
        }
        answered => answered,
    }
}

async fn ask(
    connection: &dyn Connection,
    request: ConsumerRequest,
    token: Option<[u8; 32]>,
    deadline: Instant,
) -> Result<ConsumerAnswer> {
    let exchanged = timeout_at(deadline, exchange(connection, request, token)).await;
    if let (Some(token), Ok(Err(error))) = (token, &exchanged)
        && error.detail("busy").is_some()
    {
        forget_sent(&token); // Who refuses as busy has read nothing.
    }
    let bytes = exchanged.map_err(|_| unusable("no answer in time"))??;
    let answer = ConsumerAnswer::parse(&bytes).map_err(|error| unusable(error.message()).with_source(error))?;
    match answer.admitted {
        true => Ok(answer),
        false => Err(Error::new(ErrorKind::AdmissionDenied, "consumer admission denied")),
    }
}

/// Presents a producer's credential to another producer.
///
/// # Errors
///
/// ADMISSION_DENIED if it refuses, CONNECT if its answer is unusable, late or absent.
pub async fn request_producer(
    connection: &dyn Connection,
    presentation: &Presentation,
    within: Duration,
) -> Result<Accepted> {
    let Presentation { credential_json, iid_token } = presentation.clone();
    let responder = connection.remote().ok_or_else(|| unusable("no endpoint"))?;
    let exchange = exchange(connection, ConsumerRequest { credential_json, iid_token }, None);
    let bytes = timeout(within, exchange).await.map_err(|_| unusable("no answer in time"))??;
    let accepted = Accepted::parse(&bytes, &responder)?;
    accepted.ok_or_else(|| Error::new(ErrorKind::AdmissionDenied, "producer admission denied"))
}

/// Sends a request and reads the answer.
async fn exchange(connection: &dyn Connection, request: ConsumerRequest, token: Option<[u8; 32]>) -> Result<BytesMut> {
    let mut stream = connection.open_bi().await.map_err(|cause| refused(&cause))?;
    // From the first byte on nobody knows whether the server has spent it.
    token.inspect(|token| note_sent(*token));
    let sent = write_all(stream.send.as_mut(), request.to_json().as_bytes()).await;
    sent.map_err(|()| lost(connection))?;
    let read = read_to_end(stream.recv.as_mut(), limits::MAX_ADMISSION_ANSWER).await;
    read.map_err(|too_large| if too_large { unusable("answer is too large") } else { lost(connection) })
}

fn unusable(reason: &str) -> Error {
    Error::new(ErrorKind::Connect, format!("unusable admission reply: {reason}"))
}

pub(super) fn lost(connection: &dyn Connection) -> Error {
    refused(&connection.close_cause().unwrap_or_else(|| CloseCause::lost("stream ended")))
}

pub(super) fn refused(cause: &CloseCause) -> Error {
    if cause.code == Some(wire::CLOSE_NOT_ADMITTED.into()) {
        return Error::new(ErrorKind::AdmissionDenied, "consumer admission denied");
    }
    let error = Error::new(ErrorKind::Connect, format!("admission failed: {cause}"));
    match cause.code == Some(wire::CLOSE_BUSY.into()) {
        true => error.with_detail("busy", "true"),
        false => error,
    }
}
