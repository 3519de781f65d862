"""Configuration (`config.md`). Core settles the values; here environment and files are read."""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, cast

from aster import _aster
from aster.errors import TomlSyntaxError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aster.net import EndpointConfig

__all__ = ["AsterConfig", "load_endpoint_config"]

_PREFIX = "ASTER_"
_UNSET: Any = object()
_KEYS = frozenset({"root_pubkey", "secret_key"})
_ENDPOINT_FIELDS = (
    "relay_mode",
    "bind_addr",
    "enable_monitoring",
    "enable_hooks",
    "hook_timeout_ms",
    "clear_ip_transports",
    "clear_relay_transports",
    "portmapper_config",
    "proxy_url",
    "proxy_from_env",
    "local_discovery",
)

logger = logging.getLogger("aster.config")


class AsterConfig:
    """Settings of a server or client; `config.md` section 2 says what each field does.

    `AsterConfig(...)` holds the values given here only, `AsterConfig.from_env(...)` adds the environment of this
    moment, `AsterConfig.from_file(path)` a TOML file below it. Reading an attribute gives the value in force; a value
    that is assigned beats every other source. A bad value raises `ValueError` at once and names field and source.
    """

    root_pubkey: bytes | None
    root_pubkey_file: str | None
    enrollment_credential_file: str | None
    enrollment_credential_iid: str | None
    allow_all_consumers: bool
    allow_all_producers: bool
    require_bound_credentials: bool
    peer_ttl_s: int
    iid_aws_certificates: list[str]
    iid_gcp_jwks: str | None
    iid_azure_jwks: str | None
    iid_azure_tenants: list[str]
    iid_azure_audience: str
    identity_file: str | None
    endpoint_addr: str | None
    allow_foreign_channels: bool
    storage_path: str | None
    secret_key: bytes | None
    relay_mode: str | None
    bind_addr: str | None
    enable_monitoring: bool
    enable_hooks: bool
    hook_timeout_ms: int
    clear_ip_transports: bool
    clear_relay_transports: bool
    portmapper_config: str | None
    proxy_url: str | None
    proxy_from_env: bool
    local_discovery: bool
    mesh_bootstrap: list[str]
    mesh_state_dir: str | None
    expose_errors: bool | None
    log_format: str
    log_level: str
    log_mask: bool
    health_port: int
    health_host: str

    _FIELDS: ClassVar[frozenset[str]]

    def __init__(
        self,
        *,
        root_pubkey: bytes | None = _UNSET,
        root_pubkey_file: str | os.PathLike[str] | None = _UNSET,
        enrollment_credential_file: str | os.PathLike[str] | None = _UNSET,
        enrollment_credential_iid: str | None = _UNSET,
        allow_all_consumers: bool = _UNSET,
        allow_all_producers: bool = _UNSET,
        require_bound_credentials: bool = _UNSET,
        peer_ttl_s: int = _UNSET,
        iid_aws_certificates: Sequence[str | os.PathLike[str]] = _UNSET,
        iid_gcp_jwks: str | os.PathLike[str] | None = _UNSET,
        iid_azure_jwks: str | os.PathLike[str] | None = _UNSET,
        iid_azure_tenants: Sequence[str] = _UNSET,
        iid_azure_audience: str = _UNSET,
        identity_file: str | os.PathLike[str] | None = _UNSET,
        endpoint_addr: str | None = _UNSET,
        allow_foreign_channels: bool = _UNSET,
        storage_path: str | os.PathLike[str] | None = _UNSET,
        secret_key: bytes | None = _UNSET,
        relay_mode: str | None = _UNSET,
        bind_addr: str | None = _UNSET,
        enable_monitoring: bool = _UNSET,
        enable_hooks: bool = _UNSET,
        hook_timeout_ms: int = _UNSET,
        clear_ip_transports: bool = _UNSET,
        clear_relay_transports: bool = _UNSET,
        portmapper_config: str | None = _UNSET,
        proxy_url: str | None = _UNSET,
        proxy_from_env: bool = _UNSET,
        local_discovery: bool = _UNSET,
        mesh_bootstrap: Sequence[str] = _UNSET,
        mesh_state_dir: str | os.PathLike[str] | None = _UNSET,
        expose_errors: bool | None = _UNSET,
        log_format: str = _UNSET,
        log_level: str = _UNSET,
        log_mask: bool = _UNSET,
        health_port: int = _UNSET,
        health_host: str = _UNSET,
    ) -> None:
        given = {name: value for name, value in locals().items() if name in self._FIELDS and value is not _UNSET}
        self._hold(_inline=given, _env={}, _toml=None, _ephemeral_privkey=None, _ephemeral_root=None)
        self._hold(_settled=self._fields())

    def _hold(self, **state: Any) -> None:
        """Set what is no field."""
        self.__dict__.update(state)

    @classmethod
    def from_env(cls, **inline: Any) -> AsterConfig:
        """Take the environment as it is now, below the values given here."""
        config = cls(**inline)
        config._hold(_env=environment())
        config._hold(_settled=config._fields())
        return config

    @classmethod
    def from_file(cls, path: str | os.PathLike[str], **inline: Any) -> AsterConfig:
        """Take a TOML file, below the environment as it is now.

        A missing file raises `FileNotFoundError`, bad syntax the error of the TOML decoder.
        """
        shown, text = _read_toml(path)
        config = cls(**inline)
        config._hold(_env=environment(), _toml=(shown, text))
        try:
            config._hold(_settled=config._fields())
        except TomlSyntaxError as error:
            _raise_decoders_error(text, error)
        return config

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self._FIELDS:
            raise AttributeError(f"AsterConfig has no field '{name}'")
        before = self.__dict__["_inline"]
        self._hold(_inline={**before, name: value})
        try:
            self._hold(_settled=self._fields())
        except BaseException:
            self._hold(_inline=before)
            raise

    def __getattr__(self, name: str) -> Any:
        if name not in self._FIELDS:
            raise AttributeError(f"AsterConfig has no field '{name}'")
        if name == "root_pubkey":
            # A key file counts; what an identity file says is for servers and clients.
            found = settle(self, {"identity_file": ""}, role="producer").root_pubkey
            return found if found is not None else self.__dict__["_ephemeral_root"]
        value = setting(self.__dict__["_settled"], name)
        return bytes.fromhex(value) if name in _KEYS and value is not None else value

    def __repr__(self) -> str:
        shown = (f"{name}={'...' if name in _SECRET else repr(v)}" for name, v in self.__dict__["_inline"].items())
        return f"AsterConfig({', '.join(shown)})"

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is derived, so that copies can be made."""
        return {name: value for name, value in self.__dict__.items() if name != "_settled"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._hold(**{**state, "_inline": dict(state["_inline"])})
        self._hold(_settled=self._fields())

    def _fields(self) -> _aster.Config:
        inline, env, toml = (self.__dict__[name] for name in ("_inline", "_env", "_toml"))
        return _aster.Config.fields("{}", _plain(inline), env, toml)

    @property
    def _sources(self) -> dict[str, str]:
        """Label of the source of each field's value (`config.md` section 4)."""
        return settle(self, {}).sources

    def resolve_root_pubkey(self) -> bytes | None:
        """Return the public root key a server would use.

        The configured one, else one that is made now and kept here, private half in `_ephemeral_privkey`: in dev mode
        and with a closed gate. Else `None`: the gate is open, and a server makes one when it is constructed.
        """
        settled = settle(self, {}, role="producer")
        if settled.root_pubkey is not None:
            return settled.root_pubkey
        if settled.wants_root_key:
            make_ephemeral_root(self)
        kept: bytes | None = self.__dict__["_ephemeral_root"]
        return kept

    def load_identity(
        self, peer_name: str | None = None, role: str | None = None
    ) -> tuple[bytes | None, dict[str, Any] | None]:
        """Return the node key and an entry of the identity file: that of the name, else the first with the role.

        Without such an entry it is `None`; without an identity file both are. A file that cannot be read, or that
        lies in the working directory and may be somebody else's, raises `ValueError` or `PermissionError`.
        """
        inline, env, toml = (self.__dict__[name] for name in ("_inline", "_env", "_toml"))
        secret, entry = _aster.load_identity(_plain(inline), env, toml, peer_name, role, look)
        return secret, None if entry is None else json.loads(entry)

    def load_identity_from_path(
        self, path: str | os.PathLike[str], peer_name: str | None = None, role: str | None = None
    ) -> tuple[bytes | None, dict[str, Any] | None]:
        """As `load_identity`, of this file."""
        inline = _plain({"identity_file": path})
        secret, entry = _aster.load_identity(inline, {}, None, peer_name, role, look)
        return secret, None if entry is None else json.loads(entry)

    def to_endpoint_config(self) -> EndpointConfig | None:
        """Return the settings of section `[network]`, or `None` if all have their defaults."""
        settled = self.__dict__["_settled"]
        sources = settled.sources
        names = [name for name in ("secret_key", *_ENDPOINT_FIELDS) if sources[name] != "default"]
        default = AsterConfig()
        values = {name: getattr(self, name) for name in names}
        if all(value == getattr(default, name) for name, value in values.items()):
            return None
        return _endpoint_config([], values)

    def print_config(self, *, json: bool = False) -> str:
        """Print the values in force with their sources, and return what was printed. Secrets are masked.

        With `json` it is a JSON object of sections, else lines.
        """
        settled = settle(self, {})
        text = settled.to_json() if json else settled.to_text()
        print(text)  # noqa: T201 - that is what it does
        return text


AsterConfig._FIELDS = frozenset(AsterConfig.__annotations__) - {"_FIELDS"}  # noqa: SLF001 - of this module
_SECRET = frozenset({"secret_key", "enrollment_credential_iid", "proxy_url", "endpoint_addr", "mesh_bootstrap"})


def load_endpoint_config(path: str | os.PathLike[str] | None = None) -> EndpointConfig:
    """Read the settings of an endpoint: flat keys of a TOML file, then the variables of the same names, which win.

    Beside the fields of section `[network]` there is `alpns`, in `ASTER_ALPNS` separated by commas. Other keys are
    ignored. Errors as in `AsterConfig.from_file`.
    """
    toml = None if path is None else _read_toml(path)
    try:
        values: dict[str, Any] = json.loads(_aster.endpoint_settings(toml, environment()))
    except TomlSyntaxError as error:
        _raise_decoders_error("" if toml is None else toml[1], error)
    alpns = [alpn.encode() for alpn in values.pop("alpns", [])]
    if values.get("secret_key") is not None:
        values["secret_key"] = bytes.fromhex(values["secret_key"])
    return _endpoint_config(alpns, values)


def _endpoint_config(alpns: list[bytes], values: dict[str, Any]) -> EndpointConfig:
    from aster.net import EndpointConfig  # noqa: PLC0415 - that module may need this one

    return EndpointConfig(alpns=alpns, **values)


def endpoint_arguments(endpoint: EndpointConfig) -> dict[str, Any]:
    """Return an `endpoint_config=` as arguments: it replaces all network fields, the key only if it is set."""
    arguments = {name: getattr(endpoint, name) for name in _ENDPOINT_FIELDS}
    arguments["local_discovery"] = endpoint.local_discovery or endpoint.enable_local_discovery
    if endpoint.secret_key is not None:
        arguments["secret_key"] = endpoint.secret_key
    return arguments


def setting(config: _aster.Config, name: str) -> Any:
    """Return a value in force; keys are hex."""
    found = config.get(name)
    return None if found is None else json.loads(found[0])


def settle(
    config: AsterConfig, arguments: dict[str, Any], *, role: str | None = None, peer: str | None = None
) -> _aster.Config:
    """Settle every field and apply identity, credential and key files.

    `arguments` are those of a server (`role` producer) or client (consumer) and beat the configuration; `peer` names
    the entry of the identity file. A missing identity file raises `FileNotFoundError`, one that may be somebody
    else's `PermissionError`, everything else `ValueError`.
    """
    inline, env, toml, root = (config.__dict__[name] for name in ("_inline", "_env", "_toml", "_ephemeral_root"))
    home = str(Path("~").expanduser())
    return _aster.Config.resolve(_plain(arguments), _plain(inline), env, toml, role, peer, root, home, look)


def settle_server(config: AsterConfig, arguments: dict[str, Any], peer: str | None = None) -> _aster.Config:
    """Settle for a server: without a configured root key, one is made and kept in the configuration."""
    settled = settle(config, arguments, role="producer", peer=peer)
    if settled.root_pubkey is None:
        make_ephemeral_root(config)
        settled = settle(config, arguments, role="producer", peer=peer)
    return settled


def make_ephemeral_root(config: AsterConfig) -> None:
    """Keep a new root key in a configuration that has none. It opens and closes no gate."""
    if config.__dict__["_ephemeral_root"] is None:
        private, public = _aster.ed25519_generate_keypair()
        config.__dict__.update(_ephemeral_privkey=private, _ephemeral_root=public)


def tell_warnings(config: _aster.Config) -> None:
    """Log what the operator should know of the sources."""
    for note in config.notes:
        logger.info("%s", note)
    for warning in config.warnings:
        logger.warning("%s", warning)


def environment() -> dict[str, str]:
    """Return the variables of this library as they are now."""
    return {name: value for name, value in os.environ.items() if name.startswith(_PREFIX)}


def _plain(values: dict[str, Any]) -> str:
    """Return JSON; keys travel as hex."""
    return json.dumps(values, default=_hex)


def _hex(value: object) -> str:
    if isinstance(value, (bytes, bytearray)):
        return value.hex()
    if isinstance(value, os.PathLike):
        return os.fspath(cast("os.PathLike[str]", value))
    raise TypeError(f"a setting cannot be a {type(value).__name__}")


def _read_toml(path: str | os.PathLike[str]) -> tuple[str, str]:
    with Path(path).expanduser().open("rb") as file:
        data = file.read(_aster.MAX_CONFIG_FILE + 1)
    try:
        return os.fspath(path), data.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{os.fspath(path)}: not UTF-8") from None


def _raise_decoders_error(text: str, error: TomlSyntaxError) -> NoReturn:
    """Raise what the TOML decoder of Python says; core's words if it has nothing to say or is not there."""
    for name in ("tomllib", "tomli"):
        with contextlib.suppress(ImportError):
            importlib.import_module(name).loads(text)
            break
    raise error


def look(path: str) -> tuple[str | None, str, int | None, bool] | None:
    """Look at a file for core: text, else why there is none, mode bits, and whether it is the user's.

    `None`: there is nothing.
    """
    try:
        # A pipe that nobody writes must not stop the start.
        descriptor = os.open(Path(path).expanduser(), os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                return None, "not a regular file", None, False
            data = file.read(_aster.MAX_CONFIG_FILE + 1)
        text = data.decode("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return None, error.strerror or "cannot be opened", None, False
    except UnicodeDecodeError:
        return None, "not UTF-8", None, False
    if os.name != "posix":
        return text, "", None, True
    return text, "", status.st_mode, status.st_uid in {0, os.geteuid()}
