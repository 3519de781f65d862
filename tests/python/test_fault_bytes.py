"""Bytes of peers that break the rules: each gets the answer that the spec names, and the server goes on."""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import asynccontextmanager

import pytest

from aster import (
    RPC_ALPN,
    AsterServer,
    IrohConnectionError,
)
from aster.framing import CALL, CANCEL, COMPRESSED, HEADER, TRAILER, encode_frame
from aster.protocol import RpcStatus
from fault_house import all_gone, asynchronous, house, notes
from lab_services import Lab, Methods
from levels import resident_mib
from raw_peer import Frames, RawStream
from support import Num
from test_scenarios import endpoint

HOUR = 3_600_000
JSON, BINARY = Frames(json=True), Frames(json=False)
ALPNS = (RPC_ALPN, b"aster.consumer_admission", b"/iroh-bytes/4", b"/iroh-sync/1", b"/iroh-gossip/1")


# Bytes that are no calls.


def garbage():
    """What is sent on one stream, and whether the peer ends it."""
    header = JSON.header("Lab", "double")
    yield from (
        (b"", True),
        (b"\0", True),
        (b"\0" * 4, True),
        (b"\xff" * 64, False),
        (secrets.token_bytes(2000), True),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", False),
        (b"\x01\0\0\x01\x04", False),
        (b"\xff\xff\xff\x00\x04" + b"{" * 200_000, False),
        (header[:-1], True),
        (header[:7], True),
        (header, True),
        (header + b"\xff\xff\xff\xff\0", False),
        (header + JSON.data({"value": 1})[:-2], True),
        (header + JSON.data(b"\xff" * 1000), True),
        (header + encode_frame(secrets.token_bytes(500), COMPRESSED), True),
        (header + b"".join(encode_frame(b"x", flags) for flags in (HEADER, CALL, CANCEL, TRAILER)), True),
        (BINARY.header("Lab", "double", mode=0) + BINARY.data(b"\x01" + secrets.token_bytes(300)), True),
        (JSON.session("Room") + secrets.token_bytes(300), True),
        (JSON.session("Room") + JSON.call("add") + JSON.data(b"[[[["), False),
        (JSON.header("\u0000", "x" * 300), True),
        (encode_frame(b"{" + b'"a":{' * 5000, HEADER), True),
    )


@asynccontextmanager
async def raw(server, alpn=RPC_ALPN):
    """Yield a connection of a bare endpoint to a server."""
    net = await endpoint()
    try:
        yield await net.connect_node_addr(server.endpoint.endpoint_addr_info(), alpn)
    finally:
        await net.close()


@pytest.mark.parametrize("alpn", ALPNS, ids=lambda alpn: alpn.decode().strip("/").replace("/", "_"))
@asynchronous
async def test_garbage_on_every_protocol(alpn):
    async with house() as (server, _, lab):
        for data, ends in garbage():
            async with raw(server, alpn) as connection:
                try:
                    for opened in (await connection.open_bi(), (await connection.open_uni(), None)):
                        send, _ = opened
                        if data:
                            await asyncio.wait_for(send.write_all(data), 10)
                        if ends:
                            await send.finish()
                except (OSError, ConnectionError, asyncio.TimeoutError):
                    pass
                except Exception as error:
                    # The server may have stopped the stream or closed the connection.
                    assert type(error).__module__.startswith("aster"), error
                assert (await lab.double(Num(1), timeout=20)).value == 2
        await all_gone(server)


@asynchronous
async def test_garbage_is_answered_and_does_not_disturb_its_neighbours():
    """On one connection: each bad stream gets one trailer, or none if nothing was sent; good calls are answered."""
    async with house() as (server, _, _), raw(server) as connection:
        for data, ends in garbage():
            stream = RawStream(*await connection.open_bi())
            await stream.play(data, fin=ends)
            if ends or data[4:5] == b"\x04":
                good = RawStream(*await connection.open_bi())
                await good.play(JSON.header("Lab", "double"), JSON.data({"value": 4}), fin=True)
                assert await good.answer() == ([b'{"value":8}'], RpcStatus(0, ""))
            if ends:
                _, status = await stream.answer()
                assert (status is None) == (not data), data[:40]
                assert status is None or status.code != 0
        assert server._health()["running_calls"] <= 10


@pytest.mark.parametrize("alpn", ALPNS, ids=lambda alpn: alpn.decode().strip("/").replace("/", "_"))
@asynchronous
async def test_slow_drips_on_every_protocol(alpn):
    """Many streams that get a byte now and then hold up nobody, and go with their connection."""
    async with house() as (server, _, lab):
        async with raw(server, alpn) as connection:
            data = JSON.header("Lab", "double") + JSON.data({"value": 1})
            drips = []
            for _ in range(30):
                try:
                    drips.append((await connection.open_bi())[0])
                except Exception:
                    break
            for number in range(20):
                for send in drips:
                    try:
                        await send.write_all(data[number : number + 1])
                    except Exception:
                        continue
                assert (await lab.double(Num(number), timeout=20)).value == 2 * number
        await all_gone(server)


@asynchronous
async def test_frames_in_single_bytes():
    async with house() as (server, _, _), raw(server) as connection:
        stream = RawStream(*await connection.open_bi())
        for byte in JSON.header("Lab", "double") + JSON.data({"value": 5}):
            await stream.play(bytes([byte]))
        await stream.play(b"", fin=True)
        assert await stream.answer() == ([b'{"value":10}'], RpcStatus(0, ""))


@asynchronous
async def test_unknown_protocols_are_refused():
    # Not with `level`: iroh keeps the socket of an endpoint whose handshake failed, also when it is closed.
    async with AsterServer([Lab()]) as server:
        for alpn in (b"aster/2", b"h3", b""):
            with pytest.raises(IrohConnectionError):
                async with raw(server, alpn):
                    pass


@asynchronous
async def test_large_frames_that_never_end_share_a_budget():
    """Announcing much costs the server nothing, and sending much is bounded."""
    async with house() as (server, _, lab), raw(server) as connection:
        before, streams = resident_mib(), []
        head, part = JSON.header("Lab", "echo"), secrets.token_bytes(1 << 20)
        for _ in range(100):
            send, recv = await connection.open_bi()
            await send.write_all(head + b"\0\0\0\x01\0")
            streams.append((send, recv))
        assert resident_mib() - before < 50

        async def pour(send):
            for _ in range(15):
                await send.write_all(part)
                taken.append(1)

        taken: list[int] = []
        pouring = [asyncio.ensure_future(pour(send)) for send, _ in streams[:20]]
        await asyncio.wait(pouring, timeout=2)
        assert (await lab.double(Num(1), timeout=20)).value == 2
        # 300 MiB were offered; the budget of 64 MiB is taken, and what the windows of 20 streams hold.
        assert len(taken) < 120
        # Both ends are in this process, and what buffers left when they grew.
        assert resident_mib() - before < 350
        for one in pouring:
            one.cancel()
        await asyncio.wait(pouring)
        connection.close(0, b"")
        await all_gone(server)


# Metadata and deadlines of raw peers.


async def status_of(connection, *frames):
    stream = RawStream(*await connection.open_bi())
    await stream.play(*frames, fin=True)
    return (await stream.answer())[1]


@pytest.mark.parametrize("frames", [JSON, BINARY], ids=["json", "binary"])
@asynchronous
async def test_metadata_over_the_limits(frames):
    body = JSON.data({"value": 1})
    async with house() as (server, _, _), raw(server) as connection:
        for metadata, text in (
            ({f"{n}": "" for n in range(65)}, "metadata entries exceeds limit of 64 (got 65)"),
            ({"k" * 257: ""}, "metadata key length exceeds limit of 256 (got 257)"),
            ({"k": "v" * 4097}, "metadata value length exceeds limit of 4096 (got 4097)"),
            ({f"{n}": "v" * 3000 for n in range(3)}, "metadata total bytes exceeds limit of 8192 (got 9003)"),
        ):
            status = await status_of(connection, frames.header("Lab", "double", mode=0, metadata=metadata), body)
            assert (status.code, status.message) == (8, text)
            stream = RawStream(*await connection.open_bi())
            await stream.play(frames.session("Room"), frames.call("add", metadata=metadata), body)
            _, status = await stream.answer()
            assert (status.code, status.message) == (8, text)
            # The session goes on.
            await stream.play(frames.call("add"), body)
            items, status = await stream.answer()
            assert (items, status.code) == ([b'{"value":1}'], 0)
            await stream.play(b"", fin=True)


@asynchronous
async def test_deadlines_that_have_passed():
    body = JSON.data({})
    async with house() as (server, _, _), raw(server) as connection:
        now = int(time.time() * 1000)
        for more in (
            {"metadata": {"aster-timeout-ms": "0"}},
            {"deadline_epoch_ms": 1},
            {"deadline_epoch_ms": now - 60_000},
            {"deadline_epoch_ms": now + HOUR, "metadata": {"aster-timeout-ms": "0"}},
        ):
            for method in ("wait", "silent", "listen", "mute"):
                status = await status_of(connection, JSON.header("Lab", method, **more), body)
                assert (status.code, status.message) == (4, "deadline already expired on receipt")
        assert set(notes().kept) == {"double"}


@asynchronous
async def test_clocks_that_are_an_hour_off():
    """What is left counts, if the client says it; else its clock, which must not be that wrong."""
    body = JSON.data({})
    async with house() as (server, _, _), raw(server) as connection:
        now = int(time.time() * 1000)
        for skew in (-HOUR, HOUR):
            header = {"deadline_epoch_ms": now + skew + 300}
            told = {**header, "metadata": {"aster-timeout-ms": "300"}}
            before = time.monotonic()
            status = await status_of(connection, JSON.header("Lab", "wait", **told), body)
            assert (status.code, status.message) == (4, "deadline exceeded")
            assert 0.25 < time.monotonic() - before < 10
            stream = RawStream(*await connection.open_bi())
            await stream.play(JSON.header("Lab", "double", **told), JSON.data({"value": 1}), fin=True)
            assert (await stream.answer())[1].code == 0
        await notes().until("cancelled wait", 2)
        # Without it a clock that is behind makes calls late, one that is ahead lets them live longer.
        status = await status_of(connection, JSON.header("Lab", "wait", deadline_epoch_ms=now - HOUR + 300), body)
        assert (status.code, status.message) == (4, "deadline already expired on receipt")
        stream = RawStream(*await connection.open_bi())
        await stream.play(JSON.header("Lab", "look", deadline_epoch_ms=now + HOUR), JSON.data({}), fin=True)
        assert (await stream.answer())[1].code == 0
        assert 3500 < Methods.context.remaining_seconds < 3610
        # A few seconds are forgiven.
        stream = RawStream(*await connection.open_bi())
        await stream.play(JSON.header("Lab", "look", deadline_epoch_ms=int(time.time() * 1000) - 2000), JSON.data({}))
        assert (await stream.answer())[1].code == 0
