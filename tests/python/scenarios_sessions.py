"""Sessions: order, objects, ends. See `scenarios.py`."""

from __future__ import annotations

import asyncio
import gc

import pytest

from aster import with_options
from aster.status import (
    AbortedError,
    CancelledError,
    DeadlineExceededError,
    ResourceExhaustedError,
    UnknownRpcError,
)
from lab_services import Room, Sick
from scenario_list import (
    PATTERNS,
    WAITING,
    blocked,
    cancelled,
    collect,
    entered,
    scenario,
    still_answers,
)
from support import Num, Text, raised

# Sessions.


@scenario(scopes=("session",))
async def one_object_per_session(case):
    other = await case.open(Room)
    assert other.session_id != case.stub.session_id
    for number in (1, 2, 3):
        await case.stub.add(Num(number))
    assert ((await other.add(Num(100))).value, (await case.stub.add(Num(0))).value) == (100, 6)
    await other.close()
    assert (await case.stub.add(Num(1))).value == 7
    assert (await case.stub.peer(Text())).body != "" if case.remote else (await case.stub.peer(Text())).body == "None"


@scenario(scopes=("session",))
async def calls_run_in_order_one_at_a_time(case):
    calls = [asyncio.ensure_future(case.stub.hold(Num(n))) for n in range(20)]
    streams = asyncio.ensure_future(collect(case.stub.count(Num(3))))
    assert [one.value for one in await asyncio.gather(*calls)] == list(range(20))
    assert await streams == [0, 1, 2]
    # The stub asks for a session's stream when it is iterated, so it comes last here.
    held = [what for what in case.notes.order if what.startswith(("begin", "end"))]
    assert held == [f"{edge} {n}" for n in range(20) for edge in ("begin", "end")]


@scenario(scopes=("session",))
async def calls_that_wait_have_deadlines_and_can_be_cancelled(case):
    running = asyncio.ensure_future(blocked(case.stub, "unary"))
    await entered(case, "unary")
    waiting = asyncio.ensure_future(case.stub.double(Num(1)))
    assert type(await raised(case.stub.double(Num(2), timeout=0.05))) is DeadlineExceededError
    dropped = asyncio.ensure_future(case.stub.double(Num(3)))
    await asyncio.sleep(0)
    dropped.cancel()
    running.cancel()
    await asyncio.wait([running, dropped])
    assert (await waiting).value == 2
    await still_answers(case)
    assert case.notes.kept["double"] == 2


@scenario(scopes=("session",))
async def a_session_queues_so_many_calls(case):
    running = asyncio.ensure_future(blocked(case.stub, "unary"))
    await entered(case, "unary")
    waiting = [asyncio.ensure_future(case.stub.double(Num(n))) for n in range(1024)]
    await asyncio.sleep(0)
    error = await raised(case.stub.double(Num(0)))
    assert type(error) is ResourceExhaustedError
    running.cancel()
    answers = await asyncio.gather(*waiting)
    assert [one.value for one in answers] == [2 * n for n in range(1024)]


@scenario(scopes=("session",))
async def an_open_channel_of_a_session(case):
    async with case.stub.negate() as channel:
        await channel.send(Num(1))
        assert (await channel.recv()).value == -1
        waiting = asyncio.ensure_future(case.stub.add(Num(4)))
        await channel.send(Num(2))
        assert (await channel.recv()).value == -2
        assert not waiting.done()
    assert (await waiting).value == 4


@scenario(scopes=("session",))
async def the_close_hook_runs_once(case):
    other = await case.open(Room)
    await other.add(Num(1))
    assert case.notes.kept["closed"] == 0
    await other.close()
    # The client waits for it.
    assert case.notes.kept["closed"] == 1
    await other.close()
    for call in (other.add(Num(1)), other.double(Num(1)), other.total([]), other.listen([])):
        error = await raised(call)
        assert (type(error), str(error)) == (RuntimeError, "session is closed")
    for call in (lambda: other.count(Num(1)).__anext__(), lambda: other.negate().recv()):
        with pytest.raises(RuntimeError, match="^session is closed$"):
            await call()
    assert case.notes.kept["closed"] == 1
    await still_answers(case)


@scenario(scopes=("session",), patterns=PATTERNS)
async def closing_a_session_ends_its_call(case, pattern):
    other = await case.open(Room)
    running = asyncio.ensure_future(raised(blocked(other, pattern)))
    await entered(case, pattern)
    await other.close()
    assert type(await running) is CancelledError
    await case.notes.until("closed")
    await cancelled(case, WAITING[pattern])
    # The hook runs after the last handler.
    assert case.notes.order.index("closing") > case.notes.order.index(f"left {WAITING[pattern]}")
    assert case.notes.kept["closed"] == 1


@scenario(scopes=("session",))
async def siblings_keep_their_session_open(case):
    other = await case.open(Room)
    await with_options(other, timeout=10).add(Num(1))
    gc.collect()
    assert (await other.add(Num(1))).value == 2
    sibling = with_options(with_options(other, timeout=10), metadata={"k": "v"})
    del other
    gc.collect()
    assert (await sibling.add(Num(1))).value == 3
    assert case.notes.kept["closed"] == 0
    await sibling.close()
    assert case.notes.kept["closed"] == 1


@scenario(scopes=("session",))
async def dropping_a_session_closes_it(case):
    other = await case.open(Room)
    await other.add(Num(1))
    del other
    gc.collect()
    await case.notes.until("closed")
    await still_answers(case)
    assert case.notes.kept["closed"] == 1


@scenario(scopes=("session",))
async def constructors_that_fail(case):
    sick = await case.open(Sick)
    for _ in range(2):
        error = await raised(sick.add(Num(1)))
        assert (type(error), error.message, error.details) == (AbortedError, "no session today", {"why": "closed"})
        with pytest.raises(AbortedError):
            await sick.count(Num(1)).__anext__()
    await sick.close()
    assert case.notes.kept["closed"] == 0
    usual, Sick.failure = Sick.failure, ValueError("secret")
    try:
        sick = await case.open(Sick)
        error = await raised(sick.add(Num(1)))
        assert type(error) is UnknownRpcError
        assert ("secret" in error.message) == case.exposed
        await sick.close()
    finally:
        Sick.failure = usual
