"""Two producers of one service: calls take turns, and move on when one is gone."""

import asyncio
from dataclasses import dataclass

from aster import AsterClient, AsterServer, rpc, service


@dataclass
class Text:
    body: str = ""


@service(public=True)
class Clock:
    def __init__(self, site: str) -> None:
        self.site = site

    @rpc(idempotent=True)
    async def where(self) -> Text:
        return Text(self.site)


async def main() -> None:
    async with AsterServer([Clock("oslo")]) as oslo:
        ticket = await oslo.registry.share("write")
        async with AsterServer([Clock("lima")], registry_ticket=ticket) as lima:
            await oslo.registry.allow_author(lima.registry.author_id)
            async with AsterClient(address=lima.address) as c:
                while len(await c.producers("Clock")) < 2:
                    await asyncio.sleep(0.05)
                clock = await c.client(Clock, resolve="registry", strategy="round_robin")
                print(sorted({(await clock.where()).body for _ in range(4)}))
                await oslo.close()
                print((await clock.where()).body)


asyncio.run(main())

# ['lima', 'oslo']
# lima
