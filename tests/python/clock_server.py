"""A producer for tests that end it: prints its address, and with `first` a ticket of its registry.

`clock_server.py SITE` makes a registry; `clock_server.py SITE TICKET` joins one, printing its author.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass

from aster import AsterServer, rpc, service, wire_type


@wire_type("test/Place")
@dataclass
class Place:
    site: str = ""
    turn: int = 0


@service("Clock", public=True)
class Clock:
    def __init__(self, site: str = "") -> None:
        self.site = site

    @rpc(idempotent=True)
    async def where(self, req: Place) -> Place:
        await asyncio.sleep(0.002)
        return Place(self.site, req.turn)

    @rpc
    async def once(self, req: Place) -> Place:
        return Place(self.site, req.turn)


async def main(site: str, ticket: str | None = None) -> None:
    async with AsterServer([Clock(site)], registry_ticket=ticket) as server:
        facts = {"address": server.address, "id": server.endpoint_id, "author": server.registry.author_id}
        if ticket is None:
            facts["ticket"] = await server.registry.share("write")
        print(json.dumps(facts), flush=True)
        loop = asyncio.get_running_loop()
        while author := await loop.run_in_executor(None, sys.stdin.readline):
            await server.registry.allow_author(author.strip())
            print("allowed", flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
