"""Faults: each gets the error that the spec names, nothing hangs or is left behind, and the server goes on."""

from __future__ import annotations

import asyncio
import gc
import os
import secrets
import signal
import threading
import time
from contextlib import asynccontextmanager

import pytest

from aster import (
    RPC_ALPN,
    AsterClient,
    AsterServer,
    ConnectionLostError,
    IrohConnectionError,
    StatusCode,
    rpc,
    service,
)
from aster.framing import CALL, CANCEL, COMPRESSED, HEADER, TRAILER, encode_frame
from aster.protocol import RpcStatus
from aster.status import (
    CancelledError,
    DeadlineExceededError,
    ResourceExhaustedError,
    UnavailableError,
    UnknownRpcError,
)
from lab_services import Lab, Methods, Notes, Room, for_ever
from levels import HERE, free_port, level, line, poll, program, resident_mib
from raw_peer import Frames, RawStream
from scenarios import PATTERNS, WAITING, blocked, noise
from support import Num, Text, raised
from test_scenarios import endpoint

LIMIT = 60.0
HOUR = 3_600_000
JSON, BINARY = Frames(json=True), Frames(json=False)
ALPNS = (RPC_ALPN, b"aster.consumer_admission", b"/iroh-bytes/4", b"/iroh-sync/1", b"/iroh-gossip/1")


def asynchronous(test):
    """Run a test in a loop of its own, with fresh notes, never for ever."""

    def run(*args, **kwargs):
        Methods.notes, Methods.context = Notes(), None
        asyncio.run(asyncio.wait_for(test(*args, **kwargs), LIMIT))

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    # Parameters and fixtures are those of the test.
    run.__wrapped__ = test
    return run


def notes():
    return Methods.notes


@asynccontextmanager
async def house(**options):
    """Yield a server and a client of it that have talked already; what follows must leave nothing behind."""
    async with AsterServer([Lab(), Room], **options) as server, AsterClient(address=server.address) as client:
        lab = await client.client(Lab)
        assert (await lab.double(Num(1))).value == 2
        async with level(server):
            yield server, client, lab
        assert (await lab.double(Num(2))).value == 4


async def all_gone(server):
    """Wait until a server runs nothing."""
    health = server._health
    await poll(lambda: health()["running_calls"] == health()["sessions"] == 0, 15, lambda: repr(health()))


# Handlers.


@asynchronous
async def test_handlers_that_raise():
    async with house() as (_, _, lab):
        for _ in range(100):
            assert type(await raised(lab.fail(Text("x")))) is UnknownRpcError
            with pytest.raises(UnknownRpcError):
                async for _ in lab.fail_after(Num(1)):
                    pass
            assert type(await raised(lab.fail_items([]))) is UnknownRpcError
            with pytest.raises(UnknownRpcError):
                async with lab.fail_both() as channel:
                    await channel.send(Text("x"))


@asynchronous
async def test_handlers_that_will_not_be_cancelled():
    """They keep their slot until they return; the caller is free at once."""
    release = asyncio.Event()

    @service("Stubborn", public=True, max_concurrent_streams=2)
    class Stubborn:
        @rpc
        async def stay(self, req: Num) -> Num:
            while not release.is_set():
                try:
                    notes().add("stays")
                    await release.wait()
                except asyncio.CancelledError:
                    continue
            return req

        @rpc
        async def go(self, req: Num) -> Num:
            return req

    async with AsterServer([Stubborn()]) as server, AsterClient(address=server.address) as client:
        stub = await client.client(Stubborn)
        for _ in range(2):
            assert type(await raised(stub.stay(Num(), timeout=0.3))) is DeadlineExceededError
        await notes().until("stays", 4)
        error = await raised(stub.go(Num()))
        assert (type(error), error.message) == (ResourceExhaustedError, "too many concurrent streams (limit 2)")
        release.set()
        await all_gone(server)
        assert (await stub.go(Num(3))).value == 3


@asynchronous
async def test_a_generator_that_never_yields():
    async with house() as (server, _, lab):
        with pytest.raises(DeadlineExceededError):
            await lab.silent(Text("x"), timeout=0.2).__anext__()
        stream = lab.silent(Text("x"))
        waiting = asyncio.ensure_future(stream.__anext__())
        await notes().until("entered silent", 2)
        waiting.cancel()
        await asyncio.wait([waiting])
        await notes().until("cancelled silent", 2)
        await all_gone(server)


@asynchronous
async def test_a_client_that_never_reads():
    """Many streams that nobody reads: memory is bounded, others are not held up, and all of them end."""
    async with house() as (server, client, lab):
        body, streams = noise(32 * 1024), []
        for _ in range(20):
            stream = lab.endless(Text(body))
            await stream.__anext__()
            streams.append(stream)
        for number in range(50):
            assert (await lab.double(Num(number), timeout=20)).value == 2 * number
        before = resident_mib()
        made = notes().kept["produced"]
        for _ in range(200):
            await lab.double(Num(1), timeout=20)
        # They stand still: what was made meanwhile is what the windows still took.
        assert notes().kept["produced"] - made < 20 * 400
        assert resident_mib() - before < 200
        for stream in streams:
            await stream.aclose()
        await notes().until("left endless", 20)
        await all_gone(server)
        del client


@asynchronous
async def test_a_cancelled_call_whose_input_nobody_reads_ends_its_session():
    """The frame that cancels waits behind the input: the session ends, instead of waiting for ever."""
    async with house() as (server, client, _):
        room = await client.client(Room)
        body = noise(64 * 1024)

        async def items():
            while True:
                notes().add("made")
                yield Text(body)

        sending = asyncio.ensure_future(room.ignore(items()))
        await notes().until("entered ignore")
        seen = -1
        while seen != notes().kept["made"]:
            seen = notes().kept["made"]
            await asyncio.sleep(0.3)
        sending.cancel()
        await asyncio.wait([sending])
        assert (await raised(room.add(Num(1)))).code is StatusCode.UNAVAILABLE
        await notes().until("left ignore")
        await notes().until("closed")
        await all_gone(server)
        await room.close()


# Peers that are gone.


@asynchronous
async def test_processes_that_are_killed():
    """Both ends notice within half a minute; the tests of it wait together."""
    await asyncio.gather(clients_killed(), server_killed())


async def entered(handlers, count):
    await poll(lambda: sum(notes().kept[f"entered {what}"] for what in handlers) == count, 15, lambda: notes().kept)


async def clients_killed():
    kinds = (*PATTERNS, "endless", "session")
    handlers = ("wait", "silent", "listen", "mute", "endless")
    async with AsterServer([Lab(), Room]) as server:
        for number, kind in enumerate(kinds):
            with program(HERE / "fault_client.py", server.address, kind) as process:
                assert await line(process) == "begun"
                await entered(handlers, number + 1)
                process.send_signal(signal.SIGKILL)
                process.wait()
        async with AsterClient(address=server.address) as client:
            lab = await client.client(Lab)
            # Meanwhile others are served.
            assert (await lab.double(Num(1))).value == 2
            await poll(lambda: sum(notes().kept[f"left {what}"] for what in handlers) == 6, 35, lambda: notes().kept)
            await notes().until("closed")
            await all_gone(server)
            assert (await lab.double(Num(1))).value == 2
        await poll(lambda: server._health()["connections"] == 0, 30)
    assert (notes().kept["opened"], notes().kept["closed"]) == (1, 1)
    assert notes().kept["cancelled wait"] == 2


async def server_killed():
    settings = {"FAULT_KEY": secrets.token_hex(32), "FAULT_PORT": str(free_port())}
    with program(HERE / "fault_server.py", **settings) as process:
        address = await line(process)
        client = AsterClient(address=address)
        await client.connect()
        lab, room = await client.client(Lab), await client.client(Room)
        await room.add(Num(1))
        calls = [asyncio.ensure_future(raised(blocked(lab, pattern))) for pattern in PATTERNS]
        calls.append(asyncio.ensure_future(raised(room.wait(Text()))))
        await lab.double(Num(1))
        process.send_signal(signal.SIGKILL)
        process.wait()
    for error in await asyncio.gather(*calls):
        assert type(error) is ConnectionLostError
        assert error.code is StatusCode.UNAVAILABLE
        assert error.message.startswith("connection lost: ")
    # The session does not come back; a call of a shared service dials again.
    assert type(await raised(room.add(Num(1)))) is ConnectionLostError
    error = await raised(lab.double(Num(1), timeout=0.3))
    assert error.code in {StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED}
    with program(HERE / "fault_server.py", **settings) as process:
        assert await line(process) == address
        assert (await lab.double(Num(5), timeout=25)).value == 10
        assert [one.value async for one in lab.count(Num(3))] == [0, 1, 2]
        assert type(await raised(room.add(Num(1)))) is ConnectionLostError
        again = await client.client(Room)
        assert (await again.add(Num(1))).value == 1
        await client.close()


@pytest.mark.parametrize("how", ["client", "node", "server"])
@asynchronous
async def test_a_session_whose_other_end_disappears(how):
    """The handler is cancelled, then the close hook runs, once; calls after the loss say so."""
    async with AsterServer([Lab(), Room]) as server, AsterClient(address=server.address) as client:
        room = await client.client(Room)
        await room.add(Num(1))
        running = asyncio.ensure_future(raised(room.wait(Text())))
        waiting = asyncio.ensure_future(raised(room.add(Num(1))))
        await notes().until("entered wait")
        await {"client": client.close, "node": client.node.close, "server": server.node.close}[how]()
        for error in (await running, await waiting):
            assert isinstance(error, (UnavailableError, CancelledError)), error
            assert how == "client" or type(error) is ConnectionLostError
        await notes().until("closed")
        held = [what for what in notes().order if what in {"cancelled wait", "closing", "closed"}]
        assert held == ["cancelled wait", "closing", "closed"]
        if how != "client":
            assert type(await raised(room.add(Num(1)))) is ConnectionLostError
            with pytest.raises(ConnectionLostError):
                await room.count(Num(1)).__anext__()
        await all_gone(server)


@asynchronous
async def test_items_that_arrived_before_a_loss_are_delivered():
    async with AsterServer([Lab(), Room]) as server, AsterClient(address=server.address) as client:
        lab = await client.client(Lab)
        stream = lab.endless(Text("x"))
        got = [await stream.__anext__()]
        # More than that has arrived when a later call is answered.
        await lab.double(Num(1))
        await server.node.close()
        with pytest.raises(ConnectionLostError):
            async for one in stream:
                got.append(one)
        assert len(got) > 1


# Many.


@asynchronous
async def test_ten_thousand_calls_at_once():
    async with house() as (server, _, lab):
        calls = [asyncio.ensure_future(lab.double(Num(n), timeout=LIMIT)) for n in range(10_000)]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        good = [one.value == 2 * n for n, one in enumerate(outcomes) if isinstance(one, Num)]
        rest = [one for one in outcomes if not isinstance(one, Num)]
        assert all(good)
        assert len(good) > 1000
        assert all(type(one) is ResourceExhaustedError for one in rest), rest[:3]
        await all_gone(server)


@asynchronous
async def test_eleven_hundred_streams_of_one_connection():
    async with house() as (server, _, lab):
        calls = [asyncio.ensure_future(raised(lab.wait(Text()))) for n in range(1100)]
        await notes().until("entered wait", 1024)
        await poll(lambda: sum(call.done() for call in calls) == 1100 - 1024, 20, lambda: notes().kept)
        refused = [call.result() for call in calls if call.done()]
        assert {(type(one), one.message) for one in refused} == {
            (ResourceExhaustedError, "too many concurrent streams (limit 1024)")
        }
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)
        await notes().until("cancelled wait", 1024)
        await all_gone(server)
        assert notes().kept["entered wait"] == 1024


@asynchronous
async def test_sessions_of_one_connection():
    async with house(max_sessions_per_connection=3) as (server, client, _):
        rooms = [await client.client(Room) for _ in range(3)]
        for room in rooms:
            await room.add(Num(1))
        fourth = await client.client(Room)
        error = await raised(fourth.add(Num(1)))
        assert (type(error), error.message) == (ResourceExhaustedError, "too many sessions (limit 3)")
        await rooms[0].close()
        await poll(lambda: server._health()["sessions"] == 2)
        fifth = await client.client(Room)
        assert (await fifth.add(Num(7))).value == 7
        for room in (*rooms, fourth, fifth):
            await room.close()
        assert notes().kept["closed"] == 4


@asynchronous
async def test_streams_that_are_opened_and_reset_in_a_loop_pile_nothing_up():
    async with house() as (server, _, lab):
        for _ in range(300):
            call = asyncio.ensure_future(lab.wait(Text()))
            await asyncio.sleep(0)
            call.cancel()
            await asyncio.wait([call])
        await all_gone(server)


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
    """On one connection: a bad stream gets one trailer, or none if nothing was sent, and a good call is answered."""
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

        pouring = [asyncio.ensure_future(pour(send)) for send, _ in streams[:20]]
        await asyncio.wait(pouring, timeout=2)
        assert (await lab.double(Num(1), timeout=20)).value == 2
        # 300 MiB were announced and offered; both ends of them are in this process.
        assert resident_mib() - before < 250
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


# Event loops and processes.


def test_several_loops_at_once():
    """Servers and clients in several threads, each with a loop of its own, calling each other."""
    Methods.notes = Notes()
    addresses, failures, go, done = [], [], threading.Barrier(3), threading.Barrier(3)

    async def run():
        async with AsterServer([Lab(), Room]) as server:
            addresses.append(server.address)
            await asyncio.get_running_loop().run_in_executor(None, go.wait)
            for address in addresses:
                async with AsterClient(address=address) as client:
                    lab = await client.client(Lab)
                    answers = await asyncio.gather(*(lab.double(Num(n)) for n in range(50)))
                    assert [one.value for one in answers] == [2 * n for n in range(50)]
                    assert [one.value async for one in lab.count(Num(20))] == list(range(20))
            await asyncio.get_running_loop().run_in_executor(None, done.wait)

    def thread():
        try:
            asyncio.run(asyncio.wait_for(run(), LIMIT))
        except BaseException as error:
            failures.append(error)
            go.abort()
            done.abort()

    threads = [threading.Thread(target=thread) for _ in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(LIMIT)
    assert not failures
    assert not any(one.is_alive() for one in threads)


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_loops_that_are_closed_while_calls_are_in_flight():
    Methods.notes = Notes()

    async def abandon():
        server = AsterServer([Lab(), Room])
        await server.start()
        client = AsterClient(address=server.address)
        await client.connect()
        lab, room = await client.client(Lab), await client.client(Room)
        calls = [asyncio.ensure_future(blocked(lab, pattern)) for pattern in PATTERNS]
        calls.append(asyncio.ensure_future(blocked(room, "unary")))
        for pattern in PATTERNS:
            await Methods.notes.until(f"entered {WAITING[pattern]}", 1 + (pattern == "unary"))
        return server, client, lab, room, calls

    for way in ("run", "close"):
        Methods.notes = Notes()
        if way == "run":
            asyncio.run(asyncio.wait_for(abandon(), LIMIT))
        else:
            # Without a chance for its tasks.
            loop = asyncio.new_event_loop()
            kept = loop.run_until_complete(asyncio.wait_for(abandon(), LIMIT))
            loop.close()
            del kept
        gc.collect()

    async def afterwards():
        async with house() as (_, _, lab):
            assert (await lab.double(Num(1))).value == 2

    asyncio.run(asyncio.wait_for(afterwards(), LIMIT))


FORK_TEXT = "aster cannot be used after fork(); create servers and clients in the child process"
FORKING = """
import asyncio, os, sys, warnings
warnings.simplefilter("ignore")
from aster import AsterClient, AsterServer
from lab_services import *
from scenarios import PATTERNS, WAITING, blocked
from support import Num, Text, raised

async def begin():
    server = AsterServer([Lab(), Room])
    await server.start()
    client = AsterClient(address=server.address)
    await client.connect()
    lab, room = await client.client(Lab), await client.client(Room)
    calls = [asyncio.ensure_future(raised(blocked(lab, pattern))) for pattern in PATTERNS]
    for pattern in PATTERNS:
        await Methods.notes.until(f"entered {WAITING[pattern]}")
    stream = lab.endless(Text("x"))
    await stream.__anext__()
    channel = lab.negate()
    await channel.send(Num(1))
    return server, client, lab, room, calls, stream, channel

loop = asyncio.new_event_loop()
made = server, client, lab, room, calls, stream, channel = loop.run_until_complete(begin())
pid = os.fork()
if pid == 0:
    async def child():
        for call in (lab.double(Num(1)), room.add(Num(1)), client.client(Lab), server.start(), lab.total([]),
                     lab.count(Num(1)).__anext__(), lab.negate().recv()):
            error = await raised(call)
            assert (type(error), str(error)) == (RuntimeError, FORK_TEXT), repr(error)
        async with AsterServer([Lab()]) as own, AsterClient(address=own.address) as other:
            assert (await (await other.client(Lab)).double(Num(4))).value == 8
    try:
        asyncio.run(asyncio.wait_for(child(), 30))
        print("child done", flush=True)
        os._exit(0)
    except BaseException as error:
        print(repr(error), flush=True)
        os._exit(1)
assert os.waitpid(pid, 0)[1] == 0

async def finish():
    assert not any(call.done() for call in calls)
    assert (await stream.__anext__()).body == "x"
    assert (await channel.recv()).value == -1
    await channel.cancel()
    await stream.aclose()
    assert (await lab.double(Num(1))).value == 2
    assert (await room.add(Num(1))).value == 1
    for call in calls:
        call.cancel()
    await asyncio.wait(calls)
    await Methods.notes.until("cancelled wait")
    await room.close()
    await client.close()
    await server.close()

loop.run_until_complete(asyncio.wait_for(finish(), 30))
loop.close()
print("parent done")
""".replace("FORK_TEXT", repr(FORK_TEXT))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_fork_while_calls_are_in_flight():
    with program("-c", FORKING) as process:
        out, _ = process.communicate(timeout=LIMIT)
    assert out.splitlines() == ["child done", "parent done"]
    assert process.returncode == 0


@asynchronous
async def test_handlers_that_use_clients_and_other_handlers():
    """A handler that calls its own server, a few levels deep, and is cancelled as a whole."""

    @service("Deep", public=True)
    class Deep:
        stub = None

        @rpc
        async def down(self, req: Num) -> Num:
            if req.value == 0:
                with notes().during("bottom"):
                    await for_ever()
            return await self.stub.down(Num(req.value - 1))

    deep = Deep()
    async with AsterServer([deep]) as server, AsterClient(address=server.address) as client:
        deep.stub = stub = await client.client(Deep)
        call = asyncio.ensure_future(stub.down(Num(5)))
        await notes().until("entered bottom")
        call.cancel()
        await asyncio.wait([call])
        await notes().until("cancelled bottom")
        await all_gone(server)
