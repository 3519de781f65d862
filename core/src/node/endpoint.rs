//! The iroh endpoint as the configuration wants it (`config.md` section 6), and addresses for dialling.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use iroh::address_lookup::{DnsAddressLookup, PkarrPublisher, PkarrResolver};
use iroh::endpoint::{Builder, PortmapperConfig, QuicTransportConfig, VarInt, presets};
use iroh::{
    Endpoint, EndpointAddr, EndpointId as IrohId, RelayMode as IrohRelayMode, RelayUrl, SecretKey, TransportAddr,
};
use iroh_mdns_address_lookup::MdnsAddressLookup;
use tracing::warn;

use super::book::AddressBook;
use super::hooks::{ApplicationHook, GateHook};
use super::monitor::{Monitor, MonitorHook};
use super::store::PoolEnd;
use crate::addr::{Address, AddressForm, NodeAddr};
use crate::admission::Gate;
use crate::config::{NetworkConfig, RelayMode};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::EndpointId;
use crate::limits;
use crate::ticket::Ticket;

/// Time without a sign of life after which a peer is lost: noticed within 30 s, with keep-alives lost on the way.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// What an endpoint is bound with beside its settings.
pub(super) struct Binding {
    /// Given by servers.
    pub(super) gate: Option<Arc<Gate>>,
    /// The application's say about handshakes.
    pub(super) application: Option<ApplicationHook>,
    /// Where facts about connections go.
    pub(super) monitor: Option<Arc<Monitor>>,
    /// Addresses that the node was told.
    pub(super) book: AddressBook,
    /// Ends tasks of others that would keep the endpoint.
    pub(super) pool_end: PoolEnd,
    /// How many calls one connection may run.
    pub(super) calls: u32,
}

/// Binds an endpoint.
///
/// # Errors
///
/// CONFIG for settings that leave no transport, IO if a socket cannot be bound.
pub(super) async fn bind(network: &NetworkConfig, binding: Binding) -> Result<Endpoint> {
    let mut builder = Endpoint::builder(presets::Minimal)
        .transport_config(transport(binding.calls)?)
        .address_lookup(binding.book.lookup());
    if let Some(key) = &network.secret_key {
        builder = builder.secret_key(SecretKey::from_bytes(key));
    }
    // Each asks only about connections that the one before has let in.
    if let Some(gate) = binding.gate {
        builder = builder.hooks(GateHook(gate));
    }
    if let Some(application) = binding.application {
        builder = builder.hooks(application);
    }
    if let Some(monitor) = binding.monitor {
        builder = builder.hooks(MonitorHook(monitor));
    }
    builder = builder.hooks(binding.pool_end.clone());
    builder = relays(builder, network)?;
    builder = sockets(builder, network)?;
    if !network.portmapper {
        builder = builder.portmapper_config(PortmapperConfig::Disabled);
    }
    if let Some(proxy) = &network.proxy_url {
        let url = proxy.parse().map_err(|_| Error::new(ErrorKind::Config, "proxy_url: expected a URL"))?;
        builder = builder.proxy_url(url);
    } else if network.proxy_from_env {
        builder = builder.proxy_from_env();
    }
    let bound = builder.bind().await;
    let endpoint = bound.map_err(|error| Error::new(ErrorKind::Io, format!("cannot bind: {error:#}")))?;
    binding.pool_end.know(&endpoint);
    if network.local_discovery {
        discover_locally(&endpoint);
    }
    Ok(endpoint)
}

/// Announces the endpoint on the local network and resolves ids there. Without multicast there is a warning.
fn discover_locally(endpoint: &Endpoint) {
    let built = MdnsAddressLookup::builder().build(endpoint.id());
    match (built, endpoint.address_lookup()) {
        (Ok(mdns), Ok(lookups)) => lookups.add(mdns),
        (Err(error), _) => warn!(target: "aster::node", %error, "local discovery is not possible here"),
        (_, Err(error)) => warn!(target: "aster::node", %error, "local discovery is not possible here"),
    }
}

fn transport(calls: u32) -> Result<QuicTransportConfig> {
    let streams = calls.max(limits::MAX_CONCURRENT_STREAMS).saturating_add(limits::EXCESS_STREAMS);
    let idle = IDLE_TIMEOUT.try_into().map_err(|_| Error::new(ErrorKind::Internal, "idle timeout out of range"))?;
    Ok(QuicTransportConfig::builder()
        .max_concurrent_bidi_streams(VarInt::from_u32(streams))
        .max_idle_timeout(Some(idle))
        .keep_alive_interval(limits::KEEP_ALIVE)
        .build())
}

fn relays(mut builder: Builder, network: &NetworkConfig) -> Result<Builder> {
    if network.clear_relay_transports {
        return Ok(builder.relay_mode(IrohRelayMode::Disabled));
    }
    Ok(match &network.relay_mode {
        RelayMode::Disabled => builder.relay_mode(IrohRelayMode::Disabled),
        RelayMode::Default | RelayMode::Staging => {
            builder = builder
                .address_lookup(PkarrPublisher::n0_dns())
                .address_lookup(PkarrResolver::n0_dns())
                .address_lookup(DnsAddressLookup::n0_dns());
            builder.relay_mode(match network.relay_mode {
                RelayMode::Staging => IrohRelayMode::Staging,
                _ => IrohRelayMode::Default,
            })
        }
        RelayMode::Custom(urls) => {
            let urls: Vec<RelayUrl> = urls
                .iter()
                .map(|url| url.parse())
                .collect::<std::result::Result<_, _>>()
                .map_err(|_| Error::new(ErrorKind::Config, "relay_mode: expected relay URLs"))?;
            builder.relay_mode(IrohRelayMode::custom(urls))
        }
    })
}

fn sockets(mut builder: Builder, network: &NetworkConfig) -> Result<Builder> {
    if network.clear_ip_transports || !network.bind_addrs.is_empty() {
        builder = builder.clear_ip_transports();
    }
    for addr in &network.bind_addrs {
        builder =
            builder.bind_addr(*addr).map_err(|error| Error::new(ErrorKind::Config, format!("bind_addr: {error}")))?;
    }
    Ok(builder)
}

/// Returns what to dial for an address: at most 64 socket addresses, lines that are none are skipped.
///
/// # Errors
///
/// ADDRESS if the endpoint id is no public key.
pub(super) fn dial_target(address: &Address) -> Result<EndpointAddr> {
    let invalid = |_| Error::new(ErrorKind::Address, "invalid address: endpoint id is not a public key");
    let id = IrohId::from_bytes(&address.endpoint_id.0).map_err(invalid)?;
    let relay = match (&address.relay_url, address.relay_hint) {
        (Some(url), _) => url.parse::<RelayUrl>().ok(),
        (None, Some(hint)) => format!("https://{hint}/").parse().ok(),
        (None, None) => None,
    };
    let direct = address.direct.iter().filter_map(|text| text.parse::<SocketAddr>().ok());
    let addrs = relay
        .map(TransportAddr::Relay)
        .into_iter()
        .chain(direct.take(limits::MAX_DIAL_ADDRESSES).map(TransportAddr::Ip));
    Ok(EndpointAddr::from_parts(id, addrs))
}

/// Returns what to dial for a node address: lines that are no socket address are skipped.
///
/// # Errors
///
/// ADDRESS if the endpoint id is none.
pub(super) fn addr_target(addr: &NodeAddr) -> Result<EndpointAddr> {
    let endpoint_id = EndpointId::parse(&addr.endpoint_id)?;
    dial_target(&Address {
        endpoint_id,
        relay_url: addr.relay_url.clone(),
        relay_hint: None,
        direct: addr.direct_addresses.clone(),
        credential: None,
        form: AddressForm::NodeAddr,
    })
}

/// Returns the peer that 64 hex digits name.
///
/// # Errors
///
/// ADDRESS for anything else.
pub(super) fn peer(id: &str) -> Result<IrohId> {
    let id = EndpointId::parse(id)?;
    IrohId::from_bytes(&id.0)
        .map_err(|_| Error::new(ErrorKind::Address, "invalid address: endpoint id is not a public key"))
}

/// Returns where an endpoint can be dialled now.
pub(super) fn node_addr(endpoint: &Endpoint) -> NodeAddr {
    let mut addr = addr_of(&endpoint.addr());
    if addr.direct_addresses.is_empty() {
        addr.direct_addresses = bound_addrs(endpoint).iter().map(ToString::to_string).collect();
    }
    addr
}

/// Returns an address of iroh's as ours.
pub(super) fn addr_of(addr: &EndpointAddr) -> NodeAddr {
    NodeAddr {
        endpoint_id: EndpointId(*addr.id.as_bytes()).to_string(),
        relay_url: addr.relay_urls().next().map(ToString::to_string),
        direct_addresses: addr.ip_addrs().map(ToString::to_string).collect(),
    }
}

/// Sockets as they are bound, wildcards as loopback: what is dialable before any address was discovered.
fn bound_addrs(endpoint: &Endpoint) -> Vec<SocketAddr> {
    let loopback = |addr: SocketAddr| match addr {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => SocketAddr::from(([127, 0, 0, 1], v4.port())),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, v6.port())),
        addr => addr,
    };
    endpoint.bound_sockets().into_iter().map(loopback).collect()
}

/// Returns the ticket of an endpoint. The relay goes as ip:port if its URL has an address for a host.
pub(super) fn ticket(addr: &NodeAddr) -> Result<Ticket> {
    let relay = addr.relay_url.as_deref().and_then(|url| {
        let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
        host.trim_end_matches('/').parse::<SocketAddr>().ok()
    });
    Ok(Ticket {
        endpoint_id: EndpointId::parse(&addr.endpoint_id)?,
        relay_addr: relay,
        direct_addrs: addr.direct_addresses.iter().filter_map(|text| text.parse().ok()).collect(),
        credential: None,
    })
}
