"""Services that the tests of the command call."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime

from aster import (
    CallContext,
    RpcError,
    StatusCode,
    any_of,
    bidi_stream,
    client_stream,
    rpc,
    server_stream,
    service,
    wire_type,
)


@wire_type("lab/Level")
class Level(enum.Enum):
    LOW = 0
    HIGH = 1


@wire_type("lab/Num")
@dataclass
class Num:
    value: int = 0


@wire_type("lab/Text")
@dataclass
class Text:
    body: str = ""


@wire_type("lab/Sample")
@dataclass
class Sample:
    name: str = ""
    at: datetime | None = None
    raw: bytes = b""
    level: Level = Level.LOW
    labels: dict[str, str] = field(default_factory=dict)
    num: Num = field(default_factory=Num)


@service("Lab", version=2, public=True)
class Lab:
    """Everything a command can call."""

    @rpc(timeout=20.0, idempotent=True)
    async def double(self, req: Num) -> Num:
        """Doubles a number."""
        return Num(req.value * 2)

    @rpc
    async def echo(self, req: Sample) -> Sample:
        return req

    @rpc
    async def join(self, title: str, words: list[str], times: int = 1) -> Text:
        return Text(" ".join([title, *words] * times))

    @server_stream
    async def count(self, req: Num) -> AsyncIterator[Num]:
        for number in range(req.value):
            yield Num(number)

    @server_stream
    async def forever(self, req: Num) -> AsyncIterator[Num]:
        """Tells on standard output how it ended."""
        number = req.value
        try:
            while True:
                yield Num(number)
                number += 1
                await asyncio.sleep(0.01)
        finally:
            print("forever ended", flush=True)

    @client_stream
    async def total(self, reqs: AsyncIterator[Num]) -> Num:
        return Num(sum([req.value async for req in reqs]))

    @bidi_stream
    async def negate(self, reqs: AsyncIterator[Num]) -> AsyncIterator[Num]:
        async for req in reqs:
            yield Num(-req.value)

    @rpc
    async def hang(self, req: Num) -> Num:
        print("hang started", flush=True)
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            print("hang cancelled", flush=True)
            raise
        return req

    @rpc
    async def metadata(self, ctx: CallContext, key: str) -> Text:
        return Text(ctx.metadata.get(key, ""))

    @rpc
    async def whoami(self, ctx: CallContext) -> Text:
        return Text(ctx.peer or "")

    @rpc
    async def refuse(self, message: str) -> Num:
        raise RpcError(StatusCode.FAILED_PRECONDITION, message, {"field": "message"})

    @rpc(requires=any_of("lab.read", "lab.admin"))
    async def guarded(self, req: Num) -> Num:
        return req


@service("Counter", scoped="session", public=True)
class Counter:
    """Adds up, per session."""

    def __init__(self, peer: str | None = None) -> None:
        self.total = 0

    @rpc
    async def add(self, req: Num) -> Num:
        self.total += req.value
        return Num(self.total)

    @rpc
    async def refuse(self, req: Num) -> Num:
        raise RpcError(StatusCode.ABORTED, "no")

    @rpc
    async def hang(self, req: Num) -> Num:
        print("counter hang started", flush=True)
        try:
            await asyncio.sleep(60)
        finally:
            print("counter hang ended", flush=True)
        return req

    @server_stream
    async def count(self, req: Num) -> AsyncIterator[Num]:
        for _ in range(req.value):
            self.total += 1
            yield Num(self.total)

    @client_stream
    async def collect(self, reqs: AsyncIterator[Num]) -> Num:
        async for req in reqs:
            self.total += req.value
        return Num(self.total)

    @bidi_stream
    async def running(self, reqs: AsyncIterator[Num]) -> AsyncIterator[Num]:
        async for req in reqs:
            self.total += req.value
            yield Num(self.total)
