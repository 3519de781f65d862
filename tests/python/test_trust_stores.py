"""Stores of peers and of spent tokens, and hooks (`trust.md` section 9)."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
import threading
import time

import pytest

import aster._aster
from aster import AdmissionDeniedError, AsterClient, AsterConfig, LimitExceeded, Server, create_endpoint
from aster.peer_store import PeerAdmission, PeerAttributeStore
from aster.status import PermissionDeniedError
from aster.trust import InMemoryNonceStore, MeshEndpointHook, NonceStore
from support import Echo, Num, asynchronous, raised, run
from trust_support import Issuer, Vault, attributes_of, client, gated, public

PEER = "ab" * 32


@asynchronous
async def test_tr12_nonces_are_spent_once(tmp_path):
    for store in (InMemoryNonceStore(), NonceStore(tmp_path / "nonces.json")):
        nonce = secrets.token_bytes(32)
        assert not await store.is_consumed(nonce)
        assert sorted(await asyncio.gather(*(store.consume(nonce) for _ in range(5)))) == [False] * 4 + [True]
        assert await store.is_consumed(nonce)
        for wrong in (b"", bytes(31), bytes(33)):
            with pytest.raises(ValueError, match="32 bytes"):
                await store.consume(wrong)
            with pytest.raises(ValueError, match="32 bytes"):
                await store.is_consumed(wrong)
    assert json.loads((tmp_path / "nonces.json").read_text())["version"] == 2
    (tmp_path / "nonces.json").write_text('{"version":2,"consu')
    with pytest.raises(ValueError):
        NonceStore(tmp_path / "nonces.json")


SPEND = """
import asyncio, sys
from aster.trust import NonceStore

async def main():
    store = NonceStore(sys.argv[1])
    spent = [await store.consume(bytes([n]) * 32) for n in range(20)]
    print(sum(spent))

asyncio.run(main())
"""


@asynchronous
async def test_tr12_processes_share_a_file(tmp_path):
    path = tmp_path / "nonces.json"
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", SPEND, str(path), stdout=asyncio.subprocess.PIPE)
        for _ in range(2)
    ]
    spent = [int((await process.communicate())[0]) for process in processes]
    assert sum(spent) == 20, spent
    assert len(json.loads(path.read_text())["consumed"]) == 20


@asynchronous
async def test_tr12_a_token_is_not_replayed_after_a_restart(tmp_path):
    issuer = Issuer()
    token = issuer.file(tmp_path / "token.cred", kind="ott")
    config = AsterConfig.from_env(storage_path=str(tmp_path / "state"))
    async with gated(issuer, config=config) as server:
        # In processes of their own: a process sends a token once.
        assert run(CONNECT, server.address, token).stdout == "admitted\n"
        assert run(CONNECT, server.address, token).stdout == "AdmissionDeniedError\n"
    async with gated(issuer, config=config) as server:
        assert run(CONNECT, server.address, token).stdout == "AdmissionDeniedError\n"
    path = tmp_path / "state" / "trust" / "nonces.json"
    path.write_text(path.read_text()[:-5])
    refused = await raised(gated(issuer, config=config).start())
    assert isinstance(refused, ValueError), repr(refused)


CONNECT = """
import asyncio, sys
from aster import AsterClient

async def main():
    try:
        async with AsterClient(address=sys.argv[1], enrollment_credential_file=sys.argv[2]):
            print("admitted")
    except Exception as error:
        print(type(error).__name__)

asyncio.run(main())
"""


class Store:
    """A store of the program."""

    def __init__(self, answer):
        self.answer, self.asked, self.cancelled = answer, [], 0

    async def consume(self, nonce):
        self.asked.append(nonce)
        if self.answer == "late":
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def is_consumed(self, nonce):
        return nonce in self.asked


class PlainStore(Store):
    def consume(self, nonce):
        self.asked.append(nonce)
        return len(self.asked) == 1


@pytest.mark.parametrize(
    ("store", "admitted"),
    [
        (Store(True), True),
        (PlainStore(None), True),
        (Store(False), False),
        (Store(1), False),
        (Store(None), False),
        (Store(OSError("s3cret")), False),
        (InMemoryNonceStore(), True),
    ],
    ids=["true", "plain", "false", "one", "none", "raises", "own"],
)
@asynchronous
async def test_tr12_the_programs_own_store_decides(tmp_path, caplog, store, admitted):
    issuer = Issuer()
    credential = issuer.consumer("ott", name="ann")
    file = issuer.file(tmp_path / "a.cred", credential)
    async with gated(issuer, nonce_store=store) as server:
        connecting = client(server, file)
        if admitted:
            async with connecting:
                assert await attributes_of(connecting) == {"aster.name": "ann"}
        else:
            assert isinstance(await raised(connecting.connect()), AdmissionDeniedError)
            assert server.peer_store.peer_count() == 0
        if isinstance(store, Store):
            assert store.asked == [credential.nonce]
        # What spends no token is admitted all the same.
        async with client(server, issuer.file(tmp_path / "b.cred")):
            pass
    assert "s3cret" not in caplog.text


@asynchronous
async def test_tr12_a_store_that_is_late_denies(tmp_path):
    issuer, store = Issuer(), Store("late")
    file = issuer.file(tmp_path / "a.cred", kind="ott")
    async with gated(issuer, nonce_store=store) as server:
        began = time.monotonic()
        assert isinstance(await raised(client(server, file).connect()), AdmissionDeniedError)
        assert time.monotonic() - began >= aster._aster.HOST_DECISION_TIMEOUT - 0.1
        assert server.peer_store.peer_count() == 0
        while store.cancelled == 0:
            await asyncio.sleep(0.01)


@asynchronous
async def test_tr12_a_store_in_a_blocked_loop_denies(tmp_path):
    issuer, store, said = Issuer(), Store(True), []
    file = issuer.file(tmp_path / "a.cred", kind="ott")

    async def knock(address):
        connecting = AsterClient(address=address, enrollment_credential_file=file)
        said.append(await raised(connecting.connect()))

    async with gated(issuer, nonce_store=store) as server:
        address = server.address
        thread = threading.Thread(target=lambda: asyncio.run(knock(address)))
        thread.start()
        thread.join(20)  # Nothing runs in the loop of the store meanwhile.
        assert not thread.is_alive()
        assert isinstance(said[0], AdmissionDeniedError), repr(said)
        assert server.peer_store.peer_count() == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are of POSIX")
def test_a_list_of_the_parent_is_refused_after_a_fork():
    forked = run(FORK)
    assert (forked.returncode, forked.stdout) == (0, "refused\n"), forked.stderr


FORK = """
import os
from aster.peer_store import PeerAttributeStore

store = PeerAttributeStore()
child = os.fork()
if child:
    os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
try:
    store.remove("x")
except RuntimeError:
    os.write(1, b"refused\\n")
os._exit(0)
"""


@asynchronous
async def test_what_is_no_store_is_refused():
    server = gated(Issuer(), nonce_store=object())
    with pytest.raises(TypeError, match=r"has consume\(nonce\)"):
        await server.start()


def test_peers_by_name(monkeypatch):
    store = PeerAttributeStore(ttl_s=100)
    assert (store.get(PEER), store.get_attributes(PEER), store.peer_count()) == (None, {}, 0)
    now = time.time()
    store.admit(PeerAdmission(PEER, "ann", {"aster.role": "a"}, now))
    found = store.get(PEER)
    assert (found.handle, found.attributes, found.admission_path) == ("ann", {"aster.role": "a"}, "manual")
    assert found.expires_at == pytest.approx(now + 100, abs=0.01)
    store.admit(PeerAdmission("peer-a", expires_at=now + 5, admitted_at=now, admission_path="consumer"))
    assert store.get("peer-a").expires_at == pytest.approx(int(now + 5))
    assert store.peer_count() == 2
    assert (store.remove("peer-a"), store.remove("peer-a")) == (True, False)
    # One whose time was over before it came.
    store.admit(PeerAdmission("old", expires_at=5.0))
    assert (store.get("old"), store.sweep_expired(), store.peer_count()) == (None, 1, 1)
    with pytest.raises(ValueError, match="admission_path"):
        store.admit(PeerAdmission(PEER, admission_path="friend"))
    for field in ("admitted_at", "expires_at"):
        for wrong in (-1.0, float("nan"), float("inf")):
            with pytest.raises(ValueError, match=field):
                store.admit(PeerAdmission(PEER, **{field: wrong}))
    del monkeypatch


def test_tr17_the_list_is_bounded():
    store = PeerAttributeStore()
    for number in range(65_536 + 10):
        store.admit(PeerAdmission(f"{number:064x}"))
    assert store.peer_count() == 65_536
    # Whoever was used least recently has gone.
    assert store.get(f"{0:064x}") is None
    assert store.get(f"{65_545:064x}") is not None
    assert issubclass(LimitExceeded, ValueError)


@asynchronous
async def test_the_reaper_sweeps(monkeypatch):
    import aster.peer_store

    monkeypatch.setattr(aster.peer_store, "_REAP_INTERVAL_S", 0.01)
    store = PeerAttributeStore()
    swept = asyncio.Event()
    monkeypatch.setattr(store, "sweep_expired", swept.set)
    store.start_reaper()
    store.start_reaper()
    await asyncio.wait_for(swept.wait(), 5)
    store.stop_reaper()
    store.stop_reaper()


def test_a_hook_by_itself():
    hook = MeshEndpointHook()
    assert not hook.should_allow(PEER, b"aster/1")
    for alpn in (b"aster.consumer_admission", b"aster.producer_admission", b"aster.admission"):
        assert hook.should_allow(PEER, alpn)
    hook.add_peer(PEER)
    assert hook.should_allow(PEER, b"aster/1")
    assert hook.admitted == {PEER}
    assert (hook.remove_peer(PEER), hook.remove_peer(PEER), hook.admitted) == (True, False, set())
    assert MeshEndpointHook(allow_unenrolled=True).should_allow(PEER, b"aster/1")
    shared = PeerAttributeStore()
    shared.admit(PeerAdmission(PEER))
    assert MeshEndpointHook(peer_store=shared).should_allow(PEER, b"aster/1")


@asynchronous
async def test_tr1_a_hook_shows_the_gate_of_its_server(tmp_path):
    issuer, seed = Issuer(), secrets.token_bytes(32)
    hook = MeshEndpointHook(allow_unenrolled=True)  # Which opens no gate of a server.
    hook.add_peer(public(seed), {"aster.role": "vault.read"})
    async with gated(issuer, hook=hook) as server:
        assert not hook.should_allow(PEER, b"aster/1")
        async with client(server, key=seed) as known:
            assert await attributes_of(known) == {"aster.role": "vault.read"}
        async with client(server, issuer.file(tmp_path / "a.cred")) as other:
            assert hook.admitted == {public(seed), other.endpoint_id}
            assert hook.remove_peer(other.endpoint_id)
            assert server.peer_store.get(other.endpoint_id) is None
        with pytest.raises(RuntimeError, match="one server"):
            gated(issuer, hook=hook)
        waiting = asyncio.ensure_future(hook.run_hook_loop())
        await asyncio.sleep(0)
        assert not waiting.done()
    await asyncio.wait_for(waiting, 5)
    # The next one takes over what still holds.
    async with gated(issuer, hook=hook):
        assert hook.admitted == {public(seed)}


@asynchronous
async def test_servers_on_endpoints_look_at_a_store():
    from aster import RPC_ALPN, create_client

    store, vault = PeerAttributeStore(), Vault()
    home, away = await create_endpoint(RPC_ALPN), await create_endpoint(RPC_ALPN)
    server = Server(home, services=[vault], peer_store=store, require_admission=True)
    serving = asyncio.create_task(server.serve())

    async def stub():
        return create_client(Vault, connection=await away.connect_node_addr(home.endpoint_addr_info(), RPC_ALPN))

    refused = await raised((await stub()).whoami())
    assert isinstance(refused, PermissionDeniedError)
    store.admit(PeerAdmission(away.endpoint_id(), attributes={"aster.role": "vault.read"}))
    connected = await stub()
    assert (await connected.read("x")).body == "x"
    items = connected.ticks(Num(1)).__aiter__()
    await items.__anext__()
    store.remove(away.endpoint_id())
    ended = await raised(asyncio.wait_for(items.__anext__(), 5))
    assert isinstance(ended, PermissionDeniedError), repr(ended)
    # So does an admission whose time is over.
    now = time.time()
    store.admit(PeerAdmission(away.endpoint_id(), expires_at=int(now) + 3.0))
    items = (await stub()).ticks(Num(1)).__aiter__()
    await items.__anext__()
    ended = await raised(asyncio.wait_for(items.__anext__(), 10))
    assert isinstance(ended, PermissionDeniedError), repr(ended)
    assert time.time() < int(now) + 5
    await server.close()
    await serving
    await away.close()


@asynchronous
async def test_without_required_admission_a_store_gives_attributes():
    from aster import RPC_ALPN, create_client

    store = PeerAttributeStore()
    home, away = await create_endpoint(RPC_ALPN), await create_endpoint(RPC_ALPN)
    server = Server(home, services=[Vault(), Echo()], peer_store=store)
    serving = asyncio.create_task(server.serve())
    connection = await away.connect_node_addr(home.endpoint_addr_info(), RPC_ALPN)
    vault = create_client(Vault, connection=connection)
    assert (await vault.whoami()).body == "{}"
    store.admit(PeerAdmission(away.endpoint_id(), attributes={"aster.role": "vault.read"}))
    assert (await vault.read("y")).body == "y"
    await server.close()
    await serving
    await away.close()
