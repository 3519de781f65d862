"""Limits of the protocol (`wire.md` section 21). The numbers are core's: counts, characters or bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aster import _aster

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "DEFAULT_FRAME_READ_TIMEOUT_S",
    "MAX_BODY_SIZE",
    "MAX_CONCURRENT_STREAMS",
    "MAX_CONNECTION_BUFFER",
    "MAX_CREDIT",
    "MAX_DECOMPRESSED_SIZE",
    "MAX_DIAL_ADDRESSES",
    "MAX_FRAME_SIZE",
    "MAX_MESSAGE_DEPTH",
    "MAX_METADATA_ENTRIES",
    "MAX_METADATA_KEY_CHARS",
    "MAX_METADATA_TOTAL_BYTES",
    "MAX_METADATA_VALUE_CHARS",
    "MAX_NAME_CHARS",
    "MAX_NODE_ADDR_TEXT",
    "MAX_PROTOCOL_PAYLOAD",
    "MAX_RESERVED_ENTRIES",
    "MAX_RESERVED_VALUE_CHARS",
    "MAX_SESSIONS_PER_CONNECTION",
    "MAX_SESSION_QUEUE",
    "MAX_STATUS_DETAILS",
    "MAX_STATUS_DETAIL_BYTES",
    "MAX_STATUS_MESSAGE_CHARS",
    "MAX_STREAM_ITEMS",
    "MAX_TICKET_ADDRESSES",
    "MAX_TICKET_BYTES",
    "MAX_TICKET_CREDENTIAL",
    "MAX_VALUE_GRAPH",
    "validate_hex_field",
    "validate_metadata",
    "validate_status_message",
]

MAX_FRAME_SIZE: int = _aster.LIMITS["MAX_FRAME_SIZE"]
MAX_BODY_SIZE: int = _aster.LIMITS["MAX_BODY_SIZE"]
MAX_DECOMPRESSED_SIZE: int = _aster.LIMITS["MAX_DECOMPRESSED_SIZE"]
MAX_PROTOCOL_PAYLOAD: int = _aster.LIMITS["MAX_PROTOCOL_PAYLOAD"]

MAX_METADATA_ENTRIES: int = _aster.LIMITS["MAX_METADATA_ENTRIES"]
MAX_METADATA_TOTAL_BYTES: int = _aster.LIMITS["MAX_METADATA_TOTAL_BYTES"]
MAX_METADATA_KEY_CHARS: int = _aster.LIMITS["MAX_METADATA_KEY_CHARS"]
MAX_METADATA_VALUE_CHARS: int = _aster.LIMITS["MAX_METADATA_VALUE_CHARS"]
MAX_RESERVED_ENTRIES: int = _aster.LIMITS["MAX_RESERVED_ENTRIES"]
MAX_RESERVED_VALUE_CHARS: int = _aster.LIMITS["MAX_RESERVED_VALUE_CHARS"]
MAX_STATUS_MESSAGE_CHARS: int = _aster.LIMITS["MAX_STATUS_MESSAGE_CHARS"]
MAX_STATUS_DETAILS: int = _aster.LIMITS["MAX_STATUS_DETAILS"]
MAX_STATUS_DETAIL_BYTES: int = _aster.LIMITS["MAX_STATUS_DETAIL_BYTES"]
MAX_NAME_CHARS: int = _aster.LIMITS["MAX_NAME_CHARS"]

MAX_CONCURRENT_STREAMS: int = _aster.LIMITS["MAX_CONCURRENT_STREAMS"]
MAX_SESSIONS_PER_CONNECTION: int = _aster.LIMITS["MAX_SESSIONS_PER_CONNECTION"]
MAX_SESSION_QUEUE: int = _aster.LIMITS["MAX_SESSION_QUEUE"]
MAX_STREAM_ITEMS: int = _aster.LIMITS["MAX_STREAM_ITEMS"]
MAX_CREDIT: int = _aster.LIMITS["MAX_CREDIT"]
MAX_CONNECTION_BUFFER: int = _aster.LIMITS["MAX_CONNECTION_BUFFER"]

MAX_TICKET_BYTES: int = _aster.LIMITS["MAX_TICKET_BYTES"]
MAX_TICKET_ADDRESSES: int = _aster.LIMITS["MAX_TICKET_ADDRESSES"]
MAX_TICKET_CREDENTIAL: int = _aster.LIMITS["MAX_TICKET_CREDENTIAL"]
MAX_NODE_ADDR_TEXT: int = _aster.LIMITS["MAX_NODE_ADDR_TEXT"]
MAX_DIAL_ADDRESSES: int = _aster.LIMITS["MAX_DIAL_ADDRESSES"]

MAX_MESSAGE_DEPTH: int = _aster.LIMITS["MAX_MESSAGE_DEPTH"]
MAX_VALUE_GRAPH: int = _aster.LIMITS["MAX_VALUE_GRAPH"]

DEFAULT_FRAME_READ_TIMEOUT_S: float = _aster.FRAME_READ_TIMEOUT


def validate_hex_field(field: str, value: str, length: int | None = None) -> None:
    """Check a text of hex digits, `length` of them, or any even number.

    Raises `LimitExceeded` if there are more, `ValueError` for anything else.
    """
    _aster.validate_hex_field(field, value, length)


def validate_metadata(metadata: Mapping[str, str]) -> None:
    """Check that metadata may be sent with a call.

    Raises `LimitExceeded` over a limit, `ValueError` for keys that are Aster's own.
    """
    _aster.validate_metadata(list(metadata.items()))


def validate_status_message(message: str) -> None:
    """Check that the message of a status would travel uncut. Raises `LimitExceeded`."""
    _aster.validate_status_message(message)
