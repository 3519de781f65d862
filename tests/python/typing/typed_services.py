"""Services whose types the modules beside this one assert."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from dataclasses import dataclass

from aster import CallContext, any_of, bidi_stream, client_stream, rpc, server_stream, service


@dataclass
class Ask:
    text: str = ""


@dataclass
class Answer:
    text: str = ""


@service
class Bare:
    @rpc
    async def explicit(self, request: Ask) -> Answer:
        return Answer(request.text)

    @rpc(timeout=1.0, idempotent=True)
    async def with_context(self, request: Ask, ctx: CallContext) -> Answer:
        return Answer(ctx.call_id)

    @rpc()
    async def after_context(self, ctx: CallContext, request: Ask) -> Answer:
        return Answer(ctx.call_id + request.text)

    @rpc(name="inlineMethod")
    async def inline(self, name: str, count: int = 1) -> Answer:
        return Answer(name * count)

    @rpc
    async def inline_with_context(self, ctx: CallContext, name: str) -> Answer:
        return Answer(ctx.service + name)

    @rpc
    async def only_context(self, ctx: CallContext) -> Answer:
        return Answer(ctx.service)

    @rpc
    async def nothing(self) -> Answer:
        return Answer()


@service("Named", version=2, public=True)
class Named(Bare):
    pass


@service(public=True)
class Streams:
    @server_stream
    async def count(self, request: Ask) -> AsyncIterator[Answer]:
        yield Answer(request.text)

    @server_stream()
    async def count_with_context(self, request: Ask, ctx: CallContext) -> AsyncGenerator[Answer, None]:
        yield Answer(request.text + ctx.call_id)

    @server_stream(2.0, name="afterContext", idempotent=True)
    async def count_after_context(self, ctx: CallContext, request: Ask) -> AsyncIterable[Answer]:
        yield Answer(request.text + ctx.call_id)

    @server_stream(timeout=2.0, requires=any_of("a", "b"))
    async def words(self, text: str, limit: int = 3) -> AsyncIterator[Answer]:
        for word in text.split()[:limit]:
            yield Answer(word)

    @server_stream
    async def words_with_context(self, ctx: CallContext, text: str) -> AsyncIterator[Answer]:
        yield Answer(ctx.service + text)

    @server_stream
    async def ticks(self, ctx: CallContext) -> AsyncIterator[Answer]:
        yield Answer(ctx.service)

    @client_stream
    async def total(self, requests: AsyncIterator[Ask]) -> Answer:
        return Answer("".join([one.text async for one in requests]))

    @client_stream()
    async def total_with_context(self, requests: AsyncIterator[Ask], ctx: CallContext) -> Answer:
        return Answer("".join([one.text async for one in requests]) + ctx.call_id)

    @client_stream(1)
    async def total_after_context(self, ctx: CallContext, requests: AsyncIterable[Ask]) -> Answer:
        return Answer("".join([one.text async for one in requests]) + ctx.call_id)

    @client_stream(timeout=1.0, idempotent=True)
    async def total_with_options(self, requests: AsyncIterator[Ask]) -> Answer:
        return Answer("".join([one.text async for one in requests]))

    @bidi_stream
    async def chat(self, requests: AsyncIterator[Ask]) -> AsyncIterator[Answer]:
        async for one in requests:
            yield Answer(one.text)

    @bidi_stream()
    async def chat_with_context(self, requests: AsyncIterator[Ask], ctx: CallContext) -> AsyncIterator[Answer]:
        async for one in requests:
            yield Answer(one.text + ctx.call_id)

    @bidi_stream(0.5)
    async def chat_after_context(
        self, ctx: CallContext, requests: AsyncGenerator[Ask, None]
    ) -> AsyncGenerator[Answer, None]:
        async for one in requests:
            yield Answer(one.text + ctx.call_id)

    @bidi_stream(timeout=3.0, name="chatter")
    async def chat_with_options(self, requests: AsyncIterator[Ask]) -> AsyncIterator[Answer]:
        async for one in requests:
            yield Answer(one.text)


@service(scoped="session", public=True)
class Room:
    def __init__(self, peer: str | None = None) -> None:
        self.peer = peer

    @rpc
    async def say(self, request: Ask) -> Answer:
        return Answer(request.text)

    @bidi_stream
    async def talk(self, requests: AsyncIterator[Ask]) -> AsyncIterator[Answer]:
        async for one in requests:
            yield Answer(one.text)
