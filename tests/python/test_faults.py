"""Faults: each gets the error that the spec names, nothing hangs or is left behind, and the server goes on."""

from __future__ import annotations

import asyncio
import functools
import gc
import os
import secrets
import signal
import threading

import pytest

from aster import (
    AsterClient,
    AsterServer,
    ConnectionLostError,
    StatusCode,
    rpc,
    service,
)
from aster.status import (
    CancelledError,
    DeadlineExceededError,
    ResourceExhaustedError,
    UnavailableError,
    UnknownRpcError,
)
from fault_house import LIMIT, all_gone, asynchronous, house, notes
from lab_services import Lab, Methods, Notes, Room, for_ever
from levels import HERE, free_port, line, poll, program, resident_mib
from scenarios import PATTERNS, WAITING, blocked, noise
from support import Num, Text, raised

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


async def clients_killed():
    kinds = (*PATTERNS, "endless", "session")
    handlers = ("wait", "silent", "listen", "mute", "endless")

    def entered(times):
        return sum(notes().kept[f"entered {what}"] for what in handlers) == times

    async with AsterServer([Lab(), Room]) as server:
        for number, kind in enumerate(kinds):
            with program(HERE / "fault_client.py", server.address, kind) as process:
                assert await line(process) == "begun"
                await poll(functools.partial(entered, number + 1), 15, lambda: notes().kept)
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
