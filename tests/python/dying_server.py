"""A server for a test that ends it."""

from __future__ import annotations

import asyncio

from aster import AsterServer
from support import Echo


async def main() -> None:
    async with AsterServer([Echo()]) as server:
        print(server.address, flush=True)
        await server.serve()


asyncio.run(main())
