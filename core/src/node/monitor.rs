//! Facts about connections: of one connection, and per peer if monitoring is on (`config.md` section 6).

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use iroh::endpoint::{
    AfterHandshakeOutcome, Connection, ConnectionStats, EndpointHooks, PathStats, WeakConnectionHandle,
};
use iroh::{EndpointId, TransportAddr};
use tokio::task::JoinSet;

use crate::limits::MAX_MONITORED_PEERS;
use crate::sync::lock;

/// What is known of one connection now.
#[derive(Clone, Debug, Default)]
pub struct ConnectionFacts {
    /// `direct`, `relay`, or `none` once it is closed.
    pub kind: &'static str,
    /// Bytes of UDP payload sent.
    pub bytes_sent: u64,
    /// Bytes of UDP payload received.
    pub bytes_received: u64,
    /// Round-trip time of the path in use, in nanoseconds.
    pub rtt_ns: u64,
    /// Negotiated protocol.
    pub alpn: Vec<u8>,
    /// Whether it is open.
    pub is_connected: bool,
    /// Bytes that may be under way on the path in use.
    pub congestion_window: u64,
    /// Packets that were lost.
    pub lost_packets: u64,
    /// Times that the path in use was congested.
    pub congestion_events: u64,
    /// Largest UDP payload of the path in use.
    pub mtu: u16,
}

impl ConnectionFacts {
    pub(super) fn of(connection: &Connection) -> Self {
        let is_connected = connection.close_reason().is_none();
        let path = path_in_use(connection);
        let stats = connection.stats();
        let on_path = path.as_ref().map(|path| path.stats).unwrap_or_default();
        Self {
            kind: path.filter(|_| is_connected).map_or("none", |path| path.kind),
            bytes_sent: stats.udp_tx.bytes,
            bytes_received: stats.udp_rx.bytes,
            rtt_ns: on_path.rtt.as_nanos().try_into().unwrap_or(u64::MAX),
            alpn: connection.alpn().to_vec(),
            is_connected,
            congestion_window: on_path.cwnd,
            lost_packets: stats.lost_packets,
            congestion_events: on_path.congestion_events,
            mtu: on_path.current_mtu,
        }
    }
}

struct PathInUse {
    kind: &'static str,
    relay_url: Option<String>,
    stats: PathStats,
}

fn path_in_use(connection: &Connection) -> Option<PathInUse> {
    let paths = connection.paths();
    let path = paths.iter().find(|path| path.is_selected()).or_else(|| paths.iter().next())?;
    let relay_url = match path.remote_addr() {
        TransportAddr::Relay(url) => Some(url.to_string()),
        _ => None,
    };
    Some(PathInUse { kind: if path.is_relay() { "relay" } else { "direct" }, relay_url, stats: path.stats() })
}

/// What is known of one peer.
#[derive(Clone, Debug)]
pub struct RemoteFacts {
    /// The peer, 64 hex digits.
    pub node_id: String,
    /// Relay that a connection goes through, or went through last.
    pub relay_url: Option<String>,
    /// `direct`, `relay`, or `none` without an open connection.
    pub kind: &'static str,
    /// Bytes of UDP payload sent to it, over all connections.
    pub bytes_sent: u64,
    /// Bytes of UDP payload received from it.
    pub bytes_received: u64,
    /// When the last handshake was complete: nanoseconds since 1970.
    pub last_handshake_ns: u64,
    /// Whether a connection is open.
    pub is_connected: bool,
}

/// Keeps facts about every peer that was connected, of a bounded number of them.
#[derive(Debug, Default)]
pub(super) struct Monitor {
    peers: Mutex<HashMap<EndpointId, Peer>>,
    /// One task for each open connection, which takes its last numbers.
    watches: Mutex<JoinSet<()>>,
}

#[derive(Debug, Default)]
struct Peer {
    open: Vec<WeakConnectionHandle>,
    relay_url: Option<String>,
    /// Bytes of connections that have ended.
    sent: u64,
    received: u64,
    last_handshake_ns: u64,
}

/// The hook that feeds a [`Monitor`].
#[derive(Debug)]
pub(super) struct MonitorHook(pub(super) Arc<Monitor>);

impl EndpointHooks for MonitorHook {
    async fn after_handshake<'a>(&'a self, connection: &'a Connection) -> AfterHandshakeOutcome {
        self.0.begin(connection);
        AfterHandshakeOutcome::accept()
    }
}

impl Monitor {
    fn begin(self: &Arc<Self>, connection: &Connection) {
        let id = connection.remote_id();
        let handle = connection.weak_handle();
        let ended = handle.closed();
        {
            let mut peers = lock(&self.peers);
            let peer = peers.entry(id).or_default();
            peer.last_handshake_ns = now_ns();
            peer.open.push(handle);
            if let Some(url) = path_in_use(connection).and_then(|path| path.relay_url) {
                peer.relay_url = Some(url);
            }
            if peers.len() > MAX_MONITORED_PEERS {
                let oldest = peers.iter().min_by_key(|(_, peer)| peer.last_handshake_ns).map(|(id, _)| *id);
                if let Some(oldest) = oldest {
                    peers.remove(&oldest);
                }
            }
        }
        // Tasks know the monitor weakly: it owns them.
        let monitor = Arc::downgrade(self);
        let mut watches = lock(&self.watches);
        while watches.try_join_next().is_some() {}
        watches.spawn(async move {
            let Some(closed) = ended.await else { return };
            if let Some(monitor) = monitor.upgrade() {
                monitor.end(id, &closed.stats);
            }
        });
    }

    fn end(&self, id: EndpointId, stats: &ConnectionStats) {
        let mut peers = lock(&self.peers);
        let Some(peer) = peers.get_mut(&id) else { return };
        peer.sent += stats.udp_tx.bytes;
        peer.received += stats.udp_rx.bytes;
        peer.open.retain(|handle| handle.upgrade().is_some_and(|connection| connection.close_reason().is_none()));
    }

    /// Returns what is known of a peer.
    pub(super) fn remote(&self, id: &EndpointId) -> Option<RemoteFacts> {
        lock(&self.peers).get(id).map(|peer| peer.facts(id))
    }

    /// Returns what is known of every peer, in the order of their ids.
    pub(super) fn remotes(&self) -> Vec<RemoteFacts> {
        let mut all: Vec<_> = lock(&self.peers).iter().map(|(id, peer)| peer.facts(id)).collect();
        all.sort_by(|a, b| a.node_id.cmp(&b.node_id));
        all
    }
}

impl Peer {
    fn facts(&self, id: &EndpointId) -> RemoteFacts {
        let open = self.open.iter().filter_map(WeakConnectionHandle::upgrade);
        let open: Vec<_> = open.filter(|connection| connection.close_reason().is_none()).collect();
        let path = open.iter().rev().find_map(path_in_use);
        let stats: Vec<_> = open.iter().map(Connection::stats).collect();
        let relay_url = path.as_ref().and_then(|path| path.relay_url.clone());
        RemoteFacts {
            node_id: id.to_string(),
            relay_url: relay_url.or_else(|| self.relay_url.clone()),
            kind: path.map_or("none", |path| path.kind),
            bytes_sent: self.sent + stats.iter().map(|stats| stats.udp_tx.bytes).sum::<u64>(),
            bytes_received: self.received + stats.iter().map(|stats| stats.udp_rx.bytes).sum::<u64>(),
            last_handshake_ns: self.last_handshake_ns,
            is_connected: !open.is_empty(),
        }
    }
}

fn now_ns() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.as_nanos().try_into().unwrap_or(u64::MAX)
}
