"""What checkers see of what makes stubs. Each ignored line is an error for mypy and pyright."""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from typing import Any

from typed_services import Answer, Ask, Bare, Room, Streams
from typing_extensions import assert_type

from aster import (
    AsterClient,
    AsterServer,
    BidiChannel,
    CallContext,
    ClientSession,
    Interceptor,
    IrohConnection,
    LocalTransport,
    MetricsInterceptor,
    ProxyClient,
    RpcError,
    Server,
    ServiceClient,
    SessionProxyClient,
    as_client,
    create_client,
    create_local_client,
    create_session,
    describe,
    service,
    with_options,
)
from aster.session import create_local_session, create_proxy_session
from aster.testing import AsterTestHarness


async def sessions(client: AsterClient) -> None:
    room = await client.client(Room)
    assert_type(await room.say(Ask("x")), Answer)
    assert_type(room.talk(), BidiChannel[Ask, Answer])
    async with client.open_session() as session:
        assert_type(session, ClientSession)
        assert_type(session.session_id, int)
        assert_type(await session.client(Room), Room)
        assert_type(await session.client(Bare), Bare)
        await session.client(Room())  # type: ignore[arg-type]
    awaited = await client.open_session(service_cls=Room)
    assert_type(awaited, ClientSession)
    await awaited.close()


async def over_connections(connection: IrohConnection, transport: LocalTransport, server: Server) -> None:
    assert_type(create_client(Streams, connection), Streams)
    assert_type(create_client(Streams, transport=transport), Streams)
    assert_type(create_local_client(Bare, Bare()), Bare)
    assert_type(create_local_client(Bare, server, wire_compatible=False), Bare)
    room = await create_session(Room, connection)
    assert_type(room, Room)
    assert_type(await create_local_session(Room, Room), Room)
    assert_type(await create_proxy_session("Room", connection), SessionProxyClient)
    create_client(Streams, "address")  # type: ignore[arg-type]
    create_client(Streams())  # type: ignore[arg-type]
    create_session(connection)  # type: ignore[arg-type, unused-coroutine]


async def siblings(client: AsterClient) -> None:
    stub = await client.client(Bare)
    hasty = with_options(stub, timeout=0.5, metadata={"k": "v"})
    assert_type(hasty, Bare)
    assert_type(await hasty.explicit(Ask("x")), Answer)
    seen = as_client(stub)
    assert_type(seen, ServiceClient)
    assert_type((seen.service_name, seen.service_version), tuple[str, int])
    await seen.close()
    await stub.close()  # type: ignore[attr-defined]
    with_options(stub, retries=1)  # type: ignore[call-arg]


async def proxies(client: AsterClient) -> None:
    proxy = client.proxy("Bare")
    assert_type(proxy, ProxyClient)
    assert_type(await proxy, ProxyClient)
    assert_type(await proxy.explicit({"text": "x"}), Any)
    assert_type(await proxy.explicit(text="x"), Any)
    async for item in proxy.count.stream({"text": "x"}):
        assert_type(item, dict[str, Any])
    async with proxy.chat.bidi() as channel:
        assert_type(channel, BidiChannel[dict[str, Any], dict[str, Any]])
        await channel.send({"text": "x"})
        await channel.send(Ask("x"))  # type: ignore[arg-type]
        assert_type(await channel.recv(), dict[str, Any])
    async with client.session("Room") as session:
        assert_type(session, SessionProxyClient)
        assert_type(session.session_id, str)
        assert_type(await session.call("say", {"text": "x"}), Any)
    assert_type(with_options(proxy, timeout=1.0), ProxyClient)
    client.proxy(Bare)  # type: ignore[arg-type]
    proxy.count.stream("x")  # type: ignore[arg-type]


class Trace(Interceptor):
    async def on_start(self, ctx: CallContext) -> None:
        assert_type(ctx.remaining_seconds, float | None)
        assert_type(ctx.metadata, dict[str, str])

    async def on_request(self, ctx: CallContext, request: object) -> object:
        return request

    async def on_error(self, ctx: CallContext, error: RpcError) -> RpcError | None:
        return None if ctx.expired else error


class Wrong(Interceptor):
    def on_start(self, ctx: CallContext) -> None:  # type: ignore[override]
        pass


@service(interceptors=[Trace, MetricsInterceptor()])
class Guarded(Bare):
    pass


def interceptors() -> None:
    AsterServer([Guarded()], interceptors=[Trace()])
    AsterClient(address="a", interceptors=[Trace(), MetricsInterceptor()])
    AsterServer([Guarded()], interceptors=[Trace])  # type: ignore[list-item]
    service(interceptors=["trace"])  # type: ignore[list-item]


async def pairs() -> None:
    async with AsterTestHarness() as harness:
        stub, _ = await harness.create_local_pair(Bare, Bare())
        assert_type(stub, Bare)
        streams, server = await harness.create_remote_pair(Streams, Streams())
        assert_type((streams, server), tuple[Streams, Server])
        room, _ = await harness.create_session_pair(Room)
        assert_type(room, Room)


assert_type(describe("text", default=""), str)
assert_type(describe("texts", tags=["a"], default_factory=list[str]), list[str])
