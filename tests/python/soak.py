"""A program that calls for long: many unary calls, many cancelled streams, and what is left of them.

`soak.py CALLS CANCELLED` starts a server process, calls it, and prints one line of JSON: memory of both processes in
MiB after the warm-up and at the end, and what the server still runs. `make test` runs it with few calls; a full run is
`soak.py 200000 200`.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import time
from pathlib import Path

from aster import AsterClient, AsterServer
from lab_services import Lab, Methods
from levels import line, program, resident_mib
from support import Num, Text

IN_FLIGHT = 64


async def serve() -> None:
    """Serve, and answer each line of standard input with what the process holds."""
    loop = asyncio.get_running_loop()
    async with AsterServer([Lab()]) as server:
        print(server.address, flush=True)
        while await loop.run_in_executor(None, sys.stdin.readline):
            gc.collect()
            health = server._health()
            facts = {
                "mib": resident_mib(),
                "calls": health["running_calls"],
                "sessions": health["sessions"],
                "tasks": len(asyncio.all_tasks()),
                "files": len(os.listdir("/proc/self/fd")),
                "left": Methods.notes.kept["left endless"],
            }
            print(json.dumps(facts), flush=True)


class Soak:
    """A client of a server process."""

    def __init__(self, lab, process):
        self.lab, self.process = lab, process

    async def call(self, calls):
        """Make unary calls, so many at once."""
        left = iter(range(calls))

        async def worker():
            double = self.lab.double
            for number in left:
                assert (await double(Num(number))).value == 2 * number

        await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))

    async def cancel(self, streams):
        """Begin streams that never end, and cancel each in another way."""
        for number in range(streams):
            stream = self.lab.endless(Text("x" * 100))
            await stream.__anext__()
            if number % 3 == 0:
                await stream.aclose()
            elif number % 3 == 1:
                waiting = asyncio.ensure_future(self._read(stream))
                await asyncio.sleep(0)
                waiting.cancel()
                await asyncio.wait([waiting])
            del stream

    async def _read(self, stream):
        async for _ in stream:
            pass

    async def facts(self):
        """Return what both processes hold."""
        gc.collect()
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        server = json.loads(await line(self.process))
        here = {"mib": resident_mib(), "tasks": len(asyncio.all_tasks()), "files": len(os.listdir("/proc/self/fd"))}
        return {"client": here, "server": server}


async def run(calls, cancelled):
    """Call as often, and return the facts after the warm-up and at the end."""
    with program(Path(__file__), "serve") as process:
        address = await line(process)
        async with AsterClient(address=address) as client:
            soak = Soak(await client.client(Lab), process)
            warm = min(20_000, calls // 4)
            await soak.call(warm)
            await soak.cancel(cancelled // 4)
            before = await soak.facts()
            began = time.monotonic()
            await soak.call(calls - warm)
            per_second = round((calls - warm) / (time.monotonic() - began))
            await soak.cancel(cancelled - cancelled // 4)
            # What was cancelled last may still be on its way.
            for _ in range(500):
                after = await soak.facts()
                if not after["server"]["calls"] and after["server"]["left"] == cancelled:
                    break
                await asyncio.sleep(0.02)
    return {"calls": calls, "cancelled": cancelled, "per_second": per_second, "before": before, "after": after}


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        asyncio.run(serve())
    else:
        calls, cancelled = (int(one) for one in (*sys.argv[1:], "200000", "200")[:2])
        print(json.dumps(asyncio.run(run(calls, cancelled))))
