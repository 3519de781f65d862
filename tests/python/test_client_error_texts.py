"""What a caller gets from a server that breaks the rules: the client rows of `wire.md` section 10."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

import peer_services as services
from aster import (
    RPC_ALPN,
    ConnectionLostError,
    EndpointConfig,
    StatusCode,
    create_client,
    create_endpoint_with_config,
)
from aster.framing import TRAILER, encode_frame
from aster.protocol import StreamHeader
from raw_peer import Frames, RawStream
from spec_errors import CLIENT
from support import asynchronous, raised

REQUEST = services.EchoRequest("hi")
REPLY = {"reply": "hi"}


async def endpoint():
    return await create_endpoint_with_config(
        EndpointConfig(alpns=[RPC_ALPN], relay_mode="disabled", bind_addr="127.0.0.1:0")
    )


class Peer:
    """A client of `Echo`, and the raw server that answers it."""

    def __init__(self, stub, connection):
        self.stub, self.connection = stub, connection

    async def take(self):
        """Take the next call: its stream, and frames in the form of its header."""
        stream = RawStream(*await self.connection.accept_bi())
        payload, _ = await stream.frame()
        assert StreamHeader.decode(payload).service == "Echo"
        return stream, Frames(json=payload[:1] == b"{")

    async def outcome(self, answer, call=None):
        """Start a call, answer it, and return what it raised."""
        calling = asyncio.ensure_future(raised(call or self.stub.echo(REQUEST)))
        stream, frames = await self.take()
        await answer(stream, frames)
        error = await calling
        return error, stream


@asynccontextmanager
async def peer():
    here, there = await endpoint(), await endpoint()
    try:
        accepting = asyncio.ensure_future(there.accept())
        connection = await here.connect_node_addr(there.endpoint_addr_info(), RPC_ALPN)
        # The server learns of a connection with its first stream.
        yield Peer(create_client(services.Echo, connection=connection), await accepting)
    finally:
        await here.close()
        await there.close()


def check(row, error, text=None):
    expected = CLIENT[row]
    assert (error.code, expected.matches(error.message)) == (expected.code, True), error
    assert text in {None, error.message}


@asynchronous
async def test_answers_that_are_none():
    async with peer() as here:
        for row, play in (
            ("no_trailer", lambda f: [f.data(REPLY)]),
            ("no_trailer", lambda f: []),
            ("cannot_decode_response", lambda f: [f.data(b"{]"), f.end()]),
            ("cannot_decode_response", lambda f: [f.data(b"\2\xff\x1d"), f.end()]),
            ("response_off_contract", lambda f: [f.data({"reply": 7}), f.end()]),
            ("response_off_contract", lambda f: [f.data({"replay": "x"}), f.end()]),
        ):
            error, _ = await here.outcome(lambda stream, f, play=play: stream.play(*play(f), fin=True))
            check(row, error)


@asynchronous
async def test_broken_orders_of_frames_are_internal():
    async with peer() as here:
        for play in (
            lambda f: [f.end()],
            lambda f: [f.data(REPLY), f.data(REPLY), f.end()],
            lambda f: [f.data(REPLY), encode_frame(b"{]", TRAILER)],
            lambda f: [f.header()],
            lambda f: [b"\0\0\0\0"],
        ):
            error, _ = await here.outcome(lambda stream, f, play=play: stream.play(*play(f), fin=True))
            assert error.code is StatusCode.INTERNAL, error


@asynchronous
async def test_a_status_arrives_in_either_form():
    async with peer() as here:
        for json in (True, False):
            error, _ = await here.outcome(
                lambda stream, _, json=json: stream.play(Frames(json).end(250, "of tomorrow"), fin=True)
            )
            assert (int(error.code), error.code.name, error.message) == (250, "CODE_250", "of tomorrow")


@pytest.mark.parametrize(
    ("code", "row", "kind"), [(0, "connection_lost", ConnectionLostError), (403, "closed_with_403", None)]
)
@asynchronous
async def test_connections_that_close(code, row, kind):
    async with peer() as here:

        async def close(stream, frames):
            here.connection.close(code, b"not admitted" if code else b"server closed")

        error, _ = await here.outcome(close)
        check(row, error)
        assert kind is None or type(error) is kind
        assert isinstance(error, ConnectionError) == (kind is not None)


@asynchronous
async def test_what_never_leaves():
    async with peer() as here:
        for row, metadata, text in (
            ("metadata_over_limit", {f"k{n}": "" for n in range(65)}, "metadata entries exceeds limit of 64 (got 65)"),
            ("reserved_key", {"aster-timeout-ms": "1"}, "metadata key 'aster-timeout-ms' is reserved"),
        ):
            check(row, await raised(here.stub.echo(REQUEST, metadata=metadata)), text)
        error = await raised(here.stub.echo(services.EchoRequest("x" * 16_777_216)))
        assert error.code is StatusCode.RESOURCE_EXHAUSTED
        # The first stream that arrives is that of a good call.
        calling = asyncio.ensure_future(here.stub.echo(REQUEST, metadata={"k": "good"}))
        stream, frames = await here.take()
        await stream.play(frames.data(REPLY), frames.end(), fin=True)
        assert (await calling).reply == "hi"


def test_frames_that_stall():
    """Thirty seconds are the subject."""

    async def run():
        async with peer() as here:
            error, _ = await here.outcome(lambda stream, f: stream.play(f.data(REPLY)[:-1]))
            check("frame_stalls", error)

    asyncio.run(asyncio.wait_for(run(), 60))
