"""Content by its hash: adding, reading, collections, tags, fetching from another node."""

from __future__ import annotations

import asyncio

import pytest

from aster import (
    BlobLocalInfo,
    BlobNotFound,
    BlobObserveResult,
    BlobStatusResult,
    IrohConnectionError,
    IrohError,
    IrohNode,
    TagInfo,
    TicketError,
    _aster,
    blobs_client,
)
from support import asynchronous, raised

UNKNOWN = "11" * 32


@asynchronous
async def test_what_is_added_can_be_read(node):
    blobs = blobs_client(node)
    for data in (b"", b"a", bytes(200_000)):
        digest = await blobs.add_bytes(data)
        assert digest == _aster.blake3_hex(data)
        assert await blobs.read_to_bytes(digest) == data
        assert await blobs.blob_has(digest)
        assert await blobs.blob_status(digest) == BlobStatusResult("complete", len(data))
        assert await blobs.blob_observe_snapshot(digest) == BlobObserveResult(True, len(data))
        assert await blobs.blob_local_info(digest) == BlobLocalInfo(True, len(data))
        await blobs.blob_observe_complete(digest)


@asynchronous
async def test_what_is_not_here(node):
    blobs = blobs_client(node)
    error = await raised(blobs.read_to_bytes(UNKNOWN))
    assert type(error) is BlobNotFound
    assert isinstance(error, IrohError)
    assert str(error) == f"blob {UNKNOWN} is missing here"
    assert not await blobs.blob_has(UNKNOWN)
    assert await blobs.blob_status(UNKNOWN) == BlobStatusResult("missing", 0)
    assert await blobs.blob_local_info(UNKNOWN) == BlobLocalInfo(False, 0)
    assert not (await blobs.blob_observe_snapshot(UNKNOWN)).is_complete
    assert isinstance(await raised(blobs.list_collection(UNKNOWN)), BlobNotFound)
    for wrong in ("", "11", "zz" * 32, UNKNOWN + "1"):
        assert isinstance(await raised(blobs.read_to_bytes(wrong)), ValueError)
        with pytest.raises(ValueError, match="64 hex digits"):
            blobs.create_ticket(wrong)
    for wrong in ("text", None, 7):
        assert isinstance(await raised(blobs.add_bytes(wrong)), TypeError)


@asynchronous
async def test_waiting_for_a_blob_ends_when_it_is_whole(node):
    blobs = blobs_client(node)
    data = b"worth the wait"
    waiting = asyncio.create_task(blobs.blob_observe_complete(_aster.blake3_hex(data)))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    await blobs.add_bytes(data)
    await waiting


@asynchronous
async def test_tags(node):
    blobs = blobs_client(node)
    first, second = await blobs.add_bytes(b"1"), await blobs.add_bytes(b"2")
    kept = [f"aster-blob/{digest}" for digest in sorted([first, second])]
    assert [tag.name for tag in await blobs.tag_list()] == kept
    await blobs.tag_set("app/a", first, "raw")
    await blobs.tag_set("app/b", second, "hash_seq")
    assert await blobs.tag_get("app/a") == TagInfo("app/a", first, "raw")
    assert await blobs.tag_get("app/") is None
    assert [tag.name for tag in await blobs.tag_list_prefix("app/")] == ["app/a", "app/b"]
    assert await blobs.tag_list_hash_seq() == [TagInfo("app/b", second, "hash_seq")]
    await blobs.tag_set("app/a", second)
    assert (await blobs.tag_get("app/a")).hash == second
    assert [await blobs.tag_delete("app/a"), await blobs.tag_delete("app/a")] == [1, 0]
    await blobs.tag_set("app/c", first)
    assert await blobs.tag_delete_prefix("app/") == 2
    assert [tag.name for tag in await blobs.tag_list()] == kept
    assert isinstance(await raised(blobs.tag_set("x", first, "zip")), ValueError)


@asynchronous
async def test_collections(node):
    blobs = blobs_client(node)
    files = [("b.txt", b"bee"), ("a.txt", b""), ("dir/c \u20ac", bytes(5000))]
    digest = await blobs.add_collection(files)
    assert await blobs.list_collection(digest) == [(name, _aster.blake3_hex(data), len(data)) for name, data in files]
    assert (await blobs.tag_list_hash_seq())[0].hash == digest
    assert (await blobs.blob_local_info(digest, "hash_seq")).is_complete
    assert await blobs.list_collection(await blobs.add_collection([])) == []
    assert isinstance(await raised(blobs.add_collection([("x", b"1"), ("x", b"2")])), ValueError)
    for data in (b"no collection", bytes(32), bytes(64)):
        error = await raised(blobs.list_collection(await blobs.add_bytes(data)))
        assert isinstance(error, (ValueError, BlobNotFound)), error


@asynchronous
async def test_fetching_from_another_node(node_pair):
    first, second = node_pair
    ours, theirs = blobs_client(first), blobs_client(second)
    data = bytes(range(256)) * 4000
    digest = await ours.add_bytes(data)
    assert await theirs.download_blob(ours.create_ticket(digest)) == data
    assert await theirs.blob_has(digest)
    other = await ours.add_bytes(b"by id")
    assert await theirs.download_hash(other, first.node_id(), "raw") == b"by id"
    assert await theirs.download_hash(other, first.node_id()) == b"by id", "what is here needs no peer"
    files = [("one", b"1"), ("two", bytes(70_000))]
    collection = await ours.add_collection(files)
    assert await theirs.download_collection_hash(collection, first.node_id()) == files
    single = await ours.add_bytes_as_collection("only", b"one file")
    assert await theirs.download_blob(ours.create_collection_ticket(single)) == b"one file"
    root = await theirs.download_hash(single, first.node_id(), "hash_seq")
    assert len(root) == 64
    several = await raised(theirs.download_blob(ours.create_collection_ticket(collection)))
    assert isinstance(several, ValueError)
    assert "2 files" in str(several)


@asynchronous
async def test_fetching_that_fails(node_pair):
    first, second = node_pair
    blobs = blobs_client(second)
    assert type(await raised(blobs.download_hash(UNKNOWN, first.node_id()))) is BlobNotFound
    ticket = blobs_client(first).create_ticket(UNKNOWN)
    assert type(await raised(blobs.download_blob(ticket))) is BlobNotFound
    for text in ("", "blob", "aster1xyz", ticket[:-5], "doc" + ticket[4:]):
        error = await raised(blobs.download_blob(text))
        assert type(error) is TicketError
        assert isinstance(error, ValueError)
    gone = await IrohNode.memory()
    ticket = blobs_client(gone).create_ticket(await blobs_client(gone).add_bytes(b"late"))
    await gone.close()
    fetching = asyncio.create_task(blobs.download_hash(UNKNOWN, gone.node_id()))
    assert type(await raised(fetching)) is IrohConnectionError
    assert isinstance(await raised(blobs.download_hash(UNKNOWN, "nobody")), ValueError)
    assert isinstance(await raised(blobs.download_hash(UNKNOWN, first.node_id(), "zip")), ValueError)
    assert isinstance(await raised(blobs.download_collection_hash(UNKNOWN, first.node_id())), BlobNotFound)


@asynchronous
async def test_a_cancelled_fetch_leaves_the_store_usable(node_pair):
    first, second = node_pair
    ours, theirs = blobs_client(first), blobs_client(second)
    data = bytes(8_000_000)
    ticket = ours.create_ticket(await ours.add_bytes(data))
    for pause in (0, 1, 5, 20):
        fetching = asyncio.create_task(theirs.download_blob(ticket))
        for _ in range(pause):
            await asyncio.sleep(0.001)
        fetching.cancel()
        await asyncio.wait([fetching])
    assert await theirs.download_blob(ticket) == data


@asynchronous
async def test_a_closed_node_says_so(node_pair):
    first, second = node_pair
    blobs = blobs_client(first)
    waiting = asyncio.create_task(blobs.blob_observe_complete(UNKNOWN))
    await asyncio.sleep(0.02)
    await first.close()
    for call in (waiting, blobs.add_bytes(b"x"), blobs.tag_list(), blobs.download_hash(UNKNOWN, second.node_id())):
        error = await raised(call)
        assert (type(error), str(error)) == (IrohError, "node is closed")
