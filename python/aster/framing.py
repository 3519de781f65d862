"""Frames of the wire, for tools and tests that speak it themselves (`wire.md` section 4). Core makes and reads them."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from aster import _aster
from aster.errors import TransportError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    # What follows is asked of a stream: `write_all(data)`, and `read(n)` or `read_exact(n)`.
    Read = Callable[[int], Awaitable[Any]]

__all__ = [
    "CALL",
    "CANCEL",
    "COMPRESSED",
    "HEADER",
    "MAX_FRAME_SIZE",
    "ROW_SCHEMA",
    "TRAILER",
    "FramingError",
    "encode_frame",
    "read_frame",
    "write_frame",
]

_Made = TypeVar("_Made")

COMPRESSED: int = _aster.FRAME_FLAGS["COMPRESSED"]
TRAILER: int = _aster.FRAME_FLAGS["TRAILER"]
HEADER: int = _aster.FRAME_FLAGS["HEADER"]
ROW_SCHEMA: int = _aster.FRAME_FLAGS["ROW_SCHEMA"]
CALL: int = _aster.FRAME_FLAGS["CALL"]
CANCEL: int = _aster.FRAME_FLAGS["CANCEL"]
MAX_FRAME_SIZE: int = _aster.LIMITS["MAX_FRAME_SIZE"]

# Most that is asked of a stream at once, so that memory follows what arrives and not what was announced.
_MAX_READ = 65_536


class FramingError(TransportError, ValueError):
    """Bytes that are no frame, or no payload of the protocol."""


def made(make: Callable[..., _Made], *arguments: Any) -> _Made:
    """Call core; what it refuses is a `FramingError`."""
    try:
        return make(*arguments)
    except (OverflowError, TypeError, ValueError) as error:
        raise FramingError(str(error)) from None


def encode_frame(payload: bytes, flags: int = 0) -> bytes:
    """Return a frame: length, flags, payload.

    Raises `FramingError` for a payload that is too long, or empty where the flags ask for one.
    """
    return made(_aster.encode_frame, payload, flags)


async def write_frame(stream: Any, payload: bytes, flags: int = 0) -> None:
    """Write a frame to a stream that has `write_all(data)`, such as `IrohSendStream`."""
    await stream.write_all(encode_frame(payload, flags))


async def read_frame(stream: Any, timeout_s: float | None = _aster.FRAME_READ_TIMEOUT) -> tuple[bytes, int] | None:
    """Read one frame, and not a byte more: payload and flags, or `None` if the stream ends before it.

    `stream` has `read(n)`, which gives at most `n` bytes and nothing at the end, or else `read_exact(n)`, which raises
    `EOFError` at the end; `IrohRecvStream` has both. Waits for the first byte as long as it takes, then at most
    `timeout_s` seconds for the last one. Raises `FramingError` for bytes that are no frame, a stream that ends inside
    of one, and lateness. A cancelled wait loses what was read of the frame.
    """
    reader = _aster.FrameReader()
    read = _reader_of(stream)
    deadline: float | None = None
    while True:
        wanted = min(made(getattr, reader, "missing"), _MAX_READ)
        if wanted == 0:
            return reader.next()
        data = await _in_time(read(wanted), deadline)
        if not data:
            made(reader.finish)
            return None
        if deadline is None and timeout_s is not None:
            deadline = monotonic() + timeout_s
        reader.feed(data)


def _reader_of(stream: Any) -> Read:
    if hasattr(stream, "read"):
        read: Read = stream.read
        return read

    async def read_some(size: int) -> Any:
        try:
            return await stream.read_exact(size)
        except EOFError as error:
            # asyncio.IncompleteReadError carries what came before the end.
            return getattr(error, "partial", b"")

    return read_some


async def _in_time(data: Awaitable[Any], deadline: float | None) -> Any:
    if deadline is None:
        return await data
    try:
        return await asyncio.wait_for(data, max(0.0, deadline - monotonic()))
    except asyncio.TimeoutError:
        raise FramingError(_aster.FRAME_READ_TIMED_OUT) from None
