"""The scenarios of calls, in one list: each runs on every kind of transport, with the same assertions.

A scenario takes a `Case`. `test_scenarios.py` makes the cases: which stub, over what, with interceptors or without.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import random
import time
from dataclasses import dataclass
from typing import Any

import pytest

from aster import RpcError, SerializationMode, StatusCode, StreamClosedError, with_options
from aster.status import (
    AbortedError,
    CancelledError,
    ContractViolationError,
    DeadlineExceededError,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    ResourceExhaustedError,
    UnknownRpcError,
)
from lab_services import Methods, Room, Sick, for_ever
from support import Num, Text, raised

PATTERNS = ("unary", "server_stream", "client_stream", "bidi_stream")
# What a handler that waits for ever is called, by pattern.
WAITING = {"unary": "wait", "server_stream": "silent", "client_stream": "listen", "bidi_stream": "mute"}
MANY = 2000


@dataclass
class Case:
    """A stub of `Lab`, or one session of `Room`, and what is known about the way to it."""

    stub: Any
    # "shared" or "session".
    scope: str
    # Opens a session stub of a class.
    open: Any
    # Whether messages are encoded, or handed over as objects.
    encoded: bool = True
    # Whether texts of exceptions reach the caller.
    exposed: bool = True
    # Whether there is a network in between.
    remote: bool = False
    # Whether options of calls may name a mode.
    modes: bool = True

    @property
    def service(self):
        return "Room" if self.scope == "session" else "Lab"

    @property
    def notes(self):
        return Methods.notes


SCENARIOS = []


@dataclass(frozen=True)
class Scenario:
    """A scenario, and which cases it is for."""

    name: str
    run: Any
    scopes: tuple = ("shared", "session")
    encoded: bool = False


def scenario(*, scopes=("shared", "session"), patterns=(), encoded=False):
    """Add a scenario; with `patterns` one for each of them. `encoded`: it is about the encoding of messages."""

    def add(function):
        for pattern in patterns:
            run = functools.partial(function, pattern=pattern)
            SCENARIOS.append(Scenario(f"{function.__name__}[{pattern}]", run, scopes, encoded))
        if not patterns:
            SCENARIOS.append(Scenario(function.__name__, function, scopes, encoded))
        return function

    return add


async def numbers(count):
    for number in range(count):
        yield Num(number)


def blocked(stub, pattern, **options):
    """Return a call that does not end by itself: a coroutine."""

    async def server_stream():
        return await stub.silent(Text("s"), **options).__anext__()

    async def client_stream():
        async def items():
            yield Text("c")
            await for_ever()

        return await stub.listen(items(), **options)

    async def bidi_stream():
        channel = stub.mute(**options)
        await channel.send(Text("b"))
        return await channel.recv()

    if pattern == "unary":
        return stub.wait(Text("u"), **options)
    return {"server_stream": server_stream, "client_stream": client_stream, "bidi_stream": bidi_stream}[pattern]()


async def entered(case, pattern):
    await case.notes.until(f"entered {WAITING[pattern]}")


async def cancelled(case, what):
    """Wait until a handler was cancelled and has gone."""
    await case.notes.until(f"left {what}")
    assert case.notes.kept[f"cancelled {what}"] == 1, dict(case.notes.kept)


async def still_answers(case):
    """Make sure that whatever happened is over."""
    assert (await case.stub.double(Num(21))).value == 42


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


# Errors.


@scenario()
async def errors_with_a_status(case):
    error = await raised(case.stub.refuse(3, "negative", {"field": "amount", "\u65e5": ""}))
    assert type(error) is InvalidArgumentError
    assert (error.message, error.details) == ("negative", {"field": "amount", "\u65e5": ""})
    assert str(error) == "[INVALID_ARGUMENT] negative"
    for code in [*range(1, 17), 101]:
        error = await raised(case.stub.refuse(code, "m", {}))
        assert (error.code, error.message) == (code, "m")
        assert type(error) is not RpcError
    error = await raised(case.stub.refuse(4711, "m", {}))
    assert (type(error), int(error.code), error.code.name) == (RpcError, 4711, "CODE_4711")


@scenario()
async def errors_of_streams_with_a_status(case):
    for items in (0, 3):
        stream, got = case.stub.refuse_after(items, 5, "gone", {"k": "v"}), []
        with pytest.raises(NotFoundError) as caught:
            async for one in stream:
                got.append(one.value)
        assert got == list(range(items))
        assert (caught.value.message, caught.value.details) == ("gone", {"k": "v"})
        with pytest.raises(StopAsyncIteration):
            await stream.__anext__()
    for items, code, text, seen in (([], 5, "nothing", "0"), ([Text("a"), Text("b")], 10, "a", "1")):
        error = await raised(case.stub.refuse_items(items))
        assert (error.code, error.message, error.details) == (code, text, {"seen": seen})


@scenario()
async def errors_of_channels(case):
    channel = case.stub.refuse_both()
    await channel.send(Text("x"))
    assert (await channel.recv()).body == "x"
    error = await raised(channel.recv())
    assert (type(error), error.message, error.details) == (AbortedError, "x", {"seen": "1"})
    with pytest.raises(AbortedError):
        async with case.stub.refuse_both() as channel:
            await channel.send(Text("x"))
    with pytest.raises(AbortedError):
        async with case.stub.refuse_both() as channel:
            await channel.send(Text("x"))
            await channel.wait_for_trailer()
    got = []
    with pytest.raises(AbortedError):
        async for one in case.stub.refuse_both([Text("x"), Text("y")]):
            got.append(one.body)
    assert got == ["x"]


@scenario()
async def other_exceptions(case):
    async def of_stream():
        return [one async for one in case.stub.fail_after(Num(2))]

    async def of_channel():
        return [one async for one in case.stub.fail_both([Text("secret")])]

    for call in (
        case.stub.fail(Text("secret")),
        of_stream(),
        case.stub.fail_items([Text("secret")]),
        of_channel(),
    ):
        error = await raised(call)
        assert type(error) is UnknownRpcError
        call_id = error.details["call_id"]
        assert error.message == ("secret" if case.exposed else f"internal error; call id {call_id}")


@scenario(encoded=True)
async def answers_that_do_not_fit(case):
    for what in ("type", "none", "value"):
        error = await raised(case.stub.wrong(Text(what)))
        assert type(error) is InternalError
        assert error.message.startswith("cannot encode response: ")
    for items in (0, 3):
        got = []
        with pytest.raises(InternalError, match="cannot encode response: "):
            async for one in case.stub.wrong_after(Num(items)):
                got.append(one.value)
        assert got == list(range(items))
    await case.notes.until("left wrong_after", 2)
    assert case.notes.kept["went on"] == 0
    with pytest.raises(InternalError, match="cannot encode response: "):
        async for _ in case.stub.wrong_both([Text("x")]):
            pass


@scenario(encoded=True)
async def requests_that_do_not_fit_are_not_sent(case):
    for wrong in (Text("x"), None, Num("x"), Num(2**63), Num(None)):
        error = await raised(case.stub.double(wrong))
        assert type(error) is ContractViolationError, error
        assert error.code == 101
        assert "location" in error.details
    with pytest.raises(ContractViolationError):
        await case.stub.count(Text("x")).__anext__()
    assert (case.notes.kept["double"], case.notes.kept["entered count"]) == (0, 0)
    with pytest.raises(ContractViolationError):
        await case.stub.listen([Text("x"), Num(1)])
    await still_answers(case)


@scenario(encoded=True)
async def a_channel_goes_on_without_an_item_that_does_not_fit(case):
    async with case.stub.negate() as channel:
        await channel.send(Num(1))
        with pytest.raises(ContractViolationError):
            await channel.send(Text("x"))
        await channel.send(Num(2))
        assert [(await channel.recv()).value for _ in range(2)] == [-1, -2]


@scenario()
async def requests_whose_iterable_fails(case):
    class Broken(Exception):
        pass

    async def items():
        yield Text("x")
        await case.notes.until("heard")
        raise Broken

    assert type(await raised(case.stub.listen(items()))) is Broken
    await cancelled(case, "listen")

    async def more():
        yield Num(1)
        raise Broken

    with pytest.raises(Broken):
        async for _ in case.stub.negate(more()):
            pass
    assert isinstance(await raised(case.stub.total(7)), TypeError)
    await still_answers(case)


# Deadlines.


@scenario(patterns=PATTERNS)
async def deadline(case, pattern):
    before = time.monotonic()
    error = await raised(blocked(case.stub, pattern, timeout=0.05))
    took = time.monotonic() - before
    assert type(error) is DeadlineExceededError
    assert str(error) == "[DEADLINE_EXCEEDED] deadline exceeded"
    # The client's instant, not some later one; the upper bound is for a busy machine.
    assert 0.045 < took < 3
    if case.notes.kept[f"entered {WAITING[pattern]}"]:
        await cancelled(case, WAITING[pattern])
    await still_answers(case)


@scenario()
async def deadline_of_the_method(case):
    assert type(await raised(case.stub.impatient(Text("x")))) is DeadlineExceededError
    if case.notes.kept["entered impatient"]:
        await cancelled(case, "impatient")


@scenario()
async def deadline_is_the_total_time_of_a_stream(case):
    got = 0
    with pytest.raises(DeadlineExceededError):
        async for _ in case.stub.ticks(Num(5), timeout=0.15):
            got += 1
    assert got < 31
    await cancelled_while_sending(case, "ticks")


@scenario(patterns=PATTERNS)
async def deadline_that_has_passed(case, pattern):
    for timeout in (0, -1.5):
        error = await raised(blocked(case.stub, pattern, timeout=timeout))
        assert str(error) == "[DEADLINE_EXCEEDED] deadline exceeded"
    await still_answers(case)
    assert case.notes.kept[f"entered {WAITING[pattern]}"] == 0


@scenario()
async def deadline_in_the_context(case):
    before = time.time()
    await case.stub.look(Text("x"), timeout=5)
    assert before + 4 < Methods.context.deadline < time.time() + 5.1
    assert 0 < Methods.context.remaining_seconds <= 5
    assert not Methods.context.expired
    await case.stub.look(Text("x"))
    assert Methods.context.deadline is None
    assert Methods.context.remaining_seconds is None


# Cancellation.


@scenario(patterns=PATTERNS)
async def cancelling_the_task(case, pattern):
    task = asyncio.ensure_future(blocked(case.stub, pattern))
    await entered(case, pattern)
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    # Not the status of a peer.
    assert type(caught.value) is asyncio.CancelledError
    # A channel is cancelled when it is dropped.
    del task, caught
    gc.collect()
    await cancelled(case, WAITING[pattern])
    await still_answers(case)


@scenario(patterns=PATTERNS)
async def cancelling_a_task_that_has_just_begun(case, pattern):
    for turns in range(3):
        task = asyncio.ensure_future(blocked(case.stub, pattern))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        del task
    gc.collect()
    await still_answers(case)


@scenario(patterns=("unary", "client_stream"))
async def a_wait_that_times_out_here(case, pattern):
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(blocked(case.stub, pattern), 0.1)
    if case.notes.kept[f"entered {WAITING[pattern]}"]:
        await cancelled(case, WAITING[pattern])
    await still_answers(case)


@scenario()
async def dropping_an_iterator(case):
    async for _ in case.stub.endless(Text("x")):
        break
    gc.collect()
    await cancelled_while_sending(case, "endless")
    await still_answers(case)


@scenario()
async def closing_an_iterator(case):
    stream = case.stub.endless(Text("x"))
    await stream.__anext__()
    await stream.aclose()
    with pytest.raises(StopAsyncIteration):
        await stream.__anext__()
    await cancelled_while_sending(case, "endless")
    await stream.aclose()
    never_used = case.stub.endless(Text("x"))
    await never_used.aclose()
    await still_answers(case)
    assert case.notes.kept["entered endless"] == 1


async def cancelled_while_sending(case, what):
    """Wait until a generator has gone: cancelled while it waited, or closed between two items."""
    await case.notes.until(f"left {what}")


@scenario()
async def leaving_a_channel_by_an_exception(case):
    class Left(Exception):
        pass

    with pytest.raises(Left):
        async with case.stub.mute() as channel:
            await channel.send(Text("x"))
            await entered(case, "bidi_stream")
            raise Left
    await cancelled(case, "mute")
    with pytest.raises(StreamClosedError):
        await channel.send(Text("y"))
    with pytest.raises(StreamClosedError):
        await channel.recv()
    await still_answers(case)


@scenario()
async def dropping_a_channel(case):
    channel = case.stub.mute()
    await channel.send(Text("x"))
    await entered(case, "bidi_stream")
    del channel
    gc.collect()
    await cancelled(case, "mute")
    await still_answers(case)


@scenario()
async def cancelling_a_channel(case):
    channel = case.stub.talk()
    await channel.recv()
    await channel.cancel()
    await channel.cancel()
    await cancelled_while_sending(case, "talk")
    await still_answers(case)


@scenario(scopes=("session",), patterns=PATTERNS)
async def cancelling_through_the_session(case, pattern):
    await case.stub.add(Num(5))
    call = asyncio.ensure_future(raised(blocked(case.stub, pattern)))
    await entered(case, pattern)
    await case.stub.cancel()
    error = await call
    assert (type(error), error.code) == (CancelledError, StatusCode.CANCELLED)
    await cancelled(case, WAITING[pattern])
    await case.stub.cancel()
    # The session goes on, with the same object.
    assert (await case.stub.add(Num(1))).value == 6


# Backpressure.


async def steady(case, what):
    """Wait until nothing is added any more, and return how much there is."""
    seen, same = -1, 0
    while same < 3:
        await asyncio.sleep(0.03)
        now = case.notes.kept[what]
        seen, same = now, same + 1 if now == seen and now else 0
    return seen


LARGE = 64 * 1024
# The windows of both sides and of the network, generously: 12 MiB.
BOUND = 12 * 1024 * 1024 // LARGE
# Objects have no bytes: so many are on their way.
OBJECTS = 400


def bound(case):
    return BOUND if case.encoded else OBJECTS


@scenario()
async def a_reader_that_stops_holds_the_writer(case):
    # Incompressible, so that windows are filled by what is counted here.
    body = noise(LARGE)
    stream = case.stub.endless(Text(body))
    await stream.__anext__()
    made = await steady(case, "produced")
    assert made < bound(case), made
    # It goes on when the reader does.
    for _ in range(made + 20):
        assert (await stream.__anext__()).body == body
    await stream.aclose()
    await cancelled_while_sending(case, "endless")
    await still_answers(case)


# In a session the cancellation would wait behind the input: `test_faults.py` has that.
@scenario(scopes=("shared",))
async def a_handler_that_does_not_listen_holds_the_caller(case):
    body = noise(LARGE)

    async def items():
        while True:
            case.notes.add("made")
            yield Text(body)

    sending = asyncio.ensure_future(case.stub.ignore(items()))
    made = await steady(case, "made")
    assert made < bound(case), made
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    await cancelled(case, "ignore")
    await still_answers(case)


@scenario()
async def an_answer_comes_although_all_windows_are_full(case):
    body = noise(LARGE)

    async def items():
        while True:
            case.notes.add("made")
            yield Text(body)

    answer = asyncio.ensure_future(case.stub.answer_unheard(items()))
    await steady(case, "made")
    case.notes.add("go")
    assert (await answer).value == 7
    await still_answers(case)


@scenario()
async def a_channel_that_is_not_read_holds_both(case):
    channel = case.stub.repeat()
    body = noise(LARGE)

    async def send():
        while True:
            await channel.send(Text(body))
            case.notes.add("sent")

    sending = asyncio.ensure_future(send())
    made = await steady(case, "sent")
    # The windows of both directions.
    assert made < 2 * bound(case), made
    sending.cancel()
    await asyncio.wait([sending])
    await channel.cancel()
    await cancelled_while_sending(case, "repeat")
    await still_answers(case)


def noise(size):
    generator = random.Random(size)
    return "".join(map(chr, generator.choices(range(32, 127), k=size)))


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


async def collect(stream):
    return [one.value async for one in stream]


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
