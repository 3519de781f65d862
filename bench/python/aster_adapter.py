"""Adapter: aster in Python, encrypted, authenticated, with a declared contract."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass

from load import run, say, until_stdin_closes

from aster import AsterClient, AsterServer, rpc, service, wire_type


@wire_type("bench/Text")
@dataclass
class Text:
    body: str = ""


@service("Bench", public=True)
class Bench:
    @rpc
    async def echo(self, request: Text) -> Text:
        return Text(request.body)


async def serve() -> None:
    async with AsterServer([Bench()]) as server:
        say(address=server.address)
        await until_stdin_closes()


async def load(address: str) -> None:
    async with AsterClient(address=address) as client:
        bench = await client.client(Bench)
        request = Text("0123456789abcdef")

        async def call() -> None:
            assert (await bench.echo(request)).body == request.body

        await run(call)


if __name__ == "__main__":
    asyncio.run(serve() if sys.argv[1] == "serve" else load(sys.argv[2]))
