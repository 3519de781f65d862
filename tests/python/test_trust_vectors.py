"""Group by group, what `trust.json` says of credentials and requests, through the functions of `aster.trust`."""

from __future__ import annotations

import json
import time

import pytest

from aster import ConsumerEnrollmentCredential, EnrollmentCredential
from aster._aster import admission_request
from aster.peer_store import PeerAdmission, PeerAttributeStore
from aster.trust import (
    InMemoryNonceStore,
    MeshEndpointHook,
    admit,
    consumer_cred_to_json,
    handle_admission_rpc,
    handle_consumer_admission_rpc,
    make_ephemeral_mesh_state,
    sign_credential,
    verify_signature,
)
from identities import KEYS, TRUST
from support import asynchronous

ADMISSION = TRUST["admission"]
SERVER = ADMISSION["server_endpoint_id"]


def root(name="root"):
    return bytes.fromhex(KEYS[name]["public"])


def test_every_group_has_a_test():
    here = {"credentials", "tolerated", "negative", "ott_sequences", "admission"}
    elsewhere = {
        "mesh": "test_trust_mesh.py",
        "gate": "test_trust_gate.py",
        "identity_restore": "test_identity.py",
        "capability": "test_interceptors.py",
        "signatures": "core",
        "delegated": "core",
        "iid": "core",
    }
    facts = {"format", "now", "keys", "limits"}
    assert set(TRUST) == here | set(elsewhere) | facts


@pytest.mark.parametrize("case", TRUST["credentials"], ids=lambda case: case["name"])
@asynchronous
async def test_tr26_credentials_hold(case):
    nonce = None if case["nonce"] is None else bytes.fromhex(case["nonce"])
    if case["kind"] == "producer":
        made = EnrollmentCredential(case["endpoint_id"], root(), case["expires_at"], case["attributes"])
    else:
        made = ConsumerEnrollmentCredential(
            case["kind"], root(), case["expires_at"], case["attributes"], case["endpoint_id"], nonce
        )
    made.signature = sign_credential(made, bytes.fromhex(KEYS[case["key"]]["seed"]))
    assert made.signature.hex() == case["signature"]
    assert verify_signature(made, root())
    found = await admit(made, case["endpoint_id"], InMemoryNonceStore(), root_pubkey=root(), now=TRUST["now"])
    assert (found.admitted, found.attributes) == (True, case["attributes"]), found.reason
    if case["kind"] != "producer":
        assert json.loads(consumer_cred_to_json(made)) == json.loads(case["credential_json"])


async def consumer(document, peer, **options):
    """Present a document as a consumer does."""
    request = admission_request(document, "")
    return await handle_consumer_admission_rpc(request, peer, **{"root_pubkey": root(), **options})


@pytest.mark.parametrize("case", TRUST["tolerated"], ids=lambda case: case["name"])
@asynchronous
async def test_tr22_other_spellings_are_admitted(case):
    answer = await consumer(case["credential_json"], case["peer"], nonce_store=InMemoryNonceStore())
    assert answer.admitted


def is_not_yet_expired(case):
    """Tell whether a denial is about the time of the vectors, which has not come."""
    if case.get("cause") != "expired":
        return False
    return json.loads(case["credential_json"])["expires_at"] > time.time()


@pytest.mark.parametrize("case", TRUST["negative"], ids=lambda case: case["name"])
@asynchronous
async def test_tr22_tr27_bad_credentials_are_denied_and_change_nothing(case):
    if "credential_hex" in case:
        data = bytes.fromhex(case["credential_hex"])
        request = b'{"credential_json":"' + data.replace(b'"', b'\\"') + b'"}'
    else:
        request = admission_request(case["credential_json"], "").encode()
    store, state = PeerAttributeStore(), make_ephemeral_mesh_state()
    server_root = root(case["server_root"])
    if case["kind"] == "producer":
        if is_not_yet_expired(case):
            return
        answer = await handle_admission_rpc(
            request,
            root_pubkey=server_root,
            mesh_state=state,
            own_endpoint_id=SERVER,
            peer_endpoint_id=case["peer"],
            peer_store=store,
        )
        assert answer == {"accepted": False, "salt": "", "accepted_producers": [], "reason": ""}
        assert state.members == {}
    elif not is_not_yet_expired(case):
        nonces = InMemoryNonceStore() if case.get("nonce_store", True) else None
        for nonce in case.get("consumed_nonces", []):
            await nonces.consume(bytes.fromhex(nonce))
        answer = await handle_consumer_admission_rpc(
            request,
            case["peer"],
            root_pubkey=server_root,
            peer_store=store,
            nonce_store=nonces,
            require_bound_credentials=case.get("require_bound_credentials", False),
        )
        assert not answer.admitted
    assert store.peer_count() == 0


@pytest.mark.parametrize("case", TRUST["ott_sequences"], ids=lambda case: case["name"])
@asynchronous
async def test_tr7_tokens_are_spent_once(case):
    nonces, store = InMemoryNonceStore(), PeerAttributeStore()
    for number, step in enumerate(case["steps"]):
        if "restart" in step:
            store = PeerAttributeStore()
            continue
        if "remove" in step:
            assert store.remove(step["remove"])
            continue
        answer = await consumer(step["credential_json"], step["peer"], nonce_store=nonces, peer_store=store)
        assert answer.admitted == (step["verdict"] == "admit"), number


@pytest.mark.parametrize("case", ADMISSION["requests"], ids=lambda case: case["name"])
@asynchronous
async def test_tr16_requests(case):
    repeated = case.get("request_repeat")
    request = case["request"] if repeated is None else repeated["text"] * repeated["count"]
    hook = MeshEndpointHook(allow_unenrolled=case["gate"] == "open")
    if "live_entry" in case:
        hook.peer_store.admit(PeerAdmission(ADMISSION["peer"], attributes=case["live_entry"]))
    answer = await handle_consumer_admission_rpc(
        request, ADMISSION["peer"], root_pubkey=root(), hook=hook, nonce_store=InMemoryNonceStore()
    )
    assert answer.admitted == (case["verdict"] == "admit")
    assert answer.attributes == case.get("attributes", {})
