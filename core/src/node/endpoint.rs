//! The iroh endpoint as the configuration wants it (`config.md` section 6), and addresses for dialling.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use iroh::address_lookup::{DnsAddressLookup, PkarrPublisher, PkarrResolver};
use iroh::endpoint::{Builder, PortmapperConfig, QuicTransportConfig, VarInt, presets};
use iroh::{
    Endpoint, EndpointAddr, EndpointId as IrohId, RelayMode as IrohRelayMode, RelayUrl, SecretKey, TransportAddr,
};

use super::hooks::GateHook;
use crate::addr::{Address, NodeAddr};
use crate::admission::Gate;
use crate::config::{NetworkConfig, RelayMode};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::EndpointId;
use crate::limits;
use crate::ticket::Ticket;

/// Time without a sign of life after which a peer is lost: noticed within 30 s, with keep-alives lost on the way.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// Binds an endpoint. `gate` is given by servers; `calls` is how many calls one connection may run.
///
/// # Errors
///
/// CONFIG for settings that leave no transport, IO if a socket cannot be bound.
pub(crate) async fn bind(network: &NetworkConfig, gate: Option<Arc<Gate>>, calls: u32) -> Result<Endpoint> {
    let mut builder = Endpoint::builder(presets::Minimal).transport_config(transport(calls)?);
    if let Some(key) = &network.secret_key {
        builder = builder.secret_key(SecretKey::from_bytes(key));
    }
    if let Some(gate) = gate {
        builder = builder.hooks(GateHook(gate));
    }
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
    builder.bind().await.map_err(|error| Error::new(ErrorKind::Io, format!("cannot bind: {error:#}")))
}

fn transport(calls: u32) -> Result<QuicTransportConfig> {
    let streams = calls.max(limits::MAX_CONCURRENT_STREAMS).saturating_add(limits::EXCESS_STREAMS);
    let idle = IDLE_TIMEOUT.try_into().map_err(|_| Error::new(ErrorKind::Internal, "idle timeout out of range"))?;
    Ok(QuicTransportConfig::builder()
        .max_concurrent_bidi_streams(VarInt::from_u32(streams))
        .max_idle_timeout(Some(idle))
        .keep_alive_interval(KEEP_ALIVE)
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
pub(crate) fn dial_target(address: &Address) -> Result<EndpointAddr> {
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

/// Returns where an endpoint can be dialled now.
pub(crate) fn node_addr(endpoint: &Endpoint) -> NodeAddr {
    let addr = endpoint.addr();
    let relay_url = addr.relay_urls().next().map(ToString::to_string);
    let mut direct: Vec<SocketAddr> = addr.ip_addrs().copied().collect();
    if direct.is_empty() {
        direct = bound_addrs(endpoint);
    }
    NodeAddr {
        endpoint_id: EndpointId(*addr.id.as_bytes()).to_string(),
        relay_url,
        direct_addresses: direct.iter().map(ToString::to_string).collect(),
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
pub(crate) fn ticket(addr: &NodeAddr) -> Result<Ticket> {
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
