//! Consumer admission over a connection: one JSON object each way (`trust.md` section 6).

use std::collections::HashMap;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tracing::info;

use super::Gate;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::EndpointId;
use crate::limits;
use crate::rpc::{BiStream, CloseCause, Connection, RecvHalf, SendHalf};
use crate::trust::{ConsumerAnswer, ConsumerRequest};
use crate::wire;

/// Makes the answer for an admitted peer: services, namespace and root key, current when asked.
pub type Directory = Box<dyn Fn() -> ConsumerAnswer + Send + Sync>;

/// The server side of consumer admission.
pub struct ConsumerAdmission {
    gate: Arc<Gate>,
    directory: Directory,
    connections: Mutex<Connections>,
}

#[derive(Default)]
struct Connections {
    total: usize,
    by_peer: HashMap<EndpointId, usize>,
}

/// One counted connection, given back when dropped.
struct Seat<'a> {
    admission: &'a ConsumerAdmission,
    peer: EndpointId,
}

impl std::fmt::Debug for ConsumerAdmission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConsumerAdmission").field("gate", &self.gate).finish_non_exhaustive()
    }
}

impl ConsumerAdmission {
    /// Makes the server side for a gate.
    pub fn new(gate: Arc<Gate>, directory: Directory) -> Self {
        Self { gate, directory, connections: Mutex::default() }
    }

    /// Serves one connection: up to 8 requests, one at a time, for at most 60 s.
    pub async fn serve(&self, connection: Arc<dyn Connection>) {
        let Some(peer) = connection.remote() else { return };
        let Some(_seat) = self.take_seat(peer) else {
            connection.close(wire::CLOSE_BUSY, wire::BUSY_TEXT);
            return;
        };
        let _ = timeout(limits::ADMISSION_CONNECTION_TIMEOUT, self.requests(connection.as_ref(), peer)).await;
        connection.close(wire::CLOSE_NORMAL, wire::SERVER_CLOSE_TEXT);
    }

    fn take_seat(&self, peer: EndpointId) -> Option<Seat<'_>> {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        let of_peer = connections.by_peer.get(&peer).copied().unwrap_or(0);
        if connections.total >= limits::MAX_ADMISSION_CONNECTIONS
            || of_peer >= limits::MAX_ADMISSION_CONNECTIONS_PER_PEER
        {
            return None;
        }
        connections.total += 1;
        connections.by_peer.insert(peer, of_peer + 1);
        Some(Seat { admission: self, peer })
    }

    async fn requests(&self, connection: &dyn Connection, peer: EndpointId) {
        for _ in 0..limits::MAX_ADMISSION_REQUESTS {
            let accepted = timeout(limits::ADMISSION_REQUEST_TIMEOUT, connection.accept_bi()).await;
            let Ok(Ok(stream)) = accepted else { return };
            self.request(stream, peer).await;
        }
        // The peer closes after its last answer; the connection's time bounds the wait.
        connection.closed().await;
    }

    async fn request(&self, mut stream: BiStream, peer: EndpointId) {
        let read = read_to_end(stream.recv.as_mut(), limits::MAX_ADMISSION_REQUEST);
        let request = match timeout(limits::ADMISSION_REQUEST_TIMEOUT, read).await {
            Ok(Ok(bytes)) => ConsumerRequest::parse(&bytes),
            Ok(Err(_)) | Err(_) => {
                stream.recv.stop(wire::ABORT_DONE);
                Err(Error::new(ErrorKind::Credential, "too_large or late"))
            }
        };
        let received = Instant::now();
        // A panic in the decision denies.
        let answer = catch_unwind(AssertUnwindSafe(|| self.decide(request, peer))).ok().flatten();
        let bytes = match answer {
            Some(answer) => answer.to_json().into_bytes(),
            None => {
                sleep_until(next_denial(received)).await;
                ConsumerAnswer::denial().to_json().into_bytes()
            }
        };
        let _ = timeout(limits::ADMISSION_REQUEST_TIMEOUT, write_all(stream.send.as_mut(), &bytes)).await;
    }

    /// Returns the answer for an admitted peer. The cause of a denial stays in the operator's log.
    fn decide(&self, request: Result<ConsumerRequest>, peer: EndpointId) -> Option<ConsumerAnswer> {
        let presented = request.and_then(|request| request.credential());
        let cause = match presented {
            Err(error) => error.to_string(),
            Ok(Some(_)) => "unverifiable".to_owned(),
            Ok(None) if !self.gate.is_open() => "empty".to_owned(),
            Ok(None) => {
                info!(target: "aster::admission", event = "admission.allow", path = "consumer", peer = peer.short());
                return Some((self.directory)());
            }
        };
        info!(target: "aster::admission", event = "admission.deny", path = "consumer", peer = peer.short(), cause);
        None
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut connections = self.admission.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.total = connections.total.saturating_sub(1);
        if let Some(count) = connections.by_peer.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                connections.by_peer.remove(&self.peer);
            }
        }
    }
}

/// Returns the next instant of the denial grid after the request's end.
fn next_denial(received: Instant) -> Instant {
    let grid = limits::DENIAL_GRID;
    let steps = received.elapsed().as_millis() / grid.as_millis() + 1;
    received + grid * u32::try_from(steps).unwrap_or(u32::MAX)
}

/// The client side: presents a credential, or nothing, on an admission connection.
///
/// # Errors
///
/// ADMISSION_DENIED if the server refuses, CONNECT if its answer is unusable, late or absent.
pub async fn request(connection: &dyn Connection, credential_json: &str, within: Duration) -> Result<ConsumerAnswer> {
    let deadline = Instant::now() + within;
    let request = ConsumerRequest { credential_json: credential_json.to_owned(), iid_token: String::new() };
    let exchange = async {
        let mut stream = connection.open_bi().await.map_err(|cause| refused(&cause))?;
        write_all(stream.send.as_mut(), request.to_json().as_bytes()).await.map_err(|()| lost(connection))?;
        read_to_end(stream.recv.as_mut(), limits::MAX_ADMISSION_ANSWER).await.map_err(|too_large| match too_large {
            true => unusable("answer is too large"),
            false => lost(connection),
        })
    };
    let bytes = timeout_at(deadline, exchange).await.map_err(|_| unusable("no answer in time"))??;
    let answer = ConsumerAnswer::parse(&bytes).map_err(|error| unusable(error.message()).with_source(error))?;
    match answer.admitted {
        true => Ok(answer),
        false => Err(Error::new(ErrorKind::AdmissionDenied, "consumer admission denied")),
    }
}

fn unusable(reason: &str) -> Error {
    Error::new(ErrorKind::Connect, format!("unusable admission reply: {reason}"))
}

fn lost(connection: &dyn Connection) -> Error {
    refused(&connection.close_cause().unwrap_or_else(|| CloseCause::lost("stream ended")))
}

fn refused(cause: &CloseCause) -> Error {
    if cause.code == Some(wire::CLOSE_NOT_ADMITTED.into()) {
        return Error::new(ErrorKind::AdmissionDenied, "consumer admission denied");
    }
    let error = Error::new(ErrorKind::Connect, format!("admission failed: {cause}"));
    match cause.code == Some(wire::CLOSE_BUSY.into()) {
        true => error.with_detail("busy", "true"),
        false => error,
    }
}

/// Reads to the end of the direction; the error tells whether there was too much.
async fn read_to_end(recv: &mut dyn RecvHalf, limit: usize) -> Result<BytesMut, bool> {
    let mut bytes = BytesMut::new();
    loop {
        let room = limit + 1 - bytes.len();
        match poll_fn(|cx| recv.poll_read(cx, room, &mut bytes)).await {
            Ok(0) => return Ok(bytes),
            Ok(_) if bytes.len() > limit => return Err(true),
            Ok(_) => {}
            Err(_) => return Err(false),
        }
    }
}

async fn write_all(send: &mut dyn SendHalf, mut bytes: &[u8]) -> Result<(), ()> {
    while !bytes.is_empty() {
        let n = poll_fn(|cx| send.poll_write(cx, bytes)).await.map_err(|_| ())?;
        bytes = bytes.get(n..).unwrap_or_default();
    }
    send.finish();
    Ok(())
}
