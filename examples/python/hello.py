"""A server and a client in one process: a typed call over real QUIC."""

import asyncio
from dataclasses import dataclass

from aster import AsterClient, AsterServer, rpc, service


@dataclass
class Text:
    body: str = ""


@service
class Greeter:
    @rpc
    async def greet(self, req: Text) -> Text:
        return Text(f"Hello, {req.body}!")


async def main() -> None:
    async with AsterServer([Greeter()]) as srv, AsterClient(address=srv.address) as c:
        greeter = await c.client(Greeter)
        print((await greeter.greet(Text("Ada"))).body, [s.name for s in c.services], c.open_gate)


if __name__ == "__main__":
    asyncio.run(main())
# Hello, Ada! ['Greeter'] True
