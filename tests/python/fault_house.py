"""What the tests of faults share: a server that is checked for what they leave behind."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

from aster import (
    AsterClient,
    AsterServer,
)
from lab_services import Lab, Methods, Notes, Room
from levels import level, poll
from support import Num

LIMIT = 60.0


def asynchronous(test):
    """Run a test in a loop of its own, with fresh notes, never for ever."""

    def run(*args, **kwargs):
        Methods.notes, Methods.context = Notes(), None
        asyncio.run(asyncio.wait_for(test(*args, **kwargs), LIMIT))

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    # Parameters and fixtures are those of the test.
    run.__wrapped__ = test
    return run


def notes():
    return Methods.notes


@asynccontextmanager
async def house(**options):
    """Yield a server and a client of it that have talked already; what follows must leave nothing behind."""
    async with AsterServer([Lab(), Room], **options) as server, AsterClient(address=server.address) as client:
        lab = await client.client(Lab)
        assert (await lab.double(Num(1))).value == 2
        async with level(server):
            yield server, client, lab
        assert (await lab.double(Num(2))).value == 4


async def all_gone(server):
    """Wait until a server runs nothing."""
    health = server._health
    await poll(lambda: health()["running_calls"] == health()["sessions"] == 0, 15, lambda: repr(health()))
