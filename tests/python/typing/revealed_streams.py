"""What checkers see of streaming calls. Each ignored line is an error for mypy and pyright."""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine
from typing import Any

from typed_services import Answer, Ask, Streams
from typing_extensions import assert_type

from aster import AsterClient, BidiChannel, bidi_stream, client_stream, server_stream


async def asks() -> AsyncIterator[Ask]:
    yield Ask("x")


async def server_streams(client: AsterClient) -> None:
    stub = await client.client(Streams)
    assert_type(stub.count(Ask("x")), AsyncIterator[Answer])
    async for item in stub.count(Ask("x"), timeout=1.0, metadata={"k": "v"}):
        assert_type(item, Answer)
    assert_type(stub.count_with_context(Ask("x")), AsyncIterator[Answer])
    assert_type(stub.count_after_context(Ask("x"), timeout=1), AsyncIterator[Answer])
    assert_type(stub.words("a b", 1), AsyncIterator[Answer])
    assert_type(stub.words(text="a b", limit=2), AsyncIterator[Answer])
    assert_type(stub.words_with_context("a"), AsyncIterator[Answer])
    assert_type(stub.ticks(), AsyncIterator[Answer])


async def client_streams(client: AsterClient) -> None:
    stub = await client.client(Streams)
    pending = assert_type(stub.total([Ask("x")]), Coroutine[Any, Any, Answer])
    assert_type(await pending, Answer)
    assert_type(await stub.total(asks(), timeout=1.0), Answer)
    assert_type(await stub.total(Ask(text) for text in "ab"), Answer)
    assert_type(await stub.total_with_context([Ask("x")]), Answer)
    assert_type(await stub.total_after_context([Ask("x")]), Answer)
    assert_type(await stub.total_with_options((Ask("x"),)), Answer)


async def channels(client: AsterClient) -> None:
    stub = await client.client(Streams)
    opened = stub.chat()
    assert_type(opened, BidiChannel[Ask, Answer])
    async with stub.chat(timeout=1.0) as channel:
        assert_type(channel, BidiChannel[Ask, Answer])
        assert_type(await channel.send(Ask("x")), None)
        assert_type(await channel.recv(), Answer)
        async for item in channel:
            assert_type(item, Answer)
        await channel.send(Answer("x"))  # type: ignore[arg-type]
        await channel.close()
        await channel.wait_for_trailer()
    assert_type(stub.chat([Ask("x")]), BidiChannel[Ask, Answer])
    assert_type(stub.chat(asks()), BidiChannel[Ask, Answer])
    assert_type(stub.chat_with_context(), BidiChannel[Ask, Answer])
    assert_type(stub.chat_after_context(None), BidiChannel[Ask, Answer])
    assert_type(stub.chat_with_options(metadata={"k": "v"}), BidiChannel[Ask, Answer])


async def errors(client: AsterClient) -> None:
    stub = await client.client(Streams)
    await stub.count(Ask("x"))  # type: ignore[misc]
    stub.count(Answer("x"))  # type: ignore[arg-type]
    stub.count()  # type: ignore[call-arg]
    stub.words(1)  # type: ignore[arg-type]
    stub.words("a", timeout=1.0)  # type: ignore[call-arg]
    stub.ticks("a")  # type: ignore[call-arg]
    await stub.total(Ask("x"))  # type: ignore[arg-type]
    await stub.total([Answer("x")])  # type: ignore[list-item]
    await stub.total()  # type: ignore[call-arg]
    async for _ in stub.total([Ask("x")]):  # type: ignore[attr-defined]
        pass
    stub.chat([Answer("x")])  # type: ignore[list-item]
    stub.chat(Ask("x"))  # type: ignore[arg-type]
    await stub.chat()  # type: ignore[misc]


class Declared:
    @server_stream  # type: ignore[arg-type]
    async def no_stream(self, request: Ask) -> Answer:
        return Answer(request.text)

    @client_stream  # type: ignore[arg-type]
    async def no_requests(self, request: Ask) -> Answer:
        return Answer(request.text)

    @bidi_stream  # type: ignore[arg-type]
    async def no_responses(self, requests: AsyncIterator[Ask]) -> Answer:
        return Answer("".join([one.text async for one in requests]))

    @bidi_stream(idempotent=True)  # type: ignore[call-overload, untyped-decorator]
    async def no_such_option(self, requests: AsyncIterator[Ask]) -> AsyncIterator[Answer]:
        async for one in requests:
            yield Answer(one.text)
