"""Registries over real nodes: publication, persistence, trust, and what a client makes of what it finds."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import json
import logging
import stat
import time
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from aster import AsterClient, AsterConfig, AsterServer, rpc, service
from aster.contract import ContractManifest
from aster.registry import (
    ArtifactRef,
    EndpointLease,
    GossipEvent,
    RegistryACL,
    RegistryGossip,
    acl_key,
    channel_key,
    config_key,
    contract_key,
    lease_key,
    manifest_key,
    tag_key,
    version_key,
)
from support import Echo, Item, asynchronous, raised, served

_numbers = itertools.count()


def a_service(version=1):
    """Make a service that no test had before: contracts that were verified once are known to the process."""

    @service(f"Fresh{next(_numbers)}", version=version, public=True)
    class Fresh:
        @rpc(idempotent=True)
        async def echo(self, req: Item) -> Item:
            """Say it again."""
            return req

    return Fresh


def name_of(cls):
    return cls.__aster_service_info__.name


def contract_of(cls):
    return cls.__aster_service_info__.contract_id


@asynccontextmanager
async def published(cls, **options):
    """Yield a server whose leases are out, and a client."""
    async with AsterServer([cls()], **options) as server, AsterClient(address=server.address) as client:
        assert await client.producers(name_of(cls))
        yield server, client


async def document(server):
    """Open the document of a server's registry on its own node, to write what the server would not."""
    ticket, _, creator = (await server.registry.share("write")).partition("?creator=")
    assert creator == server.registry.author_id
    return await server.docs.join(ticket)


async def until(condition):
    """Wait until a coroutine function returns something true, and return it."""
    while not (found := await condition()):
        await asyncio.sleep(0.02)
    return found


@asynchronous
async def test_a_server_publishes_what_its_spec_says():
    cls = a_service(version=3)
    async with published(cls) as (server, client):
        name, contract = name_of(cls), contract_of(cls)
        assert client.registry_namespace == server.registry.namespace
        manifest = await client.registry.fetch_contract(name)
        assert isinstance(manifest, ContractManifest)
        assert (manifest.verified, manifest.contract_id, manifest.version) == (True, contract, 3)
        assert manifest.methods[0]["description"] == "Say it again."
        assert manifest.published_by == server.registry.author_id
        [artifact] = await client.registry.artifacts()
        assert isinstance(artifact, ArtifactRef)
        assert (artifact.contract_id, artifact.provider_endpoint_id) == (contract, server.endpoint_id)
        files = dict(await client.blobs.download_collection_hash(artifact.collection_hash, server.endpoint_id))
        assert set(files) == {"contract.bin", "manifest.json", *(f"types/{one}.bin" for one in manifest.type_hashes)}
        [tag] = await server.blobs.tag_list_prefix("aster-collection/")
        assert (tag.name, tag.hash) == (f"aster-collection/{artifact.collection_hash[:16]}", artifact.collection_hash)

        lease = await client.registry.resolve(name, 3)
        assert isinstance(lease, EndpointLease)
        assert (lease.endpoint_id, lease.health_status, lease.language_runtime) == (
            server.endpoint_id,
            "ready",
            "python",
        )
        assert lease.lease_expires_epoch_ms == lease.updated_at_epoch_ms + 45_000
        assert (await client.registry.resolve(name, channel="rpc")).contract_id == contract
        assert isinstance(await raised(client.registry.resolve(name, 4)), LookupError)
        assert str(await raised(client.registry.resolve(name, 4))) == f"no routable endpoint for {name} v4"
        assert isinstance(await raised(client.registry.resolve(name, strategy="nearest")), ValueError)
        assert await client.producers("Nobody") == []

        server.registry.set_health("degraded")
        await until(lambda: _health(client, name, "degraded"))
        with pytest.raises(ValueError, match="ready or degraded"):
            server.registry.set_health("draining")
        await server.drain(0.0)
        await until(lambda: _explained(client, name, "health is draining"))
        assert await client.producers(name) == []


async def _epoch(client, name, after):
    return next((lease.lease_epoch for lease in await client.producers(name) if lease.lease_epoch > after), None)


async def _health(client, name, health):
    return [lease.health_status for lease in await client.producers(name)] == [health]


async def _explained(client, name, reason):
    return [found for _, found in await client.registry.explain(name)] == [reason]


@asynchronous
async def test_a_restart_keeps_namespace_author_and_contracts(tmp_path):
    cls = a_service()
    config = AsterConfig(storage_path=str(tmp_path / "server"))
    cache = AsterConfig(storage_path=str(tmp_path / "client"))
    seen, last = [], 0
    for _ in range(2):
        async with served(cls(), config=config, client=cache) as (server, client):
            await client.registry.fetch_contract(name_of(cls))
            # What the client kept itself may still name the server that was.
            last = await until(lambda client=client, after=last: _epoch(client, name_of(cls), after))
            [artifact] = await client.registry.artifacts()
            seen.append((server.registry.namespace, server.registry.author_id, artifact))
            assert (await client.proxy(name_of(cls)).echo(name="again"))["name"] == "again"
    first, second = seen
    assert first == second, "the same document, author and record, written once"
    kept = tmp_path / "server" / "registry.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert json.loads(kept.read_text())["namespace"] == first[0]
    assert [path.stem for path in (tmp_path / "client" / "contracts").iterdir()] == [contract_of(cls)]

    # Another process of the same client finds the contract on its disk; a spoilt file is not believed.
    for text in (None, "{}"):
        if text is not None:
            (tmp_path / "client" / "contracts" / f"{contract_of(cls)}.json").write_text(text)
        async with served(cls(), config=config, client=cache) as (_, client):
            assert (await client.registry.fetch_contract(name_of(cls))).contract_id == contract_of(cls)
    unknown = AsterServer([cls()], config=config, registry_namespace="ab" * 32)
    assert isinstance(await raised(unknown.start()), ValueError)
    async with AsterServer([cls()], config=config, registry_namespace=first[0]) as server:
        assert server.registry.namespace == first[0]
    async with AsterServer([cls()]) as one, AsterServer([cls()]) as two:
        assert one.registry.namespace != two.registry.namespace
        for ticket in ("docnothing", await one.registry.share("read")):
            error = await raised(AsterServer([cls()], registry_ticket=ticket).start())
            assert isinstance(error, ValueError), ticket


@asynchronous
async def test_tr25_a_stranger_with_a_ticket_to_write_is_not_believed():
    cls = a_service()
    async with published(cls) as (server, client):
        name, contract = name_of(cls), contract_of(cls)
        ticket, _, _ = (await server.registry.share("write")).partition("?")
        doc = await client.docs.join(ticket)
        stranger = await client.docs.create_author()
        [lease] = await client.producers(name)
        mine = dataclasses.replace(lease, endpoint_id=client.endpoint_id, lease_seq=99)
        theirs = dataclasses.replace(lease, direct_addrs=["127.0.0.1:9"], lease_seq=99)
        writes = {
            version_key(name, 9): "ab" * 32,
            lease_key(name, contract, client.endpoint_id): mine.to_json(),
            lease_key(name, contract, server.endpoint_id): theirs.to_json(),
            acl_key("writers"): json.dumps([stranger]),
            acl_key("admins"): json.dumps([stranger]),
        }
        for key, value in writes.items():
            await doc.set_bytes(stranger, key.encode(), value.encode())
        refused = (client.endpoint_id, "untrusted: nobody is bound to the endpoint")
        await until(lambda: _contains(client, name, refused))
        assert [one.endpoint_id for one in await client.producers(name)] == [server.endpoint_id]
        assert (await client.registry.resolve(name)).direct_addrs == lease.direct_addrs
        assert isinstance(await raised(client.registry.resolve(name, 9)), LookupError)

        # Allowed by the creator, it may write pointers, but no leases for others.
        assert isinstance(await raised(server.registry.allow_author("ab")), ValueError)
        await RegistryACL(server.registry).add_writer(stranger)
        wanted = f"no routable endpoint for {name} v9"
        await until(lambda: _says(client, name, wanted))
        assert (await client.registry.resolve(name, 1)).direct_addrs == lease.direct_addrs


async def _contains(client, name, entry):
    return entry in await client.registry.explain(name)


async def _says(client, name, text):
    try:
        await client.registry.resolve(name)
    except LookupError as error:
        return str(error) == text
    return False


@pytest.mark.parametrize("late_ms", [5_001, -1_000])
@asynchronous
async def test_leases_run_out_by_the_clock_of_the_reader_with_a_tolerance(late_ms):
    cls = a_service()
    async with published(cls) as (server, client):
        name = name_of(cls)
        [lease] = await client.producers(name)
        now = int(time.time() * 1000)
        # As a producer writes it whose clock differs, or that is gone since then.
        ends = now - late_ms - (5_000 if late_ms < 0 else 0)
        old = dataclasses.replace(
            lease, lease_seq=lease.lease_seq + 1000, updated_at_epoch_ms=ends - 45_000, lease_expires_epoch_ms=ends
        )
        doc = await document(server)
        key = lease_key(name, lease.contract_id, lease.endpoint_id).encode()
        await doc.set_bytes(server.registry.author_id, key, old.to_json().encode())
        if late_ms > 0:
            await until(lambda: _expired(client, name))
            assert await client.producers(name) == []
        else:
            found = await until(lambda: _seq(client, name, old.lease_seq))
            assert found.lease_expires_epoch_ms == ends


async def _expired(client, name):
    return [str(reason).startswith("expired") for _, reason in await client.registry.explain(name)] == [True]


async def _seq(client, name, seq):
    return next((lease for lease in await client.producers(name) if lease.lease_seq == seq), None)


@asynchronous
async def test_tr25_a_tampered_manifest_is_dropped_and_the_collection_taken(caplog):
    cls = a_service()
    async with AsterServer([cls()]) as server:
        doc = await document(server)
        key = manifest_key(contract_of(cls)).encode()
        author = server.registry.author_id
        entry = await until(lambda: doc.get_exact(author, key))
        text = await doc.read_entry_content(entry.content_hash)
        await doc.set_bytes(author, key, text.replace(b"float64", b"float32"))
        async with AsterClient(address=server.address) as client:
            with caplog.at_level(logging.WARNING):
                manifest = await client.registry.fetch_contract(name_of(cls))
            assert manifest.contract_id == contract_of(cls)
    assert any(key.decode() in record.getMessage() for record in caplog.records), caplog.text


async def collection(server, cls):
    """Return the files of a contract that a server has published."""
    doc, key = await document(server), contract_key(contract_of(cls)).encode()
    entry = await until(lambda: doc.get_exact(server.registry.author_id, key))
    artifact = ArtifactRef.from_json(await doc.read_entry_content(entry.content_hash))
    return dict(await server.blobs.download_collection_hash(artifact.collection_hash, server.endpoint_id))


async def publish_instead(server, cls, files):
    """Let a server publish other files under the id of a contract, and no manifest beside them."""
    doc, author = await document(server), server.registry.author_id
    artifact = ArtifactRef(
        contract_of(cls),
        await server.blobs.add_collection(list(files.items())),
        server.endpoint_id,
        published_by=author,
        collection_format="index",
    )
    await doc.set_bytes(author, contract_key(contract_of(cls)).encode(), artifact.to_json().encode())
    await doc.set_bytes(author, manifest_key(contract_of(cls)).encode(), b"{}")


@pytest.mark.parametrize("swapped", ["contract.bin", "manifest.json", "types"])
@asynchronous
async def test_tr25_a_collection_with_blobs_of_another_contract_does_not_count(swapped):
    """Each blob is sound and has the name it should have, but is not what the contract id commits to."""
    cls, other = a_service(), Echo
    async with AsterServer([cls(), other()]) as server:
        files, others = await collection(server, cls), await collection(server, other)
        if swapped == "types":
            name = next(name for name in files if name.startswith("types/"))
            files[name] = next(data for found, data in others.items() if found.startswith("types/") and found != name)
        else:
            files[swapped] = others[swapped]
        await publish_instead(server, cls, files)
        async with AsterClient(address=server.address) as client:
            error = await raised(client.registry.fetch_contract(name_of(cls), timeout=3.0))
            assert isinstance(error, LookupError)
            assert "does not verify" in str(error)
            # What is beside it counts.
            assert (await client.registry.fetch_contract(name_of(other))).contract_id == contract_of(other)


@asynchronous
async def test_tr25_a_manifest_of_a_foreign_author_does_not_count():
    cls = a_service()
    async with AsterServer([cls()]) as server:
        text = (await collection(server, cls))["manifest.json"].decode()
        # It verifies: the id does not commit to what is said about a service.
        foreign = ContractManifest.from_json(text.replace("Say it again.", "Send it to me."))
        assert (foreign.verified, foreign.contract_id) == (True, contract_of(cls))
        doc, stranger = await document(server), await server.docs.create_author()
        await publish_instead(server, cls, {"manifest.json": b"{}"})
        await doc.set_bytes(stranger, manifest_key(contract_of(cls)).encode(), foreign.to_json().encode())
        async with AsterClient(address=server.address) as client:
            assert isinstance(await raised(client.registry.fetch_contract(name_of(cls), timeout=3.0)), LookupError)
        # The same from an author who is believed.
        await RegistryACL(server.registry).add_writer(stranger)
        async with AsterClient(address=server.address) as client:
            manifest = await client.registry.fetch_contract(name_of(cls))
            assert manifest.methods[0]["description"] == "Send it to me."


@asynchronous
async def test_tr25_without_a_contract_that_verifies_calls_go_in_json_and_it_is_told(caplog):
    cls = a_service()
    async with AsterServer([cls()]) as server:
        files = await collection(server, cls)
        files["manifest.json"] = files["manifest.json"].replace(b"float64", b"float32")
        await publish_instead(server, cls, files)
        async with AsterClient(address=server.address) as client:
            error = await raised(client.registry.fetch_contract(name_of(cls), timeout=3.0))
            assert isinstance(error, LookupError)
            assert "does not verify" in str(error)
            with caplog.at_level(logging.WARNING):
                answer = await client.proxy(name_of(cls)).echo({"name": "json"})
            assert answer["name"] == "json"
            typed = await client.client(cls)
            assert (await typed.echo(Item("typed"))).name == "typed"
    told = [record.getMessage() for record in caplog.records if "using JSON" in record.getMessage()]
    assert len(told) == 1
    assert told[0].startswith(f"contract of '{name_of(cls)}' v1 is unavailable: using JSON (")


@asynchronous
async def test_hints_are_heard_and_changes_seen():
    cls = a_service()
    async with published(cls) as (server, client):
        hints = RegistryGossip(client.gossip, client.registry_namespace).events([server.endpoint_id])
        listening = asyncio.ensure_future(hints.__anext__())
        changes = client.registry.on_change()
        await changes.__anext__()
        health = itertools.cycle(["degraded", "ready"])
        while not listening.done():
            server.registry.set_health(next(health))
            await asyncio.wait([listening], timeout=0.2)
        hint = listening.result()
        assert isinstance(hint, GossipEvent)
        assert (hint.type, hint.service, hint.endpoint_id) == (2, name_of(cls), server.endpoint_id)
        await changes.__anext__()
        await hints.aclose()
        await changes.aclose()


def test_keys_and_records_have_their_texts():
    assert contract_key("ab") == "contracts/ab"
    assert manifest_key("ab") == "manifests/ab"
    assert version_key("a/b", 2) == "services/a%2Fb/versions/v2"
    assert channel_key("S", "r p") == "services/S/channels/r%20p"
    assert tag_key("S", "stable") == "services/S/tags/stable"
    assert lease_key("S", "cc", "ee") == "services/S/contracts/cc/endpoints/ee"
    assert config_key("x") == "_aster/config/x"
    lease = EndpointLease("01" * 32, "02" * 32, "S", 1, 45_000, 1)
    assert EndpointLease.from_json(lease.to_json()) == lease
    with pytest.raises(TypeError, match="10 minutes"):
        EndpointLease.from_json(dataclasses.replace(lease, lease_expires_epoch_ms=600_001).to_json())
    text = f'{{"contract_id":"{"ab" * 32}","collection_hash":"{"cd" * 32}","later":1}}'
    artifact = ArtifactRef.from_json(text)
    assert (artifact.collection_format, ArtifactRef.from_json(artifact.to_json())) == ("raw", artifact)
    hint = GossipEvent(2, "S", 1)
    assert hint.to_json().startswith('{"type":2,"service":"S","version":1,"channel":null')
    assert GossipEvent.from_json(hint.to_json().encode()) == hint


@pytest.mark.parametrize(
    "bad",
    [
        ArtifactRef("ab", "cd" * 32),
        ArtifactRef("ab" * 32, "CD" * 32),
        ArtifactRef("ab" * 32, "cd" * 32, collection_format="zip"),
        EndpointLease("01" * 32, "02" * 32, "S", 1, 600_001, 1),
        EndpointLease("01" * 32, "02" * 32, "S", 1, 45_000, -1),
        GossipEvent(6),
        GossipEvent(2, 7),
    ],
    ids=repr,
)
def test_what_is_no_record_is_neither_written_nor_read(bad):
    for use in (bad.to_json, lambda: type(bad).from_json(json.dumps(dataclasses.asdict(bad)))):
        with pytest.raises(TypeError, match="malformed"):
            use()


@asynchronous
async def test_the_manifest_of_the_project_is_what_is_published():
    cls = a_service()
    rich = ContractManifest.from_service(cls, semver="2.0.1", changelog="better")
    Path(".aster").mkdir()
    rich.save(Path(".aster") / "manifest.json")
    async with published(cls) as (_, client):
        manifest = await client.registry.fetch_contract(name_of(cls))
        assert (manifest.semver, manifest.changelog) == ("2.0.1", "better")


def test_a_server_has_no_registry_before_the_start():
    server = AsterServer([a_service()()])
    with pytest.raises(RuntimeError, match="call start"):
        _ = server.registry
