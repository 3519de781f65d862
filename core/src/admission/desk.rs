//! Admission over a connection: one JSON object each way, with limits and pacing (`trust.md` section 6).
//!
//! What is asked and answered is the business of a [`Desk`].

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::info;

use super::rates::{Rates, Source};
use super::streams::{read_to_end, write_all};
use crate::ids::EndpointId;
use crate::limits;
use crate::rpc::{BiStream, BoxFuture, Connection};
use crate::sync::lock;
use crate::trust::Cause;
use crate::wire;

/// Decides about requests of one kind of admission.
pub trait Desk: Send + Sync {
    /// Returns its name for the log.
    fn path(&self) -> &'static str;

    /// Returns the denial: one text for every cause.
    fn denial(&self) -> String;

    /// Returns the answer for an admitted peer.
    fn decide<'a>(&'a self, request: &'a [u8], peer: EndpointId) -> BoxFuture<'a, Result<String, Cause>>;
}

/// Answers a request without a connection, at once: whatever goes wrong denies. The cause is for the program's log.
pub async fn answer(desk: &dyn Desk, request: &[u8], peer: EndpointId) -> (String, Option<Cause>) {
    if request.len() > limits::MAX_ADMISSION_REQUEST {
        return (desk.denial(), Some(Cause::TooLarge));
    }
    // A panic in the decision denies.
    let decision = async { desk.decide(request, peer).await };
    match AssertUnwindSafe(decision).catch_unwind().await.unwrap_or(Err(Cause::Failed)) {
        Ok(answer) => (answer, None),
        Err(cause) => (desk.denial(), Some(cause)),
    }
}

/// What keeps strangers from exhausting a server, for all its desks together.
#[derive(Debug)]
pub struct Doorkeeper {
    connections: Mutex<Connections>,
    peers: Mutex<Rates<EndpointId>>,
    sources: Mutex<Rates<Source>>,
    verifications: Semaphore,
    waiting: AtomicUsize,
}

#[derive(Debug, Default)]
struct Connections {
    total: usize,
    by_peer: HashMap<EndpointId, usize>,
}

/// One counted connection, given back when dropped.
struct Seat<'a> {
    keeper: &'a Doorkeeper,
    peer: EndpointId,
}

impl Default for Doorkeeper {
    fn default() -> Self {
        Self {
            connections: Mutex::default(),
            peers: Mutex::new(Rates::new(limits::PEER_RATE)),
            sources: Mutex::new(Rates::new(limits::SOURCE_RATE)),
            verifications: Semaphore::new(limits::MAX_VERIFICATIONS),
            waiting: AtomicUsize::new(0),
        }
    }
}

impl Doorkeeper {
    fn seat(&self, peer: EndpointId) -> Option<Seat<'_>> {
        let mut connections = lock(&self.connections);
        let of_peer = connections.by_peer.get(&peer).copied().unwrap_or(0);
        if connections.total >= limits::MAX_ADMISSION_CONNECTIONS
            || of_peer >= limits::MAX_ADMISSION_CONNECTIONS_PER_PEER
        {
            return None;
        }
        connections.total += 1;
        connections.by_peer.insert(peer, of_peer + 1);
        Some(Seat { keeper: self, peer })
    }

    /// Takes what one request costs. False: too many.
    pub(super) fn may_ask(&self, peer: EndpointId, source: Source) -> bool {
        let now = std::time::Instant::now();
        let of_source = source == Source::Exempt || lock(&self.sources).take(source, now);
        of_source && lock(&self.peers).take(peer, now)
    }

    /// Takes what a denial costs beside its request.
    pub(super) fn denied(&self, peer: EndpointId) {
        lock(&self.peers).charge(&peer, limits::DENIAL_COST - 1.0);
    }

    /// Waits for one of the places for verification; `None`: too many wait.
    pub(super) async fn verification(&self) -> Option<SemaphorePermit<'_>> {
        if let Ok(permit) = self.verifications.try_acquire() {
            return Some(permit);
        }
        let waiting = Waiting(&self.waiting);
        if self.waiting.fetch_add(1, Ordering::AcqRel) >= limits::MAX_WAITING_VERIFICATIONS {
            return None;
        }
        let permit = timeout(limits::ADMISSION_REQUEST_TIMEOUT, self.verifications.acquire()).await;
        drop(waiting);
        permit.ok()?.ok()
    }

    /// Serves one connection with up to 8 requests, one at a time, for at most 60 s.
    pub async fn serve(&self, desk: &dyn Desk, connection: &dyn Connection) {
        let serve = async |peer| {
            for _ in 0..limits::MAX_ADMISSION_REQUESTS {
                let accepted = timeout(limits::ADMISSION_REQUEST_TIMEOUT, connection.accept_bi()).await;
                let Ok(Ok(stream)) = accepted else { return };
                if !self.may_ask(peer, connection.source()) || self.request(desk, stream, peer).await.is_none() {
                    return connection.close(wire::CLOSE_BUSY, wire::BUSY_TEXT);
                }
            }
            // The peer closes after its last answer; the connection's time bounds the wait.
            connection.closed().await;
        };
        self.with_seat(connection, serve).await;
    }

    /// Serves a connection within its time, unless there are too many.
    pub(super) async fn with_seat(&self, connection: &dyn Connection, serve: impl AsyncFnOnce(EndpointId)) {
        let Some(peer) = connection.remote() else { return };
        let Some(_seat) = self.seat(peer) else {
            return connection.close(wire::CLOSE_BUSY, wire::BUSY_TEXT);
        };
        let _ = timeout(limits::ADMISSION_CONNECTION_TIMEOUT, serve(peer)).await;
        connection.close(wire::CLOSE_NORMAL, wire::SERVER_CLOSE_TEXT);
    }

    /// Answers one request. `None`: too many are waiting.
    async fn request(&self, desk: &dyn Desk, mut stream: BiStream, peer: EndpointId) -> Option<()> {
        let read = read_to_end(stream.recv.as_mut(), limits::MAX_ADMISSION_REQUEST);
        let request = match timeout(limits::ADMISSION_REQUEST_TIMEOUT, read).await {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(true)) => Err(Cause::TooLarge),
            Ok(Err(false)) => return Some(()), // Nobody is there to be answered.
            Err(_) => Err(Cause::Late),
        };
        let received = Instant::now();
        let decided = match &request {
            Err(cause) => {
                stream.recv.stop(wire::ABORT_DONE);
                Err(*cause)
            }
            Ok(bytes) => {
                let _verification = self.verification().await?;
                match answer(desk, bytes, peer).await {
                    (answer, None) => Ok(answer),
                    (_, Some(cause)) => Err(cause),
                }
            }
        };
        let answer = match decided {
            Ok(answer) => {
                info!(target: "aster::admission", event = "admission.allow", path = desk.path(), peer = peer.short());
                answer
            }
            Err(cause) => {
                let cause = cause.name();
                info!(target: "aster::admission", event = "admission.deny", path = desk.path(), peer = peer.short(), cause);
                self.denied(peer);
                sleep_until(next_denial(received)).await;
                desk.denial()
            }
        };
        let _ = timeout(limits::ADMISSION_REQUEST_TIMEOUT, write_all(stream.send.as_mut(), answer.as_bytes())).await;
        Some(())
    }
}

/// Counts who waits, also if the wait is given up.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut connections = lock(&self.keeper.connections);
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
pub(super) fn next_denial(received: Instant) -> Instant {
    let grid = limits::DENIAL_GRID;
    let steps = received.elapsed().as_millis() / grid.as_millis() + 1;
    received + grid * u32::try_from(steps).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Panics, or denies.
    struct Broken(bool);

    impl Desk for Broken {
        fn path(&self) -> &'static str {
            "broken"
        }

        fn denial(&self) -> String {
            "no".to_owned()
        }

        fn decide<'a>(&'a self, _: &'a [u8], _: EndpointId) -> BoxFuture<'a, Result<String, Cause>> {
            assert!(!self.0, "injected");
            Box::pin(async { Err(Cause::Empty) })
        }
    }

    #[tokio::test]
    async fn tr2_a_panic_denies() {
        let peer = EndpointId([1; 32]);
        assert_eq!(answer(&Broken(true), b"", peer).await, ("no".to_owned(), Some(Cause::Failed)));
        assert_eq!(answer(&Broken(false), b"", peer).await, ("no".to_owned(), Some(Cause::Empty)));
        let large = vec![b' '; limits::MAX_ADMISSION_REQUEST + 1];
        assert_eq!(answer(&Broken(true), &large, peer).await.1, Some(Cause::TooLarge));
    }

    #[tokio::test(start_paused = true)]
    async fn tr13_places_for_verification_are_few_and_so_are_those_who_wait() {
        let keeper = Doorkeeper::default();
        let mut taken = Vec::new();
        for _ in 0..limits::MAX_VERIFICATIONS {
            taken.push(keeper.verification().await.unwrap());
        }
        let mut waiting: Vec<_> =
            (0..limits::MAX_WAITING_VERIFICATIONS).map(|_| Box::pin(keeper.verification())).collect();
        for wait in &mut waiting {
            assert!(futures_util::poll!(wait).is_pending());
        }
        assert!(keeper.verification().await.is_none(), "too many wait");
        drop(taken.pop());
        let permit = waiting.remove(0).await;
        assert!(permit.is_some());
        assert!(waiting.remove(0).await.is_none(), "nobody waits for ever");
        drop(waiting);
        assert_eq!(keeper.waiting.load(Ordering::Acquire), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn tr16_denials_leave_on_the_grid() {
        let received = Instant::now();
        assert_eq!(next_denial(received) - received, limits::DENIAL_GRID);
        tokio::time::advance(limits::DENIAL_GRID - std::time::Duration::from_millis(1)).await;
        assert_eq!(next_denial(received) - received, limits::DENIAL_GRID);
        tokio::time::advance(std::time::Duration::from_millis(1)).await;
        assert_eq!(next_denial(received) - received, limits::DENIAL_GRID * 2);
    }
}
