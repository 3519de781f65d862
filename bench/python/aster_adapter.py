"""Adapter: aster in Python, encrypted, authenticated, with a declared contract.

`serve [chain]`, `load [chain] ADDRESS`: with `chain` the server has an interceptor.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from load import TEXT, run, say, until_stdin_closes

from aster import AsterClient, AsterServer, bidi_stream, client_stream, rpc, server_stream, service, wire_type
from aster.interceptors import DeadlineInterceptor, Interceptor


@wire_type("bench/Text")
@dataclass
class Text:
    body: str = ""


@wire_type("bench/Blob")
@dataclass
class Blob:
    data: bytes = b""


@wire_type("bench/Count")
@dataclass
class Count:
    number: int = 0


@service("Bench", public=True)
class Bench:
    @rpc
    async def echo(self, request: Text) -> Text:
        return Text(request.body)

    @rpc
    async def blob(self, request: Blob) -> Blob:
        return Blob(request.data)

    @server_stream
    async def count(self, request: Count) -> AsyncIterator[Text]:
        for _ in range(request.number):
            yield Text(TEXT)

    @client_stream
    async def collect(self, requests: AsyncIterator[Text]) -> Count:
        number = 0
        async for _ in requests:
            number += 1
        return Count(number)

    @bidi_stream
    async def chat(self, requests: AsyncIterator[Text]) -> AsyncIterator[Text]:
        async for request in requests:
            yield Text(request.body)


@service("BenchSession", scoped="session", public=True)
class BenchSession:
    def __init__(self, peer: str | None = None) -> None:
        self.peer = peer

    @rpc
    async def echo(self, request: Text) -> Text:
        return Text(request.body)


class Client:
    def __init__(self, address: str) -> None:
        self._address = address
        self._client = AsterClient(address=address)
        self._request = Text(TEXT)

    async def open(self) -> Client:
        await self._client.connect()
        self._bench = await self._client.client(Bench)
        return self

    async def another(self) -> Client:
        return await Client(self._address).open()

    async def close(self) -> None:
        await self._client.close()

    async def unary(self) -> None:
        assert (await self._bench.echo(self._request)).body == TEXT

    async def echo(self, data: bytes) -> None:
        assert (await self._bench.blob(Blob(data))).data == data

    async def server_stream(self, count: int) -> None:
        received = 0
        async for item in self._bench.count(Count(count)):
            assert item.body == TEXT
            received += 1
        assert received == count

    async def client_stream(self, count: int) -> None:
        assert (await self._bench.collect(Text(TEXT) for _ in range(count))).number == count

    async def bidi(self, count: int) -> None:
        received = 0
        async with self._bench.chat(Text(TEXT) for _ in range(count)) as channel:
            async for item in channel:
                assert item.body == TEXT
                received += 1
        assert received == count

    async def channel(self) -> tuple[Callable[[], Awaitable[None]], Callable[[], Awaitable[None]]]:
        channel = await self._bench.chat().__aenter__()

        async def exchange() -> None:
            await channel.send(Text(TEXT))
            assert (await channel.recv()).body == TEXT

        return exchange, lambda: channel.__aexit__(None, None, None)

    async def session(self) -> Callable[[], Awaitable[None]]:
        stub = await self._client.client(BenchSession)

        async def call() -> None:
            assert (await stub.echo(self._request)).body == TEXT

        return call


async def serve(chain: list[Interceptor]) -> None:
    async with AsterServer([Bench(), BenchSession], interceptors=chain) as server:
        say(address=server.address)
        await until_stdin_closes()


async def load(address: str) -> None:
    client = await Client(address).open()
    await run(client)
    await client.close()


if __name__ == "__main__":
    verb, *rest = sys.argv[1:]
    asyncio.run(load(rest[-1]) if verb == "load" else serve([DeadlineInterceptor()] * len(rest)))
