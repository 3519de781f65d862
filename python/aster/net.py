"""Raw connections and streams of an endpoint (`python-api.md` section 11)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class EndpointConfig:
    """What an endpoint is bound with (`config.md` section 6). May be changed until it is used.

    `alpns` are the protocols that are accepted. `secret_key` is the seed of the node key, 32 bytes; without it
    there is a fresh key per run, or the one that `data_dir` keeps. `hook_timeout_ms` is in milliseconds.
    `local_discovery` and `enable_local_discovery` are the same setting; either switches it on.
    """

    alpns: list[bytes]
    relay_mode: str | None = None
    secret_key: bytes | None = None
    enable_monitoring: bool = False
    enable_hooks: bool = False
    hook_timeout_ms: int = 5000
    bind_addr: str | None = None
    clear_ip_transports: bool = False
    clear_relay_transports: bool = False
    portmapper_config: str | None = None
    proxy_url: str | None = None
    proxy_from_env: bool = False
    local_discovery: bool = False
    enable_local_discovery: bool = False
    data_dir: str | None = None
