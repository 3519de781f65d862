"""Consumers over real nodes: who is admitted, with what, and what the refused are told."""

from __future__ import annotations

import asyncio
import json
import secrets

from aster import (
    AdmissionDeniedError,
    AsterClient,
    AsterConfig,
    AsterServer,
    StatusCode,
    TrustDomainError,
    create_endpoint,
)
from aster.status import PermissionDeniedError
from aster.trust import consumer_cred_to_json
from support import asynchronous, raised
from trust_support import Issuer, Vault, attributes_of, client, gated, public

ADMISSION = b"aster.consumer_admission"
DENIAL = b'{"admitted":false,"attributes":{},"services":[],"registry_namespace":"","root_pubkey":"","reason":""}'


async def present(server, credential_json, iid_token=""):
    """Present something without a client and return the answer."""
    end = await create_endpoint(ADMISSION)
    try:
        connection = await end.connect_node_addr(server.node.node_addr_info(), ADMISSION)
        send, recv = await connection.open_bi()
        document = credential_json
        if not isinstance(document, bytes):
            document = json.dumps({"credential_json": credential_json, "iid_token": iid_token}).encode()
        await send.write_all(document)
        await send.finish()
        return bytes(await recv.read_to_end(1 << 20))
    finally:
        await end.close()


@asynchronous
async def test_tr6_attributes_reach_handlers_and_decide(tmp_path):
    issuer = Issuer()
    file = issuer.file(tmp_path / "a.cred", role="vault.read, other", name="ann")
    plain = issuer.file(tmp_path / "b.cred", name="bob")
    async with gated(issuer) as server, client(server, file) as ann, client(server, plain) as bob:
        assert await attributes_of(ann) == {"aster.role": "vault.read, other", "aster.name": "ann"}
        assert ann.attributes["aster.name"] == "ann"
        assert (await (await ann.client(Vault)).read("x")).body == "x"
        denied = await raised((await bob.client(Vault)).read("x"))
        assert isinstance(denied, PermissionDeniedError)
        assert denied.message == "capability check failed for method 'Vault.read'"
        assert (ann.open_gate, bob.open_gate) == (False, False)
        admission = server.peer_store.get(ann.endpoint_id)
        assert (admission.handle, admission.admission_path) == ("ann", "consumer")
        assert server.peer_store.peer_count() == 2


@asynchronous
async def test_tr16_the_refused_are_told_what_to_do(tmp_path):
    issuer, other = Issuer(), Issuer()
    async with gated(issuer) as server:
        denied = await raised(client(server).connect())
        assert isinstance(denied, AdmissionDeniedError)
        assert (denied.had_credential, denied.credential_file) == (False, None)
        assert denied.server_address == server.address
        assert str(denied).splitlines()[0] == "consumer admission denied -- this server requires a credential."
        foreign = other.file(tmp_path / "foreign.cred")
        bound = issuer.file(tmp_path / "bound.cred", endpoint_id=public(bytes([7] * 32)))
        expired = issuer.file(tmp_path / "expired.cred", ttl=-1)
        for file in (foreign, bound, expired):
            denied = await raised(client(server, file).connect())
            assert isinstance(denied, AdmissionDeniedError)
            assert (denied.had_credential, denied.credential_file) == (True, file)
            assert f"  credential: {file}" in str(denied)
            assert f"  your node:  {denied.our_endpoint_id[:16]}..." in str(denied)
        assert server.peer_store.peer_count() == 0


@asynchronous
async def test_tr10_bound_credentials_are_for_their_node(tmp_path):
    issuer, seed = Issuer(), secrets.token_bytes(32)
    bound = issuer.file(tmp_path / "bound.cred", endpoint_id=public(seed))
    unbound = issuer.file(tmp_path / "unbound.cred")
    async with gated(issuer) as server:
        async with client(server, bound, key=seed) as connected:
            assert connected.endpoint_id == public(seed)
        assert isinstance(await raised(client(server, bound).connect()), AdmissionDeniedError)
    config = AsterConfig.from_env(require_bound_credentials=True)
    async with gated(issuer, config=config) as server:
        assert isinstance(await raised(client(server, unbound).connect()), AdmissionDeniedError)
        async with client(server, bound, key=seed):
            pass


@asynchronous
async def test_tr15_a_server_of_another_trust_domain_is_refused(tmp_path):
    issuer, other = Issuer(), Issuer()
    file = issuer.file(tmp_path / "a.cred")
    async with gated(issuer) as server:
        refused = await raised(client(server, file, root_pubkey=other.root).connect())
        assert isinstance(refused, TrustDomainError)
        assert isinstance(refused, PermissionError)
        async with client(server, file, root_pubkey=issuer.root):
            pass
    async with AsterServer([Vault()]) as opened:
        assert isinstance(await raised(client(opened, root_pubkey=issuer.root).connect()), TrustDomainError)


@asynchronous
async def test_tr7_a_token_is_spent_once_and_reconnects_resume(tmp_path):
    issuer, seed = Issuer(), secrets.token_bytes(32)
    token = issuer.file(tmp_path / "token.cred", kind="ott", role="vault.read")
    async with gated(issuer) as server:
        async with client(server, token, key=seed) as connected:
            await connected.reconnect()
            assert await attributes_of(connected) == {"aster.role": "vault.read"}
        # The process has sent it; the entry of the node goes on.
        async with client(server, token, key=seed) as connected:
            assert (await (await connected.client(Vault)).read("y")).body == "y"
        # Whoever else has the file has nothing.
        assert isinstance(await raised(client(server, token).connect()), AdmissionDeniedError)
        assert server.remove_peer(public(seed))
        assert isinstance(await raised(client(server, token, key=seed).connect()), AdmissionDeniedError)


@asynchronous
async def test_tr16_denials_are_one_byte_string():
    issuer = Issuer()
    bad = [
        "",
        "x",
        "{}",
        consumer_cred_to_json(issuer.consumer(ttl=-1)),
        consumer_cred_to_json(Issuer().consumer()),
        consumer_cred_to_json(issuer.consumer(endpoint_id=public(bytes([9] * 32)))),
        b"",
        b"\xff",
        b'{"credential_json":1}',
    ]
    async with gated(issuer) as server:
        answers = await asyncio.gather(*(present(server, document) for document in bad))
        assert set(answers) == {DENIAL}
        assert server.peer_store.peer_count() == 0
        good = json.loads(await present(server, consumer_cred_to_json(issuer.consumer(name="ann"))))
        assert good["admitted"] is True
        assert good["attributes"] == {"aster.name": "ann"}
        assert (good["root_pubkey"], good["reason"]) == (issuer.root.hex(), "")
        assert "gossip_topic" not in good


@asynchronous
async def test_tr1_an_open_gate_verifies_what_is_presented(tmp_path):
    issuer, other = Issuer(), Issuer()
    good, bad = issuer.file(tmp_path / "a.cred", name="ann"), other.file(tmp_path / "b.cred")
    async with gated(issuer, allow_all_consumers=True) as server:
        async with client(server) as anybody:
            assert await attributes_of(anybody) == {}
            assert (anybody.open_gate, server.peer_store.peer_count()) == (True, 0)
            denied = await raised((await anybody.client(Vault)).read("x"))
            assert denied.code == StatusCode.PERMISSION_DENIED
        async with client(server, good) as ann:
            assert await attributes_of(ann) == {"aster.name": "ann"}
        assert isinstance(await raised(client(server, bad).connect()), AdmissionDeniedError)


@asynchronous
async def test_tr7_a_denial_is_final_in_reconnect(tmp_path):
    issuer = Issuer()
    credential = issuer.consumer()
    file = issuer.file(tmp_path / "a.cred", credential)
    async with gated(issuer) as server, client(server, file) as connected:
        await server.revoke(credential=credential)
        denied = await raised(connected.reconnect())
        assert isinstance(denied, AdmissionDeniedError)
        assert denied.had_credential


@asynchronous
async def test_tr29_each_decision_is_one_event(tmp_path, caplog):
    caplog.set_level("INFO", logger="aster.admission")
    issuer = Issuer()
    good, bad = issuer.file(tmp_path / "a.cred"), issuer.file(tmp_path / "b.cred", ttl=-1)
    async with gated(issuer) as server:
        for file in (good, bad, good, None):
            await asyncio.gather(client_of(server, file), return_exceptions=True)
        told = [record.getMessage() for record in caplog.records if record.name == "aster.admission"]
    assert [message.split()[0] for message in told] == [
        "event=admission.allow",
        "event=admission.deny",
        "event=admission.allow",
        "event=admission.deny",
    ]
    assert ["cause=expired" in told[1], "cause=empty" in told[3]] == [True, True]


async def client_of(server, file):
    async with client(server, file):
        pass


@asynchronous
async def test_a_credential_file_that_is_not_there(tmp_path):
    missing = AsterClient(address=public(bytes([1] * 32)), enrollment_credential_file=str(tmp_path / "missing.cred"))
    assert isinstance(await raised(missing.connect()), FileNotFoundError)
