"""The loop of a Python load process: slices of work on command, with their latencies (`bench/README.md`)."""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

TEXT = "0123456789abcdef"


class Client(Protocol):
    """A client of one system under test; every answer is checked."""

    async def unary(self) -> None: ...
    async def echo(self, data: bytes) -> None: ...
    async def server_stream(self, count: int) -> None: ...
    async def client_stream(self, count: int) -> None: ...
    async def bidi(self, count: int) -> None: ...
    async def channel(self) -> tuple[Callable[[], Awaitable[None]], Callable[[], Awaitable[None]]]:
        """Opens a bidi call; returns what exchanges a message and what ends the call."""

    async def session(self) -> Callable[[], Awaitable[None]] | None:
        """Opens a session; returns what makes a call in it, None if the system has none."""

    async def another(self) -> Client:
        """Makes a client with a connection of its own."""

    async def close(self) -> None: ...


async def lines() -> asyncio.StreamReader:
    """Returns a reader of stdin."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


async def until_stdin_closes() -> None:
    """Waits for the end of stdin."""
    await (await lines()).read()


def say(**values: object) -> None:
    """Prints a line of JSON."""
    print(json.dumps(values), flush=True)


async def run(client: Client) -> None:
    """Serves `WORKLOAD SECONDS` commands from stdin."""
    say(ready=True)
    held: list[Any] = []
    reader = await lines()
    while line := (await reader.readline()).decode():
        workload, seconds = line.split()
        answer = await work(client, workload, float(seconds), held)
        say(**({"unsupported": True} if answer is None else answer))
    for one in held:
        await one.close()


async def work(client: Client, workload: str, seconds: float, held: list[Any]) -> dict[str, float] | None:
    """Does one slice; None if the system cannot do it. What is to stay open goes to `held`."""
    kind, _, last = workload.rpartition("-")
    size = int(last) if last.isdigit() else 1
    kind = kind if last.isdigit() else workload
    if kind == "unary":
        return await repeated(client.unary, seconds, width=size)
    if kind == "echo":
        data = random.Random(1).randbytes(size)
        return await repeated(lambda: client.echo(data), seconds)
    if kind in {"server-stream", "client-stream", "bidi"}:
        stream = getattr(client, kind.replace("-", "_"))
        return await repeated(lambda: stream(size), seconds, units=size)
    if kind == "pingpong":
        exchange, finish = await client.channel()
        answer = await repeated(exchange, seconds)
        await finish()
        return answer
    if kind == "session":
        call = await client.session()
        return call and await repeated(call, seconds)
    if kind == "connect":
        return await connects(client, seconds)
    if kind == "clients":
        for _ in range(size):
            held.append(await client.another())
            await held[-1].unary()
        return {"held": size}
    if kind == "sessions":
        for _ in range(size):
            call = await client.session()
            if call is None:
                return None
            await call()
            keep.append(call)
        return {"held": size}
    return None


# Sessions that are to stay open end with the connection.
keep: list[Callable[[], Awaitable[None]]] = []


async def repeated(
    call: Callable[[], Awaitable[None]], seconds: float, *, width: int = 1, units: int = 1
) -> dict[str, float]:
    """Calls until time is up, `width` at a time, each of `units` messages."""
    latencies: list[float] = []
    begin = time.perf_counter()
    end = begin + seconds

    async def worker() -> None:
        while (start := time.perf_counter()) < end:
            await call()
            latencies.append(time.perf_counter() - start)

    await asyncio.gather(*(worker() for _ in range(width)))
    return summary(latencies, units, time.perf_counter() - begin)


async def connects(client: Client, seconds: float) -> dict[str, float]:
    """New clients, each for one call; closing them is not part of the latency."""
    latencies: list[float] = []
    begin = time.perf_counter()
    while (start := time.perf_counter()) < begin + seconds:
        one = await client.another()
        await one.unary()
        latencies.append(time.perf_counter() - start)
        await one.close()
    return summary(latencies, 1, time.perf_counter() - begin)


def summary(latencies: list[float], units: int, took: float) -> dict[str, float]:
    latencies.sort()
    last = len(latencies) - 1
    return {
        "units": len(latencies) * units,
        "seconds": took,
        "p50_us": latencies[last // 2] * 1e6,
        "p99_us": latencies[int(last * 0.99)] * 1e6,
    }
