"""Documents: entries, sharing, synchronisation, events, download policies."""

from __future__ import annotations

import asyncio

import pytest

from aster import (
    BlobNotFound,
    DocDownloadPolicy,
    DocEvent,
    IrohError,
    IrohNode,
    TicketError,
    docs_client,
    gossip_client,
)
from support import asynchronous, raised


async def until(events, kind):
    """Return the first event of a kind, and the kinds before it."""
    seen = []
    async for event in events:
        if event.kind == kind:
            return event, seen
        seen.append(event.kind)
    raise AssertionError(seen)


@asynchronous
async def test_entries(node):
    docs = docs_client(node)
    doc = await docs.create()
    ann, bob = await docs.create_author(), await docs.create_author()
    assert len(doc.doc_id()) == len(ann) == 64
    assert ann != bob
    digest = await doc.set_bytes(ann, b"color", b"green")
    await doc.set_bytes(bob, b"color", b"blue")
    await doc.set_bytes(ann, b"count", b"\x00\xff")
    entry = await doc.get_exact(ann, b"color")
    assert (entry.author_id, entry.key, entry.content_hash, entry.content_len) == (ann, b"color", digest, 5)
    assert entry.timestamp > 1_600_000_000 * 10**6
    assert await doc.read_entry_content(digest) == b"green"
    assert {e.author_id for e in await doc.query_key_exact(b"color")} == {ann, bob}
    assert sorted({e.key for e in await doc.query_key_prefix(b"co")}) == [b"color", b"count"]
    assert await doc.query_key_exact(b"co") == []
    assert await doc.get_exact(bob, b"count") is None
    await doc.set_bytes(ann, b"color", b"red")
    assert await doc.read_entry_content((await doc.get_exact(ann, b"color")).content_hash) == b"red"


@asynchronous
async def test_bad_input(node):
    docs = docs_client(node)
    doc, author = await docs.create(), await docs.create_author()
    stranger = "22" * 32
    for call, kind in (
        (doc.set_bytes(stranger, b"k", b"v"), LookupError),
        (doc.set_bytes("x", b"k", b"v"), ValueError),
        (doc.set_bytes(author, b"", b"v"), ValueError),
        (doc.set_bytes(author, b"k", b""), ValueError),
        (doc.get_exact("x", b"k"), ValueError),
        (doc.read_entry_content("x"), ValueError),
        (doc.read_entry_content(stranger), BlobNotFound),
        (doc.share("everything"), ValueError),
        (doc.start_sync(["nobody"]), ValueError),
        (doc.set_download_policy("some", []), ValueError),
        (docs.join("nonsense"), TicketError),
        (docs.join_and_subscribe("blobaa"), TicketError),
        (docs.join_and_subscribe_namespace("x", node.node_id()), ValueError),
        (docs.join_and_subscribe_namespace(doc.doc_id(), "x"), ValueError),
    ):
        error = await raised(call)
        assert isinstance(error, kind), error


@asynchronous
async def test_a_document_reaches_another_node(node_pair):
    first, second = node_pair
    ours, theirs = docs_client(first), docs_client(second)
    doc, author = await ours.create(), await ours.create_author()
    await doc.set_bytes(author, b"status", b"green")
    copy, events = await theirs.join_and_subscribe(await doc.share_with_addr("read"))
    assert copy.doc_id() == doc.doc_id()
    inserted, _ = await until(events, "insert_remote")
    assert (inserted.entry.key, inserted.entry.author_id, inserted.from_peer) == (b"status", author, first.node_id())
    ready, _ = await until(events, "content_ready")
    assert ready.hash == inserted.entry.content_hash
    assert await copy.read_entry_content(ready.hash) == b"green"
    # Live from here on.
    await doc.set_bytes(author, b"later", b"news")
    later, _ = await until(events, "content_ready")
    assert await copy.read_entry_content(later.hash) == b"news"
    # A reader's ticket does not write.
    error = await raised(copy.set_bytes(await theirs.create_author(), b"k", b"v"))
    assert type(error) is IrohError
    assert isinstance(await raised(copy.share("write")), IrohError)


@asynchronous
async def test_writers_on_both_sides_and_tickets_by_id(node_pair):
    first, second = node_pair
    ours, theirs = docs_client(first), docs_client(second)
    doc = await ours.create()
    mine = await doc.subscribe()
    copy, events = await theirs.join_and_subscribe(await doc.share("write"))
    author = await theirs.create_author()
    # What is written before the writer has its neighbour waits for the next synchronization.
    await until(mine, "neighbor_up")
    await until(events, "neighbor_up")
    digest = await copy.set_bytes(author, b"from", b"the other side")
    ready, _ = await until(mine, "content_ready")
    assert ready.hash == digest
    assert [entry.author_id for entry in await doc.query_key_exact(b"from")] == [author]
    local = await copy.subscribe()
    await copy.set_bytes(author, b"again", b"x")
    assert (await local.recv()).kind == "insert_local"
    await copy.leave()
    await doc.leave()


@asynchronous
async def test_joining_by_id(node_pair):
    first, second = node_pair
    doc = await docs_client(first).create()
    author = await docs_client(first).create_author()
    await doc.set_bytes(author, b"k", b"v")
    await doc.start_sync([])
    for peer in (first.node_id(), first.node_addr_info()):
        copy, events = await docs_client(second).join_and_subscribe_namespace(doc.doc_id(), peer)
        finished, _ = await until(events, "sync_finished")
        assert finished.peer == first.node_id()
    assert len(await copy.query_key_exact(b"k")) == 1


@asynchronous
async def test_download_policies(node_pair):
    first, second = node_pair
    doc = await docs_client(first).create()
    author = await docs_client(first).create_author()
    assert await doc.get_download_policy() == DocDownloadPolicy("everything", [])
    for mode, prefixes in (("nothing_except", [b"a", b"b/"]), ("everything_except", [b"z"]), ("everything", [])):
        await doc.set_download_policy(mode, prefixes)
        assert await doc.get_download_policy() == DocDownloadPolicy(mode, prefixes)
    copy = await docs_client(second).join(await doc.share_with_addr("read"))
    await copy.set_download_policy("nothing_except", [b"want/"])
    events = await copy.subscribe()
    unwanted = await doc.set_bytes(author, b"other", b"unwanted")
    wanted = await doc.set_bytes(author, b"want/1", b"wanted")
    while (event := await events.recv()).kind != "content_ready":
        pass
    assert event.hash == wanted
    assert isinstance(await raised(copy.read_entry_content(unwanted)), BlobNotFound)


@asynchronous
async def test_events_end_with_the_node_and_cancelled_waits_lose_none(node):
    docs = docs_client(node)
    doc, author = await docs.create(), await docs.create_author()
    events = await doc.subscribe()
    for number in range(30):
        waiting = asyncio.create_task(events.recv())
        await asyncio.sleep(0)
        await doc.set_bytes(author, b"n", bytes([number + 1]))
        event = await waiting if waiting.done() or not waiting.cancel() else await events.recv()
        assert isinstance(event, DocEvent)
        assert await doc.read_entry_content(event.entry.content_hash) == bytes([number + 1])
    waiting = asyncio.create_task(events.recv())
    await asyncio.sleep(0)
    await node.close()
    assert isinstance(await raised(waiting), IrohError)
    for call in (events.recv(), doc.set_bytes(author, b"k", b"v"), docs.create()):
        assert str(await raised(call)) == "node is closed"


@asynchronous
async def test_an_unread_subscription_does_not_stop_the_node(node):
    docs = docs_client(node)
    doc, author = await docs.create(), await docs.create_author()
    unread = await doc.subscribe()
    for number in range(700):
        await doc.set_bytes(author, b"n", number.to_bytes(2, "big"))
    assert (await unread.recv()).kind == "insert_local"


# -- gossip --------------------------------------------------------------------------------------------------------


@asynchronous
async def test_gossip(node_pair):
    first, second = node_pair
    topic = bytes(range(32))
    ours = await gossip_client(first).subscribe(topic, [])
    theirs = await gossip_client(second).subscribe(topic, [first.node_id()])
    assert await ours.recv() == ("neighbor_up", second.node_id())
    assert await theirs.recv() == ("neighbor_up", first.node_id())
    await ours.broadcast(b"hello")
    assert await theirs.recv() == ("received", b"hello")
    largest = bytes(4096 - 128)
    await theirs.broadcast(largest)
    assert await ours.recv() == ("received", largest)
    error = await raised(theirs.broadcast(bytes(4096)))
    assert type(error).__name__ == "LimitExceeded"
    for number in range(20):
        waiting = asyncio.create_task(ours.recv())
        await asyncio.sleep(0)
        await theirs.broadcast(bytes([number]))
        await asyncio.sleep(0)
        event = await waiting if waiting.done() or not waiting.cancel() else await ours.recv()
        assert event == ("received", bytes([number]))
    del theirs, error  # An exception keeps what its traceback saw.
    assert await ours.recv() == ("neighbor_down", second.node_id())
    waiting = asyncio.create_task(ours.recv())
    await asyncio.sleep(0)
    await first.close()
    assert str(await raised(waiting)) == "node is closed"
    assert isinstance(await raised(ours.broadcast(b"x")), IrohError)


@asynchronous
async def test_gossip_with_an_address_and_bad_input(node):
    other = await IrohNode.memory()
    gossip = gossip_client(other)
    ours = await gossip_client(node).subscribe(bytes(32), [])
    await gossip.subscribe(bytes(32), [node.node_addr_info()])
    assert (await ours.recv())[0] == "neighbor_up"
    for topic, peers in ((b"short", []), (bytes(33), []), (bytes(32), ["nobody"])):
        assert isinstance(await raised(gossip.subscribe(topic, peers)), ValueError)
    with pytest.raises(TypeError):
        await gossip.subscribe(bytes(32), [7])
    await other.close()
