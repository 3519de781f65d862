"""Keys, credentials and capabilities as the library has them (`trust.md` sections 3, 13 and 15)."""

from __future__ import annotations

import dataclasses
import json

import pytest

import aster
import identities
from aster import _aster
from aster.capabilities import CapabilityRequirement
from aster.trust import (
    ConsumerEnrollmentCredential,
    EnrollmentCredential,
    InMemoryNonceStore,
    check_offline,
    consumer_cred_from_json,
    consumer_cred_to_json,
    generate_root_keypair,
    sign_credential,
    verify_signature,
)
from aster.trust.credentials import parse_credential
from aster.trust.rcan import evaluate_capability
from support import asynchronous

TRUST = identities.TRUST
ROOT = bytes.fromhex(identities.ROOT)
SEED = bytes.fromhex(identities.KEYS["root"]["seed"])


def of_vector(case, **fields):
    """Return the credential of a vector."""
    common = {
        "root_pubkey": bytes.fromhex(identities.KEYS[case["key"]]["public"]),
        "expires_at": case["expires_at"],
        "attributes": case["attributes"],
        "endpoint_id": case["endpoint_id"],
        "signature": bytes.fromhex(case["signature"]),
        **fields,
    }
    if case["kind"] == "producer":
        return EnrollmentCredential(**common)
    nonce = None if case["nonce"] is None else bytes.fromhex(case["nonce"])
    return ConsumerEnrollmentCredential(credential_type=case["kind"], nonce=nonce, **common)


@pytest.mark.parametrize("case", TRUST["credentials"], ids=lambda case: case["name"])
def test_credentials_of_the_vectors(case):
    made = of_vector(case, signature=b"")
    before = dataclasses.replace(made)
    signature = sign_credential(made, bytes.fromhex(identities.KEYS[case["key"]]["seed"]))
    assert signature.hex() == case["signature"]
    assert made == before
    signed = of_vector(case)
    assert verify_signature(signed)
    assert verify_signature(signed, signed.root_pubkey)
    assert not verify_signature(signed, bytes.fromhex(identities.OTHER_ROOT))
    assert not verify_signature(made)
    read = json.loads(case["credential_json"])
    if case["kind"] == "producer":
        assert parse_credential(case["credential_json"]) == signed
    else:
        assert json.loads(consumer_cred_to_json(signed)) == read
        assert list(json.loads(consumer_cred_to_json(signed))) == list(read)


@pytest.mark.parametrize("case", TRUST["signatures"], ids=lambda case: case["name"])
def test_signatures_of_the_vectors(case):
    parts = [bytes.fromhex(case[name]) for name in ("public_key", "message", "signature")]
    assert _aster.ed25519_verify(*parts) == case["valid"]


@pytest.mark.parametrize("case", TRUST["capability"], ids=lambda case: f"{case['kind']}-{case['roles']}")
def test_capabilities_of_the_vectors(case):
    attributes = {} if case["aster.role"] is None else {"aster.role": case["aster.role"]}
    assert evaluate_capability(CapabilityRequirement(case["kind"], tuple(case["roles"])), attributes) == case["allowed"]


OF_SERVERS = {"unbound"}  # Whether a server takes unbound credentials.
OTHER_KIND = "malformed: another kind"


def read(case):
    """Read the credential of a case as the peer of its kind does."""
    document = bytes.fromhex(case["credential_hex"]) if "credential_hex" in case else case["credential_json"]
    found = parse_credential(document)
    if isinstance(found, EnrollmentCredential) != (case["kind"] == "producer"):
        raise ValueError(OTHER_KIND)
    return found


async def verdict(case, root):
    """Return why the credential of a case is refused; nothing if it is admitted."""
    try:
        credential = read(case)
    except ValueError as error:
        return str(error)
    store = None if "nonce_store" in case else InMemoryNonceStore()
    for nonce in case.get("consumed_nonces", []):
        assert await store.consume(bytes.fromhex(nonce))
    now = case.get("now", TRUST["now"])
    return (await check_offline(credential, case["peer"], store, root_pubkey=root, now=now)).reason


@asynchronous
async def test_tr22_the_bad_credentials_of_the_vectors_are_refused():
    expected = {
        "wrong_root": "root key",
        "nonce_used": "nonce",
        "wrong_endpoint": "endpoint_id",
        "bad_signature": "signature",
    }
    for case in TRUST["negative"]:
        if case["cause"] in OF_SERVERS:
            continue
        why = await verdict(case, bytes.fromhex(identities.KEYS[case["server_root"]]["public"]))
        # Documents say which kind they are; on the wire the ALPN does, and the signature decides.
        told = "malformed" if why == OTHER_KIND else expected.get(case["cause"], case["cause"])
        assert told in why, (case["name"], case["cause"], why)


@asynchronous
async def test_tr22_other_spellings_of_the_vectors_are_read():
    for case in TRUST["tolerated"]:
        assert await verdict(case, ROOT) == "", case["name"]


def test_root_keys():
    (seed, public), other = generate_root_keypair(), generate_root_keypair()
    assert (len(seed), len(public)) == (32, 32)
    assert seed != other[0]
    assert _aster.ed25519_public_from_secret(seed) == public


def test_the_package_has_the_four():
    for name in (
        "ConsumerEnrollmentCredential",
        "EnrollmentCredential",
        "generate_root_keypair",
        "sign_credential",
    ):
        assert getattr(aster, name) is getattr(aster.trust, name)


def test_any_endpoint_text_and_any_nonce_can_be_signed():
    for nonce in (bytes(16), bytes(31), bytes(33), b""):
        made = ConsumerEnrollmentCredential("ott", ROOT, 5, {}, "a node", nonce)
        made.signature = sign_credential(made, SEED)
        assert verify_signature(made)
    assert sign_credential(EnrollmentCredential("a", ROOT, 5), SEED) != sign_credential(
        EnrollmentCredential("b", ROOT, 5), SEED
    )


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"attributes": {"a": 1}}, TypeError),
        ({"attributes": {1: "a"}}, TypeError),
        ({"attributes": {"a": None}}, TypeError),
        ({"expires_at": -1}, ValueError),
        ({"expires_at": 1 << 64}, ValueError),
        ({"expires_at": 1.5}, TypeError),
        ({"expires_at": True}, TypeError),
        ({"root_pubkey": bytes(31)}, ValueError),
        ({"credential_type": "producer"}, ValueError),
        ({"credential_type": "other"}, ValueError),
    ],
)
def test_what_is_no_credential(fields, error):
    made = ConsumerEnrollmentCredential(**{"credential_type": "policy", "root_pubkey": ROOT, "expires_at": 5, **fields})
    with pytest.raises(error):
        sign_credential(made, SEED)
    assert verify_signature(made) is False
    with pytest.raises(error):
        consumer_cred_to_json(made)


def test_bad_arguments():
    good = ConsumerEnrollmentCredential("policy", ROOT, 5)
    with pytest.raises(ValueError, match="32 bytes"):
        sign_credential(good, bytes(31))
    for wrong in (None, "text", object(), 5):
        assert verify_signature(wrong) is False
        assert verify_signature(good, wrong) is False
    with pytest.raises(TypeError):
        consumer_cred_to_json(EnrollmentCredential("a", ROOT, 5))


def test_documents_are_read_strictly():
    text = identities.credential("policy-bound")["credential_json"]
    read = consumer_cred_from_json(text)
    assert consumer_cred_from_json(text.encode()) == read
    assert consumer_cred_from_json(text.replace('"credential_type"', '"type"')) == read
    for wrong in (
        identities.credential("producer-billing")["credential_json"],
        text[:-1],
        text.replace("policy", "other"),
        text.replace('"attributes":{', '"attributes":{"a":1,', 1),
        text.replace("{", '{"nonce":null,', 1),
        "[]",
        "",
    ):
        with pytest.raises(ValueError, match="malformed"):
            consumer_cred_from_json(wrong)


def test_what_is_printed_holds_no_secret():
    made = ConsumerEnrollmentCredential("ott", ROOT, 5, {}, None, b"\xab" * 32, b"\xcd" * 64)
    assert "nonce" not in repr(made)
    assert "signature" not in repr(made)
    assert "signature" not in repr(EnrollmentCredential("a", ROOT, 5, {}, b"\xcd" * 64))
