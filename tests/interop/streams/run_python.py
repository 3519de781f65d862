"""Streams and sessions in Python: `run_python.py serve`, or `run_python.py call ADDRESS` prints what came as JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from aster import (
    AsterClient,
    AsterServer,
    RpcError,
    bidi_stream,
    client_stream,
    rpc,
    server_stream,
    service,
    wire_type,
)
from aster.status import NotFoundError


@wire_type("interop/Num")
@dataclass
class Num:
    value: int = 0


seen = {"stopped": 0, "closed": 0}


@service("Lab", public=True)
class Lab:
    @rpc
    async def stopped(self, request: Num) -> Num:
        return Num(seen["stopped"])

    @rpc
    async def closed(self, request: Num) -> Num:
        return Num(seen["closed"])

    @server_stream
    async def count(self, request: Num) -> AsyncIterator[Num]:
        for at in range(request.value):
            yield Num(at)

    @server_stream
    async def breaks(self, request: Num) -> AsyncIterator[Num]:
        for at in range(request.value):
            yield Num(at)
        raise NotFoundError("no more", {"at": str(request.value)})

    @server_stream
    async def forever(self, request: Num) -> AsyncIterator[Num]:
        try:
            for at in range(sys.maxsize):
                yield Num(at)
        finally:
            seen["stopped"] += 1

    @client_stream
    async def total(self, requests: AsyncIterator[Num]) -> Num:
        return Num(sum([one.value async for one in requests]))

    @client_stream
    async def first(self, requests: AsyncIterator[Num]) -> Num:
        async for one in requests:
            return one
        return Num(-1)

    @bidi_stream
    async def negate(self, requests: AsyncIterator[Num]) -> AsyncIterator[Num]:
        yield Num(42)
        async for one in requests:
            yield Num(-one.value)

    @bidi_stream
    async def silent(self, requests: AsyncIterator[Num]) -> AsyncIterator[Num]:
        try:
            async for one in requests:
                if one.value < 0:
                    yield one
        finally:
            seen["stopped"] += 1


@service("Counter", scoped="session", public=True)
class Counter:
    def __init__(self, peer: str | None = None) -> None:
        self.total = 0

    @rpc
    async def add(self, request: Num) -> Num:
        self.total += request.value
        return Num(self.total)

    @rpc
    async def fail(self, request: Num) -> Num:
        raise NotFoundError("nothing here")

    @server_stream
    async def count(self, request: Num) -> AsyncIterator[Num]:
        for at in range(request.value):
            yield Num(self.total + at)

    @client_stream
    async def load(self, requests: AsyncIterator[Num]) -> Num:
        async for one in requests:
            self.total += one.value
        return Num(self.total)

    @bidi_stream
    async def running(self, requests: AsyncIterator[Num]) -> AsyncIterator[Num]:
        async for one in requests:
            self.total += one.value
            yield Num(self.total)

    async def on_session_close(self) -> None:
        seen["closed"] += 1


async def values(items: Any) -> list[int]:
    return [one.value async for one in items]


def numbers(count: int) -> list[Num]:
    return [Num(at) for at in range(count)]


async def shared(lab: Any) -> dict[str, Any]:
    out: dict[str, Any] = {"count": [sum(await values(lab.count(Num(count)))) for count in (0, 3, 2000)]}
    out["total"] = [(await lab.total(numbers(count))).value for count in (0, 1000)]
    out["first"] = (await lab.first(numbers(1000))).value
    async with lab.negate() as channel:
        talk = [(await channel.recv()).value]
        for at in range(50):
            await channel.send(Num(at))
            talk.append((await channel.recv()).value)
    out["negate"] = [sum(talk), sum(await values(lab.negate(numbers(1000))))]
    before: list[int] = []
    try:
        async for one in lab.breaks(Num(3)):
            before.append(one.value)
    except RpcError as error:
        out["breaks"] = [before, int(error.code), error.message, error.details]
    try:
        async with lab.silent(timeout=0.1) as channel:
            await channel.send(Num(1))
            await channel.recv()
    except RpcError as error:
        out["deadline"] = error.code.name
    stream = lab.forever(Num(0))
    async for one in stream:
        if one.value == 40:
            break
    await stream.aclose()
    while (await lab.stopped(Num())).value < 2:
        pass
    return out


async def sessions(client: AsterClient, lab: Any) -> dict[str, Any]:
    one: Any = await client.client(Counter)
    two: Any = await client.client(Counter)
    out: dict[str, Any] = {"add": [(await one.add(Num(1))).value, (await one.add(Num(2))).value]}
    out["other"] = (await two.add(Num(5))).value
    out["count"] = await values(one.count(Num(4)))
    out["load"] = [(await one.load(numbers(100))).value, (await one.load([])).value]
    async with one.running() as channel:
        await channel.send(Num(7))
        out["running"] = (await channel.recv()).value
    try:
        await one.fail(Num())
    except RpcError as error:
        out["fail"] = [error.code.name, error.message]
    async for _ in one.count(Num(100000)):
        break
    out["after"] = (await one.add(Num(1))).value
    await one.close()
    await two.close()
    out["closed"] = (await lab.closed(Num())).value
    return out


async def call(address: str) -> None:
    async with AsterClient(address=address) as client:
        lab = await client.client(Lab)
        print(json.dumps({"shared": await shared(lab), "sessions": await sessions(client, lab)}, sort_keys=True))


async def serve() -> None:
    async with AsterServer([Lab(), Counter]) as server:
        print("address", server.address, flush=True)
        await server.serve()


if __name__ == "__main__":
    asyncio.run(serve() if sys.argv[1] == "serve" else call(sys.argv[2]))
