"""Enumerations of the service model (`python-api.md` section 2.5)."""

from __future__ import annotations

import enum

from aster import _aster

__all__ = ["RpcPattern", "RpcScope", "SerializationMode"]

_MODES = {name: number for number, name in _aster.MODES}


class SerializationMode(enum.IntEnum):
    """Encoding of message bodies."""

    XLANG = _MODES["xlang"]
    NATIVE = _MODES["native"]
    ROW = _MODES["row"]
    JSON = _MODES["json"]


class RpcScope(str, enum.Enum):
    """How long an instance of a service lives."""

    SHARED = "shared"
    SESSION = "session"


class RpcPattern(str, enum.Enum):
    """Who sends how many messages."""

    UNARY = "unary"
    SERVER_STREAM = "server_stream"
    CLIENT_STREAM = "client_stream"
    BIDI_STREAM = "bidi_stream"
