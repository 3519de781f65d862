"""The services of the scenarios: the same methods for calls and in sessions, and notes of what happened in them."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections import Counter
from collections.abc import AsyncIterator

from aster import CallContext, RpcError, StatusCode, bidi_stream, client_stream, rpc, server_stream, service
from support import Num, Text

WAIT = 15.0


class Notes:
    """What handlers noted, for tests that wait for it."""

    def __init__(self):
        self.kept = Counter()
        self.order = []
        self._waiting = []

    def add(self, what):
        self.kept[what] += 1
        self.order.append(what)
        for future in self._waiting:
            if not future.done():
                future.set_result(None)
        self._waiting.clear()

    async def until(self, what, times=1):
        """Wait until something was noted so often."""
        loop = asyncio.get_running_loop()
        end = loop.time() + WAIT
        while self.kept[what] < times:
            future = loop.create_future()
            self._waiting.append(future)
            try:
                await asyncio.wait_for(future, end - loop.time())
            except asyncio.TimeoutError:
                raise AssertionError(f"{what!r} was not noted; noted: {dict(self.kept)}") from None

    @contextlib.contextmanager
    def during(self, what):
        """Note that a handler is there, that it was cancelled, and that it has gone."""
        self.add(f"entered {what}")
        try:
            yield
        except asyncio.CancelledError:
            self.add(f"cancelled {what}")
            raise
        finally:
            self.add(f"left {what}")


async def for_ever():
    await asyncio.Event().wait()


class Methods:
    """Methods of every pattern, well behaved and not."""

    notes = Notes()
    context: CallContext | None = None

    def _look(self, ctx):
        assert CallContext.current() is ctx
        Methods.context = ctx

    # Unary.

    @rpc
    async def double(self, req: Num) -> Num:
        self.notes.add("double")
        return Num(req.value * 2)

    @rpc
    async def echo(self, req: Text) -> Text:
        return req

    @rpc
    async def join(self, first: str, ctx: CallContext, times: int = 2, glue: str = "-") -> Text:
        self._look(ctx)
        return Text(glue.join([first] * times))

    @rpc
    async def look(self, ctx: CallContext, req: Text) -> Text:
        await asyncio.sleep(0)
        self._look(ctx)
        return req

    @rpc
    async def refuse(self, code: int, message: str, details: dict[str, str]) -> Num:
        raise RpcError(StatusCode(code), message, details)

    @rpc
    async def fail(self, req: Text) -> Num:
        raise ValueError(req.body)

    @rpc
    async def wrong(self, req: Text) -> Num:
        return {"type": Text("x"), "none": None, "value": Num("x")}[req.body]

    @rpc
    async def wait(self, req: Text) -> Num:
        with self.notes.during("wait"):
            await for_ever()
        return Num()

    @rpc(timeout=0.05)
    async def impatient(self, req: Text) -> Num:
        with self.notes.during("impatient"):
            await for_ever()
        return Num()

    @rpc
    async def hold(self, req: Num) -> Num:
        """Let others run, and say in which order calls ran."""
        self.notes.add(f"begin {req.value}")
        for _ in range(10):
            await asyncio.sleep(0)
        self.notes.add(f"end {req.value}")
        return req

    # Server streams.

    @server_stream
    async def count(self, req: Num) -> AsyncIterator[Num]:
        with self.notes.during("count"):
            for number in range(req.value):
                yield Num(number)

    @server_stream
    async def look_stream(self, ctx: CallContext, req: Text) -> AsyncIterator[Text]:
        self._look(ctx)
        yield req

    @server_stream
    async def refuse_after(self, items: int, code: int, message: str, details: dict[str, str]) -> AsyncIterator[Num]:
        for number in range(items):
            yield Num(number)
        raise RpcError(StatusCode(code), message, details)

    @server_stream
    async def fail_after(self, req: Num) -> AsyncIterator[Num]:
        for number in range(req.value):
            yield Num(number)
        raise ValueError("secret")

    @server_stream
    async def wrong_after(self, req: Num) -> AsyncIterator[Num]:
        with self.notes.during("wrong_after"):
            for number in range(req.value):
                yield Num(number)
            yield Text("x")
            self.notes.add("went on")

    @server_stream
    async def silent(self, req: Text) -> AsyncIterator[Num]:
        with self.notes.during("silent"):
            await for_ever()
        yield Num()

    @server_stream
    async def endless(self, req: Text) -> AsyncIterator[Text]:
        with self.notes.during("endless"):
            while True:
                self.notes.add("produced")
                yield Text(req.body)

    @server_stream
    async def ticks(self, req: Num) -> AsyncIterator[Num]:
        with self.notes.during("ticks"):
            while True:
                await asyncio.sleep(req.value / 1000)
                yield Num()

    # Client streams.

    @client_stream
    async def total(self, reqs: AsyncIterator[Num]) -> Num:
        return Num(sum([one.value async for one in reqs]))

    @client_stream
    async def first(self, reqs: AsyncIterator[Num]) -> Num:
        async for one in reqs:
            return one
        return Num(-1)

    @client_stream
    async def look_items(self, ctx: CallContext, reqs: AsyncIterator[Text]) -> Text:
        self._look(ctx)
        return Text("".join([one.body async for one in reqs]))

    @client_stream
    async def refuse_items(self, reqs: AsyncIterator[Text]) -> Num:
        async for one in reqs:
            raise RpcError(StatusCode.ABORTED, one.body, {"seen": "1"})
        raise RpcError(StatusCode.NOT_FOUND, "nothing", {"seen": "0"})

    @client_stream
    async def fail_items(self, reqs: AsyncIterator[Text]) -> Num:
        async for one in reqs:
            raise ValueError(one.body)
        raise ValueError("nothing")

    @client_stream
    async def listen(self, reqs: AsyncIterator[Text]) -> Num:
        with self.notes.during("listen"):
            async for _ in reqs:
                self.notes.add("heard")
        return Num(1)

    @client_stream
    async def answer_unheard(self, reqs: AsyncIterator[Text]) -> Num:
        await self.notes.until("go")
        return Num(7)

    @client_stream
    async def ignore(self, reqs: AsyncIterator[Text]) -> Num:
        with self.notes.during("ignore"):
            await for_ever()
        return Num()

    # Both directions.

    @bidi_stream
    async def negate(self, reqs: AsyncIterator[Num]) -> AsyncIterator[Num]:
        with self.notes.during("negate"):
            async for one in reqs:
                yield Num(-one.value)

    @bidi_stream
    async def repeat(self, reqs: AsyncIterator[Text]) -> AsyncIterator[Text]:
        with self.notes.during("repeat"):
            async for one in reqs:
                yield one

    @bidi_stream
    async def greet(self, reqs: AsyncIterator[Text]) -> AsyncIterator[Text]:
        yield Text("who is there?")
        async for one in reqs:
            yield Text(f"hello {one.body}")
            return

    @bidi_stream
    async def sum_up(self, reqs: AsyncIterator[Num]) -> AsyncIterator[Num]:
        total = sum([one.value async for one in reqs])
        for _ in range(3):
            yield Num(total)

    @bidi_stream
    async def look_both(self, ctx: CallContext, reqs: AsyncIterator[Text]) -> AsyncIterator[Text]:
        self._look(ctx)
        async for one in reqs:
            yield one

    @bidi_stream
    async def refuse_both(self, reqs: AsyncIterator[Text]) -> AsyncIterator[Text]:
        async for one in reqs:
            yield one
            raise RpcError(StatusCode.ABORTED, one.body, {"seen": "1"})

    @bidi_stream
    async def fail_both(self, reqs: AsyncIterator[Text]) -> AsyncIterator[Text]:
        async for one in reqs:
            yield one
            raise ValueError(one.body)

    @bidi_stream
    async def wrong_both(self, reqs: AsyncIterator[Text]) -> AsyncIterator[Text]:
        async for one in reqs:
            yield Num(len(one.body))

    @bidi_stream
    async def mute(self, reqs: AsyncIterator[Text]) -> AsyncIterator[Text]:
        with self.notes.during("mute"):
            async for _ in reqs:
                await for_ever()
        yield Text()

    @bidi_stream
    async def talk(self, reqs: AsyncIterator[Text]) -> AsyncIterator[Text]:
        """Talk without listening."""
        with self.notes.during("talk"):
            while True:
                self.notes.add("produced")
                yield Text("x" * 100)


@service("Lab", public=True)
class Lab(Methods):
    """The methods, one call at a time or many."""

    @rpc
    async def peer(self, ctx: CallContext, req: Text) -> Text:
        return Text(str(ctx.peer))


@service("Room", scoped="session", public=True)
class Room(Methods):
    """The methods in sessions."""

    def __init__(self, peer: str | None = None) -> None:
        self.peer_id = peer
        self.added = 0
        self.notes = Methods.notes
        self.notes.add("opened")

    @rpc
    async def add(self, req: Num) -> Num:
        self.added += req.value
        return Num(self.added)

    @rpc
    async def peer(self, ctx: CallContext, req: Text) -> Text:
        assert ctx.peer == self.peer_id
        return Text(str(self.peer_id))

    async def on_session_close(self) -> None:
        self.notes.add("closing")
        await asyncio.sleep(0)
        self.notes.add("closed")


@service("Sick", scoped="session", public=True)
class Sick:
    """Its constructor fails."""

    failure: Exception = RpcError(StatusCode.ABORTED, "no session today", {"why": "closed"})

    def __init__(self, peer: str | None = None) -> None:
        raise self.failure

    @rpc
    async def add(self, req: Num) -> Num:
        return req

    @server_stream
    async def count(self, req: Num) -> AsyncIterator[Num]:
        yield req

    async def on_session_close(self) -> None:
        Methods.notes.add("closed")


@service("Quiet", scoped="session", public=True)
class Quiet:
    """Has the older name of the close hook, without `async`."""

    def __init__(self, peer: str | None = None) -> None:
        self.peer = peer

    @rpc
    async def add(self, req: Num) -> Num:
        return req

    def close(self) -> None:
        Methods.notes.add("closed")


def with_fresh_notes(test):
    """Let handlers note afresh."""

    @functools.wraps(test)
    def run(*args, **kwargs):
        Methods.notes = Notes()
        return test(*args, **kwargs)

    return run
