"""A service, its server and its client in Python."""

SERVICE = '''\
"""The service: what both sides know of each other."""

from dataclasses import dataclass

from aster import rpc, service, wire_type


@wire_type("hello/HelloRequest")
@dataclass
class HelloRequest:
    name: str = ""


@wire_type("hello/HelloReply")
@dataclass
class HelloReply:
    message: str = ""


@service("Hello", version=1, public=True)
class Hello:
    """Greets people."""

    @rpc
    async def say_hello(self, request: HelloRequest) -> HelloReply:
        """Greet somebody by name."""
        return HelloReply(f"Hello, {request.name}!")
'''

SERVER = '''\
"""Serves `Hello` and prints its address. Stop it with Ctrl-C."""

import asyncio

from hello import Hello

from aster import AsterServer


async def main() -> None:
    async with AsterServer([Hello()]) as server:
        server.install_signal_handlers()
        print(server.address, flush=True)
        await server.serve()


if __name__ == "__main__":
    asyncio.run(main())
'''

CLIENT = '''\
"""Calls `Hello` at an address: python client.py aster1..."""

import asyncio
import sys

from hello import Hello, HelloRequest

from aster import AsterClient


async def main(address: str) -> None:
    async with AsterClient(address=address) as client:
        hello = await client.client(Hello)
        reply = await hello.say_hello(HelloRequest(name="World"))
        print(reply.message)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
'''

README = """\
# Hello

```
pip install -r requirements.txt
python server.py                  # prints its address, aster1...
python client.py aster1...        # in another terminal
aster call aster1... Hello.say_hello '{"name":"World"}'
```

`hello.py` declares the service, `server.py` serves it, `client.py` calls it.
"""


def files(version: str) -> dict[str, str]:
    """Return the files of the project by name, for this version of the package."""
    return {
        "README.md": README,
        "client.py": CLIENT,
        "hello.py": SERVICE,
        "requirements.txt": f"aster-python=={version}\n",
        "server.py": SERVER,
    }
