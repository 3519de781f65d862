"""Reading and writing frames on streams that stall, end and lie (`wire.md` section 4)."""

from __future__ import annotations

import asyncio

import pytest

from aster.framing import CANCEL, TRAILER, FramingError, encode_frame, read_frame, write_frame
from aster.protocol import CallHeader, RpcStatus, StreamHeader
from aster.status import NotFoundError
from raw_peer import BytesStream
from support import asynchronous, raised


class Written:
    def __init__(self):
        self.data = b""

    async def write_all(self, data):
        self.data += data


class Exact:
    """A stream that has `read_exact` only, such as `asyncio.StreamReader` under another name."""

    def __init__(self, data):
        self.reader = asyncio.StreamReader()
        self.reader.feed_data(data)
        self.reader.feed_eof()
        self.read_exact = self.reader.readexactly


@asynchronous
async def test_frames_come_back():
    written = Written()
    frames = [(b"x" * 200_000, 0), (b"", TRAILER), (b"", CANCEL), (b"\x00", 0xC1)]
    for payload, flags in frames:
        await write_frame(written, payload, flags)
    for stream in (BytesStream(written.data), BytesStream(written.data, 7), Exact(written.data)):
        assert [await read_frame(stream) for _ in range(5)] == [*frames, None]


@asynchronous
async def test_what_no_frame_can_hold():
    written = Written()
    for arguments in ((b"",), (b"", 1), (b"x", 256), (b"x", -1), ("text",)):
        assert type(await raised(write_frame(written, *arguments))) is FramingError
    assert written.data == b""


@pytest.mark.parametrize("make", [BytesStream, Exact])
@asynchronous
async def test_ends_inside_frames(make):
    for data, text in (
        (b"\x06\x00", "incomplete frame: expected 4 bytes, got 2"),
        (b"\x06\x00\x00\x00", "incomplete frame: expected 6 bytes, got 0"),
        (b"\x06\x00\x00\x00\x00Hel", "incomplete frame: expected 6 bytes, got 4"),
        (b"\x00\x00\x00\x00\x00", "received zero-length frame"),
        (b"\x01\x00\x00\x01", "frame size 16777217 exceeds maximum 16777216"),
    ):
        assert str(await raised(read_frame(make(data)))) == text


@asynchronous
async def test_memory_follows_what_arrives():
    asked = []

    class Greedy(BytesStream):
        async def read(self, size):
            asked.append(size)
            return await super().read(size)

    announced = (16 * 1024 * 1024).to_bytes(4, "little")
    await raised(read_frame(Greedy(announced + b"\x00" * 10)))
    assert max(asked) <= 65_536


@asynchronous
async def test_frames_must_be_complete_in_time():
    class Stalls(BytesStream):
        async def read(self, size):
            if not self.rest:
                await asyncio.Event().wait()
            return await super().read(size)

    error = await raised(read_frame(Stalls(b"\x06\x00\x00\x00\x00Hel"), 0.01))
    assert (type(error), str(error)) == (FramingError, "frame read timed out")
    assert type(await raised(read_frame(Stalls(b"\x06"), 0))) is FramingError

    # Nothing is late before the first byte.
    waiting = asyncio.ensure_future(read_frame(Stalls(b""), 0.0))
    done, _ = await asyncio.wait([waiting], timeout=0.05)
    assert not done
    waiting.cancel()
    assert isinstance((await asyncio.gather(waiting, return_exceptions=True))[0], asyncio.CancelledError)


@asynchronous
async def test_slow_drips_do_not_buy_time(monkeypatch):
    now = 0.0
    monkeypatch.setattr("aster.framing.monotonic", lambda: now)

    class Drips(BytesStream):
        async def read(self, size):
            nonlocal now
            now += 10.0
            # What is ready at once is taken even if the time is over; waiting is not.
            await asyncio.sleep(0)
            return await super().read(1)

    assert await read_frame(Drips(b"\x02\x00\x00\x00\x00x"), 60.0) == (b"x", 0)
    assert str(await raised(read_frame(Drips(b"\x02\x00\x00\x00\x00x"), 30.0))) == "frame read timed out"


def test_payload_classes():
    header = StreamHeader("S", "m", 1, "id", metadata_keys=["k", "k"], metadata_values=["1", "2"])
    assert header.metadata == {"k": "2"}
    header.metadata = {"a": "b"}
    assert (header.metadata_keys, header.metadata_values) == (["a"], ["b"])
    assert StreamHeader.decode(header.encode(json=True)) == header
    call = CallHeader("m", "id", -1)
    call.metadata = {"a": "b"}
    assert CallHeader.decode(call.encode()) == call
    assert call.metadata == {"a": "b"}
    status = RpcStatus(5, "gone")
    status.details = {"k": "v"}
    error = RpcStatus.decode(status.encode()).to_error()
    assert (type(error), error.message, error.details) == (NotFoundError, "gone", {"k": "v"})
    assert RpcStatus.decode(b"") == RpcStatus()


def test_payloads_that_cannot_be_sent():
    for wrong in (
        StreamHeader(version=-1),
        StreamHeader(version=2**31),
        StreamHeader(serialization_mode=256),
        StreamHeader(deadline_epoch_ms=2**63),
        StreamHeader(metadata_keys=["k"]),
        StreamHeader(service=7),
        CallHeader(metadata_values=["v"]),
        RpcStatus(code=2**31),
        RpcStatus(detail_keys=["k"]),
    ):
        with pytest.raises(FramingError):
            wrong.encode()
    assert encode_frame(b"x") == b"\x02\x00\x00\x00\x00x"
