"""SIGTERM lets running calls finish."""

import asyncio
import os
import signal
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

from aster import (
    AsterClient,
    AsterServer,
    rpc,
    service,
)


@dataclass
class Text:
    body: str = ""


async def error(call: Awaitable[object]) -> Any:
    try:
        await call
    except Exception as e:
        return e


@service(public=True)
class Jobs:
    def __init__(self) -> None:
        self.started = asyncio.Event()

    @rpc
    async def work(self, seconds: float) -> Text:
        self.started.set()
        await asyncio.sleep(seconds)
        return Text("finished")


async def main() -> None:
    impl = Jobs()
    async with AsterServer([impl]) as srv, AsterClient(address=srv.address) as c:
        srv.install_signal_handlers(grace_period=5.0)
        jobs = await c.client(Jobs)
        running = asyncio.create_task(jobs.work(0.5))
        await impl.started.wait()
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0.1)
        print("new call:", (await error(jobs.work(0.0))).code.name)
        print("running call:", (await running).body)
        await srv.serve()
        print("stopped")


if __name__ == "__main__":
    asyncio.run(main())
# new call: UNAVAILABLE
# running call: finished
# stopped
