"""Several producers of one service, in processes of their own: calls are spread, and move when one is killed."""

from __future__ import annotations

import asyncio
import collections
import json
import os
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from aster import AsterClient, AsterServer, rpc, service
from aster.status import UnavailableError
from clock_server import Clock, Place
from levels import level
from support import asynchronous, raised

SERVER = Path(__file__).with_name("clock_server.py")
IN_FLIGHT = 8


class Producer:
    """A producer in a process of its own."""

    def __init__(self, process, facts):
        self.process = process
        self.address, self.id, self.author = facts["address"], facts["id"], facts["author"]
        self.ticket = facts.get("ticket")

    @classmethod
    async def start(cls, stack, *arguments):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            SERVER,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "ASTER_LOG_LEVEL": "error"},
        )
        producer = cls(process, json.loads(await process.stdout.readline()))
        stack.push_async_callback(producer.end)
        return producer

    async def allow(self, author):
        self.process.stdin.write(f"{author}\n".encode())
        assert await self.process.stdout.readline() == b"allowed\n"

    def kill(self):
        self.process.send_signal(signal.SIGKILL)

    async def end(self):
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()


class Load:
    """Calls that never stop, and what they got."""

    def __init__(self, clock):
        self.clock = clock
        self.answers = collections.Counter()
        self.failures = []
        self.tasks = [asyncio.ensure_future(self._call()) for _ in range(IN_FLIGHT)]
        self.turn = 0

    async def _call(self):
        while True:
            self.turn += 1
            turn = self.turn
            try:
                answer = await self.clock.where(Place("", turn))
            except Exception as error:
                self.failures.append(error)
                return
            assert answer.turn == turn
            self.answers[answer.site] += 1

    async def reach(self, *sites, more=20):
        """Wait until each of these sites has answered that many more calls."""
        before = collections.Counter(self.answers)
        while any(self.answers[site] - before[site] < more for site in sites):
            assert not self.failures, self.failures
            await asyncio.sleep(0.01)

    async def stop(self):
        for task in self.tasks:
            task.cancel()
        await asyncio.wait(self.tasks)


async def count(client, wanted):
    while len(await client.producers("Clock")) != wanted:
        await asyncio.sleep(0.05)


@asynchronous
async def test_one_of_three_is_killed_and_a_fourth_joins_without_a_failed_call():
    async with AsyncExitStack() as stack:
        oslo = await Producer.start(stack, "oslo")
        others = [await Producer.start(stack, site, oslo.ticket) for site in ("lima", "rome")]
        for producer in others:
            await oslo.allow(producer.author)
        client = await stack.enter_async_context(AsterClient(address=oslo.address))
        await count(client, 3)
        clock = await client.client(Clock, resolve="registry")
        load = Load(clock)
        stack.push_async_callback(load.stop)
        await load.reach("oslo", "lima", "rome")

        others[0].kill()
        await load.reach("oslo", "rome", more=200)
        fourth = await Producer.start(stack, "kyiv", oslo.ticket)
        await oslo.allow(fourth.author)
        await load.reach("oslo", "rome", "kyiv")
        assert not load.failures
        before = load.answers["lima"]
        await load.reach("oslo", more=50)
        assert load.answers["lima"] == before, "the dead are silent"
        assert len({*load.answers}) == 4


@asynchronous
async def test_nothing_is_left_of_producers_that_were_called():
    async with AsyncExitStack() as stack:
        oslo = await Producer.start(stack, "oslo")
        lima = await Producer.start(stack, "lima", oslo.ticket)
        await oslo.allow(lima.author)

        async def round_trip():
            async with AsterClient(address=oslo.address) as client:
                await count(client, 2)
                clock = await client.client(Clock, resolve="registry")
                assert {(await clock.where(Place())).site for _ in range(4)} == {"oslo", "lima"}

        await round_trip()
        async with level():
            await round_trip()


@asynchronous
async def test_calls_that_may_not_be_repeated_fail_with_what_was_tried():
    @service("Flaky", public=True)
    class Flaky:
        @rpc
        async def once(self, req: Place) -> Place:
            raise UnavailableError("busy")

        @rpc(idempotent=True)
        async def again(self, req: Place) -> Place:
            raise UnavailableError("busy")

    async with AsterServer([Flaky()]) as one:
        ticket = await one.registry.share("write")
        async with AsterServer([Flaky()], registry_ticket=ticket) as two:
            await one.registry.allow_author(two.registry.author_id)
            async with AsterClient(address=one.address) as client:
                while len(await client.producers("Flaky")) < 2:
                    await asyncio.sleep(0.02)
                flaky = await client.client(Flaky, resolve="registry")
                error = await raised(flaky.once(Place()))
                assert error.details["endpoints"] in {one.endpoint_id, two.endpoint_id}
                error = await raised(flaky.again(Place()))
                assert (error.code.name, error.message) == ("UNAVAILABLE", "busy")
                assert set(error.details["endpoints"].split(",")) == {one.endpoint_id, two.endpoint_id}


@asynchronous
async def test_a_drained_producer_is_left_out_and_a_closed_one_forgotten():
    async with AsterServer([Clock("oslo")]) as oslo:
        ticket = await oslo.registry.share("write")
        async with AsterServer([Clock("lima")], registry_ticket=ticket) as lima:
            await oslo.registry.allow_author(lima.registry.author_id)
            closed = lima.endpoint_id
            async with AsterClient(address=oslo.address) as client:
                await count(client, 2)
                clock = await client.client(Clock, resolve="registry", strategy="random")
                await lima.drain(0.0)
                await count(client, 1)
                assert {(await clock.once(Place())).site for _ in range(10)} == {"oslo"}
                await lima.close()
                while dict(await client.registry.explain("Clock"))[closed] != "withdrawn":
                    await asyncio.sleep(0.02)
                with pytest.raises(ValueError, match="registry"):
                    await client.client(Clock, resolve="somehow")
                with pytest.raises(ValueError, match="strategy"):
                    await client.client(Clock, resolve="registry", strategy="nearest")
