"""One object per session, closed with it."""

import asyncio
from dataclasses import dataclass
from typing import Optional

from aster import (
    AsterClient,
    AsterServer,
    rpc,
    service,
)


@dataclass
class Num:
    value: int = 0


@service(scoped="session", public=True)
class Counter:
    def __init__(self, peer: Optional[str] = None) -> None:
        self.total = 0

    @rpc
    async def add(self, req: Num) -> Num:
        self.total += req.value
        return Num(self.total)

    async def on_session_close(self) -> None:
        print("closed at", self.total)


async def main() -> None:
    async with AsterServer([Counter]) as srv, AsterClient(address=srv.address) as c:
        async with c.open_session() as one, c.open_session() as two:
            a, b = await one.client(Counter), await two.client(Counter)
            await a.add(Num(2))
            print((await b.add(Num(10))).value, (await a.add(Num(3))).value, two.session_id)


if __name__ == "__main__":
    asyncio.run(main())
# 10 5 2
# closed at 10
# closed at 5
