"""How calls end otherwise: errors, deadlines, cancellation, windows that are full. See `scenarios.py`."""

from __future__ import annotations

import asyncio
import gc
import time

import pytest

from aster import RpcError, StatusCode, StreamClosedError
from aster.status import (
    AbortedError,
    CancelledError,
    ContractViolationError,
    DeadlineExceededError,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    UnknownRpcError,
)
from lab_services import Methods
from scenario_list import (
    PATTERNS,
    WAITING,
    blocked,
    cancelled,
    cancelled_while_sending,
    entered,
    noise,
    scenario,
    still_answers,
)
from support import Num, Text, raised

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
