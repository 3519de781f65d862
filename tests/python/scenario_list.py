"""What scenarios are made of: the case they run in, the list they are in, and calls that they have in common."""

from __future__ import annotations

import functools
import random
from dataclasses import dataclass
from typing import Any

from lab_services import Methods, for_ever
from support import Num, Text

PATTERNS = ("unary", "server_stream", "client_stream", "bidi_stream")
# What a handler that waits for ever is called, by pattern.
WAITING = {"unary": "wait", "server_stream": "silent", "client_stream": "listen", "bidi_stream": "mute"}
MANY = 2000


@dataclass
class Case:
    """A stub of `Lab`, or one session of `Room`, and what is known about the way to it."""

    stub: Any
    # "shared" or "session".
    scope: str
    # Opens a session stub of a class.
    open: Any
    # Whether messages are encoded, or handed over as objects.
    encoded: bool = True
    # Whether texts of exceptions reach the caller.
    exposed: bool = True
    # Whether there is a network in between.
    remote: bool = False
    # Whether options of calls may name a mode.
    modes: bool = True

    @property
    def service(self):
        return "Room" if self.scope == "session" else "Lab"

    @property
    def notes(self):
        return Methods.notes


SCENARIOS = []


@dataclass(frozen=True)
class Scenario:
    """A scenario, and which cases it is for."""

    name: str
    run: Any
    scopes: tuple = ("shared", "session")
    encoded: bool = False


def scenario(*, scopes=("shared", "session"), patterns=(), encoded=False):
    """Add a scenario; with `patterns` one for each of them. `encoded`: it is about the encoding of messages."""

    def add(function):
        for pattern in patterns:
            run = functools.partial(function, pattern=pattern)
            SCENARIOS.append(Scenario(f"{function.__name__}[{pattern}]", run, scopes, encoded))
        if not patterns:
            SCENARIOS.append(Scenario(function.__name__, function, scopes, encoded))
        return function

    return add


async def numbers(count):
    for number in range(count):
        yield Num(number)


def blocked(stub, pattern, **options):
    """Return a call that does not end by itself: a coroutine."""

    async def server_stream():
        return await stub.silent(Text("s"), **options).__anext__()

    async def client_stream():
        async def items():
            yield Text("c")
            await for_ever()

        return await stub.listen(items(), **options)

    async def bidi_stream():
        channel = stub.mute(**options)
        await channel.send(Text("b"))
        return await channel.recv()

    if pattern == "unary":
        return stub.wait(Text("u"), **options)
    return {"server_stream": server_stream, "client_stream": client_stream, "bidi_stream": bidi_stream}[pattern]()


async def entered(case, pattern):
    await case.notes.until(f"entered {WAITING[pattern]}")


async def cancelled(case, what):
    """Wait until a handler was cancelled and has gone."""
    await case.notes.until(f"left {what}")
    assert case.notes.kept[f"cancelled {what}"] == 1, dict(case.notes.kept)


async def still_answers(case):
    """Make sure that whatever happened is over."""
    assert (await case.stub.double(Num(21))).value == 42


async def cancelled_while_sending(case, what):
    """Wait until a generator has gone: cancelled while it waited, or closed between two items."""
    await case.notes.until(f"left {what}")


def noise(size):
    generator = random.Random(size)
    return "".join(map(chr, generator.choices(range(32, 127), k=size)))


async def collect(stream):
    return [one.value async for one in stream]
