"""Lives of nodes: folders, restarts, loops, forks, drops, leaks; nodes of servers and clients."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import stat
import time
import warnings

import pytest

from aster import (
    AsterClient,
    AsterServer,
    BlobNotFound,
    EndpointConfig,
    IrohError,
    IrohNode,
    NodeAddr,
    blobs_client,
    create_endpoint,
    docs_client,
    gossip_client,
    net_client,
)
from support import Echo, Num, asynchronous, raised, run, served

FORK_TEXT = "aster cannot be used after fork(); create servers and clients in the child process"


@asynchronous
async def test_names_and_addresses(node):
    assert node.node_id() == node.endpoint_id() == net_client(node).endpoint_id()
    info = node.node_addr_info()
    assert isinstance(info, NodeAddr)
    assert info.endpoint_id == node.node_id()
    assert node.node_addr() == str(info) == net_client(node).endpoint_addr()
    assert not node.has_hooks()
    assert len(node.export_secret_key()) == 32
    assert "# TYPE" in node.transport_metrics_prometheus()
    for wrong in ("x", b"x", NodeAddr("x")):
        with pytest.raises(ValueError, match="address"):
            node.add_node_addr(wrong)


@asynchronous
async def test_a_folder_keeps_key_blobs_documents_and_authors(tmp_path):
    path = tmp_path / "state" / "node"
    node = await IrohNode.persistent(path)
    name, key = node.node_id(), node.export_secret_key()
    blobs, docs = blobs_client(node), docs_client(node)
    small, large = await blobs.add_bytes(b"kept"), await blobs.add_bytes(bytes(3_000_000))
    await blobs.tag_set("mine", small)
    doc, author = await docs.create(), await docs.create_author()
    await doc.set_bytes(author, b"k", b"value")
    ticket = await doc.share("write")
    await node.close()

    again = await IrohNode.persistent_with_alpns(str(path), [b"test/1"])
    assert (again.node_id(), again.export_secret_key()) == (name, key)
    blobs = blobs_client(again)
    assert await blobs.read_to_bytes(small) == b"kept"
    assert len(await blobs.read_to_bytes(large)) == 3_000_000
    assert (await blobs.tag_get("mine")).hash == small
    copy = await docs_client(again).join(ticket)
    [entry] = await copy.query_key_exact(b"k")
    assert (entry.author_id, await copy.read_entry_content(entry.content_hash)) == (author, b"value")
    await copy.set_bytes(author, b"more", b"by the same author")
    await again.close()


@asynchronous
async def test_a_folder_is_private_and_for_one_node_at_a_time(tmp_path):
    path = tmp_path / "node"
    mask = os.umask(0)
    try:
        node = await IrohNode.persistent(path)
    finally:
        os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert stat.S_IMODE((path / "node.key").stat().st_mode) == 0o600
    kept = json.loads((path / "node.key").read_text())
    assert kept == {"secret_key": node.export_secret_key().hex(), "node_id": node.node_id()}
    error = await raised(IrohNode.persistent(path))
    assert type(error) is OSError
    assert str(error) == f"{path}: in use by another node; one at a time may use a storage folder"
    await node.close()
    (path / "node.key").write_text("{}")
    error = await raised(IrohNode.persistent(path))
    assert isinstance(error, ValueError)
    assert str(error) == f"{path / 'node.key'}: not a node key"
    (path / "node.key").write_text(json.dumps({**kept, "node_id": "00" * 32}))
    assert isinstance(await raised(IrohNode.persistent(path)), ValueError)
    (tmp_path / "file").write_text("")
    assert isinstance(await raised(IrohNode.persistent(tmp_path / "file")), OSError)
    (path / "node.key").write_text(json.dumps(kept))
    await (await IrohNode.persistent(path)).close()


def test_another_process_is_refused(tmp_path):
    program = """
import asyncio, sys
from aster import IrohNode
async def main():
    try:
        await IrohNode.persistent(sys.argv[1])
    except OSError as error:
        print("refused" if "in use" in str(error) else error)
asyncio.run(main())
"""
    node = asyncio.run(IrohNode.persistent(tmp_path / "node"))
    assert run(program, str(tmp_path / "node")).stdout.strip() == "refused"
    asyncio.run(node.close())


@asynchronous
async def test_a_server_and_a_client_with_storage(tmp_path):
    storage = {"ASTER_STORAGE_PATH": str(tmp_path / "server")}

    async def once():
        os.environ.update(storage)
        server = AsterServer([Echo()])
        del os.environ["ASTER_STORAGE_PATH"]
        async with server, AsterClient(address=server.address) as client:
            assert (await (await client.client(Echo)).num(Num(2))).value == 2
            try:
                found = await server.blobs.read_to_bytes(digest)
            except BlobNotFound:
                found = None
            await server.blobs.add_bytes(b"kept by the server")
            return server.endpoint_id, server.node.export_secret_key(), found

    from aster import _aster

    digest = _aster.blake3_hex(b"kept by the server")
    (first, key, before), (second, same_key, after) = await once(), await once()
    assert (first, key, before) == (second, same_key, None)
    assert after == b"kept by the server"


@asynchronous
async def test_the_root_key_is_no_node_key_of_a_folder(tmp_path):
    node = await IrohNode.persistent(tmp_path)
    public = bytes.fromhex(node.node_id())
    await node.close()
    os.environ["ASTER_STORAGE_PATH"] = str(tmp_path)
    with pytest.raises(ValueError, match="^secret_key: the root key is never a node key$"):
        AsterServer([Echo()], root_pubkey=public, allow_all_consumers=True)
    del os.environ["ASTER_STORAGE_PATH"]
    await (await IrohNode.persistent(tmp_path)).close()


@asynchronous
async def test_server_and_client_have_a_node():
    async with served(Echo()) as (server, client):
        assert server.node.node_id() == server.endpoint.endpoint_id() == server.endpoint_id
        assert client.node.node_id() == client.endpoint_id
        assert server.blobs is server.blobs
        assert server.docs is server.docs and server.gossip is server.gossip and server.node is server.node
        ticket = client.blobs.create_ticket(await client.blobs.add_bytes(b"from the client"))
        assert await server.blobs.download_blob(ticket) == b"from the client"
        topic = await server.gossip.subscribe(bytes(32), [])
        theirs = await client.gossip.subscribe(bytes(32), [server.endpoint_id])
        assert await topic.recv() == ("neighbor_up", client.endpoint_id)
        del theirs
    fresh = AsterServer([Echo()])
    for name in ("node", "blobs", "docs", "gossip", "endpoint"):
        with pytest.raises(RuntimeError, match=r"AsterServer not started; call start\(\) first"):
            getattr(fresh, name)
        with pytest.raises(RuntimeError, match=r"AsterClient not connected; call connect\(\) first"):
            getattr(AsterClient(address="aa" * 32), name)


@asynchronous
async def test_closing_the_node_of_a_server_loses_its_connections():
    echo = Echo()
    async with served(echo) as (server, client):
        stub = await client.client(Echo)
        pending = asyncio.create_task(stub.sleep(60.0))
        await echo.entered.wait()
        await server.node.close()
        assert isinstance(await raised(pending), ConnectionError)
        assert isinstance(await raised(server.blobs.add_bytes(b"x")), IrohError)


@asynchronous
async def test_a_closed_gate_covers_content(monkeypatch):
    async with AsterServer([Echo()], root_pubkey=bytes(range(32)), allow_all_consumers=False) as server:
        ticket = server.blobs.create_ticket(await server.blobs.add_bytes(b"secret"))
        stranger = await IrohNode.memory()
        error = await raised(blobs_client(stranger).download_blob(ticket))
        assert isinstance(error, IrohError)
        assert not await blobs_client(stranger).blob_has(await server.blobs.add_bytes(b"secret"))
        for alpn in (b"/iroh-bytes/4", b"/iroh-sync/1", b"/iroh-gossip/1", b"aster/1"):
            connection = await net_client(stranger).connect_node_addr(server.endpoint_addr_b64, alpn)
            closing = await connection.closed()
            assert (closing["code"], closing["reason"]) == (403, "not admitted")
        await stranger.close()


def test_two_loops_share_a_node():
    node = asyncio.run(IrohNode.memory_with_alpns([b"test/1"]))
    digest = asyncio.run(blobs_client(node).add_bytes(b"across"))
    assert asyncio.run(blobs_client(node).read_to_bytes(digest)) == b"across"

    import threading

    results = []

    async def work(number):
        found = await asyncio.gather(*(blobs_client(node).add_bytes(bytes([number, i])) for i in range(20)))
        results.append(len(set(found)))

    threads = [threading.Thread(target=lambda n=n: asyncio.run(work(n))) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [20] * 4
    asyncio.run(node.close())


def test_a_loop_that_is_closed_loses_no_connection():
    """A wait that its loop left behind gives back what came for it."""
    node = asyncio.run(IrohNode.memory_with_alpns([b"test/1"]))
    other = asyncio.run(create_endpoint(b"test/1"))

    async def leave():
        waiting = asyncio.ensure_future(node.accept_aster())
        await asyncio.sleep(0)
        await other.connect_node_addr(node.node_addr_info(), b"test/1")
        return waiting

    for _ in range(5):
        waiting = asyncio.run(leave())
        # It may end well in the last turn of its loop.
        came = None if waiting.cancelled() else waiting.result()
        del waiting
        gc.collect()
        _, connection = came or asyncio.run(asyncio.wait_for(node.accept_aster(), 20))
        assert connection.remote_id() == other.endpoint_id()
    asyncio.run(node.close())
    asyncio.run(other.close())


@asynchronous
async def test_a_cancelled_open_releases_its_node(tmp_path):
    for pause in range(12):
        opening = asyncio.create_task(IrohNode.persistent(tmp_path / "node"))
        for _ in range(pause):
            await asyncio.sleep(0.002)
        opening.cancel()
        await asyncio.wait([opening])
        if not opening.cancelled() and opening.exception() is None:
            await opening.result().close()
    while True:
        try:
            node = await IrohNode.persistent(tmp_path / "node")
            break
        except OSError as error:
            assert "in use" in str(error)
            await asyncio.sleep(0.02)
    await node.close()


@asynchronous
async def test_dropped_open_nodes_are_closed_with_a_warning(tmp_path):
    for make in (IrohNode.memory(), IrohNode.persistent(tmp_path / "node"), create_endpoint(b"test/1")):
        opened = await make
        name = type(opened).__name__
        with pytest.warns(ResourceWarning, match=f"unclosed {name}"):
            del opened
            gc.collect()
    node = await IrohNode.memory()
    blobs = blobs_client(node)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del node
        gc.collect()
        await blobs.add_bytes(b"the client keeps its node")
    with pytest.warns(ResourceWarning, match="unclosed IrohNode"):
        del blobs
        gc.collect()
    closed = await IrohNode.memory()
    await closed.close()
    await closed.shutdown()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del closed
        gc.collect()
    while True:
        try:
            node = await IrohNode.persistent(tmp_path / "node")
            break
        except OSError:
            await asyncio.sleep(0.02)
    await node.close()


def open_files():
    return len(os.listdir("/proc/self/fd"))


def until_true(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="no /proc here")
def test_nodes_leave_nothing_open(tmp_path):
    async def one(number):
        node = await IrohNode.persistent(tmp_path / str(number)) if number % 2 else await IrohNode.memory()
        endpoint = await create_endpoint(b"test/1")
        await net_client(node).connect_node_addr(endpoint.endpoint_addr_info(), b"test/1")
        doc = await docs_client(node).create()
        await doc.set_bytes(await docs_client(node).create_author(), b"k", b"v")
        topic = await gossip_client(node).subscribe(bytes(32), [])
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(topic.recv(), 0.01)
        await node.close()
        await endpoint.close()

    async def many(numbers):
        for number in numbers:
            await one(number)

    asyncio.run(many(range(2)))
    gc.collect()
    before = open_files()
    asyncio.run(many(range(2, 22)))
    gc.collect()
    until_true(lambda: open_files() <= before)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_fork():
    program = """
import asyncio, os, sys, warnings
warnings.simplefilter("ignore")
from aster import *
from support import raised
TEXT = FORK_TEXT
loop = asyncio.new_event_loop()
async def start():
    node = await IrohNode.memory_with_alpns([b"test/1"])
    away = await create_endpoint(b"test/1")
    connection = await away.connect_node_addr(node.node_addr_info(), b"test/1")
    doc = await docs_client(node).create()
    return node, away, connection, doc
node, away, connection, doc = loop.run_until_complete(start())
pid = os.fork()
if pid == 0:
    async def child():
        for call in (
            node.close(), node.accept_aster(), away.connect("aa" * 32, b"test/1"), connection.open_bi(), away.closed(),
            doc.leave(),
        ):
            error = await raised(call)
            assert (type(error), str(error)) == (RuntimeError, TEXT), error
        for call in (node.node_id, node.node_addr, connection.remote_id, lambda: blobs_client(node)):
            try:
                call()
                raise AssertionError(call)
            except RuntimeError as error:
                assert str(error) == TEXT, error
        own = await IrohNode.memory()
        assert len(await blobs_client(own).add_bytes(b"x")) == 64
        await own.close()
    asyncio.run(child())
    print("child done", flush=True)
    sys.exit(0)
assert os.waitpid(pid, 0)[1] == 0
async def finish():
    await node.accept_aster()
    await node.close()
    await away.close()
loop.run_until_complete(finish())
loop.close()
print("parent done")
""".replace("FORK_TEXT", repr(FORK_TEXT))
    done = run(program)
    assert done.stdout.splitlines() == ["child done", "parent done"], done.stderr
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("how", ["open", "waiting"])
def test_exit_never_hangs(how):
    program = f"""
import asyncio, warnings
warnings.simplefilter("ignore")
from aster import *
async def main():
    global node
    node = await IrohNode.memory_with_alpns([b"test/1"])
    if {how!r} == "waiting":
        asyncio.ensure_future(node.accept_aster())
        await asyncio.sleep(0)
asyncio.run(main())
"""
    done = run(program)
    assert done.returncode == 0, done.stderr


@asynchronous
async def test_environment_of_own_nodes(monkeypatch, tmp_path):
    """The network settings apply; key and folder of a server do not."""
    monkeypatch.setenv("ASTER_SECRET_KEY", "11" * 32)
    monkeypatch.setenv("ASTER_STORAGE_PATH", str(tmp_path / "server"))
    monkeypatch.setenv("ASTER_ENABLE_MONITORING", "1")
    (tmp_path / ".aster-identity").write_text("")
    node = await IrohNode.memory()
    assert node.export_secret_key() != bytes([0x11] * 32)
    assert not (tmp_path / "server").exists()
    assert net_client(node).has_monitoring()
    assert all(addr.startswith("127.0.0.1:") for addr in node.node_addr_info().direct_addresses)
    await node.close()
    monkeypatch.setenv("ASTER_BIND_ADDR", "nowhere")
    assert isinstance(await raised(IrohNode.memory()), ValueError)
    explicit = EndpointConfig([], relay_mode="disabled", bind_addr="127.0.0.1:0", secret_key=bytes(32))
    node = await IrohNode.memory_with_alpns([], explicit)
    assert node.export_secret_key() == bytes(32)
    assert not net_client(node).has_monitoring()
    await node.close()
