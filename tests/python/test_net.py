"""Raw connections and streams: bytes, ends, closes, facts, limits, cancelled waits."""

from __future__ import annotations

import asyncio
import os

import pytest

import aster
from aster import (
    ConnectionInfo,
    EndpointConfig,
    IrohConnectionError,
    IrohError,
    IrohNode,
    LimitExceeded,
    NodeAddr,
    RemoteInfo,
    create_endpoint,
    create_endpoint_with_config,
    net_client,
)
from support import asynchronous, raised

ALPN = b"test/1"
CONTENT = (b"/iroh-bytes/4", b"/iroh-sync/1", b"/iroh-gossip/1")


def local(**settings):
    return EndpointConfig([ALPN], relay_mode="disabled", bind_addr="127.0.0.1:0", **settings)


async def stream_pair(connections):
    """Open a stream: what the opener has, and what the acceptor has."""
    accepted, dialled = connections
    send, recv = await dialled.open_bi()
    await send.write_all(b"!")
    other_send, other_recv = await accepted.accept_bi()
    assert await other_recv.read_exact(1) == b"!"
    return (send, recv), (other_send, other_recv)


@asynchronous
async def test_streams_carry_bytes_both_ways(endpoint_pair):
    (send, recv), (other_send, other_recv) = await stream_pair(endpoint_pair[1])
    await send.write_all(b"ping" * 50_000)
    await send.finish()
    assert await other_recv.read_to_end(200_000) == b"ping" * 50_000
    await other_send.write_all(b"pong")
    await other_send.finish()
    assert await recv.read(2) == b"po"
    assert await recv.read_exact(2) == b"ng"
    assert await recv.read(10) == b""
    assert await recv.read(0) == b""
    assert await send.stopped() is None


@asynchronous
async def test_one_way_streams(endpoint_pair):
    _, (accepted, dialled) = endpoint_pair
    send = await dialled.open_uni()
    await send.write_all(b"news")
    await send.finish()
    recv = await accepted.accept_uni()
    assert await recv.read_to_end(4) == b"news"


@asynchronous
async def test_reads_are_bounded_and_lose_nothing(endpoint_pair):
    (send, _), (_, recv) = await stream_pair(endpoint_pair[1])
    await send.write_all(b"0123456789")
    await send.finish()
    error = await raised(recv.read_to_end(9))
    assert isinstance(error, LimitExceeded)
    assert (error.limit, error.actual) == (9, 10)
    error = await raised(recv.read_exact(11))
    assert type(error) is IrohError
    assert str(error) == "the stream ended after 10 of 11 bytes"
    assert await recv.read_exact(4) == b"0123"
    assert await recv.read_to_end(6) == b"456789"


@asynchronous
async def test_a_cancelled_read_loses_no_bytes(endpoint_pair):
    (send, _), (_, recv) = await stream_pair(endpoint_pair[1])
    for number in range(60):
        reading = asyncio.create_task(recv.read_exact(4))
        await asyncio.sleep(0)
        await send.write_all(number.to_bytes(4, "big"))
        # Whether the bytes have arrived, are on their way in the queue, or not yet.
        for _ in range(number % 7):
            await asyncio.sleep(0)
        if not reading.done():
            reading.cancel()
            assert await recv.read_exact(4) == number.to_bytes(4, "big")
        else:
            assert await reading == number.to_bytes(4, "big")


@asynchronous
async def test_a_cancelled_accept_loses_no_stream(endpoint_pair):
    _, (accepted, dialled) = endpoint_pair
    for number in range(40):
        waiting = asyncio.create_task(accepted.accept_uni())
        await asyncio.sleep(0)
        send = await dialled.open_uni()
        await send.write_all(bytes([number]))
        await send.finish()
        for _ in range(number % 5):
            await asyncio.sleep(0)
        stream = await waiting if waiting.done() or not waiting.cancel() else await accepted.accept_uni()
        assert await stream.read_to_end(1) == bytes([number])


@asynchronous
async def test_stop_reaches_the_writer_and_reset_the_reader(endpoint_pair):
    (send, recv), (other_send, other_recv) = await stream_pair(endpoint_pair[1])
    other_recv.stop(17)
    assert await send.stopped() == 17
    error = await raised(send.write_all(b"x"))
    assert (type(error), error.code) == (IrohError, 17)
    assert isinstance(await raised(other_recv.read(1)), IrohError)
    await other_send.finish()
    assert isinstance(await raised(other_send.finish()), IrohError)
    assert isinstance(await raised(other_send.write_all(b"x")), IrohError)
    assert await recv.read(1) == b""
    for code in (2**62, 2**64 - 1):
        with pytest.raises(ValueError, match="below"):
            recv.stop(code)


@asynchronous
async def test_a_write_waits_for_a_reader_and_stopped_does_not_wait_for_a_write(endpoint_pair):
    (send, _), (_, recv) = await stream_pair(endpoint_pair[1])
    writing = asyncio.create_task(send.write_all(bytes(64 * 1024 * 1024)))
    got = len(await recv.read_exact(100_000))
    assert not writing.done()
    stopped = asyncio.create_task(send.stopped())
    await asyncio.sleep(0)
    recv.stop(3)
    assert await stopped == 3
    assert (await raised(writing)).code == 3
    assert got == 100_000


@asynchronous
async def test_datagrams(endpoint_pair):
    _, (accepted, dialled) = endpoint_pair
    largest = dialled.max_datagram_size()
    assert largest is not None and largest > 1000
    assert dialled.datagram_send_buffer_space() > largest
    waiting = asyncio.create_task(accepted.read_datagram())
    await asyncio.sleep(0)
    dialled.send_datagram(b"quick")
    assert await waiting == b"quick"
    with pytest.raises(LimitExceeded):
        dialled.send_datagram(bytes(largest + 100_000))


@asynchronous
async def test_a_close_tells_code_and_reason(endpoint_pair):
    _, (accepted, dialled) = endpoint_pair
    reading = asyncio.create_task(accepted.accept_bi())
    await asyncio.sleep(0)
    with pytest.raises(ValueError, match="below"):
        dialled.close(2**62)
    dialled.close(42, b"enough")
    dialled.close(43, "again")
    assert await accepted.closed() == {"kind": "application", "code": 42, "reason": "enough"}
    closing = await dialled.closed()
    assert (closing["kind"], closing["code"]) == ("local", None)
    error = await raised(reading)
    assert type(error) is IrohConnectionError
    assert isinstance(error, ConnectionError)
    assert error.code == 42
    for call in (accepted.open_bi(), accepted.open_uni(), accepted.read_datagram(), dialled.accept_uni()):
        assert isinstance(await raised(call), IrohConnectionError)
    with pytest.raises(IrohConnectionError):
        accepted.send_datagram(b"x")


@asynchronous
async def test_facts_of_a_connection(endpoint_pair):
    (first, second), (accepted, dialled) = endpoint_pair
    assert (accepted.remote_id(), dialled.remote_id()) == (second.endpoint_id(), first.endpoint_id())
    info = dialled.connection_info()
    assert isinstance(info, ConnectionInfo)
    assert (info.connection_type, info.alpn, info.is_connected) == ("direct", ALPN, True)
    assert info.bytes_sent > 0 and info.bytes_received > 0 and info.rtt_ns > 0
    assert dialled.bytes_sent() >= info.bytes_sent and dialled.bytes_recv() >= info.bytes_received
    assert 0 < dialled.rtt_ms() < 10_000
    assert dialled.congestion_window() > 0
    assert dialled.current_mtu() >= 1200
    assert dialled.lost_packets() >= 0 and dialled.congestion_events() >= 0
    dialled.close()
    await dialled.closed()
    assert (dialled.connection_info().connection_type, dialled.connection_info().is_connected) == ("none", False)


@asynchronous
async def test_dials_that_fail(endpoint_pair):
    (first, second), _ = endpoint_pair
    assert isinstance(await raised(second.connect_node_addr(first.endpoint_addr_info(), b"other/1")), ConnectionError)
    unknown = NodeAddr("aa" * 32).endpoint_id
    for text in ("", "zz", unknown[:-1], "\u20ac" * 64):
        assert isinstance(await raised(second.connect(text, ALPN)), ValueError)
    strangers = await create_endpoint_with_config(local())
    stranger = strangers.endpoint_id()
    await strangers.close()
    error = await raised(second.connect(stranger, ALPN))
    assert type(error) is IrohConnectionError
    assert isinstance(await raised(second.connect_node_addr(7, ALPN)), TypeError)


@asynchronous
async def test_every_form_of_address_can_be_dialled(endpoint_pair):
    (first, second), _ = endpoint_pair
    info = first.endpoint_addr_info()
    for address in (info, info.to_bytes(), str(info), first.endpoint_addr()):
        connection = await second.connect_node_addr(address, ALPN)
        assert connection.remote_id() == first.endpoint_id()
        connection.close()
    assert (await second.connect(first.endpoint_id(), ALPN)).remote_id() == first.endpoint_id()


@asynchronous
async def test_closed_while_waiting(endpoint_pair):
    (first, second), (accepted, dialled) = endpoint_pair
    (_, recv), _ = await stream_pair((accepted, dialled))
    waits = [
        asyncio.ensure_future(wait)
        for wait in (second.accept(), dialled.accept_bi(), dialled.accept_uni(), dialled.read_datagram(), recv.read(1))
    ]
    ended = asyncio.create_task(second.closed())
    await asyncio.sleep(0)
    await second.close()
    await second.close()
    await ended
    for wait in waits:
        assert isinstance(await raised(wait), IrohError)
    assert (await dialled.closed())["kind"] == "local"
    assert (await accepted.closed())["kind"] == "application"
    for call in (second.accept(), second.connect(first.endpoint_id(), ALPN)):
        error = await raised(call)
        assert (type(error), str(error)) == (IrohError, "node is closed")


@asynchronous
async def test_garbage_on_our_protocols_hurts_nobody():
    import random

    from support import Echo, Num, served

    dice = random.Random(7)
    async with served(Echo()) as (server, client):
        peer = await create_endpoint_with_config(local())
        for alpn in (b"aster/1", b"aster.consumer_admission", *CONTENT):
            for _ in range(4):
                connection = await peer.connect_node_addr(server.endpoint_addr_b64, alpn)
                send, _ = await connection.open_bi()
                try:
                    await send.write_all(dice.randbytes(dice.choice([1, 40, 5000])))
                    await send.finish()
                    one_way = await connection.open_uni()
                    await one_way.write_all(dice.randbytes(64))
                    connection.send_datagram(b"?")
                except IrohError:
                    pass
                connection.close(1)
        assert (await (await client.client(Echo)).num(Num(3))).value == 3
        assert await client.blobs.download_blob(server.blobs.create_ticket(await server.blobs.add_bytes(b"x"))) == b"x"
        await peer.close()


@asynchronous
async def test_connections_beyond_the_queue_are_refused_as_busy():
    first, second = await create_endpoint_with_config(local()), await create_endpoint_with_config(local())
    connections = []
    for start in range(0, 280, 40):
        dials = [second.connect_node_addr(first.endpoint_addr_info(), ALPN) for _ in range(start, start + 40)]
        connections += await asyncio.gather(*dials)
    refused = [asyncio.create_task(connection.closed()) for connection in connections]
    done, waiting = await asyncio.wait(refused, return_when=asyncio.FIRST_COMPLETED)
    while len(done) < 24:
        more, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        done |= more
    assert {(task.result()["code"], task.result()["reason"]) for task in done} == {(429, "busy")}
    for _ in range(256):
        await first.accept()
    await first.close()
    await second.close()
    await asyncio.wait(waiting)


@asynchronous
async def test_an_endpoint_is_no_node():
    with pytest.raises(ValueError, match="1 to 255 bytes"):
        await create_endpoint(b"")
    endpoint = await create_endpoint(ALPN)
    assert (endpoint.has_monitoring(), endpoint.has_hooks()) == (False, False)
    assert (endpoint.remote_info(endpoint.endpoint_id()), endpoint.remote_info_list()) == (None, [])
    assert len(endpoint.export_secret_key()) == 32
    public = aster._aster.ed25519_public_from_secret(endpoint.export_secret_key())
    assert public.hex() == endpoint.endpoint_id()
    assert "socket_recv_datagrams_total" in endpoint.transport_metrics()
    assert endpoint.endpoint_addr_info().direct_addresses
    await endpoint.close()


@asynchronous
async def test_monitoring():
    watching = await create_endpoint_with_config(local(enable_monitoring=True))
    peer = await create_endpoint_with_config(local())
    assert watching.has_monitoring()
    assert watching.remote_info(peer.endpoint_id()) is None
    connection = await peer.connect_node_addr(watching.endpoint_addr_info(), ALPN)
    accepted = await watching.accept()
    info = watching.remote_info(peer.endpoint_id())
    assert isinstance(info, RemoteInfo)
    assert (info.node_id, info.connection_type, info.is_connected) == (peer.endpoint_id(), "direct", True)
    assert info.bytes_sent > 0 and info.bytes_received > 0
    assert info.last_handshake_ns > 1_600_000_000 * 10**9
    assert watching.remote_info_list()[0].node_id == peer.endpoint_id()
    connection.close()
    await accepted.closed()
    while (ended := watching.remote_info(peer.endpoint_id())).is_connected:
        await asyncio.sleep(0)
    assert ended.connection_type == "none"
    with pytest.raises(ValueError, match="invalid address"):
        watching.remote_info("no id")
    await watching.close()
    await peer.close()


@asynchronous
async def test_endpoint_settings(tmp_path):
    key = bytes(range(32))
    endpoint = await create_endpoint_with_config(local(secret_key=key))
    assert endpoint.export_secret_key() == key
    assert all(addr.startswith("127.0.0.1:") for addr in endpoint.endpoint_addr_info().direct_addresses)
    port = endpoint.endpoint_addr_info().direct_addresses[0]
    busy = EndpointConfig([ALPN], relay_mode="disabled", bind_addr=port)
    assert isinstance(await raised(create_endpoint_with_config(busy)), OSError)
    await endpoint.close()
    for wrong in (
        EndpointConfig([ALPN], relay_mode="sometimes"),
        EndpointConfig([ALPN], bind_addr="here"),
        EndpointConfig([ALPN], relay_mode="disabled", clear_ip_transports=True),
        EndpointConfig([ALPN], secret_key=b"short"),
        EndpointConfig([ALPN], portmapper_config="perhaps"),
        EndpointConfig([ALPN], hook_timeout_ms=-1),
    ):
        assert isinstance(await raised(create_endpoint_with_config(wrong)), ValueError)
    kept = local(data_dir=str(tmp_path / "key"))
    first = await create_endpoint_with_config(kept)
    name = first.endpoint_id()
    assert isinstance(await raised(create_endpoint_with_config(kept)), OSError)
    await first.close()
    second = await create_endpoint_with_config(kept)
    assert second.endpoint_id() == name
    assert os.listdir(tmp_path / "key") and not (tmp_path / "key" / "blobs").exists()
    await second.close()


@asynchronous
async def test_local_discovery_finds_or_warns():
    """Where there is no multicast the endpoint opens all the same."""
    endpoint = await create_endpoint_with_config(local(enable_local_discovery=True))
    assert endpoint.endpoint_addr_info().direct_addresses
    await endpoint.close()


@asynchronous
async def test_a_node_accepts_for_the_application(node_pair):
    first, second = node_pair
    dialled = await net_client(second).connect(first.node_id(), ALPN)
    alpn, accepted = await first.accept_aster()
    assert (alpn, accepted.remote_id()) == (ALPN, second.node_id())
    again = await net_client(second).connect(first.node_id(), ALPN)
    assert (await net_client(first).accept()).remote_id() == second.node_id()
    again.close()
    dialled.close()
    plain = await IrohNode.memory()
    assert isinstance(await raised(plain.accept_aster()), RuntimeError)
    assert await plain.take_hook_receiver() is None
    await plain.shutdown()
    for alpns in ([b""], [bytes(256)], [b"/iroh-bytes/4"]):
        assert isinstance(await raised(IrohNode.memory_with_alpns(alpns)), ValueError)


@asynchronous
async def test_a_cancelled_accept_loses_no_connection(node_pair):
    first, second = node_pair
    net = net_client(second)
    for turn in range(12):
        waiting = asyncio.create_task(first.accept_aster())
        await asyncio.sleep(0)
        dialled = await net.connect(first.node_id(), ALPN)
        for _ in range(turn % 4):
            await asyncio.sleep(0)
        _, accepted = await waiting if waiting.done() or not waiting.cancel() else await first.accept_aster()
        dialled.close(turn)
        assert (await accepted.closed())["code"] == turn
