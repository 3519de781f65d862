"""The end of an admission is the end of what it let in (`trust.md` section 8)."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from aster import RPC_ALPN, AdmissionDeniedError, AsterConfig, create_endpoint, rpc, service
from aster.peer_store import PeerAdmission
from aster.status import PermissionDeniedError
from aster.trust import consumer_cred_to_json
from support import Num, asynchronous, raised
from trust_support import Issuer, Vault, attributes_of, client, gated, until


@service("Slow")
class Slow:
    running = False

    @rpc
    async def wait(self, value: Num) -> Num:
        self.running = True
        try:
            await asyncio.Event().wait()
        finally:
            self.running = False
        return value


async def open_stream(connected):
    """Return a stream that has begun, and stays open."""
    stream = (await connected.client(Vault)).ticks(Num(7))
    items = stream.__aiter__()
    assert (await items.__anext__()).value == 7
    return items


async def ended(items, vault):
    """Check how a stream ends whose peer is not admitted any more; return after how many seconds."""
    began = time.monotonic()
    error = await raised(asyncio.wait_for(items.__anext__(), 10))
    took = time.monotonic() - began
    assert isinstance(error, PermissionDeniedError), repr(error)
    assert error.message == "not admitted"
    await until(lambda: vault.cancelled == 1, "the handler is cancelled")
    return took


@pytest.mark.parametrize("how", ["remove_peer", "peer_store", "endpoint", "credential", "document", "signature"])
@asynchronous
async def test_tr5_removal_and_revocation_end_open_streams(tmp_path, how):
    issuer, vault = Issuer(), Vault()
    credential = issuer.consumer()
    file = issuer.file(tmp_path / "a.cred", credential)
    async with gated(issuer, vault) as server, client(server, file) as connected:
        items = await open_stream(connected)
        if how == "remove_peer":
            assert server.remove_peer(connected.endpoint_id)
            assert not server.remove_peer(connected.endpoint_id)
        elif how == "peer_store":
            assert server.peer_store.remove(connected.endpoint_id)
        elif how == "endpoint":
            await server.revoke(endpoint_id=connected.endpoint_id)
        elif how == "credential":
            await server.revoke(credential=credential)
        elif how == "document":
            await server.revoke(credential=consumer_cred_to_json(credential))
        else:
            server.revoke(credential=consumer_cred_to_json(credential).encode())
        assert await ended(items, vault) < 1.5
        if how in {"remove_peer", "peer_store"}:
            # It may be admitted again, and its next call sees to that.
            assert await attributes_of(connected) == {}
        else:
            assert isinstance(await raised(connected.reconnect()), AdmissionDeniedError)


@asynchronous
async def test_tr5_a_raw_peer_sees_why_it_ends():
    async with gated(Issuer()) as server:
        end = await create_endpoint(RPC_ALPN)
        server.peer_store.admit(PeerAdmission(end.endpoint_id()))
        connection = await end.connect_node_addr(server.node.node_addr_info(), RPC_ALPN)
        assert connection.connection_info().is_connected
        assert server.remove_peer(end.endpoint_id())
        closed = await asyncio.wait_for(connection.closed(), 5)
        assert (closed["kind"], closed["code"]) == ("application", 403)
        again = await end.connect_node_addr(server.node.node_addr_info(), RPC_ALPN)
        assert (await asyncio.wait_for(again.closed(), 5))["code"] == 403
        await end.close()


@asynchronous
async def test_tr5_calls_that_wait_end_too(tmp_path):
    issuer, slow = Issuer(), Slow()
    file = issuer.file(tmp_path / "a.cred")
    async with gated(issuer, slow) as server, client(server, file) as connected:
        waiting = asyncio.ensure_future((await connected.client(Slow)).wait(Num(1)))
        await until(lambda: slow.running, "the handler runs")
        server.remove_peer(connected.endpoint_id)
        error = await raised(asyncio.wait_for(waiting, 5))
        assert isinstance(error, PermissionDeniedError), repr(error)
        assert error.message == "not admitted"
        await until(lambda: not slow.running, "the handler is cancelled")


@asynchronous
async def test_tr5_expiry_ends_open_streams(tmp_path):
    issuer, vault = Issuer(), Vault()
    file = issuer.file(tmp_path / "a.cred", ttl=3)
    async with gated(issuer, vault) as server, client(server, file) as connected:
        deadline = server.peer_store.get(connected.endpoint_id).expires_at
        items = await open_stream(connected)
        await ended(items, vault)
        assert deadline <= time.time() < deadline + 2
        assert server.peer_store.peer_count() == 0
        assert isinstance(await raised(connected.reconnect()), AdmissionDeniedError)


@asynchronous
async def test_tr5_an_entry_lives_no_longer_than_the_server_lets_it(tmp_path):
    issuer = Issuer()
    file = issuer.file(tmp_path / "a.cred")
    config = AsterConfig.from_env(peer_ttl_s=60)
    async with gated(issuer, config=config) as server, client(server, file) as connected:
        admission = server.peer_store.get(connected.endpoint_id)
        assert admission.expires_at == pytest.approx(admission.admitted_at + 60)


@asynchronous
async def test_tr23_attributes_are_read_live(tmp_path):
    issuer = Issuer()
    file = issuer.file(tmp_path / "a.cred", name="ann")
    async with gated(issuer) as server, client(server, file) as connected:
        items = await open_stream(connected)
        server.peer_store.admit(PeerAdmission(connected.endpoint_id, "ann", {"aster.role": "vault.read"}))
        assert await attributes_of(connected) == {"aster.role": "vault.read"}
        assert (await (await connected.client(Vault)).read("x")).body == "x"
        await items.aclose()


@asynchronous
async def test_tr5_revocations_survive_the_server(tmp_path):
    issuer = Issuer()
    credential = issuer.consumer()
    file = issuer.file(tmp_path / "a.cred", credential)
    config = AsterConfig.from_env(storage_path=str(tmp_path / "state"))
    async with gated(issuer, config=config) as server:
        await server.revoke(credential=credential)
        await server.revoke(endpoint_id="ab" * 32, until=time.time() + 100)
    kept = json.loads((tmp_path / "state" / "trust" / "revoked.json").read_text())
    assert (kept["version"], list(kept["endpoints"]), list(kept["credentials"].values())) == (1, ["ab" * 32], [0])
    async with gated(issuer, config=config) as server:
        assert isinstance(await raised(client(server, file).connect()), AdmissionDeniedError)


@asynchronous
async def test_tr5_what_nobody_waits_for_is_revoked_too(tmp_path):
    ids = [f"{number:064x}" for number in range(50)]
    config = AsterConfig.from_env(storage_path=str(tmp_path / "state"))
    async with gated(Issuer(), config=config) as server:
        for name in ids:
            server.revoke(endpoint_id=name)
        cancelled = asyncio.ensure_future(_wait(server.revoke(endpoint_id="ab" * 32)))
        await asyncio.sleep(0)
        cancelled.cancel()
        await server.revoke(endpoint_id="cd" * 32)
    kept = json.loads((tmp_path / "state" / "trust" / "revoked.json").read_text())
    assert set(kept["endpoints"]) == {*ids, "ab" * 32, "cd" * 32}


async def _wait(underway):
    await underway


@asynchronous
async def test_what_cannot_be_revoked():
    issuer = Issuer()
    server = gated(issuer)
    with pytest.raises(RuntimeError, match="not started"):
        server.revoke(endpoint_id="ab" * 32)
    async with server:
        for wrong in ({}, {"endpoint_id": "ab" * 32, "credential": issuer.consumer()}, {"endpoint_id": "ab"}):
            with pytest.raises(ValueError):
                server.revoke(**wrong)
        with pytest.raises(ValueError):
            server.revoke(credential="{}")
        assert isinstance(await raised(server.revoke(endpoint_id="ab" * 32, until=1)), ValueError)
