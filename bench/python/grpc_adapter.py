"""Adapter: grpc.aio with protobuf messages, with TLS or without: `serve tls|plain`, `load tls|plain ADDRESS`."""
# ruff: noqa: N802 - methods have the names of the proto file

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
from load import TEXT, run, say, until_stdin_closes

# bench/bench.proto, compiled at import as its generated modules would be.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
messages = grpc.protos("bench.proto")
services = grpc.services("bench.proto")
Text, Blob, Count = messages.Text, messages.Blob, messages.Count

OPTIONS = [("grpc.max_receive_message_length", 16 << 20)]
# A channel of its own shares no connection with the others of the process.
CHANNEL_OPTIONS = [*OPTIONS, ("grpc.use_local_subchannel_pool", 1)]


def pem(name: str) -> bytes:
    return (Path(os.environ["BENCH_TLS"]) / name).read_bytes()


class Bench(services.BenchServicer):
    async def Echo(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        return Text(body=request.body)

    async def EchoBlob(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        return Blob(data=request.data)

    async def Repeat(self, request: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
        for _ in range(request.number):
            yield Text(body=TEXT)

    async def Collect(self, requests: AsyncIterator[Any], context: grpc.aio.ServicerContext) -> Any:
        number = 0
        async for _ in requests:
            number += 1
        return Count(number=number)

    async def Chat(self, requests: AsyncIterator[Any], context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
        async for request in requests:
            yield Text(body=request.body)


class Client:
    def __init__(self, tls: bool, target: str) -> None:
        self._where = tls, target
        if tls:
            credentials = grpc.ssl_channel_credentials(pem("cert.pem"))
            self._channel = grpc.aio.secure_channel(target, credentials, CHANNEL_OPTIONS)
        else:
            self._channel = grpc.aio.insecure_channel(target, CHANNEL_OPTIONS)
        self._bench = services.BenchStub(self._channel)
        self._request = Text(body=TEXT)

    async def another(self) -> Client:
        return Client(*self._where)

    async def close(self) -> None:
        await self._channel.close()

    async def unary(self) -> None:
        assert (await self._bench.Echo(self._request)).body == TEXT

    async def echo(self, data: bytes) -> None:
        assert (await self._bench.EchoBlob(Blob(data=data))).data == data

    async def server_stream(self, count: int) -> None:
        await self._expect(self._bench.Repeat(Count(number=count)), count)

    async def client_stream(self, count: int) -> None:
        assert (await self._bench.Collect(self._requests(count))).number == count

    async def bidi(self, count: int) -> None:
        await self._expect(self._bench.Chat(self._requests(count)), count)

    @staticmethod
    def _requests(count: int) -> Iterator[Any]:
        return (Text(body=TEXT) for _ in range(count))

    @staticmethod
    async def _expect(responses: AsyncIterator[Any], count: int) -> None:
        received = 0
        async for item in responses:
            assert item.body == TEXT
            received += 1
        assert received == count

    async def channel(self) -> tuple[Callable[[], Awaitable[None]], Callable[[], Awaitable[None]]]:
        call = self._bench.Chat()

        async def exchange() -> None:
            await call.write(Text(body=TEXT))
            assert (await call.read()).body == TEXT

        async def finish() -> None:
            await call.done_writing()
            assert await call.read() is grpc.aio.EOF

        return exchange, finish

    async def session(self) -> Callable[[], Awaitable[None]] | None:
        return None


async def serve(tls: bool) -> None:
    server = grpc.aio.server(options=OPTIONS)
    services.add_BenchServicer_to_server(Bench(), server)
    if tls:
        credentials = grpc.ssl_server_credentials([(pem("key.pem"), pem("cert.pem"))])
        port = server.add_secure_port("127.0.0.1:0", credentials)
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    say(address=f"127.0.0.1:{port}")
    await until_stdin_closes()
    await server.stop(None)


async def load(tls: bool, address: str) -> None:
    client = Client(tls, address)
    await run(client)
    await client.close()


if __name__ == "__main__":
    verb, how, *where = sys.argv[1:]
    asyncio.run(serve(how == "tls") if verb == "serve" else load(how == "tls", where[0]))
