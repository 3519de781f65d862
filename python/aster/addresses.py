"""Where nodes can be reached, as objects: `NodeAddr` and `AsterTicket` (`wire.md` section 3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Union

from aster import _aster

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from typing_extensions import Self, TypeAlias

_Addr: TypeAlias = "tuple[str, str | None, list[str]]"


@dataclass
class NodeAddr:
    """An endpoint id, 64 hex digits, with a relay URL and direct addresses like `192.0.2.1:4433`."""

    endpoint_id: str
    relay_url: str | None = None
    direct_addresses: list[str] = field(default_factory=list[str])

    def __init__(
        self,
        endpoint_id: str,
        relay_url: str | None = None,
        direct_addresses: Sequence[str] | None = None,
    ) -> None:
        self.endpoint_id = endpoint_id
        self.relay_url = relay_url
        self.direct_addresses = list(direct_addresses or ())

    def to_bytes(self) -> bytes:
        """Return the lines of text that stand for the address."""
        return _aster.encode_addr(self._parts())

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read lines of text. `ValueError` if they are not UTF-8 or more than 8192 bytes."""
        return cls(*_aster.decode_addr(data))

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by their names."""
        return {
            "endpoint_id": self.endpoint_id,
            "relay_url": self.relay_url,
            "direct_addresses": list(self.direct_addresses),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read fields by their names; only `endpoint_id` is needed. `KeyError` without it."""
        return cls(values["endpoint_id"], values.get("relay_url"), values.get("direct_addresses"))

    def _parts(self) -> _Addr:
        return self.endpoint_id, self.relay_url, self.direct_addresses

    def __str__(self) -> str:
        """Return the base64 text, which can be dialled."""
        return _aster.addr_text(self._parts())

    def __hash__(self) -> int:
        return hash((self.endpoint_id, self.relay_url, tuple(self.direct_addresses)))


AddressLike = Union[NodeAddr, str, bytes]
"""A `NodeAddr`, its bytes, or any text that can be dialled: ticket, base64, 64 hex digits."""


def addr_parts(address: AddressLike) -> _Addr:
    """Return the parts of an address for the native module. `ValueError` for text that is none."""
    if isinstance(address, NodeAddr):
        return address.endpoint_id, address.relay_url, list(address.direct_addresses)
    if isinstance(address, (bytes, bytearray)):
        return _aster.decode_addr(bytes(address))
    if isinstance(address, str):  # pyright: ignore[reportUnnecessaryIsInstance] - callers need no checker
        return _aster.parse_addr(address)
    raise TypeError(f"an address is a NodeAddr, str or bytes, got {type(address).__name__}")


def peer_parts(peer: AddressLike) -> str | _Addr:
    """Return a peer for the native module: an id as it is, an address in parts."""
    parts = addr_parts(peer)
    return parts if parts[1] is not None or parts[2] else parts[0]


@dataclass
class AsterTicket:
    """A dialable address in at most 256 bytes, with what the peer wants to be presented.

    `credential_type` is `open`, `consumer_rcan`, `enrollment` or `registry_read`, or `None`. Addresses that do not
    fit are left out of the encoded form, loopback and link-local ones first.
    """

    endpoint_id: str
    relay_addr: str | None = None
    direct_addrs: list[str] = field(default_factory=list[str])
    credential_type: str | None = None
    credential_data: bytes | None = None

    def __init__(
        self,
        endpoint_id: str,
        relay_addr: str | None = None,
        direct_addrs: Sequence[str] | None = None,
        credential_type: str | None = None,
        credential_data: bytes | None = None,
    ) -> None:
        self.endpoint_id = endpoint_id
        self.relay_addr = relay_addr
        self.direct_addrs = list(direct_addrs or ())
        self.credential_type = credential_type
        self.credential_data = credential_data

    def encode(self) -> bytes:
        """Return the bytes. `TicketError` for fields that are no ids or addresses, or a credential too large."""
        return _aster.encode_ticket(*self._parts())

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read bytes. `TicketError` for anything that is not exactly one ticket."""
        return cls._of(_aster.decode_ticket(data))

    def to_string(self) -> str:
        """Return the `aster1` text. `TicketError` as for `encode`."""
        return _aster.ticket_text(*self._parts())

    @classmethod
    def from_string(cls, text: str) -> Self:
        """Read an `aster1` text. `TicketError` for anything else."""
        return cls._of(_aster.parse_ticket(text))

    def _parts(self) -> tuple[str, str | None, list[str], tuple[str, bytes] | None]:
        credential = None if self.credential_type is None else (self.credential_type, self.credential_data or b"")
        return self.endpoint_id, self.relay_addr, self.direct_addrs, credential

    @classmethod
    def _of(cls, parts: tuple[str, str | None, list[str], tuple[str, bytes] | None]) -> Self:
        endpoint_id, relay, direct, credential = parts
        kind, data = (None, None) if credential is None else credential
        return cls(endpoint_id, relay, direct, kind, data)

    def __str__(self) -> str:
        return self.to_string()

    def __hash__(self) -> int:
        return hash((self.endpoint_id, self.relay_addr, tuple(self.direct_addrs), self.credential_type))
