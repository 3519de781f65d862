"""Producers that meet (`trust.md` section 11)."""

from __future__ import annotations

import json
import secrets

import pytest

from aster import AsterConfig, _aster, create_endpoint
from aster.trust import (
    ClockDriftConfig,
    MeshState,
    derive_gossip_topic,
    make_ephemeral_mesh_state,
    read_producer_message,
    sign_producer_message,
)
from aster.trust.credentials import parts
from aster.trust.gossip import ProducerMessageType
from identities import TRUST
from support import asynchronous, raised
from trust_support import AsterServer, Issuer, Vault, public, until

MESH = TRUST["mesh"]
PRODUCERS = b"aster.producer_admission"
DENIAL = b'{"accepted":false,"salt":"","accepted_producers":[],"reason":""}'
FIRST, SECOND, THIRD = (bytes([n] * 32) for n in (1, 2, 3))


def producer(issuer, folder, seed, *bootstrap, ttl=3600, **options):
    """Return a server that gates producers and joins those it is told of."""
    identity = issuer.identity(folder / f"{seed[0]}.id", seed, ttl=ttl)
    config = AsterConfig.from_env(allow_all_producers=False, mesh_bootstrap=list(bootstrap))
    return AsterServer([Vault()], identity=identity, config=config, **options)


def salt_of(path):
    return json.loads(path.read_text())["salt"]


@asynchronous
async def test_tr3_producers_meet_and_pass_the_gate(tmp_path):
    issuer = Issuer()
    async with producer(issuer, tmp_path, FIRST) as first:
        async with producer(issuer, tmp_path, SECOND, first.address) as second:
            await until(lambda: first.mesh_members == [public(SECOND)], "the first knows the second")
            await until(lambda: second.mesh_members == [public(FIRST)], "the second knows the first")
            assert first.peer_store.get(public(SECOND)).admission_path in {"producer", "mesh"}
            await until(lambda: second.peer_store.get(public(FIRST)) is not None, "the first introduces itself")
            assert second.peer_store.get(public(FIRST)).admission_path == "mesh"
            # Members reach what is behind the gate.
            ticket = first.blobs.create_ticket(await first.blobs.add_bytes(b"for members"))
            assert await second.blobs.download_blob(ticket) == b"for members"
        await until(lambda: first.mesh_members == [], "who leaves is no member")
        await until(lambda: first.peer_store.get(public(SECOND)) is None, "and not admitted")


@asynchronous
async def test_tr3_stolen_and_foreign_credentials_are_denied(tmp_path):
    issuer = Issuer()
    async with producer(issuer, tmp_path, FIRST) as first:
        assert first._producer_admission_addr_b64 is not None
        end = await create_endpoint(PRODUCERS)
        stolen, foreign = issuer.producer(THIRD), Issuer().producer(secrets.token_bytes(32))
        expired = issuer.producer(THIRD, ttl=-5)
        for credential in (stolen, foreign, expired):
            document = _aster.enrollment_to_json(parts(credential))
            connection = await end.connect_node_addr(first.node.node_addr_info(), PRODUCERS)
            send, recv = await connection.open_bi()
            await send.write_all(_aster.admission_request(document, "").encode())
            await send.finish()
            assert bytes(await recv.read_to_end(1 << 16)) == DENIAL
        assert first.mesh_members == []
        assert first.peer_store.peer_count() == 0
        await end.close()


@asynchronous
async def test_tr21_membership_ends_with_the_credential(tmp_path):
    issuer = Issuer()
    async with (
        producer(issuer, tmp_path, FIRST) as first,
        producer(issuer, tmp_path, SECOND, first.address, ttl=5) as second,
    ):
        await until(lambda: first.mesh_members == [public(SECOND)], "it is a member")
        await until(lambda: first.mesh_members == [], "its credential expires")
        await until(lambda: first.peer_store.get(public(SECOND)) is None, "and it is admitted no more")
        del second


@asynchronous
async def test_tr21_the_state_survives_the_server(tmp_path, monkeypatch):
    issuer, folder = Issuer(), tmp_path / "mesh"
    monkeypatch.setenv("ASTER_MESH_STATE_DIR", str(folder))
    path = folder / "mesh_state.json"
    async with producer(issuer, tmp_path, FIRST, persist_mesh_state=True):
        await until(path.exists, "it is saved")
    salt = salt_of(path)
    async with producer(issuer, tmp_path, FIRST, persist_mesh_state=True):
        pass
    assert salt_of(path) == salt
    state = MeshState.from_json(path.read_text())
    assert state.salt.hex() == salt
    assert state.topic_id == derive_gossip_topic(issuer.root, state.salt)
    assert state.accepted_producers == {public(FIRST)}
    assert json.loads(state.to_json()) == json.loads(path.read_text())
    assert salt not in repr(state)
    path.write_text("{}")
    refused = await raised(producer(issuer, tmp_path, FIRST, persist_mesh_state=True).start())
    assert isinstance(refused, ValueError), repr(refused)


@asynchronous
async def test_a_state_that_is_given_is_where_it_begins(tmp_path, monkeypatch):
    issuer, folder = Issuer(), tmp_path / "mesh"
    monkeypatch.setenv("ASTER_MESH_STATE_DIR", str(folder))
    state = make_ephemeral_mesh_state(salt=bytes([7] * 32))
    state.members[public(SECOND)] = 1 << 40
    options = {"mesh_state": state, "persist_mesh_state": True, "clock_drift_config": ClockDriftConfig(1000, 100)}
    async with producer(issuer, tmp_path, FIRST, **options) as first:
        assert first.mesh_members == [public(SECOND)]
        await until((folder / "mesh_state.json").exists, "it is saved")
    assert salt_of(folder / "mesh_state.json") == "07" * 32
    foreign = make_ephemeral_mesh_state(Issuer().root)
    assert isinstance(await raised(producer(issuer, tmp_path, FIRST, mesh_state=foreign).start()), ValueError)


@asynchronous
async def test_tr19_joining_needs_a_credential_that_holds(tmp_path):
    issuer = Issuer()
    expired = producer(issuer, tmp_path, FIRST, "ab" * 32, ttl=-1)
    assert isinstance(await raised(expired.start()), ValueError)
    config = AsterConfig.from_env(mesh_bootstrap=["ab" * 32])
    without = AsterServer([Vault()], root_pubkey=issuer.root, config=config)
    assert isinstance(await raised(without.start()), ValueError)


def test_clocks_as_the_environment_has_them(monkeypatch):
    for name in ("ASTER_REPLAY_WINDOW_MS", "ASTER_CLOCK_DRIFT_TOLERANCE_MS", "ASTER_GRACE_PERIOD_MS"):
        monkeypatch.setenv(name, "70")
    assert ClockDriftConfig() == ClockDriftConfig(70, 70, 900_000, 70, 3)
    assert ClockDriftConfig(replay_window_ms=5).replay_window_ms == 5
    monkeypatch.setenv("ASTER_GRACE_PERIOD_MS", "soon")
    with pytest.raises(ValueError, match="ASTER_GRACE_PERIOD_MS: expected a number of milliseconds, not 'soon'"):
        ClockDriftConfig()


def test_states_that_are_none():
    for text in ("{}", "[]", "1", '{"salt": 1}'):
        with pytest.raises(ValueError):
            MeshState.from_json(text)
    with pytest.raises(ValueError, match="root_pubkey"):
        make_ephemeral_mesh_state().to_json()
    one, two = make_ephemeral_mesh_state(bytes(32)), make_ephemeral_mesh_state(bytes(32))
    assert one.salt != two.salt
    assert len(one.salt) == 32


@pytest.mark.parametrize("case", MESH["topics"], ids=lambda case: case["topic"][:8])
def test_topics_of_the_vectors(case):
    topic = derive_gossip_topic(bytes.fromhex(case["root_pubkey"]), bytes.fromhex(case["salt"]))
    assert topic.hex() == case["topic"]


@pytest.mark.parametrize("case", MESH["drift"], ids=lambda case: case["name"])
def test_clocks_of_the_vectors(case):
    config = ClockDriftConfig(replay_window_ms=MESH["replay_window_ms"], drift_tolerance_ms=MESH["drift_tolerance_ms"])
    assert config == ClockDriftConfig()
    assert config.median(case["offsets"].values()) == case["median"]
    assert config.in_drift(case["offsets"]) == set(case["in_drift"])


@pytest.mark.parametrize("case", MESH["messages"], ids=lambda case: case["name"])
def test_messages_of_the_vectors(case):
    key = bytes.fromhex(TRUST["keys"][case["key"]]["seed"])
    kind = ProducerMessageType(case["type"])
    data = sign_producer_message(kind, case["payload"].encode(), key, epoch_ms=case["epoch_ms"])
    assert json.loads(data) == json.loads(case["envelope"])
    read = read_producer_message(data)
    assert (read.type, read.payload, read.sender) == (kind, case["payload"].encode(), case["sender"])
    assert read.signature.hex() == json.loads(case["envelope"])["signature"]
    tampered = json.loads(data)
    tampered["epoch_ms"] += 1
    for wrong in (json.dumps(tampered).encode(), b"", data[:-1], data + b" {}"):
        with pytest.raises(ValueError, match="not a message of the mesh"):
            read_producer_message(wrong)
    with pytest.raises(ValueError, match="unknown message type"):
        sign_producer_message(9, b"", key)  # type: ignore[arg-type]
