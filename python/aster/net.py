"""Raw connections and streams of an endpoint (`python-api.md` section 11)."""

from __future__ import annotations

import json
import os
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, cast

from aster import _aster
from aster._native import perform, receive
from aster.addresses import AddressLike, NodeAddr, addr_parts

if TYPE_CHECKING:
    from collections.abc import Mapping

RPC_ALPN: bytes = _aster.ALPNS["rpc"]
"""The protocol of calls and sessions."""

_NODE_VARIABLES = frozenset(
    f"ASTER_{name}"
    for name in (
        "RELAY_MODE",
        "BIND_ADDR",
        "ENABLE_MONITORING",
        "ENABLE_HOOKS",
        "HOOK_TIMEOUT_MS",
        "CLEAR_IP_TRANSPORTS",
        "CLEAR_RELAY_TRANSPORTS",
        "PORTMAPPER_CONFIG",
        "PROXY_URL",
        "PROXY_FROM_ENV",
        "LOCAL_DISCOVERY",
    )
)


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


def node_config(config: EndpointConfig | None, storage_path: str | None = None) -> _aster.Config:
    """Return the settings of a node: those given, else those of the network in the environment.

    The environment's key and folder belong to servers and clients; a node of one's own has them from nobody.
    """
    given: dict[str, Any] = {"identity_file": ""}
    env: Mapping[str, str] = {}
    if config is None:
        env = {name: value for name, value in os.environ.items() if name in _NODE_VARIABLES}
    else:
        given |= {name: value for name, value in asdict(config).items() if value is not None}
        del given["alpns"]
        given.pop("data_dir", None)
        given["local_discovery"] = given.pop("enable_local_discovery") or config.local_discovery
        if config.secret_key is not None:
            given["secret_key"] = bytes(config.secret_key).hex()
    if storage_path is not None:
        given["storage_path"] = storage_path
    home = str(Path("~").expanduser())
    return _aster.Config.resolve(json.dumps(given), "{}", env, None, None, None, None, home, _no_file)


def _no_file(_path: str) -> None:
    return None


async def open_node(
    config: EndpointConfig | None, alpns: list[bytes], *, content: bool, storage_path: str | None = None
) -> _aster.Node:
    """Open a node, with or without blobs, documents and gossip."""
    folder = None if config is None else config.data_dir
    node = await receive(_aster.open_node, node_config(config, storage_path), alpns, content, folder)
    return cast("_aster.Node", node)


@dataclass(frozen=True)
class ConnectionInfo:
    """What is known of a connection now. `connection_type` is `direct`, `relay`, or `none` once it is closed."""

    connection_type: str
    bytes_sent: int
    bytes_received: int
    rtt_ns: int
    alpn: bytes
    is_connected: bool


@dataclass(frozen=True)
class RemoteInfo:
    """What is known of a peer. `last_handshake_ns` is in nanoseconds since 1970."""

    node_id: str
    relay_url: str | None
    connection_type: str
    bytes_sent: int
    bytes_received: int
    last_handshake_ns: int
    is_connected: bool


class Closing(TypedDict):
    """Why a connection has ended.

    `kind` is `local`, `application` (by the peer), `timeout`, `reset`, `transport` or `version`; `code` is that of
    the close, if there was one.
    """

    kind: str
    code: int | None
    reason: str


class OwnedNode:
    """A native node that is closed, with a warning, when its last user drops it open."""

    def __init__(self, native: _aster.Node, name: str) -> None:
        self.native = native
        self._name = name

    def __del__(self) -> None:
        native = self.__dict__.get("native")
        if native is not None and native.is_open:
            warnings.warn(f"unclosed {self._name} {native.id[:16]}...", ResourceWarning, stacklevel=2, source=self)
            native.close_detached()


class NetClient:
    """The endpoint of a node: dials peers and accepts their connections.

    Made by `create_endpoint`, or by `net_client(node)` for a node with everything. An endpoint of one's own is
    closed with `close()`; one that is dropped open is closed, with a `ResourceWarning`.
    """

    def __init__(self, native: _aster.Node, owner: OwnedNode | None = None) -> None:
        self._native = native
        self._net = native.net
        self._owner = owner

    async def connect(self, endpoint_id: str, alpn: bytes) -> IrohConnection:
        """Dial a peer by its id, 64 hex digits, where it was told to be or where discovery finds it.

        `IrohConnectionError` if it is unreachable within 30 s or does not speak the protocol; `ValueError` for a
        text that is no id.
        """
        return IrohConnection(await perform(self._net.connect, endpoint_id, alpn))

    async def connect_node_addr(self, addr: AddressLike, alpn: bytes) -> IrohConnection:
        """Dial a peer at an address, which the endpoint remembers. Errors as for `connect`."""
        return IrohConnection(await perform(self._net.connect_addr, addr_parts(addr), alpn))

    async def accept(self) -> IrohConnection:
        """Wait for the next connection of the protocols that were given to the endpoint.

        `RuntimeError` if none were given, `IrohError` once it is closed. While 256 connections wait to be accepted,
        further ones are closed with code 429.
        """
        _, connection = await receive(self._net.accept)
        return IrohConnection(connection)

    async def close(self) -> None:
        """Close the endpoint with all its connections, and the node it belongs to. Repeatable."""
        await perform(self._native.close)

    async def closed(self) -> None:
        """Wait until the endpoint is closed."""
        await perform(self._net.closed)

    def endpoint_id(self) -> str:
        """Return the public key that is the endpoint's id, 64 hex digits."""
        return self._native.id

    def endpoint_addr(self) -> str:
        """Return where the endpoint can be dialled now, as base64 text."""
        return str(self.endpoint_addr_info())

    def endpoint_addr_info(self) -> NodeAddr:
        """Return where the endpoint can be dialled now."""
        return NodeAddr(*self._native.addr)

    def export_secret_key(self) -> bytes:
        """Return the seed of the node key, 32 bytes. Whoever has it is this endpoint."""
        return self._native.secret_key

    def remote_info(self, endpoint_id: str) -> RemoteInfo | None:
        """Return what is known of a peer; `None` without monitoring, or if it never was connected."""
        found = self._net.remote(endpoint_id)
        return None if found is None else RemoteInfo(*found)

    def remote_info_list(self) -> list[RemoteInfo]:
        """Return what is known of every peer; empty without monitoring."""
        return [RemoteInfo(*found) for found in self._net.remotes()]

    def has_monitoring(self) -> bool:
        """Tell whether facts about peers are kept."""
        return self._net.has_monitoring

    def has_hooks(self) -> bool:
        """Tell whether the application decides about handshakes."""
        return self._native.has_hooks

    def transport_metrics(self) -> str:
        """Return counters of the transport in the text form that Prometheus reads."""
        return self._native.metrics

    def __repr__(self) -> str:
        return f"<NetClient {self._native.id[:16]}...>"


class IrohConnection:
    """One connection to one peer, for one protocol.

    It is closed when it, its streams and everything made of them are gone.
    """

    def __init__(self, native: _aster.PeerConnection) -> None:
        self._native = native

    async def open_bi(self) -> tuple[IrohSendStream, IrohRecvStream]:
        """Open a stream in both directions. The peer sees it when the first bytes are written.

        `IrohConnectionError` once the connection is gone; so for everything here.
        """
        send, recv = await perform(self._native.open_bi)
        return IrohSendStream(send), IrohRecvStream(recv)

    async def accept_bi(self) -> tuple[IrohSendStream, IrohRecvStream]:
        """Wait for the peer to open a stream in both directions."""
        send, recv = await receive(self._native.accept_bi)
        return IrohSendStream(send), IrohRecvStream(recv)

    async def open_uni(self) -> IrohSendStream:
        """Open a stream in our direction."""
        return IrohSendStream(await perform(self._native.open_uni))

    async def accept_uni(self) -> IrohRecvStream:
        """Wait for the peer to open a stream in its direction."""
        return IrohRecvStream(await receive(self._native.accept_uni))

    async def read_datagram(self) -> bytes:
        """Wait for a datagram. While nobody reads, the oldest ones are dropped."""
        return cast("bytes", await receive(self._native.read_datagram))

    async def closed(self) -> Closing:
        """Wait for the end of the connection and tell why it ended."""
        kind, code, reason = await perform(self._native.closed)
        return {"kind": kind, "code": code, "reason": reason}

    def remote_id(self) -> str:
        """Return the peer's id, 64 hex digits, as its handshake proved it."""
        return self._native.remote_id

    def close(self, code: int = 0, reason: bytes | str = b"") -> None:
        """Close the connection: the peer gets code and reason. Repeatable. `ValueError` for 2**62 and more."""
        self._native.close(code, reason.encode() if isinstance(reason, str) else reason)

    def send_datagram(self, data: bytes) -> None:
        """Send a datagram, which may be lost. `LimitExceeded` if it is larger than the path carries."""
        self._native.send_datagram(data)

    def max_datagram_size(self) -> int | None:
        """Return the largest datagram, in bytes; `None` if the peer takes none."""
        return self._native.max_datagram_size

    def datagram_send_buffer_space(self) -> int:
        """Return how many bytes of datagrams may be sent before older ones are dropped."""
        return self._native.datagram_space

    def connection_info(self) -> ConnectionInfo:
        """Return what is known of the connection now."""
        return ConnectionInfo(*self._native.facts[0])

    def rtt_ms(self) -> float:
        """Return the round-trip time of the path in use, in milliseconds."""
        return self._native.facts[0][3] / 1e6

    def bytes_sent(self) -> int:
        """Return the bytes of UDP payload that were sent."""
        return self._native.facts[0][1]

    def bytes_recv(self) -> int:
        """Return the bytes of UDP payload that were received."""
        return self._native.facts[0][2]

    def congestion_window(self) -> int:
        """Return how many bytes may be under way on the path in use."""
        return self._native.facts[1][0]

    def lost_packets(self) -> int:
        """Return how many packets were lost."""
        return self._native.facts[1][1]

    def congestion_events(self) -> int:
        """Return how often the path in use was congested."""
        return self._native.facts[1][2]

    def current_mtu(self) -> int:
        """Return the largest UDP payload of the path in use, in bytes."""
        return self._native.facts[1][3]

    def __repr__(self) -> str:
        return f"<IrohConnection to {self._native.remote_id[:16]}...>"


class IrohSendStream:
    """The sending direction of a stream."""

    def __init__(self, native: _aster.SendStream) -> None:
        self._native = native

    async def write_all(self, data: bytes) -> None:
        """Write everything; waits while the peer does not read. A cancelled write may have written a part.

        `IrohError` if the peer stopped the stream, with its `code`, or it was finished; `IrohConnectionError` once
        the connection is gone.
        """
        await perform(self._native.write_all, data)

    async def finish(self) -> None:
        """End the direction after what was written. `IrohError` if it has ended already."""
        self._native.finish()

    async def stopped(self) -> int | None:
        """Wait until the peer stops the stream and return its code; `None` once it has everything."""
        return cast("int | None", await perform(self._native.stopped))


class IrohRecvStream:
    """The receiving direction of a stream. A cancelled read loses no bytes.

    Every read raises `IrohError` if the peer reset the stream, with its `code`, or after `stop()`, and
    `IrohConnectionError` once the connection is gone.
    """

    def __init__(self, native: _aster.ReceiveStream) -> None:
        self._native = native

    async def read(self, n: int) -> bytes:
        """Wait for bytes and return at most `n`; `b""` at the end."""
        return cast("bytes", await receive(self._native.read, n))

    async def read_exact(self, n: int) -> bytes:
        """Wait for exactly `n` bytes. `IrohError` if the stream ends before; the bytes stay for other reads."""
        return cast("bytes", await receive(self._native.read_exact, n))

    async def read_to_end(self, max_size: int) -> bytes:
        """Wait for the end and return everything. `LimitExceeded` beyond `max_size` bytes, which stay."""
        return cast("bytes", await receive(self._native.read_to_end, max_size))

    def stop(self, code: int = 0) -> None:
        """Ask the peer to send no more, and drop what arrived. `ValueError` for 2**62 and more."""
        self._native.stop(code)


async def create_endpoint(alpn: bytes) -> NetClient:
    """Bind an endpoint that accepts one protocol, with the `ASTER_*` settings of the network."""
    return await _endpoint(None, [alpn])


async def create_endpoint_with_config(config: EndpointConfig) -> NetClient:
    """Bind an endpoint. `ValueError` for settings that are wrong or leave no transport, `OSError` for a busy port."""
    return await _endpoint(config, list(config.alpns))


async def _endpoint(config: EndpointConfig | None, alpns: list[bytes]) -> NetClient:
    native = await open_node(config, alpns, content=False)
    return NetClient(native, OwnedNode(native, "NetClient"))
