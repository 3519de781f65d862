//! Handshake hooks: Gate 0 (`trust.md` section 7), and after it the application's own say (`config.md` section 6).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use iroh::endpoint::{AfterHandshakeOutcome, Connection, EndpointHooks, Side, VarInt, WeakConnectionHandle};
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::failure;
use super::inbox::{Inbox, Taken};
use crate::admission::{Gate, LiveConnection};
use crate::error::Result;
use crate::ids::EndpointId;
use crate::limits::MAX_PENDING_HANDSHAKES;
use crate::rpc::BoxFuture;
use crate::wire;

/// Filters inbound connections by the gate; outbound ones are not its concern.
#[derive(Debug)]
pub(crate) struct GateHook(pub(crate) Arc<Gate>);

fn not_admitted() -> AfterHandshakeOutcome {
    AfterHandshakeOutcome::Reject {
        error_code: VarInt::from_u32(wire::CLOSE_NOT_ADMITTED),
        reason: wire::NOT_ADMITTED_TEXT.as_bytes().to_vec(),
    }
}

impl EndpointHooks for GateHook {
    async fn after_handshake<'a>(&'a self, connection: &'a Connection) -> AfterHandshakeOutcome {
        if connection.side() != Side::Server {
            return AfterHandshakeOutcome::accept();
        }
        // A panic refuses.
        let passes = catch_unwind(AssertUnwindSafe(|| self.passes(connection))).unwrap_or(false);
        if passes { AfterHandshakeOutcome::accept() } else { not_admitted() }
    }
}

impl GateHook {
    fn passes(&self, connection: &Connection) -> bool {
        if wire::ADMISSION_ALPNS.contains(&connection.alpn()) {
            return true; // The router refuses those that are not registered.
        }
        let peer = EndpointId(*connection.remote_id().as_bytes());
        self.0.enter(peer, Box::new(Inbound(connection.weak_handle())))
    }
}

/// A connection that the gate may close; it is not kept alive by that.
struct Inbound(WeakConnectionHandle);

impl LiveConnection for Inbound {
    fn is_open(&self) -> bool {
        self.0.upgrade().is_some_and(|connection| connection.close_reason().is_none())
    }

    fn close(&self, code: u32, reason: &str) {
        if let Some(connection) = self.0.upgrade() {
            connection.close(VarInt::from_u32(code), reason.as_bytes());
        }
    }
}

/// A peer that has connected and waits to be let in.
#[derive(Clone, Debug)]
pub struct Handshake {
    /// The peer, 64 hex digits.
    pub remote_id: String,
    /// The protocol it wants.
    pub alpn: Vec<u8>,
}

/// What the application says about a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The peer may stay.
    Allow,
    /// The connection is closed with this application code and text.
    Deny {
        /// Code of the close frame, below 2^62.
        code: u64,
        /// Text of the close frame.
        reason: String,
    },
}

/// A handshake that waits for the application.
#[derive(Debug)]
pub struct PendingHandshake {
    /// Who wants what.
    pub handshake: Handshake,
    decide: oneshot::Sender<Decision>,
}

impl PendingHandshake {
    /// Says what is to happen. Returns false if it came too late and the peer was refused already.
    pub fn decide(self, decision: Decision) -> bool {
        self.decide.send(decision).is_ok()
    }
}

/// Offers inbound handshakes to the application, which can only refuse more than the gate does.
#[derive(Debug)]
pub(super) struct ApplicationHook {
    offers: mpsc::Sender<PendingHandshake>,
    patience: Duration,
}

/// The application's end of an [`ApplicationHook`]. Clones are the same receiver.
#[derive(Clone)]
pub struct Handshakes(Arc<Offered>);

struct Offered {
    offers: AsyncMutex<mpsc::Receiver<PendingHandshake>>,
    inbox: Arc<Inbox<PendingHandshake>>,
    /// Cancelled when the node closes.
    closing: CancellationToken,
}

impl ApplicationHook {
    /// Makes a hook that waits this long for a decision.
    pub(super) fn new(patience: Duration, closing: CancellationToken) -> (Self, Handshakes) {
        let (offers, offered) = mpsc::channel(MAX_PENDING_HANDSHAKES);
        let handshakes = Offered { offers: AsyncMutex::new(offered), inbox: Arc::default(), closing };
        (Self { offers, patience }, Handshakes(Arc::new(handshakes)))
    }

    async fn ask(&self, handshake: Handshake) -> Option<Decision> {
        if self.patience.is_zero() {
            return None;
        }
        let (decide, decided) = oneshot::channel();
        self.offers.try_send(PendingHandshake { handshake, decide }).ok()?;
        timeout(self.patience, decided).await.ok()?.ok()
    }
}

impl EndpointHooks for ApplicationHook {
    async fn after_handshake<'a>(&'a self, connection: &'a Connection) -> AfterHandshakeOutcome {
        if connection.side() != Side::Server {
            return AfterHandshakeOutcome::accept();
        }
        let remote_id = connection.remote_id().to_string();
        let handshake = Handshake { remote_id, alpn: connection.alpn().to_vec() };
        match self.ask(handshake).await {
            Some(Decision::Allow) => AfterHandshakeOutcome::accept(),
            Some(Decision::Deny { code, reason }) => match VarInt::from_u64(code) {
                Ok(error_code) => AfterHandshakeOutcome::Reject { error_code, reason: reason.into_bytes() },
                Err(_) => not_admitted(),
            },
            None => {
                let peer = EndpointId(*connection.remote_id().as_bytes());
                info!(target: "aster::node", event = "hook.silent", peer = peer.short());
                not_admitted()
            }
        }
    }
}

impl Handshakes {
    /// Waits for the next handshake. Cancel-safe.
    ///
    /// # Errors
    ///
    /// CLOSED once the node is closed.
    pub fn next(&self) -> BoxFuture<'static, Result<Taken<PendingHandshake>>> {
        let this = self.0.clone();
        Box::pin(async move {
            let fresh = async { this.offers.lock().await.recv().await.ok_or_else(failure::node_closed) };
            tokio::select! {
                biased;
                () = this.closing.cancelled() => Err(failure::node_closed()),
                next = this.inbox.next(fresh) => next,
            }
        })
    }
}
