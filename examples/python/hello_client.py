"""Calls `Hello` at the address given as argument, or in `ASTER_ENDPOINT_ADDR`."""

import asyncio
import sys
from dataclasses import dataclass

from aster import AsterClient, rpc, service, wire_type


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
    """What the server implements; only the signatures matter here."""

    @rpc(name="sayHello")
    async def say_hello(self, request: HelloRequest) -> HelloReply:
        raise NotImplementedError("the server has it")


async def main() -> None:
    address = sys.argv[1] if len(sys.argv) > 1 else None
    async with AsterClient(address=address) as client:
        hello = await client.client(Hello)
        print((await hello.say_hello(HelloRequest("World"))).message)


if __name__ == "__main__":
    asyncio.run(main())
