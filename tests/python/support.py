"""What several tests need: a server with its client, and the services of the tests."""

from __future__ import annotations

import asyncio
import functools
import os
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aster import AsterClient, AsterServer, CallContext, RpcError, StatusCode, rpc, service, wire_type

TIME_LIMIT = 30.0


def asynchronous(test):
    """Run a coroutine function as a test, in a loop of its own, never for ever."""

    @functools.wraps(test)
    def run(*args, **kwargs):
        return asyncio.run(asyncio.wait_for(test(*args, **kwargs), TIME_LIMIT))

    return run


@asynccontextmanager
async def served(*services, client=None, **options):
    """Yield a running server of these services and a client of it, which may have settings of its own."""
    async with (
        AsterServer(list(services), **options) as server,
        AsterClient(address=server.address, config=client) as connected,
    ):
        yield server, connected


def run(program, *arguments):
    """Run a program that knows the modules of the tests."""
    path = os.pathsep.join(filter(None, [os.path.dirname(__file__), os.environ.get("PYTHONPATH")]))
    env = {**os.environ, "PYTHONPATH": path}
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, env=env)


async def raised(call):
    """Return what an awaitable raises."""
    try:
        await call
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


@wire_type("test/Item")
@dataclass
class Item:
    name: str = ""
    price: float = 0.0


@wire_type("test/Tree")
@dataclass
class Tree:
    label: str = ""
    left: Tree | None = None
    children: list[Tree] = field(default_factory=list)


@wire_type("test/Everything")
@dataclass
class Everything:
    text: str = ""
    number: int = 0
    ratio: float = 0.0
    flag: bool = False
    raw: bytes = b""
    maybe: str | None = None
    maybe_number: int | None = None
    items: list[Item] = field(default_factory=list)
    texts: list = field(default_factory=list)
    nested: list[list[int]] = field(default_factory=list)
    gaps: list[int | None] = field(default_factory=list)
    by_name: dict[str, Item] = field(default_factory=dict)
    by_number: dict[int, str] = field(default_factory=dict)
    by_flag: dict[bool, float | None] = field(default_factory=dict)
    plain: dict = field(default_factory=dict)
    tree: Tree | None = None
    item: Item = field(default_factory=Item)


@wire_type("test/Num")
@dataclass
class Num:
    value: int = 0


@wire_type("test/Text")
@dataclass
class Text:
    body: str = ""


@service("Echo", public=True)
class Echo:
    """Gives back what it gets, and misbehaves on demand."""

    context = None

    # Before 3.10 an event belongs to the loop in which it is made.
    @functools.cached_property
    def entered(self):
        return asyncio.Event()

    @functools.cached_property
    def cancelled(self):
        return asyncio.Event()

    @rpc
    async def everything(self, value: Everything) -> Everything:
        return value

    @rpc
    async def tree(self, value: Tree) -> Tree:
        return value

    @rpc
    async def num(self, value: Num) -> Num:
        return value

    @rpc
    async def text(self, value: Text) -> Text:
        return value

    @rpc
    async def sleep(self, seconds: float) -> Num:
        self.entered.set()
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return Num(1)

    @rpc(timeout=0.1)
    async def impatient(self, seconds: float) -> Num:
        await asyncio.sleep(seconds)
        return Num(1)

    @rpc
    async def refuse(self, code: int, message: str, details: dict[str, str]) -> Num:
        raise RpcError(StatusCode(code), message, details)

    @rpc
    async def fail(self, text: str) -> Num:
        raise ValueError(text)

    @rpc
    async def wrong(self, what: str) -> Num:
        return {"type": Text("x"), "none": None, "value": Num("x")}[what]

    @rpc
    async def large(self, size: int) -> Text:
        return Text("\u65e5" * size)

    @rpc
    async def inspect(self, value: Text, ctx: CallContext) -> Text:
        self.context = ctx
        return Text(value.body)

    @rpc
    async def current(self, first: str, ctx: CallContext, second: int = 7) -> Text:
        await asyncio.sleep(0)
        here = CallContext.current()
        assert here is not None
        assert here.call_id == ctx.call_id
        return Text(f"{first} {second} {here.method}")

    @rpc(requires="vault.read")
    async def guarded(self) -> Num:
        return Num(1)

    @rpc
    async def nothing(self) -> Num:
        return Num(5)
