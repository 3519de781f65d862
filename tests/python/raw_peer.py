"""A peer that plays hand-made frames on the halves of a byte stream, and says what comes back.

The halves have `write_all(data)` and `finish()`, and `read(n)`, as those of `IrohConnection.open_bi()`.
"""

from __future__ import annotations

import asyncio
import inspect
import json as jsonlib

from aster.framing import CALL, CANCEL, HEADER, TRAILER, encode_frame, read_frame
from aster.protocol import CallHeader, RpcStatus, StreamHeader

WAIT = 15.0
JSON_MODE = 3


class BytesStream:
    """The receiving half of a stream of which all bytes are known; reads give `step` bytes at most."""

    def __init__(self, data, step=1 << 30):
        self.rest, self.step = bytes(data), step

    async def read(self, size):
        taken = self.rest[: min(size, self.step)]
        self.rest = self.rest[len(taken) :]
        return taken


class Frames:
    """Makes frames, headers and trailers in one of both forms."""

    def __init__(self, json):
        self.json = json

    def header(self, service="Echo", method="echo", *, version=1, call_id="c1", mode=JSON_MODE, **more):
        metadata = more.pop("metadata", {})
        header = StreamHeader(service, method, version, call_id, serialization_mode=mode, **more)
        if metadata:
            header.metadata = metadata
        return encode_frame(header.encode(json=self.json), HEADER)

    def session(self, service="Counter", *, trailers=True, **more):
        metadata = {"aster-session-trailers": "1"} if trailers else {}
        return self.header(service, "", call_id="s1", metadata=metadata, **more)

    def call(self, method="bump", *, call_id="k1", **more):
        metadata = more.pop("metadata", {})
        header = CallHeader(method, call_id, **more)
        if metadata:
            header.metadata = metadata
        return encode_frame(header.encode(json=self.json), CALL)

    def data(self, body=None, flags=0):
        """Return an item: bytes as they are, anything else as JSON."""
        if not isinstance(body, (bytes, bytearray)):
            body = jsonlib.dumps({} if body is None else body, separators=(",", ":")).encode()
        return encode_frame(bytes(body), flags)

    def end(self, code=0, message=""):
        return encode_frame(RpcStatus(code, message).encode(json=self.json), TRAILER)

    def cancel(self):
        return encode_frame(b"", CANCEL)


class RawStream:
    """One stream of a raw peer."""

    def __init__(self, send, recv):
        self._send, self._recv = send, recv

    async def play(self, *frames, fin=False):
        """Send bytes, in one write, and maybe the end of the stream."""
        data = b"".join(frames)
        if data:
            await self._send.write_all(data)
        if fin:
            await _maybe(self._send.finish())

    async def frame(self, within=WAIT):
        """Return the next frame as payload and flags, `None` at the end."""
        return await asyncio.wait_for(read_frame(self._recv), within)

    async def answer(self, within=WAIT):
        """Return the payloads of data frames up to a trailer, and its status; no status if the stream ends first."""
        items = []
        while (frame := await self.frame(within)) is not None:
            payload, flags = frame
            if flags & TRAILER:
                self.trailer = payload
                return items, RpcStatus.decode(payload)
            items.append(payload)
        return items, None

    async def at_end(self):
        """Tell whether nothing more comes."""
        return await self.frame() is None

    async def read(self, size):
        """Return `size` bytes, fewer only at the end."""
        data = b""
        while len(data) < size and (more := await asyncio.wait_for(self._recv.read(size - len(data)), WAIT)):
            data += more
        return data


async def _maybe(result):
    return await result if inspect.isawaitable(result) else result


async def play_exchange(stream, exchange):
    """Play the client's steps of an exchange of `wire.json` and compare the server's."""
    for step in exchange["steps"]:
        data, fin = bytes.fromhex(step["hex"]), step["fin"]
        if step["from"] == "client":
            await stream.play(data, fin=fin)
        else:
            # One byte more would show what does not belong there.
            got = await stream.read(len(data) + fin)
            assert got == data, (exchange["name"], got)
