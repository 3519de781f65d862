"""What a server tells a raw peer that breaks the rules: every text of `wire.md` section 10 that one can cause."""

from __future__ import annotations

import asyncio
import base64
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

import peer_services as services
from aster import (
    RPC_ALPN,
    AsterServer,
    EndpointConfig,
    NodeAddr,
    SerializationMode,
    _aster,
    create_endpoint_with_config,
)
from aster.framing import CANCEL, COMPRESSED, HEADER, ROW_SCHEMA, TRAILER, encode_frame
from conftest import VECTORS
from raw_peer import Frames, RawStream, play_exchange
from spec_errors import SERVER
from support import asynchronous

EXCHANGES = json.loads((VECTORS / "wire.json").read_text(encoding="utf-8"))["exchanges"]
HI = {"message": "hi"}
FORMS = [pytest.param(True, id="json"), pytest.param(False, id="binary")]


@asynccontextmanager
async def raw_connection(address):
    """Yield a connection of a bare endpoint to a server."""
    config = EndpointConfig(alpns=[RPC_ALPN], relay_mode="disabled", bind_addr="127.0.0.1:0")
    net = await create_endpoint_with_config(config)
    try:
        connection = await net.connect_node_addr(NodeAddr.from_bytes(base64.b64decode(address)), RPC_ALPN)
        yield connection
        connection.close(0, b"done")
    finally:
        await net.close()


class Lab:
    """A server, and a connection of a raw peer to it."""

    def __init__(self, server, connection):
        self.server, self.connection = server, connection

    async def open(self):
        return RawStream(*await self.connection.open_bi())

    async def ask(self, frames, fin=True):
        """Play frames on a new stream; return the items and the status that came, and what the stream did then."""
        stream = await self.open()
        await stream.play(*frames, fin=fin)
        items, status = await stream.answer()
        return stream, items, status


@asynccontextmanager
async def lab(*chosen, **options):
    services.Waits.began = asyncio.Queue()
    chosen = chosen or (services.Echo(), services.Counter, services.Broken, services.Odd(), services.Vault())
    async with AsterServer(list(chosen), **options) as server, raw_connection(server.endpoint_addr_b64) as connection:
        yield Lab(server, connection)


@dataclass
class Case:
    """Frames that one stream carries, and the status that answers them."""

    row: str
    frames: object
    text: str | None = None
    fin: bool = True
    details: dict = field(default_factory=dict)
    name: str = ""
    # A session that is not broken stays open.
    ends: bool = True


def long(length):
    return "x" * length


CASES = [
    Case("zero_length_frame", lambda f: [f.header(), b"\0\0\0\0"]),
    Case("zero_length_frame", lambda f: [f.session(), b"\0\0\0\0"], name="session"),
    Case("frame_too_large", lambda f: [f.header(), b"\1\0\0\1"], "frame size 16777217 exceeds maximum 16777216"),
    Case("incomplete_frame", lambda f: [f.header(), f.data(HI)[:-1]], "incomplete frame: expected 17 bytes, got 16"),
    Case("incomplete_frame", lambda f: [f.header(), b"\x06\0"], "incomplete frame: expected 4 bytes, got 2"),
    Case("incomplete_frame", lambda f: [f.header()[:-1]], name="header"),
    Case("unexpected_frame", lambda f: [f.session(), f.session()], "unexpected frame (flags 0x04)", name="session"),
    Case("unexpected_frame", lambda f: [f.header(), f.header()], "unexpected frame (flags 0x04)", name="second H"),
    Case("unexpected_frame", lambda f: [f.header(), f.call()], "unexpected frame (flags 0x10)", name="C, shared"),
    Case(
        "unexpected_frame", lambda f: [f.header(), encode_frame(b"x", HEADER | TRAILER)],
        "unexpected frame (flags 0x06)", name="two kinds",
    ),
    Case("first_frame", lambda f: [f.data(HI) if f.json else f.data(b"\1")]),
    Case("first_frame", lambda f: [f.call()], name="C"),
    Case("first_frame", lambda f: [f.end()], name="T"),
    Case("invalid_stream_header", lambda f: [encode_frame(f.header()[5:-1], HEADER)], name="cut"),
    Case("invalid_call_header", lambda f: [f.session(), encode_frame(f.call()[5:-1], 0x10)], name="cut"),
    Case(
        "payload_too_large", lambda f: [encode_frame((b"{" if f.json else b"\2") * 131_073, HEADER)],
        "StreamHeader exceeds limit of 131072 (got 131073)",
    ),
    Case(
        "payload_too_large", lambda f: [f.session(), encode_frame((b"{" if f.json else b"\2") * 131_073, 0x10)],
        "CallHeader exceeds limit of 131072 (got 131073)", name="C",
    ),
    Case("malformed_eoi", lambda f: [f.header("Echo", "collect"), encode_frame(b"{]", TRAILER)]),
    Case("malformed_eoi", lambda f: [f.header("Odd", "talk"), encode_frame(b"\2\xff", TRAILER)], name="bidi"),
    Case(
        "non_ok_eoi", lambda f: [f.header("Echo", "collect"), f.data(HI), f.end(5, "no")],
        "client sent non-OK EoI trailer (code=5)",
    ),
    Case("request_missing", lambda f: [f.header()]),
    Case("request_missing", lambda f: [f.header("Echo", "count"), f.end()], name="T"),
    Case("request_missing", lambda f: [f.session(), f.call(), f.end()], name="session", ends=False),
    Case("second_request", lambda f: [f.header("Odd", "wait"), f.data(HI), f.data(HI)]),
    Case(
        "metadata_entries", lambda f: [f.header(metadata={f"k{n}": "" for n in range(65)}), f.data(HI)],
        "metadata entries exceeds limit of 64 (got 65)",
    ),
    Case(
        "metadata_key", lambda f: [f.header(metadata={long(257): ""}), f.data(HI)],
        "metadata key length exceeds limit of 256 (got 257)",
    ),
    Case(
        "metadata_value", lambda f: [f.header(metadata={"k": long(4097)}), f.data(HI)],
        "metadata value length exceeds limit of 4096 (got 4097)",
    ),
    Case(
        "metadata_total", lambda f: [f.header(metadata={n: long(2731) for n in "abc"}), f.data(HI)],
        "metadata total bytes exceeds limit of 8192 (got 8196)",
    ),
    Case(
        "metadata_entries", lambda f: [f.session(), f.call(metadata={f"k{n}": "" for n in range(65)}), f.data({})],
        "metadata entries exceeds limit of 64 (got 65)", name="session",
    ),
    Case(
        "name_too_long", lambda f: [f.header(long(257)), f.data(HI)],
        "service name exceeds limit of 256 (got 257)", name="service",
    ),
    Case(
        "name_too_long", lambda f: [f.header("Echo", long(257)), f.data(HI)],
        "method name exceeds limit of 256 (got 257)", name="method",
    ),
    Case(
        "name_too_long", lambda f: [f.header(call_id=long(257)), f.data(HI)],
        "call id exceeds limit of 256 (got 257)", name="call id",
    ),
    Case("bad_timeout", lambda f: [f.header(metadata={"aster-timeout-ms": "1.5"}), f.data(HI)]),
    Case("bad_timeout", lambda f: [f.session(), f.call(metadata={"aster-timeout-ms": ""}), f.data({})], name="session"),
    Case("missing_service", lambda f: [f.header(""), f.data(HI)]),
    Case("unknown_service", lambda f: [f.header("Nope"), f.data(HI)], "Service 'Nope' v1 not found"),
    Case("unknown_service", lambda f: [f.header(version=2), f.data(HI)], "Service 'Echo' v2 not found", name="version"),
    Case(
        "session_scoped", lambda f: [f.header("Counter", "bump"), f.data({})],
        "'Counter' is session-scoped: open a session stream (method='') instead of calling method 'bump' directly",
    ),
    Case(
        "not_session_scoped", lambda f: [f.session("Echo")],
        "'Echo' is shared: send a method name instead of opening a session stream (method='')",
    ),
    Case("unknown_method", lambda f: [f.header("Echo", "nope"), f.data(HI)], "Method 'Echo.nope' not implemented"),
    Case(
        "unknown_session_method", lambda f: [f.session(), f.call("nope"), f.data({})], "Method not found: nope",
        fin=False, ends=False,
    ),
    Case("expected_call", lambda f: [f.session(), f.data({})]),
    Case("call_before_request", lambda f: [f.session(), f.call(), f.call(call_id="k2"), f.data({})], ends=False),
    Case(
        "call_during_call", lambda f: [f.session(), f.call("wait"), f.data({}), f.call(call_id="k2"), f.data({})],
        ends=False,
    ),
    Case("unsupported_mode", lambda f: [f.header(mode=9), f.data(HI)], "Unsupported serialization mode: 9"),
    Case(
        "unsupported_mode", lambda f: [f.header(mode=1), f.data(HI)], "Unsupported serialization mode: 1",
        name="native",
    ),
    Case("deadline_expired", lambda f: [f.header(metadata={"aster-timeout-ms": "0"}), f.data(HI)]),
    Case("deadline_expired", lambda f: [f.header(deadline_epoch_ms=1), f.data(HI)], name="absolute"),
    Case("deadline_exceeded", lambda f: [f.header("Odd", "wait", metadata={"aster-timeout-ms": "20"}), f.data(HI)]),
    Case(
        "deadline_exceeded", lambda f: [f.header("Echo", "collect", metadata={"aster-timeout-ms": "20"})],
        fin=False, name="input goes on",
    ),
    Case(
        "service_capability", lambda f: [f.header("Vault", "read"), f.data(HI)],
        "capability check failed for service 'Vault'",
    ),
    Case(
        "method_capability", lambda f: [f.header("Odd", "guarded"), f.data(HI)],
        "capability check failed for method 'Odd.guarded'",
    ),
    Case("cannot_decode", lambda f: [f.header(), f.data(b"{]")]),
    Case("cannot_decode", lambda f: [f.header(), b"\1\0\0\0\0"], "cannot decode request: empty body", name="empty"),
    Case("cannot_decode", lambda f: [f.header(mode=0), f.data(b"[]")], name="neither"),
    Case("cannot_decode", lambda f: [f.header("Echo", "collect"), f.data(HI), f.data(b"{]")], name="second item"),
    Case("cannot_decode", lambda f: [f.header("Odd", "talk"), f.data(b"{]")], name="bidi"),
    Case("legacy_payload", lambda f: [f.header(mode=0), f.data(b"\2\xff\x1d\0")]),
    Case(
        "contract_violation", lambda f: [f.header(), f.data({"message": 1})], details={"location": None},
        name="type",
    ),
    Case(
        "contract_violation", lambda f: [f.header(), f.data({"massage": "x"})],
        details={"unexpected_fields": "'massage'"}, name="unknown field",
    ),
    Case("bad_zstd", lambda f: [f.header(), f.data(b"no zstd", COMPRESSED)]),
    Case("expands_too_far", lambda f: [f.header(), f.data(_aster.zstd_frame(b" " * 16_777_217), COMPRESSED)]),
    Case("handler_status", lambda f: [f.header("Odd", "refuse"), f.data(HI)], "chosen", details={"k": "v"}),
    Case(
        "handler_status", lambda f: [f.session("Broken"), f.call(), f.data({})], "no session today",
        details={"why": "closed"}, name="constructor",
    ),
    Case(
        "handler_failed", lambda f: [f.header("Odd", "fail"), f.data(HI)], "internal error; call id c1",
        details={"call_id": "c1"},
    ),
    Case(
        "handler_failed", lambda f: [f.header("Odd", "fail_later"), f.data(HI)], "internal error; call id c1",
        details={"call_id": "c1"}, name="stream",
    ),
    Case("cannot_encode", lambda f: [f.header("Odd", "wrong"), f.data(HI)]),
    Case("response_too_large", lambda f: [f.header("Odd", "large"), f.data(HI)]),
    Case("cancelled", lambda f: [f.header(), f.cancel()], name="X before D"),
    Case("cancelled", lambda f: [f.header("Odd", "wait"), f.data(HI), f.cancel()], name="X on a shared stream"),
    Case("cancelled", lambda f: [f.session(), f.call("wait"), f.data({}), f.cancel()], fin=False, ends=False),
    Case("cancelled", lambda f: [f.session(trailers=False), f.cancel()], fin=False, ends=False, name="legacy, idle"),
]  # fmt: skip
STATUS_OF_HANDLER = {"chosen": 5, "no session today": 10}
# Rows with a test of their own below.
ALONE = {
    "frame_timed_out", "draining", "shutting_down", "no_slot", "session_cap", "native_without_credential",
    "too_many_items", "handler_failed_exposed",
}  # fmt: skip


def test_no_row_is_left_out():
    asserted = {case.row for case in CASES} | ALONE
    assert asserted == {key for key, row in SERVER.items() if row.by == "peer"}


def check(row, status, text=None):
    expected = SERVER[row]
    assert status is not None, "the stream ended without a trailer"
    assert (status.code, status.message) == (expected.code or status.code, text or status.message), status
    assert expected.matches(status.message), status


@pytest.mark.parametrize("form", FORMS)
@asynchronous
async def test_texts(form):
    # One server for all of them: whatever a peer did, the next call is served.
    frames = Frames(form)
    async with lab(expose_errors=False) as here:
        for case in CASES:
            played = case.frames(frames)
            stream, _, status = await here.ask(played, case.fin)
            about = (case.row, case.name, status)
            assert status is not None, about
            row = SERVER[case.row]
            code = STATUS_OF_HANDLER[status.message] if row.code is None else row.code
            assert status.code == code, about
            assert row.matches(status.message), about
            assert case.text in {None, status.message}, about
            for key, value in case.details.items():
                assert value in {None, status.details[key]}, about
            # The first payload byte of the stream fixes the form of its trailers.
            assert (stream.trailer[:1] == b"{") == form, about
            if case.ends:
                assert await stream.at_end(), about
            _, items, status = await here.ask([frames.header(), frames.data(HI)])
            assert (items, status.code) == ([b'{"reply":"hi"}'], 0), about


@pytest.mark.parametrize("form", FORMS)
@asynchronous
async def test_what_a_server_ignores(form):
    frames = Frames(form)
    reserved = 0xC0
    async with lab() as here:
        for played, reply in (
            ([frames.header(), encode_frame(b"x", ROW_SCHEMA), frames.data(HI)], b'{"reply":"hi"}'),
            ([encode_frame(frames.header()[5:], HEADER | reserved), frames.data(HI, reserved)], b'{"reply":"hi"}'),
            ([frames.header(), frames.data(HI), frames.end()], b'{"reply":"hi"}'),
            ([frames.session(), encode_frame(b"xx", CANCEL), frames.call(), frames.data({})], b'{"value":1}'),
        ):
            stream, items, status = await here.ask(played)
            assert (items, status.code) == ([reply], 0)
            assert await stream.at_end()


@asynchronous
async def test_sessions_that_an_error_leaves_open():
    frames = Frames(json=True)
    async with lab() as here:
        for bad, text in (
            ([frames.call("nope"), frames.data({})], "Method not found: nope"),
            ([frames.call(metadata={"aster-timeout-ms": "0"}), frames.data({})], "deadline already expired on receipt"),
            ([frames.call(), frames.data(b"{]")], "cannot decode request: "),
            ([frames.call("wait"), frames.data({}), frames.cancel()], "cancelled"),
            ([frames.call("wait"), frames.data({}), frames.call("nope"), frames.data({})], "CALL received during "),
        ):
            stream = await here.open()
            await stream.play(frames.session(), *bad)
            _, status = await stream.answer()
            assert status.message.startswith(text)
            if text.startswith("CALL"):
                assert (await stream.answer())[1].message == "Method not found: nope"
            await stream.play(frames.call(), frames.data({}))
            items, status = await stream.answer()
            assert (items, status.code) == ([b'{"value":1}'], 0)
            await stream.play(fin=True)
            assert await stream.at_end()


@pytest.mark.parametrize("exchange", [pytest.param(one, id=one["name"]) for one in EXCHANGES])
@asynchronous
async def test_exchanges(exchange):
    async with lab() as here:
        await play_exchange(await here.open(), exchange)


@asynchronous
async def test_texts_with_exposed_errors():
    frames = Frames(json=True)
    async with lab(expose_errors=True) as here:
        for method in ("fail", "fail_later"):
            _, _, status = await here.ask([frames.header("Odd", method), frames.data(HI)])
            assert (status.code, status.message) == (SERVER["handler_failed_exposed"].code, "secret")


@asynchronous
async def test_slots():
    frames = Frames(json=True)
    async with lab(services.Echo(), services.Counter, services.Narrow(), max_sessions_per_connection=1) as here:
        held = [await here.open(), await here.open()]
        for stream in held:
            await stream.play(frames.header("Narrow", "wait"), frames.data(HI))
            await services.Waits.began.get()
        _, _, status = await here.ask([frames.header("Narrow", "wait"), frames.data(HI)])
        check("no_slot", status, "too many concurrent streams (limit 2)")
        cancelled = held.pop()
        await cancelled.play(frames.cancel())
        await cancelled.answer()  # Streams have no order among each other.
        session = await here.open()
        await session.play(frames.session(), frames.call(), frames.data({}))
        assert (await session.answer())[1].code == 0
        await held.pop().play(frames.cancel())
        # A slot is free again when the handler has returned.
        while (status := (await here.ask([frames.session(), frames.call(), frames.data({})]))[2]).message.startswith(
            "too many concurrent"
        ):
            pass
        check("session_cap", status, "too many sessions (limit 1)")


@asynchronous
async def test_drain():
    frames = Frames(json=True)
    async with lab() as here:
        running, idle, busy = [await here.open() for _ in range(3)]
        await running.play(frames.header("Odd", "wait"), frames.data(HI), fin=True)
        await idle.play(frames.session(), frames.call(), frames.data({}))
        assert (await idle.answer())[1].code == 0
        await busy.play(frames.session(), frames.call("wait"), frames.data({}))
        assert {await services.Waits.began.get() for _ in range(2)} == {"Odd", "Counter"}
        draining = asyncio.ensure_future(here.server.drain(grace_period=1.0))
        while (status := (await here.ask([frames.header(), frames.data(HI)]))[2]).code == 0:
            pass
        check("draining", status)
        check("draining", (await here.ask([frames.session()]))[2])
        check("draining", (await idle.answer())[1])
        assert await idle.at_end()
        for stream in (running, busy):
            check("shutting_down", (await stream.answer())[1])
            assert await stream.at_end()
        await draining


@asynchronous
async def test_native_bodies_of_unknown_peers():
    frames = Frames(json=False)
    async with lab(services.Echo(), services.Native()) as here:
        header = frames.header("Native", "echo", mode=int(SerializationMode.NATIVE))
        _, _, status = await here.ask([header, frames.data(b"\x80\x04N.")])
        check("native_without_credential", status)


@asynchronous
async def test_too_many_items():
    frames = Frames(json=True)
    async with lab() as here:
        stream = await here.open()
        await stream.play(frames.header("Echo", "collect"))
        item = frames.data(HI)
        for _ in range(100):
            await stream.play(item * 1000)
        await stream.play(item)
        check("too_many_items", (await stream.answer())[1], "client stream exceeded 100000 items")


def test_frames_that_take_too_long():
    """Thirty seconds are the subject; both streams wait at once."""
    frames = Frames(json=False)

    async def run():
        async with lab() as here:
            streams = [await here.open(), await here.open()]
            await streams[0].play(b"\x06\0\0\0")
            await streams[1].play(frames.header(), frames.data(HI)[:-1])
            for stream in streams:
                check("frame_timed_out", (await stream.answer(within=45.0))[1])

    asyncio.run(asyncio.wait_for(run(), 60))
