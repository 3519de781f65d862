"""Calls over a connection of one's own, by name, by stub, and inside the process."""

import asyncio
from dataclasses import dataclass

from aster import (
    RPC_ALPN,
    IrohTransport,
    Server,
    create_client,
    create_endpoint,
    create_local_client,
    rpc,
    service,
)


@dataclass
class Text:
    body: str = ""


@service
class Echo:
    @rpc
    async def say(self, req: Text) -> Text:
        return Text(req.body + "!")


async def main() -> None:
    home, away = await create_endpoint(RPC_ALPN), await create_endpoint(RPC_ALPN)
    server = Server(home, services=[Echo()])
    serving = asyncio.create_task(server.serve())
    conn = await away.connect_node_addr(home.endpoint_addr_info(), RPC_ALPN)
    raw = await IrohTransport(conn).unary(service="Echo", method="say", request=Text("raw"))
    print(type(raw).__name__, raw.body)
    print((await create_client(Echo, connection=conn).say(Text("stub"))).body)
    print((await create_local_client(Echo, server).say(Text("local"))).body)
    await server.close()
    await serving
    await away.close()


if __name__ == "__main__":
    asyncio.run(main())
# Text raw!
# stub!
# local!
