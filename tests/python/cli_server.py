"""A server of the services of `cli_services`: prints its address and serves until its standard input ends."""

from __future__ import annotations

import asyncio
import sys

from aster import AsterServer
from cli_services import Counter, Lab


async def main():
    async with AsterServer([Lab(), Counter]) as server:
        print(server.address, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())
