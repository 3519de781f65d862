"""Handshakes that the application decides about."""

from __future__ import annotations

import asyncio
import inspect

import pytest

import aster
from aster import (
    AsterServer,
    EndpointConfig,
    HookDecision,
    HookHandshakeInfo,
    IrohConnectionError,
    IrohError,
    IrohNode,
    create_endpoint,
    net_client,
)
from support import Echo, Num, asynchronous, raised

ALPN = b"test/1"


async def hooked(timeout_ms=20_000):
    config = EndpointConfig(
        [ALPN], relay_mode="disabled", bind_addr="127.0.0.1:0", enable_hooks=True, hook_timeout_ms=timeout_ms
    )
    node = await IrohNode.memory_with_alpns([], config)
    assert node.has_hooks()
    return node, await create_endpoint(ALPN)


async def refused(node, peer, code=403, reason="not admitted"):
    connection = await peer.connect_node_addr(node.node_addr_info(), ALPN)
    assert await connection.closed() == {"kind": "application", "code": code, "reason": reason}
    error = await raised(connection.open_bi())
    assert (type(error), error.code) == (IrohConnectionError, code)


@asynchronous
async def test_allow_and_deny():
    node, peer = await hooked()
    receiver = await node.take_hook_receiver()
    assert await node.take_hook_receiver() is None
    dialled = await peer.connect_node_addr(node.node_addr_info(), ALPN)
    info, sender = await receiver.recv()
    assert info == HookHandshakeInfo(peer.endpoint_id(), ALPN)
    await sender.send(HookDecision.create_allow())
    with pytest.raises(RuntimeError):
        sender.send(HookDecision.create_allow())
    alpn, accepted = await node.accept_aster()
    assert (alpn, accepted.remote_id()) == (ALPN, peer.endpoint_id())
    assert dialled.connection_info().is_connected

    async def deny(decision):
        _, sender = await receiver.recv()
        sender.send(decision)

    for decision, code, reason in (
        (HookDecision.create_deny(), 403, "not admitted"),
        (HookDecision.create_deny(403, "go away"), 403, "go away"),
        (HookDecision.create_deny(7, "\u20ac"), 7, "\u20ac"),
        (HookDecision.create_deny(2**62, "no such code"), 403, "not admitted"),
    ):
        denying = asyncio.create_task(deny(decision))
        await refused(node, peer, code, reason)
        await denying
    await node.close()
    await peer.close()


@asynchronous
async def test_no_answer_refuses():
    node, peer = await hooked(timeout_ms=50)
    await refused(node, peer)  # Nobody has taken the receiver.
    receiver = await node.take_hook_receiver()
    await refused(node, peer)  # Nobody reads it.
    _, late = await receiver.recv()
    await late.send(HookDecision.create_allow())  # Too late, without effect.
    with pytest.raises(RuntimeError):
        late.send(HookDecision.create_deny(1, ""))
    del receiver
    await refused(node, peer)
    await node.close()
    await peer.close()


@asynchronous
async def test_no_patience_refuses():
    node, peer = await hooked(timeout_ms=0)
    receiver = await node.take_hook_receiver()
    await refused(node, peer)
    await node.close()
    assert isinstance(await raised(receiver.recv()), IrohError)
    await peer.close()


@asynchronous
async def test_a_dropped_sender_refuses_and_a_cancelled_wait_loses_no_handshake():
    node, peer = await hooked()
    receiver = await node.take_hook_receiver()
    refusal = asyncio.create_task(refused(node, peer))
    _, sender = await receiver.recv()
    del sender
    await refusal
    for turn in range(6):
        waiting = asyncio.create_task(receiver.recv())
        await asyncio.sleep(0)
        dialled = await peer.connect_node_addr(node.node_addr_info(), ALPN)
        for _ in range(turn):
            await asyncio.sleep(0)
        _, sender = await waiting if waiting.done() or not waiting.cancel() else await receiver.recv()
        sender.send(HookDecision.create_deny(turn, ""))
        assert (await dialled.closed())["code"] == turn
    waiting = asyncio.create_task(receiver.recv())
    await asyncio.sleep(0)
    await node.close()
    assert isinstance(await raised(waiting), IrohError)
    await peer.close()


@asynchronous
async def test_own_dials_are_not_asked_about():
    node, peer = await hooked(timeout_ms=0)
    connection = await net_client(node).connect_node_addr(peer.endpoint_addr_info(), ALPN)
    assert (await peer.accept()).remote_id() == node.node_id()
    assert connection.connection_info().is_connected
    await node.close()
    await peer.close()


@asynchronous
async def test_a_server_asks_after_its_gate(monkeypatch):
    monkeypatch.setenv("ASTER_ENABLE_HOOKS", "1")
    async with AsterServer([Echo()]) as server:
        monkeypatch.delenv("ASTER_ENABLE_HOOKS")
        receiver = await server.node.take_hook_receiver()
        seen = []

        async def allow_all():
            while True:
                info, sender = await receiver.recv()
                seen.append(info.alpn)
                sender.send(HookDecision.create_allow())

        allowing = asyncio.create_task(allow_all())
        async with aster.AsterClient(address=server.address) as client:
            assert (await (await client.client(Echo)).num(Num(4))).value == 4
        assert seen == [b"aster.consumer_admission", b"aster/1"]
        allowing.cancel()
        await asyncio.wait([allowing])


def test_inert_names_can_be_made():
    for name in ("HookConnectInfo", "HookReceiver", "HookRegistration", "HookManager"):
        assert inspect.getdoc(getattr(aster, name)).startswith("Without effect")
        getattr(aster, name)()
