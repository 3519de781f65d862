"""Every scenario on every kind of transport, with interceptors and without."""

from __future__ import annotations

import asyncio
import gc
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest

from aster import (
    RPC_ALPN,
    AsterClient,
    AsterServer,
    EndpointConfig,
    Interceptor,
    IrohTransport,
    LocalTransport,
    SerializationMode,
    Server,
    create_client,
    create_endpoint_with_config,
    create_local_client,
    create_session,
    with_options,
)
from lab_services import Lab, Methods, Notes, Room, Sick
from scenarios import SCENARIOS, Case
from support import Num

LIMIT = 25.0


class Transparent(Interceptor):
    """Looks at everything and changes nothing."""

    async def on_start(self, ctx):
        await asyncio.sleep(0)

    async def on_request(self, ctx, request):
        return request

    async def on_response(self, ctx, response):
        return response

    async def on_error(self, ctx, error):
        return error


@dataclass(frozen=True)
class Kind:
    """A way to the services."""

    way: str
    scope: str
    examined: bool

    @property
    def name(self):
        return f"{self.way}-{self.scope}" + ("-examined" if self.examined else "")

    @property
    def by_name(self):
        return "transport" in self.way

    @property
    def encoded(self):
        return not self.way.endswith("objects")


SCOPES = ("shared", "session")
KINDS = [
    *(Kind(way, scope, examined) for way in ("local", "network") for scope in SCOPES for examined in (False, True)),
    *(Kind(way, scope, False) for way in ("objects", "json") for scope in SCOPES),
    *(Kind("endpoint", scope, True) for scope in SCOPES),
    *(Kind(way, "shared", False) for way in ("transport", "local_transport", "local_transport_objects")),
]


@dataclass
class House:
    """Servers of the services, and clients of them."""

    examined: bool
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    server: Any = None
    client: Any = None
    connection: Any = None
    bare: Any = None

    @property
    def chain(self):
        return [Transparent()] if self.examined else []

    async def open(self):
        services = [Lab(), Room, Sick]
        options = {"interceptors": self.chain, "expose_errors": not self.examined}
        enter = self.stack.enter_async_context
        self.server = await enter(AsterServer(services, **options))
        self.client = await enter(AsterClient(address=self.server.address, interceptors=self.chain))
        here, there = await endpoint(), await endpoint()
        self.bare = await enter(Server(there, services=services, **options))
        serving = asyncio.ensure_future(self.bare.serve())
        self.connection = await here.connect_node_addr(there.endpoint_addr_info(), RPC_ALPN)

        # A server learns of a connection with its first stream.
        await create_client(Lab, connection=self.connection).double(Num(1))

        async def leave():
            await here.close()
            await self.bare.close()
            await serving

        self.stack.push_async_callback(leave)

    async def stub(self, way, cls):
        """Return a stub; of a session service one with a session of its own."""
        if way in {"local", "objects"}:
            return create_local_client(cls, self.server, wire_compatible=way == "local", interceptors=self.chain)
        if way == "network":
            return await self.client.client(cls)
        if way == "json":
            return with_options(await self.client.client(cls), serialization=SerializationMode.JSON)
        if way == "endpoint":
            if cls is Lab:
                return create_client(cls, connection=self.connection, interceptors=self.chain)
            return await create_session(cls, self.connection, interceptors=self.chain)
        if way == "transport":
            return create_client(cls, transport=IrohTransport(self.connection))
        lab = Lab()
        info = Lab.__aster_service_info__

        def find(service, method):
            known = info.get_method(method)
            return getattr(lab, known.attribute), (known.request_type, known.response_type), known.pattern

        return create_client(cls, transport=LocalTransport(find, wire_compatible=way == "local_transport"))

    async def case(self, kind):
        cls = Lab if kind.scope == "shared" else Room
        return Case(
            stub=await self.stub(kind.way, cls),
            scope=kind.scope,
            open=lambda cls: self.stub(kind.way, cls),
            encoded=kind.encoded,
            exposed=kind.way.startswith("local_transport") or not kind.examined,
            remote=kind.way in {"network", "json", "endpoint", "transport"},
            modes=kind.encoded,
        )

    async def settled(self, tasks):
        """Wait until the servers run nothing and no task is left but the given ones."""

        def left():
            health = self.server._health()
            others = [task for task in asyncio.all_tasks() if task not in tasks and task is not asyncio.current_task()]
            return others, {name: health[name] for name in ("running_calls", "sessions") if health[name]}

        for _ in range(500):
            if left() == ([], {}):
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"left behind: {left()}")


async def endpoint():
    return await create_endpoint_with_config(
        EndpointConfig(alpns=[RPC_ALPN], relay_mode="disabled", bind_addr="127.0.0.1:0")
    )


@pytest.fixture(scope="module")
def loop():
    made = asyncio.new_event_loop()
    yield made
    made.close()


@pytest.fixture(scope="module")
def houses(loop):
    """One house for all scenarios of a kind: that they leave nothing behind is part of each."""
    made = {}
    collect_dropped()

    def house(examined):
        if examined not in made:
            made[examined] = House(examined)
            loop.run_until_complete(asyncio.wait_for(made[examined].open(), LIMIT))
        return made[examined]

    yield house
    gc.unfreeze()
    for one in made.values():
        loop.run_until_complete(asyncio.wait_for(one.stack.aclose(), LIMIT))


# What a call by name cannot know: inline parameters of a class, contexts of bare handlers, options of siblings.
NOT_BY_NAME = {
    "a_channel_goes_on_without_an_item_that_does_not_fit",
    "context",
    "deadline_in_the_context",
    "defaults_of_a_sibling",
    "inline_parameters",
    "local_notes_are_not_sent",
    "metadata",
    "requests_that_do_not_fit_are_not_sent",
}
# Handlers of a `LocalTransport` take one request.
NOT_OF_BARE_HANDLERS = {"errors_with_a_status", "errors_of_streams_with_a_status"}
CASES = [
    pytest.param(kind, scenario, id=f"{kind.name}-{scenario.name}")
    for kind in KINDS
    for scenario in SCENARIOS
    if kind.scope in scenario.scopes and (kind.encoded or not scenario.encoded)
    if not (kind.by_name and scenario.name in NOT_BY_NAME)
    if not (kind.way.startswith("local_transport") and scenario.name in NOT_OF_BARE_HANDLERS)
]


@pytest.mark.parametrize(("kind", "scenario"), CASES)
def test_scenario(houses, loop, kind, scenario):
    loop.run_until_complete(asyncio.wait_for(play(houses(kind.examined), kind, scenario), LIMIT))


def collect_dropped():
    """Collect what was dropped. What is left, as the modules of the tests, is not looked at by later scenarios."""
    gc.collect()
    gc.freeze()


async def play(house, kind, scenario):
    Methods.notes, Methods.context = Notes(), None
    before = asyncio.all_tasks()
    case = await house.case(kind)
    await scenario.run(case)
    if kind.scope == "session":
        await case.stub.close()
        await case.notes.until("closed", case.notes.kept["opened"])
    del case
    collect_dropped()
    await house.settled(before)
