"""The three payloads of the protocol (`wire.md` section 5). Core encodes and decodes them, in both forms.

For tools and tests that speak the wire themselves. Keys and values of metadata and details are parallel lists, as on
the wire, where keys may repeat.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, field
from typing import TYPE_CHECKING

from aster import _aster
from aster.framing import made
from aster.status import RpcError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CallHeader", "RpcStatus", "StreamHeader"]


@dataclass
class StreamHeader:
    """First payload of every stream. An empty `method` opens a session."""

    service: str = ""
    method: str = ""
    version: int = 0
    call_id: str = ""
    deadline_epoch_ms: int = 0
    serialization_mode: int = 0
    metadata_keys: list[str] = field(default_factory=list[str])
    metadata_values: list[str] = field(default_factory=list[str])

    @property
    def metadata(self) -> dict[str, str]:
        """Metadata as a dict; of a repeated key the last value."""
        return dict(zip(self.metadata_keys, self.metadata_values))

    @metadata.setter
    def metadata(self, pairs: Mapping[str, str]) -> None:
        self.metadata_keys, self.metadata_values = list(pairs), list(pairs.values())

    def encode(self, *, json: bool = False) -> bytes:
        """Return the payload, binary or JSON. Raises `FramingError` for numbers out of range and unequal lists."""
        return made(_aster.encode_stream_header, astuple(self), json)

    @classmethod
    def decode(cls, payload: bytes) -> StreamHeader:
        """Read a payload of either form. Raises `FramingError`."""
        return cls(*made(_aster.decode_stream_header, payload))


@dataclass
class CallHeader:
    """First payload of a call in a session stream."""

    method: str = ""
    call_id: str = ""
    deadline_epoch_ms: int = 0
    metadata_keys: list[str] = field(default_factory=list[str])
    metadata_values: list[str] = field(default_factory=list[str])

    @property
    def metadata(self) -> dict[str, str]:
        """Metadata as a dict; of a repeated key the last value."""
        return dict(zip(self.metadata_keys, self.metadata_values))

    @metadata.setter
    def metadata(self, pairs: Mapping[str, str]) -> None:
        self.metadata_keys, self.metadata_values = list(pairs), list(pairs.values())

    def encode(self, *, json: bool = False) -> bytes:
        """Return the payload, binary or JSON. Raises `FramingError` for numbers out of range and unequal lists."""
        return made(_aster.encode_call_header, astuple(self), json)

    @classmethod
    def decode(cls, payload: bytes) -> CallHeader:
        """Read a payload of either form. Raises `FramingError`."""
        return cls(*made(_aster.decode_call_header, payload))


@dataclass
class RpcStatus:
    """Payload of a trailer: how a call ended. A client ends its input with the default one."""

    code: int = 0
    message: str = ""
    detail_keys: list[str] = field(default_factory=list[str])
    detail_values: list[str] = field(default_factory=list[str])

    @property
    def details(self) -> dict[str, str]:
        """Details as a dict; of a repeated key the last value."""
        return dict(zip(self.detail_keys, self.detail_values))

    @details.setter
    def details(self, pairs: Mapping[str, str]) -> None:
        self.detail_keys, self.detail_values = list(pairs), list(pairs.values())

    def to_error(self) -> RpcError:
        """Return the exception that a caller would get."""
        return RpcError.from_status(self.code, self.message, self.details)

    def encode(self, *, json: bool = False) -> bytes:
        """Return the payload, binary or JSON. Raises `FramingError` for a code out of range and unequal lists."""
        return made(_aster.encode_status, astuple(self), json)

    @classmethod
    def decode(cls, payload: bytes) -> RpcStatus:
        """Read a payload of either form; an empty one is OK. Raises `FramingError`."""
        return cls(*made(_aster.decode_status, payload))
