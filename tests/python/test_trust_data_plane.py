"""Blobs, documents and gossip are behind the gate, and only inbound (`trust.md` section 7)."""

from __future__ import annotations

import asyncio

from aster import IrohNode, blobs_client, docs_client, gossip_client, net_client
from support import asynchronous, raised
from test_trust_admission import ADMISSION
from trust_support import Issuer, client, gated, until

NOT_ADMITTED = 403


async def knock(node, address, alpn):
    """Return how a connection to a server ended that refused it."""
    connection = await net_client(node).connect_node_addr(address, alpn)
    return (await asyncio.wait_for(connection.closed(), 10))["code"]


@asynchronous
async def test_tr2_blobs_docs_and_gossip_are_for_the_admitted(tmp_path):
    issuer = Issuer()
    async with gated(issuer) as server:
        stranger = await IrohNode.memory()
        address = server.node.node_addr_info()
        stranger.add_node_addr(address)
        for alpn in (b"/iroh-bytes/4", b"/iroh-gossip/1", b"/iroh-sync/1", b"aster/1"):
            assert await knock(stranger, address, alpn) == NOT_ADMITTED
        ticket = server.blobs.create_ticket(await server.blobs.add_bytes(b"model"))
        refused = await raised(asyncio.wait_for(blobs_client(stranger).download_blob(ticket), 10))
        assert not isinstance(refused, AssertionError)
        doc = await server.docs.create()
        author = await server.docs.create_author()
        await doc.set_bytes(author, b"status", b"green")
        shared = await doc.share_with_addr("read")
        theirs, _events = await docs_client(stranger).join_and_subscribe(shared)
        await stranger.close()

        file = issuer.file(tmp_path / "a.cred")
        async with client(server, file) as admitted:
            assert await admitted.blobs.download_blob(ticket) == b"model"
            copy, events = await admitted.docs.join_and_subscribe(shared)
            async for event in events:
                if event.kind == "content_ready":
                    break
            assert [entry.key for entry in await copy.query_key_exact(b"status")] == [b"status"]
            ours = await server.gossip.subscribe(bytes(32), [])
            heard = await admitted.gossip.subscribe(bytes(32), [server.endpoint_id])
            while (await ours.recv())[0] != "neighbor_up":
                pass
            await ours.broadcast(b"hello")
            while (message := await heard.recv())[0] != "received":
                pass
            assert message[1] == b"hello"
            # Removal ends these connections, too.
            server.remove_peer(admitted.endpoint_id)
            while (await ours.recv())[0] != "neighbor_down":
                pass
        del theirs


@asynchronous
async def test_tr14_a_gated_server_dials_freely():
    async with gated(Issuer()) as server:
        other = await IrohNode.memory()
        ticket = blobs_client(other).create_ticket(await blobs_client(other).add_bytes(b"theirs"))
        assert await server.blobs.download_blob(ticket) == b"theirs"
        server.node.add_node_addr(other.node_addr_info())
        theirs = await gossip_client(other).subscribe(bytes(32), [])
        await server.gossip.subscribe(bytes(32), [other.node_id()])
        while (await theirs.recv())[0] != "neighbor_up":
            pass
        await other.close()


@asynchronous
async def test_tr2_before_and_after_serving(tmp_path):
    issuer = Issuer()
    server = gated(issuer)
    await server.start()  # Nobody has called serve().
    stranger = await IrohNode.memory()
    address = server.node.node_addr_info()
    assert await knock(stranger, address, b"aster/1") == NOT_ADMITTED
    file = issuer.file(tmp_path / "a.cred")
    async with client(server, file) as admitted:
        await until(lambda: server.peer_store.peer_count() == 1, "it is admitted")
        assert server.peer_store.get(admitted.endpoint_id) is not None
    connection = await net_client(stranger).connect_node_addr(address, ADMISSION)
    assert connection.connection_info().is_connected, "admission is open to everybody"
    await stranger.close()
    await server.close()
