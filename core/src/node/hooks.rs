//! Gate 0: the handshake hook that decides which inbound connections live (`trust.md` section 7).

use std::sync::Arc;

use iroh::endpoint::{AfterHandshakeOutcome, Connection, EndpointHooks, Side, VarInt};
use tracing::info;

use crate::admission::Gate;
use crate::ids::EndpointId;
use crate::wire;

/// Filters inbound connections by the gate; outbound ones are not its concern.
#[derive(Debug)]
pub(crate) struct GateHook(pub(crate) Arc<Gate>);

impl EndpointHooks for GateHook {
    async fn after_handshake<'a>(&'a self, connection: &'a Connection) -> AfterHandshakeOutcome {
        if connection.side() != Side::Server || connection.alpn() == wire::ALPN_CONSUMER_ADMISSION {
            return AfterHandshakeOutcome::accept();
        }
        let peer = EndpointId(*connection.remote_id().as_bytes());
        if self.0.admits(&peer) {
            return AfterHandshakeOutcome::accept();
        }
        info!(target: "aster::gate", event = "gate.reject", peer = peer.short());
        AfterHandshakeOutcome::Reject {
            error_code: VarInt::from_u32(wire::CLOSE_NOT_ADMITTED),
            reason: wire::NOT_ADMITTED_TEXT.as_bytes().to_vec(),
        }
    }
}
