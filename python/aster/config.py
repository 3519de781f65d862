"""Configuration (`config.md`). Core settles the values; here environment and files are read."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any, ClassVar

from aster import _aster

_PREFIX = "ASTER_"
_UNSET: Any = object()
_KEYS = frozenset({"root_pubkey", "secret_key"})

logger = logging.getLogger("aster.config")


class AsterConfig:
    """Settings of a server or client. What is given here beats environment variables.

    `AsterConfig(...)` holds these values only; `AsterConfig.from_env(...)` adds the environment of this moment.
    Reading an attribute gives the value in force.
    """

    root_pubkey: bytes | None
    root_pubkey_file: str | None
    enrollment_credential_file: str | None
    allow_all_consumers: bool
    allow_all_producers: bool
    identity_file: str | None
    endpoint_addr: str | None
    allow_foreign_channels: bool
    secret_key: bytes | None
    relay_mode: str | None
    bind_addr: str | None
    clear_ip_transports: bool
    clear_relay_transports: bool
    portmapper_config: str | None
    proxy_url: str | None
    proxy_from_env: bool
    expose_errors: bool | None

    _FIELDS: ClassVar[frozenset[str]]

    def __init__(
        self,
        *,
        root_pubkey: bytes | None = _UNSET,
        root_pubkey_file: str | None = _UNSET,
        enrollment_credential_file: str | None = _UNSET,
        allow_all_consumers: bool = _UNSET,
        allow_all_producers: bool = _UNSET,
        identity_file: str | None = _UNSET,
        endpoint_addr: str | None = _UNSET,
        allow_foreign_channels: bool = _UNSET,
        secret_key: bytes | None = _UNSET,
        relay_mode: str | None = _UNSET,
        bind_addr: str | None = _UNSET,
        clear_ip_transports: bool = _UNSET,
        clear_relay_transports: bool = _UNSET,
        portmapper_config: str | None = _UNSET,
        proxy_url: str | None = _UNSET,
        proxy_from_env: bool = _UNSET,
        expose_errors: bool | None = _UNSET,
    ) -> None:
        given = {name: value for name, value in locals().items() if name in self._FIELDS and value is not _UNSET}
        object.__setattr__(self, "_inline", given)
        object.__setattr__(self, "_env", {})

    @classmethod
    def from_env(cls, **inline: Any) -> AsterConfig:
        """Take the environment as it is now, below the values given here."""
        config = cls(**inline)
        found = {name: value for name, value in os.environ.items() if name.startswith(_PREFIX)}
        object.__setattr__(config, "_env", found)
        return config

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self._FIELDS:
            raise AttributeError(f"AsterConfig has no field '{name}'")
        self.__dict__["_inline"][name] = value

    def __getattr__(self, name: str) -> Any:
        if name not in self._FIELDS:
            raise AttributeError(f"AsterConfig has no field '{name}'")
        inline = self.__dict__["_inline"]
        if name in inline:
            return inline[name]
        return getattr(settle(self, {}), name) if name in _KEYS else setting(settle(self, {}), name)

    def __repr__(self) -> str:
        shown = (f"{name}={'...' if name == 'secret_key' else repr(v)}" for name, v in self.__dict__["_inline"].items())
        return f"AsterConfig({', '.join(shown)})"


AsterConfig._FIELDS = frozenset(AsterConfig.__annotations__) - {"_FIELDS"}  # noqa: SLF001 - of this module


def setting(config: _aster.Config, name: str) -> Any:
    """Return a value in force."""
    found = config.get(name)
    return None if found is None else json.loads(found[0])


def settle(config: AsterConfig, arguments: dict[str, Any]) -> _aster.Config:
    """Settle every field; `arguments` are those of a server or client, which beat the configuration."""
    inline, env = config.__dict__["_inline"], config.__dict__["_env"]
    return _aster.Config.resolve(_plain(arguments), _plain(inline), env, _read)


def tell_warnings(config: _aster.Config) -> None:
    """Log what the operator should know of the sources."""
    for warning in config.warnings:
        logger.warning("%s", warning)


def _plain(values: dict[str, Any]) -> str:
    """Return JSON; keys travel as hex."""
    return json.dumps(values, default=_hex)


def _hex(value: bytes | bytearray | os.PathLike[str]) -> str:
    if isinstance(value, (bytes, bytearray)):
        return value.hex()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"a setting cannot be a {type(value).__name__}")


def _read(path: str) -> str | None:
    try:
        return Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None  # Core names the file in its error.
