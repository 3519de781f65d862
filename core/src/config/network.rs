//! Settings of the endpoint (`config.md` section 6).

use std::net::SocketAddr;

use super::settle::{Setting, Settings};
use super::sources::expand;
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
#[derive(Clone, Default)]
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

impl std::fmt::Debug for NetworkConfig {
    /// Leaves out the key, and the proxy's login.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NetworkConfig").field("bind_addrs", &self.bind_addrs).finish_non_exhaustive()
    }
}

impl NetworkConfig {
    pub(super) fn new(config: &Config) -> Result<Self> {
        let mut network = Self::read(&config.settings)?;
        network.storage_path = network.storage_path.map(|path| expand(&path, config.home.as_deref()));
        let no_relay = network.clear_relay_transports || network.relay_mode == RelayMode::Disabled;
        if network.clear_ip_transports && network.bind_addrs.is_empty() && no_relay {
            return Err(wrong("no transport is left: IP sockets and relays are both switched off"));
        }
        Ok(network)
    }

    /// Reads each setting by itself; what is not in the map has its default.
    pub(super) fn read(settings: &Settings) -> Result<Self> {
        let text = |name: &str| settings.get(name).and_then(|setting| Some((setting, setting.value.as_str()?)));
        let flag = |name: &str| settings.get(name).is_some_and(|setting| setting.value == true);
        Ok(Self {
            secret_key: text("secret_key").and_then(|(_, key)| parse::key_bytes(key)),
            relay_mode: text("relay_mode").map(relay_mode).transpose()?.unwrap_or_default(),
            bind_addrs: text("bind_addr").map(bind_addrs).transpose()?.unwrap_or_default(),
            clear_ip_transports: flag("clear_ip_transports"),
            clear_relay_transports: flag("clear_relay_transports"),
            portmapper: text("portmapper_config").map(portmapper).transpose()?.unwrap_or(true),
            proxy_url: text("proxy_url").map(|(_, url)| url.to_owned()),
            proxy_from_env: flag("proxy_from_env"),
            enable_monitoring: flag("enable_monitoring"),
            enable_hooks: flag("enable_hooks"),
            hook_timeout_ms: settings.get("hook_timeout_ms").and_then(|setting| setting.value.as_u64()).unwrap_or(0),
            local_discovery: flag("local_discovery"),
            storage_path: text("storage_path").map(storage_path).transpose()?,
        })
    }
}

fn relay_mode((setting, text): (&Setting, &str)) -> Result<RelayMode> {
    match text {
        "default" => Ok(RelayMode::Default),
        "staging" => Ok(RelayMode::Staging),
        "disabled" => Ok(RelayMode::Disabled),
        list => {
            let urls: Vec<_> = list.strip_prefix("custom:").unwrap_or(list).split(',').map(str::trim).collect();
            if urls.iter().all(|url| is_relay_url(url)) {
                return Ok(RelayMode::Custom(urls.into_iter().map(str::to_owned).collect()));
            }
            let expectation = "expected default, staging, disabled or a list of https URLs";
            Err(setting.complaint("relay_mode", expectation))
        }
    }
}

fn is_relay_url(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).unwrap_or_default();
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    !host.is_empty() && !rest.contains(|char: char| char.is_whitespace() || char.is_control())
}

fn bind_addrs((setting, text): (&Setting, &str)) -> Result<Vec<SocketAddr>> {
    let invalid = || setting.complaint("bind_addr", "expected ip:port, or one IPv4 and one IPv6 separated by a comma");
    let addrs: Vec<SocketAddr> =
        text.split(',').map(|part| part.trim().parse().map_err(|_| invalid())).collect::<Result<_>>()?;
    match addrs.as_slice() {
        [_] => Ok(addrs),
        [a, b] if a.is_ipv4() != b.is_ipv4() => Ok(addrs),
        _ => Err(invalid()),
    }
}

fn storage_path((setting, text): (&Setting, &str)) -> Result<String> {
    match text {
        "" => Err(setting.complaint("storage_path", "expected a path")),
        path => Ok(path.to_owned()),
    }
}

fn portmapper((setting, text): (&Setting, &str)) -> Result<bool> {
    match text {
        "enabled" => Ok(true),
        "disabled" => Ok(false),
        _ => Err(setting.complaint("portmapper_config", "expected enabled or disabled")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Sources;
    use super::*;

    fn network(pairs: &[(&str, &str)]) -> Result<NetworkConfig> {
        let env = pairs.iter().map(|(k, v)| (format!("ASTER_{k}"), (*v).to_owned())).collect();
        Config::resolve(Sources { env, ..Sources::default() })?.network()
    }

    #[test]
    fn relay_modes() {
        let mode = |text| network(&[("RELAY_MODE", text)]).map(|network| network.relay_mode);
        assert_eq!(mode("").unwrap(), RelayMode::Default);
        assert_eq!(mode("staging").unwrap(), RelayMode::Staging);
        let two = vec!["https://a.example".to_owned(), "http://127.0.0.1:1/x".to_owned()];
        assert_eq!(mode("https://a.example, http://127.0.0.1:1/x").unwrap(), RelayMode::Custom(two.clone()));
        assert_eq!(mode("custom:https://a.example,http://127.0.0.1:1/x").unwrap(), RelayMode::Custom(two));
        for bad in ["Default", "custom:", ",", "https://", "https://a.example,", "ftp://a.example", "https://a b"] {
            let expected =
                "ASTER_RELAY_MODE: field 'relay_mode': expected default, staging, disabled or a list of https URLs";
            assert_eq!(mode(bad).unwrap_err().message(), expected, "{bad}");
        }
    }

    #[test]
    fn the_storage_may_be_at_home() {
        let at = |path: &str| {
            let env = [("ASTER_STORAGE_PATH".to_owned(), path.to_owned())].into();
            let sources = Sources { env, home: Some("/srv/user".to_owned()), ..Sources::default() };
            Config::resolve(sources).unwrap().network().unwrap().storage_path
        };
        for (given, expected) in
            [("~/a", "/srv/user/a"), ("~", "/srv/user"), ("~bob/a", "~bob/a"), ("/srv/~", "/srv/~")]
        {
            assert_eq!(at(given).as_deref(), Some(expected));
        }
    }

    #[test]
    fn sockets_and_what_is_left() {
        assert_eq!(network(&[("BIND_ADDR", "127.0.0.1:0, [::1]:0")]).unwrap().bind_addrs.len(), 2);
        for bad in
            ["localhost:0", "127.0.0.1", "127.0.0.1:0,127.0.0.2:0", "[::]:0,[::1]:0", "127.0.0.1:0,[::1]:0,[::]:0"]
        {
            let error = network(&[("BIND_ADDR", bad)]).unwrap_err();
            assert!(error.message().starts_with("ASTER_BIND_ADDR: field 'bind_addr': expected ip:port"), "{error}");
        }
        let inline = [("storage_path".to_owned(), "".into())].into();
        let nowhere = Config::resolve(Sources { inline, ..Sources::default() }).unwrap().network().unwrap_err();
        assert_eq!(nowhere.message(), "inline: field 'storage_path': expected a path");
        let off = [("CLEAR_IP_TRANSPORTS", "1"), ("CLEAR_RELAY_TRANSPORTS", "1")];
        assert!(network(&off).unwrap_err().message().starts_with("no transport is left"));
        assert!(network(&[off[0], ("RELAY_MODE", "disabled")]).is_err());
        assert!(network(&[off[0], off[1], ("BIND_ADDR", "127.0.0.1:0")]).is_ok());
        assert!(network(&off[..1]).is_ok());
    }
}
