"""A client for tests that kill it: `fault_client.py ADDRESS WHAT` begins something, says so, and waits."""

from __future__ import annotations

import asyncio
import sys

from aster import AsterClient
from lab_services import Lab, Room, for_ever
from scenarios import blocked
from support import Num, Text


async def main(address, what):
    async with AsterClient(address=address) as client:
        begun = []
        if what == "session":
            room = await client.client(Room)
            await room.add(Num(1))
            begun.append(asyncio.ensure_future(room.wait(Text())))
        elif what == "endless":
            stream = (await client.client(Lab)).endless(Text("x" * 100))
            await stream.__anext__()
        else:
            lab = await client.client(Lab)
            begun.append(asyncio.ensure_future(blocked(lab, what)))
        await asyncio.sleep(0)
        print("begun", flush=True)
        await for_ever()


asyncio.run(main(*sys.argv[1:]))
