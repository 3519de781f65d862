"""Pairs for the tests of programs, and sessions without an `AsterClient`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from aster import (
    RPC_ALPN,
    AsterServer,
    RpcError,
    Server,
    ServerError,
    StatusCode,
    create_endpoint,
    create_session,
    rpc,
    server_stream,
    service,
)
from aster.session import SessionServer, SessionStub, create_local_session, create_proxy_session
from aster.testing import AsterTestHarness
from support import Num, Text, asynchronous, raised


@service("HarnessShared", public=True)
class Shared:
    @rpc
    async def double(self, v: Num) -> Num:
        return Num(v.value * 2)

    @server_stream
    async def count(self, v: Num) -> AsyncIterator[Num]:
        for i in range(v.value):
            yield Num(i)


@service("HarnessSession", scoped="session", public=True)
class Session:
    closed: list[int] = []

    def __init__(self, peer: str | None = None) -> None:
        self.total = 0
        self.peer = peer

    @rpc
    async def add(self, v: Num) -> Num:
        self.total += v.value
        return Num(self.total)

    @rpc
    async def whoami(self) -> Text:
        return Text(self.peer or "")

    async def on_session_close(self) -> None:
        Session.closed.append(self.total)


@asynchronous
async def test_local_pairs():
    async with AsterTestHarness() as harness:
        for wire_compatible in (True, False):
            target = Shared()
            stub, implementation = await harness.create_local_pair(Shared, target, wire_compatible)
            assert implementation is target
            assert (await stub.double(Num(4))).value == 8
            assert [one.value async for one in stub.count(Num(2))] == [0, 1]
    with pytest.raises(RuntimeError, match="client of 'HarnessShared' is closed"):
        await stub.double(Num(4))
    await harness.close()


@asynchronous
async def test_remote_pairs():
    before = asyncio.all_tasks()
    async with AsterTestHarness() as harness:
        stub, server = await harness.create_remote_pair(Shared, Shared())
        other, _ = await harness.create_remote_pair(Shared, Shared())
        assert isinstance(server, Server)
        assert ((await stub.double(Num(4))).value, (await other.double(Num(5))).value) == (8, 10)
        endpoint = server.endpoint
    await server.wait_until_stopped()
    await endpoint.closed()
    assert asyncio.all_tasks() == before


@asynchronous
async def test_session_pairs():
    Session.closed.clear()
    async with AsterTestHarness() as harness:
        one, server = await harness.create_session_pair(Session)
        two, none = await harness.create_session_pair(Session, remote=False)
        assert isinstance(one, SessionStub)
        assert (isinstance(server, Server), none) == (True, None)
        assert [(await one.add(Num(2))).value, (await one.add(Num(3))).value, (await two.add(Num(1))).value] == [
            2,
            5,
            1,
        ]
        assert len((await one.whoami()).body) == 64
    assert Session.closed == [1, 5]


@asynchronous
async def test_a_failed_pair_leaves_nothing():
    before = asyncio.all_tasks()
    async with AsterTestHarness() as harness:
        with pytest.raises(TypeError, match="not @service-decorated"):
            await harness.create_remote_pair(Shared, object())
        with pytest.raises(ValueError, match="Class int is not decorated with @service"):
            await harness.create_session_pair(int, Session)
    assert asyncio.all_tasks() == before


@asynchronous
async def test_sessions_by_name():
    home, away = await create_endpoint(RPC_ALPN), await create_endpoint(RPC_ALPN)
    server = SessionServer(home, [Session])
    serving = asyncio.ensure_future(server.serve())
    connection = await away.connect_node_addr(home.endpoint_addr_info(), RPC_ALPN)
    async with await create_proxy_session("HarnessSession", connection) as session:
        assert await session.add({"value": 2}) == {"value": 2}
        assert await session.call("add", {"value": 3}) == {"value": 5}
    nobody = await create_proxy_session("Nobody", connection)
    error = await raised(nobody.add({}))
    await nobody.close()
    assert isinstance(error, RpcError)
    assert error.code is StatusCode.NOT_FOUND
    with pytest.raises(ValueError, match="create_proxy_session requires a connection"):
        await create_proxy_session("HarnessSession")
    await server.close()
    await serving
    await away.close()


@asynchronous
async def test_sessions_in_the_process():
    async with AsterServer([Session]) as server:
        stub = await create_local_session(Session, server)
        assert (await stub.add(Num(7))).value == 7
        await stub.close()
    with pytest.raises(ValueError, match="Class int is not decorated with @service"):
        await create_local_session(int, Session)
    with pytest.raises(ValueError, match="create_session requires a connection"):
        await create_session(Session)


@asynchronous
async def test_a_session_server_serves_sessions_only():
    endpoint = await create_endpoint(RPC_ALPN)
    with pytest.raises(ServerError, match="'HarnessShared' is not session-scoped; serve it with Server"):
        SessionServer(endpoint, [Shared()])
    await endpoint.close()
