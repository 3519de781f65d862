"""Calls that go well. See `scenarios.py`."""

from __future__ import annotations

import asyncio
import gc

import pytest

from aster import SerializationMode, StreamClosedError, with_options
from aster.status import (
    DeadlineExceededError,
    InvalidArgumentError,
    ResourceExhaustedError,
)
from lab_services import Methods
from scenario_list import (
    MANY,
    PATTERNS,
    WAITING,
    blocked,
    cancelled,
    collect,
    entered,
    numbers,
    scenario,
    still_answers,
)
from support import Num, Text, raised

# Good calls.


@scenario()
async def unary(case):
    for number in range(20):
        assert (await case.stub.double(Num(number))).value == 2 * number


@scenario()
async def unary_with_large_messages(case):
    for body in ("\u65e5" * 200_000, "".join(map(chr, range(32, 0xD7FF))), ""):
        assert (await case.stub.echo(Text(body))).body == body


@scenario()
async def inline_parameters(case):
    for call in (
        case.stub.join("a"),
        case.stub.join("a", 2),
        case.stub.join(first="a", times=2),
        case.stub.join("a", glue="-", timeout=10),
        case.stub.join("a", metadata={"k": "v"}),
    ):
        assert (await call).body == "a-a"
    with pytest.raises(TypeError):
        case.stub.join("a", 1, "", "too many")
    with pytest.raises(TypeError):
        case.stub.join(unknown=1)


@scenario()
async def server_stream(case):
    assert [one.value async for one in case.stub.count(Num(5))] == [0, 1, 2, 3, 4]
    await case.notes.until("left count")
    assert case.notes.kept["cancelled count"] == 0


@scenario()
async def server_stream_without_items(case):
    stream = case.stub.count(Num(0))
    assert [one async for one in stream] == []
    with pytest.raises(StopAsyncIteration):
        await stream.__anext__()


@scenario()
async def server_stream_of_many(case):
    values = [one.value async for one in case.stub.count(Num(MANY))]
    assert values == list(range(MANY))


@scenario()
async def client_stream(case):
    assert (await case.stub.total([Num(1), Num(2), Num(3)])).value == 6
    assert (await case.stub.total(Num(n) for n in range(4))).value == 6
    assert (await case.stub.total(numbers(4))).value == 6


@scenario()
async def client_stream_without_items(case):
    assert (await case.stub.total([])).value == 0
    assert (await case.stub.total(numbers(0))).value == 0
    assert (await case.stub.first([])).value == -1


@scenario()
async def client_stream_of_many(case):
    assert (await case.stub.total(numbers(MANY))).value == sum(range(MANY))
    assert (await case.stub.total([Num(n) for n in range(MANY)])).value == sum(range(MANY))


@scenario()
async def client_stream_that_ends_early(case):
    ended = asyncio.Event()

    async def endless():
        try:
            while True:
                yield Num(7)
        finally:
            ended.set()

    assert (await case.stub.first(endless())).value == 7
    # The iterable is closed when the call returns.
    assert ended.is_set()
    assert (await case.stub.first([Num(n) for n in range(5000)])).value == 0


@scenario()
async def bidi(case):
    async with case.stub.negate() as channel:
        for number in range(20):
            await channel.send(Num(number))
            assert (await channel.recv()).value == -number
    await case.notes.until("left negate")
    assert case.notes.kept["cancelled negate"] == 0


@scenario()
async def bidi_without_items(case):
    channel = case.stub.negate()
    await channel.close()
    with pytest.raises(StreamClosedError, match="closed"):
        await channel.recv()
    async with case.stub.negate() as channel:
        pass
    assert [one async for one in case.stub.negate([])] == []


@scenario()
async def bidi_of_many(case):
    assert [one.value async for one in case.stub.negate(numbers(MANY))] == [-n for n in range(MANY)]
    async with case.stub.negate() as channel:

        async def send():
            for number in range(MANY):
                await channel.send(Num(number))
            await channel.close()

        sending = asyncio.ensure_future(send())
        assert [one.value async for one in channel] == [-n for n in range(MANY)]
        await sending


@scenario()
async def bidi_server_that_speaks_first(case):
    async with case.stub.greet() as channel:
        assert (await channel.recv()).body == "who is there?"
        await channel.send(Text("Ada"))
        assert (await channel.recv()).body == "hello Ada"
        with pytest.raises(StreamClosedError, match="closed"):
            await channel.recv()


@scenario()
async def bidi_half_close(case):
    async with case.stub.sum_up() as channel:
        for number in (1, 2, 3):
            await channel.send(Num(number))
        await channel.close()
        await channel.close()
        with pytest.raises(StreamClosedError, match="closed"):
            await channel.send(Num(4))
        assert [one.value async for one in channel] == [6, 6, 6]
        await channel.wait_for_trailer()


@scenario()
async def bidi_exit_discards_the_rest(case):
    async with case.stub.sum_up() as channel:
        await channel.send(Num(1))
    async with case.stub.sum_up() as channel:
        await channel.send(Num(1))
        await channel.close()
        assert (await channel.recv()).value == 1
    await still_answers(case)


@scenario()
async def bidi_server_that_ends_early(case):
    async with case.stub.greet() as channel:
        await channel.send(Text("Ada"))
        assert [one.body async for one in channel] == ["who is there?", "hello Ada"]
        with pytest.raises(StreamClosedError, match="closed"):
            await channel.send(Text("late"))
        with pytest.raises(StreamClosedError, match="closed"):
            await channel.recv()


@scenario()
async def bidi_recv_that_is_cancelled_loses_nothing(case):
    async with case.stub.negate() as channel:
        receiving = asyncio.ensure_future(channel.recv())
        await channel.send(Num(0))
        assert (await receiving).value == 0
        receiving = asyncio.ensure_future(channel.recv())
        await asyncio.sleep(0)
        receiving.cancel()
        await asyncio.wait([receiving])
        for number in range(1, 5):
            await channel.send(Num(number))
        assert [(await channel.recv()).value for _ in range(4)] == [-1, -2, -3, -4]


# Metadata, context, options.


@scenario()
async def metadata(case):
    given = {"k": "v", "K": "", "\u65e5": "\U0001f680", "x" * 256: "y" * 4096}
    await case.stub.look(Text("x"), metadata=given)
    assert Methods.context.metadata == given
    assert [one.body async for one in case.stub.look_stream(Text("x"), metadata=given)] == ["x"]
    assert Methods.context.metadata == given
    await case.stub.look_items([Text("x")], metadata=given)
    assert Methods.context.metadata == given
    async with case.stub.look_both(metadata=given) as channel:
        await channel.send(Text("x"))
        await channel.recv()
    assert Methods.context.metadata == given
    full = {f"{n:02}": "" for n in range(64)}
    await case.stub.look(Text("x"), metadata=full)
    assert Methods.context.metadata == full


@scenario(patterns=PATTERNS)
async def metadata_over_limits(case, pattern):
    for wrong, text in (
        ({f"{n}": "" for n in range(65)}, "metadata entries exceeds limit of 64 (got 65)"),
        ({"k" * 257: ""}, "metadata key length exceeds limit of 256 (got 257)"),
        ({"k": "v" * 4097}, "metadata value length exceeds limit of 4096 (got 4097)"),
        ({f"{n}": "\u65e5" * 1000 for n in range(3)}, "metadata total bytes exceeds limit of 8192 (got 9003)"),
    ):
        error = await raised(blocked(case.stub, pattern, metadata=wrong))
        assert (type(error), error.message) == (ResourceExhaustedError, text)
    error = await raised(blocked(case.stub, pattern, metadata={"aster-timeout-ms": "1"}))
    assert type(error) is InvalidArgumentError
    await still_answers(case)
    assert case.notes.kept[f"entered {WAITING[pattern]}"] == 0


@scenario()
async def local_notes_are_not_sent(case):
    await case.stub.look(Text("x"), metadata={"_aster_note": "1", "k": "v"})
    assert Methods.context.metadata == {"k": "v"}


@scenario()
async def context(case):
    def check(method, pattern):
        seen = Methods.context
        assert (seen.method, seen.pattern, seen.is_streaming) == (method, pattern, pattern != "unary")
        assert (seen.service, seen.attempt, seen.attributes) == (case.service, 1, {})
        assert (seen.session_id is not None) == (case.scope == "session")
        assert (seen.peer is not None) == case.remote
        if case.scope == "session":
            assert seen.session_id == case.stub.session_id
        return seen.call_id

    ids = set()
    await case.stub.join("a")
    ids.add(check("join", "unary"))
    await case.stub.look(Text("x"))
    ids.add(check("look", "unary"))
    assert [one.body async for one in case.stub.look_stream(Text("x"))] == ["x"]
    ids.add(check("look_stream", "server_stream"))
    assert (await case.stub.look_items([Text("x"), Text("y")])).body == "xy"
    ids.add(check("look_items", "client_stream"))
    assert [one.body async for one in case.stub.look_both([Text("x")])] == ["x"]
    ids.add(check("look_both", "bidi_stream"))
    assert len(ids) == 5


@scenario()
async def defaults_of_a_sibling(case):
    sibling = with_options(case.stub, timeout=5.0, metadata={"k": "default", "l": "default"})
    await sibling.look(Text("x"), metadata={"k": "own"})
    assert Methods.context.metadata == {"k": "own", "l": "default"}
    assert 0 < Methods.context.remaining_seconds <= 5
    await sibling.look(Text("x"), timeout=50.0)
    assert Methods.context.remaining_seconds > 5
    impatient = with_options(case.stub, timeout=0.05)
    for pattern in PATTERNS:
        assert type(await raised(blocked(impatient, pattern))) is DeadlineExceededError
    await case.stub.look(Text("x"))
    assert (Methods.context.metadata, Methods.context.deadline) == ({}, None)
    with pytest.raises(TypeError):
        with_options(object(), timeout=1)


@scenario()
async def modes_of_single_calls(case):
    if not case.modes:
        return
    mode = {"serialization": SerializationMode.JSON}
    assert (await case.stub.double(Num(4), **mode)).value == 8
    assert [one.value async for one in case.stub.count(Num(2), **mode)] == [0, 1]
    assert (await case.stub.total([Num(1), Num(2)], **mode)).value == 3
    async with case.stub.negate(**mode) as channel:
        await channel.send(Num(1))
        assert (await channel.recv()).value == -1
    assert (await case.stub.double(Num(4))).value == 8


# Many calls of a shared service at once.


@scenario(scopes=("shared",))
async def calls_do_not_wait_for_each_other(case):
    slow = [asyncio.ensure_future(blocked(case.stub, pattern)) for pattern in PATTERNS]
    for pattern in PATTERNS:
        await entered(case, pattern)
    answers = await asyncio.gather(*(case.stub.double(Num(n)) for n in range(200)))
    assert [answer.value for answer in answers] == [2 * n for n in range(200)]
    streams = await asyncio.gather(*(collect(case.stub.count(Num(50))) for _ in range(10)))
    assert streams == [list(range(50))] * 10
    for call in slow:
        call.cancel()
    await asyncio.wait(slow)
    # The channel goes with the last reference to what its task raised.
    del slow, call
    gc.collect()
    for pattern in PATTERNS:
        await cancelled(case, WAITING[pattern])
