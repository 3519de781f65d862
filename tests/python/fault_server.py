"""A server for tests that kill it: it says its address and serves, with key and port from the environment."""

from __future__ import annotations

import asyncio
import os

from aster import AsterConfig, AsterServer
from lab_services import Lab, Room


async def main():
    config = AsterConfig.from_env(
        secret_key=bytes.fromhex(os.environ["FAULT_KEY"]), bind_addr=f"127.0.0.1:{os.environ['FAULT_PORT']}"
    )
    async with AsterServer([Lab(), Room], config=config) as server:
        print(server.address, flush=True)
        await server.serve()


asyncio.run(main())
