"""The loop of a Python load process: slices of work on command, with their latencies."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable


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


async def run(call: Callable[[], Awaitable[None]]) -> None:
    """Serves `WORKLOAD SECONDS` commands from stdin."""
    say(ready=True)
    reader = await lines()
    while line := (await reader.readline()).decode():
        workload, seconds = line.split()
        width = 1 if workload == "seq" else int(workload.removeprefix("inflight-"))
        say(**await slice_of(call, width, float(seconds)))


async def slice_of(call: Callable[[], Awaitable[None]], width: int, seconds: float) -> dict[str, float]:
    latencies: list[float] = []
    begin = time.perf_counter()
    end = begin + seconds
    cpu = time.process_time()

    async def worker() -> None:
        while (start := time.perf_counter()) < end:
            await call()
            latencies.append(time.perf_counter() - start)

    await asyncio.gather(*(worker() for _ in range(width)))
    took = time.perf_counter() - begin
    latencies.sort()
    last = len(latencies) - 1
    return {
        "calls": len(latencies),
        "seconds": took,
        "p50_us": latencies[last // 2] * 1e6,
        "p99_us": latencies[int(last * 0.99)] * 1e6,
        "cpu_s": time.process_time() - cpu,
    }
