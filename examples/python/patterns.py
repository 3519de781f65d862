"""Four kinds of methods, one stub."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from aster import (
    AsterClient,
    AsterServer,
    bidi_stream,
    client_stream,
    rpc,
    server_stream,
    service,
)


@dataclass
class Num:
    value: int = 0


@service("Numbers", version=2, public=True)
class Numbers:
    @rpc(timeout=2.0, idempotent=True)
    async def double(self, req: Num) -> Num:
        return Num(req.value * 2)

    @server_stream
    async def count(self, req: Num) -> AsyncIterator[Num]:
        for i in range(req.value):
            yield Num(i)

    @client_stream
    async def total(self, reqs: AsyncIterator[Num]) -> Num:
        return Num(sum([r.value async for r in reqs]))

    @bidi_stream
    async def negate(self, reqs: AsyncIterator[Num]) -> AsyncIterator[Num]:
        async for r in reqs:
            yield Num(-r.value)


async def main() -> None:
    async with AsterServer([Numbers()]) as srv, AsterClient(address=srv.address) as c:
        n = await c.client(Numbers)
        print((await n.double(Num(21), timeout=0.5)).value)
        print([x.value async for x in n.count(Num(3))], (await n.total([Num(1), Num(5)])).value)
        async with n.negate() as ch:
            await ch.send(Num(5))
            print((await ch.recv()).value)


if __name__ == "__main__":
    asyncio.run(main())
# 42
# [0, 1, 2] 6
# -5
