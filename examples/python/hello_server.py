"""Serves `Hello` and prints its address, an `aster1` ticket. Stop it with Ctrl-C."""

import asyncio
import contextlib
from dataclasses import dataclass

from aster import AsterServer, rpc, service, wire_type


@wire_type("demo/HelloRequest")
@dataclass
class HelloRequest:
    name: str = ""


@wire_type("demo/HelloReply")
@dataclass
class HelloReply:
    message: str = ""


@service("Hello", public=True)
class Hello:
    @rpc(name="sayHello")
    async def say_hello(self, request: HelloRequest) -> HelloReply:
        return HelloReply(f"Hello, {request.name}!")


async def main() -> None:
    async with AsterServer([Hello()]) as server:
        print("address", server.address, flush=True)
        await server.serve()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
