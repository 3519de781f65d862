"""Verification and admission as programs use them by themselves (`trust.md` sections 4, 6 and 15)."""

from __future__ import annotations

import asyncio
import json
import secrets
import time

import pytest

from aster import IrohNode, create_endpoint, net_client
from aster._aster import admission_request, enrollment_to_json
from aster.net import EndpointConfig
from aster.peer_store import PeerAttributeStore
from aster.service import ServiceSummary
from aster.trust import (
    AdmissionResult,
    ConsumerAdmissionRequest,
    ConsumerAdmissionResponse,
    InMemoryNonceStore,
    MeshEndpointHook,
    MockIIDBackend,
    admit,
    check_offline,
    check_runtime,
    consumer_cred_to_json,
    handle_admission_rpc,
    handle_consumer_admission_connection,
    handle_consumer_admission_rpc,
    handle_producer_admission_connection,
    make_ephemeral_mesh_state,
)
from aster.trust.credentials import parts
from support import asynchronous
from trust_support import Issuer, public

PEER, OTHER = public(bytes([1] * 32)), public(bytes([2] * 32))
ADMISSION, PRODUCERS = b"aster.consumer_admission", b"aster.producer_admission"


@asynchronous
async def test_reasons_name_what_failed():
    issuer, store = Issuer(), InMemoryNonceStore()
    bound = issuer.consumer(endpoint_id="node a", name="ann")
    assert await check_offline(bound, "node a") == AdmissionResult(True, {"aster.name": "ann"}, "")
    assert await check_offline(bound) == AdmissionResult(True, {"aster.name": "ann"}, "")
    token = issuer.consumer("ott")
    forged = issuer.consumer(endpoint_id="node a")
    forged.attributes["aster.role"] = "admin"
    for credential, peer, nonces, word in (
        (bound, "node b", None, "endpoint_id"),
        (issuer.consumer(ttl=-1), None, None, "expired"),
        (forged, "node a", None, "signature"),
        (token, None, None, "nonce_store"),
    ):
        denied = await check_offline(credential, peer, nonces)
        assert (denied.admitted, denied.attributes) == (False, {})
        assert word in denied.reason
    assert (await check_offline(token, nonce_store=store)).admitted
    assert "nonce" in (await check_offline(token, nonce_store=store)).reason
    assert not (await check_offline(bound, "node a", root_pubkey=Issuer().root)).admitted
    assert not (await check_offline(bound, "node a", now=bound.expires_at)).admitted
    with pytest.raises(TypeError):
        await check_offline(object())


@asynchronous
async def test_tr4_tr12_a_failing_identity_spends_nothing():
    issuer, store = Issuer(), InMemoryNonceStore()
    token = issuer.consumer("ott", endpoint_id=PEER, iid_provider="aws", iid_account="1")

    class Broken:
        async def verify(self, *_):
            raise OSError

    for backend in (None, MockIIDBackend(False), Broken()):
        denied = await admit(token, PEER, store, backend, "document")
        assert not denied.admitted
        assert not (await check_runtime(token, backend, "document", peer_endpoint_id=PEER)).admitted
        assert not await store.is_consumed(token.nonce)
    good = MockIIDBackend()
    assert (await check_runtime(token, good)).admitted
    assert (await admit(token, PEER, store, good)).admitted
    assert good.asked == 2
    assert await store.is_consumed(token.nonce)
    assert (await check_runtime(issuer.consumer())).admitted, "it asks for no identity"


@asynchronous
async def test_tr16_requests_are_answered_without_a_connection():
    issuer, store = Issuer(), PeerAttributeStore()
    summary = ServiceSummary("S", 1, "ab" * 32, {"rpc": "x"}, "shared", ["xlang"])

    async def answer(request, peer=PEER, **options):
        return await handle_consumer_admission_rpc(
            request, peer, root_pubkey=issuer.root, peer_store=store, services=[summary], **options
        )

    request = ConsumerAdmissionRequest(consumer_cred_to_json(issuer.consumer(name="ann")))
    assert await answer(request) == ConsumerAdmissionResponse(
        True, {"aster.name": "ann"}, [summary], root_pubkey=issuer.root.hex()
    )
    assert store.get(PEER).admission_path == "consumer"
    # An entry is resumed.
    assert (await answer(ConsumerAdmissionRequest())).attributes == {"aster.name": "ann"}
    token = ConsumerAdmissionRequest(consumer_cred_to_json(issuer.consumer("ott")))
    denial = ConsumerAdmissionResponse()
    for denied in (
        await answer(ConsumerAdmissionRequest(), OTHER),
        await answer(token, OTHER),
        await answer("", OTHER),
        await answer("\ud800", OTHER),
        await answer(b"\xff" * 100_000, OTHER),
        await answer(request, "nobody"),
        await answer(request, OTHER, require_bound_credentials=True),
    ):
        assert denied == denial
    assert store.get(OTHER) is None
    assert (await answer(token, OTHER, nonce_store=InMemoryNonceStore())).admitted
    assert "credential" not in repr(request)


@asynchronous
async def test_tr16_programs_serve_admission_on_endpoints():
    issuer, store, nonces = Issuer(), PeerAttributeStore(), InMemoryNonceStore()
    home = await create_endpoint(ADMISSION)
    address = home.endpoint_addr_info()

    async def serve():
        connection = await home.accept()
        await handle_consumer_admission_connection(
            connection, root_pubkey=issuer.root, peer_store=store, nonce_store=nonces, registry_namespace="ab" * 32
        )

    async def ask(seed, document):
        config = EndpointConfig([], relay_mode="disabled", bind_addr="127.0.0.1:0", secret_key=seed)
        node = await IrohNode.memory_with_alpns([], config)
        serving = asyncio.create_task(serve())
        connection = await net_client(node).connect_node_addr(address, ADMISSION)
        send, recv = await connection.open_bi()
        await send.write_all(admission_request(document, "").encode())
        await send.finish()
        answer = json.loads(bytes(await recv.read_to_end(1 << 20)))
        connection.close(0, b"")
        await asyncio.wait_for(serving, 15)
        await node.close()
        return answer

    token = consumer_cred_to_json(issuer.consumer("ott", name="ann"))
    began = time.monotonic()
    answer = await ask(bytes([1] * 32), token)
    assert (answer["admitted"], answer["attributes"]) == (True, {"aster.name": "ann"})
    assert answer["registry_namespace"] == "ab" * 32
    assert store.get_attributes(PEER) == {"aster.name": "ann"}
    assert not (await ask(bytes([2] * 32), token))["admitted"]
    assert time.monotonic() - began >= 0.25, "denials wait"
    assert store.peer_count() == 1
    await home.close()


@asynchronous
async def test_tr3_producers_are_answered_without_a_connection():
    issuer, state, store = Issuer(), make_ephemeral_mesh_state(), PeerAttributeStore()
    own = public(bytes([9] * 32))

    async def answer(credential, peer=None):
        request = admission_request(enrollment_to_json(parts(credential)), "")
        return await handle_admission_rpc(
            request,
            root_pubkey=issuer.root,
            mesh_state=state,
            own_endpoint_id=own,
            peer_endpoint_id=peer,
            peer_store=store,
        )

    accepted = await answer(issuer.producer(bytes([1] * 32)), PEER)
    assert accepted == {
        "accepted": True,
        "salt": state.salt.hex(),
        "accepted_producers": sorted([own, PEER]),
        "reason": "",
    }
    assert state.accepted_producers == {own, PEER}
    assert store.get(PEER).admission_path == "producer"
    denial = {"accepted": False, "salt": "", "accepted_producers": [], "reason": ""}
    assert await answer(issuer.producer(bytes([2] * 32)), PEER) == denial, "stolen"
    assert await answer(Issuer().producer(bytes([2] * 32))) == denial
    assert (await answer(issuer.producer(bytes([2] * 32))))["accepted"], "by its own word"
    assert set(state.members) == {PEER, OTHER}


@asynchronous
async def test_tr3_programs_serve_producers_on_endpoints():
    issuer, state, store = Issuer(), make_ephemeral_mesh_state(), PeerAttributeStore()
    home = await create_endpoint(PRODUCERS)
    seed = secrets.token_bytes(32)
    config = EndpointConfig([], relay_mode="disabled", bind_addr="127.0.0.1:0", secret_key=seed)
    node = await IrohNode.memory_with_alpns([], config)

    async def serve():
        await handle_producer_admission_connection(
            await home.accept(),
            root_pubkey=issuer.root,
            mesh_state=state,
            own_endpoint_id=home.endpoint_id(),
            peer_store=store,
        )

    serving = asyncio.create_task(serve())
    connection = await net_client(node).connect_node_addr(home.endpoint_addr_info(), PRODUCERS)
    send, recv = await connection.open_bi()
    document = enrollment_to_json(parts(issuer.producer(seed)))
    await send.write_all(admission_request(document, "").encode())
    await send.finish()
    assert json.loads(bytes(await recv.read_to_end(1 << 16)))["accepted"]
    connection.close(0, b"")
    await asyncio.wait_for(serving, 15)
    assert state.accepted_producers == {home.endpoint_id(), public(seed)}
    assert store.get(public(seed)).admission_path == "producer"
    await node.close()
    await home.close()


@asynchronous
async def test_a_hook_decides_for_a_node_of_the_program():
    hook = MeshEndpointHook()
    config = EndpointConfig(
        [b"test/1"], relay_mode="disabled", bind_addr="127.0.0.1:0", enable_hooks=True, hook_timeout_ms=20_000
    )
    node, peer = await IrohNode.memory_with_alpns([], config), await create_endpoint(b"test/1")
    deciding = asyncio.create_task(hook.run_hook_loop(await node.take_hook_receiver()))
    refused = await peer.connect_node_addr(node.node_addr_info(), b"test/1")
    assert (await refused.closed())["code"] == 403
    hook.add_peer(peer.endpoint_id())
    await peer.connect_node_addr(node.node_addr_info(), b"test/1")
    _, accepted = await node.accept_aster()
    assert accepted.remote_id() == peer.endpoint_id()
    await node.close()
    await asyncio.wait_for(deciding, 5)
    await peer.close()
