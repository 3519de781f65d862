"""A server of the services of `cli_services`: prints its address and serves until its standard input ends.

A line on it makes the server say again and again, in its registry, that it feels different.
"""

from __future__ import annotations

import asyncio
import itertools
import sys

from aster import AsterServer
from cli_services import Counter, Lab


async def change(server):
    for health in itertools.cycle(["degraded", "ready"]):
        server.registry.set_health(health)
        await asyncio.sleep(0.3)


async def main():
    async with AsterServer([Lab(), Counter]) as server:
        print(server.address, flush=True)
        loop = asyncio.get_running_loop()
        changing = None
        while await loop.run_in_executor(None, sys.stdin.readline):
            changing = loop.create_task(change(server))
        if changing is not None:
            changing.cancel()


asyncio.run(main())
