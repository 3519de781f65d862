"""The services that raw peers call: those of the exchanges of `wire.json`, and one that misbehaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from aster import (
    RpcError,
    SerializationMode,
    StatusCode,
    bidi_stream,
    client_stream,
    rpc,
    server_stream,
    service,
    wire_type,
)


class Waits:
    """Tells a test that a handler has begun to wait for ever."""

    began: asyncio.Queue[str] | None = None

    @classmethod
    async def for_ever(cls, who):
        if cls.began is not None:
            cls.began.put_nowait(who)
        await asyncio.Event().wait()


@wire_type("echo/Request")
@dataclass
class EchoRequest:
    message: str = ""


@wire_type("echo/Reply")
@dataclass
class EchoReply:
    reply: str = ""


@service("Echo", public=True)
class Echo:
    @rpc
    async def echo(self, request: EchoRequest) -> EchoReply:
        return EchoReply(request.message)

    @server_stream
    async def count(self, request: EchoRequest) -> AsyncIterator[EchoReply]:
        for _ in range(2):
            yield EchoReply(request.message)

    @client_stream
    async def collect(self, requests: AsyncIterator[EchoRequest]) -> EchoReply:
        async for _ in requests:
            pass
        return EchoReply("hi")


@wire_type("counter/Bump")
@dataclass
class Bump:
    pass


@wire_type("counter/Value")
@dataclass
class Value:
    value: int = 0


@service("Counter", scoped="session", public=True)
class Counter:
    def __init__(self, peer: str | None = None) -> None:
        self.bumps = 0

    @rpc
    async def bump(self, request: Bump) -> Value:
        self.bumps += 1
        return Value(self.bumps)

    @client_stream
    async def collect(self, requests: AsyncIterator[Bump]) -> Value:
        return Value(len([item async for item in requests]))

    @rpc
    async def wait(self, request: Bump) -> Value:
        await Waits.for_ever("Counter")
        return Value()


@service("Broken", scoped="session", public=True)
class Broken:
    def __init__(self, peer: str | None = None) -> None:
        raise RpcError(StatusCode.ABORTED, "no session today", {"why": "closed"})

    @rpc
    async def bump(self, request: Bump) -> Value:
        return Value()


@service("Odd", public=True)
class Odd:
    @rpc
    async def refuse(self, request: EchoRequest) -> EchoReply:
        raise RpcError(StatusCode.NOT_FOUND, "chosen", {"k": "v"})

    @rpc
    async def fail(self, request: EchoRequest) -> EchoReply:
        raise ValueError("secret")

    @server_stream
    async def fail_later(self, request: EchoRequest) -> AsyncIterator[EchoReply]:
        yield EchoReply("first")
        raise ValueError("secret")

    @rpc
    async def wrong(self, request: EchoRequest) -> EchoReply:
        return EchoReply(7)

    @rpc
    async def large(self, request: EchoRequest) -> EchoReply:
        return EchoReply("x" * 16_777_216)

    @rpc
    async def wait(self, request: EchoRequest) -> EchoReply:
        await Waits.for_ever("Odd")
        return EchoReply()

    @rpc(requires="ops")
    async def guarded(self, request: EchoRequest) -> EchoReply:
        return EchoReply()

    @bidi_stream
    async def talk(self, requests: AsyncIterator[EchoRequest]) -> AsyncIterator[EchoReply]:
        async for request in requests:
            yield EchoReply(request.message)


@service("Vault", requires="ops", serialization=[SerializationMode.NATIVE])
class Vault:
    @rpc
    async def read(self, request: EchoRequest) -> EchoReply:
        return EchoReply()


@service("Narrow", public=True, max_concurrent_streams=2)
class Narrow:
    @rpc
    async def wait(self, request: EchoRequest) -> EchoReply:
        await Waits.for_ever("Narrow")
        return EchoReply()


@service("Native", public=True, serialization=[SerializationMode.NATIVE])
class Native:
    @rpc
    async def echo(self, request: EchoRequest) -> EchoReply:
        return EchoReply(request.message)
