//! Settings of the endpoint (`config.md` section 6).

use std::net::SocketAddr;

use super::{Config, parse, wrong};
use crate::error::Result;

/// Which relays, and which look-ups of ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RelayMode {
    /// The public production relays and look-up.
    #[default]
    Default,
    /// The public staging relays and look-up.
    Staging,
    /// None; no traffic to third parties.
    Disabled,
    /// These relays only, no look-up.
    Custom(Vec<String>),
}

/// What an endpoint is bound with.
#[derive(Clone, Debug, Default)]
pub struct NetworkConfig {
    /// Seed of the node key; `None`: fresh per run.
    pub secret_key: Option<[u8; 32]>,
    /// Relays.
    pub relay_mode: RelayMode,
    /// Sockets; empty: both wildcards.
    pub bind_addrs: Vec<SocketAddr>,
    /// Whether no other IP sockets are bound.
    pub clear_ip_transports: bool,
    /// Whether relays are dropped whatever the mode says.
    pub clear_relay_transports: bool,
    /// Whether port mappings are probed.
    pub portmapper: bool,
    /// Proxy of relay connections.
    pub proxy_url: Option<String>,
    /// Whether the proxy is taken from the environment when binding.
    pub proxy_from_env: bool,
    /// Whether facts about connections are kept for each peer.
    pub enable_monitoring: bool,
    /// Whether the application decides about handshakes, after the gate.
    pub enable_hooks: bool,
    /// Milliseconds that the application has for such a decision; 0 refuses.
    pub hook_timeout_ms: u64,
    /// Whether the node announces itself, and finds others, on the local network.
    pub local_discovery: bool,
    /// Folder in which node key, blobs and documents persist; `None`: in memory.
    pub storage_path: Option<String>,
}

impl NetworkConfig {
    pub(super) fn new(config: &Config) -> Result<Self> {
        let network = Self {
            secret_key: config.text("secret_key").map(parse::secret_key).transpose()?,
            relay_mode: relay_mode(config.text("relay_mode"))?,
            bind_addrs: bind_addrs(config.text("bind_addr"))?,
            clear_ip_transports: config.is_set("clear_ip_transports"),
            clear_relay_transports: config.is_set("clear_relay_transports"),
            portmapper: portmapper(config.text("portmapper_config"))?,
            proxy_url: config.text("proxy_url").map(str::to_owned),
            proxy_from_env: config.is_set("proxy_from_env"),
            enable_monitoring: config.is_set("enable_monitoring"),
            enable_hooks: config.is_set("enable_hooks"),
            hook_timeout_ms: config.number("hook_timeout_ms"),
            local_discovery: config.is_set("local_discovery"),
            storage_path: config.text("storage_path").map(str::to_owned),
        };
        let no_relay = network.clear_relay_transports || network.relay_mode == RelayMode::Disabled;
        if network.clear_ip_transports && network.bind_addrs.is_empty() && no_relay {
            return Err(wrong("no transport is left: IP sockets and relays are both switched off"));
        }
        Ok(network)
    }
}

fn relay_mode(text: Option<&str>) -> Result<RelayMode> {
    match text {
        None | Some("default") => Ok(RelayMode::Default),
        Some("staging") => Ok(RelayMode::Staging),
        Some("disabled") => Ok(RelayMode::Disabled),
        Some(list) => {
            let urls: Vec<_> = list.strip_prefix("custom:").unwrap_or(list).split(',').map(str::trim).collect();
            if urls.iter().all(|url| url.starts_with("https://") || url.starts_with("http://")) {
                return Ok(RelayMode::Custom(urls.into_iter().map(str::to_owned).collect()));
            }
            Err(wrong("field 'relay_mode': expected default, staging, disabled or a list of https URLs")
                .with_detail("field", "relay_mode"))
        }
    }
}

fn bind_addrs(text: Option<&str>) -> Result<Vec<SocketAddr>> {
    let invalid = || {
        wrong("field 'bind_addr': expected ip:port, or one IPv4 and one IPv6 separated by a comma")
            .with_detail("field", "bind_addr")
    };
    let Some(text) = text else { return Ok(Vec::new()) };
    let addrs: Vec<SocketAddr> =
        text.split(',').map(|part| part.trim().parse().map_err(|_| invalid())).collect::<Result<_>>()?;
    match addrs.as_slice() {
        [_] => Ok(addrs),
        [a, b] if a.is_ipv4() != b.is_ipv4() => Ok(addrs),
        _ => Err(invalid()),
    }
}

fn portmapper(text: Option<&str>) -> Result<bool> {
    match text {
        None | Some("enabled") => Ok(true),
        Some("disabled") => Ok(false),
        Some(_) => {
            Err(wrong("field 'portmapper_config': expected enabled or disabled")
                .with_detail("field", "portmapper_config"))
        }
    }
}
