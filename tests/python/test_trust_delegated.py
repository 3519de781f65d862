"""Consumers whom another authority admits, to one service each (`trust.md` section 12)."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from aster import (
    AdmissionDeniedError,
    AsterClient,
    IrohConnectionError,
    NodeAddr,
    create_endpoint,
    generate_root_keypair,
)
from aster._aster import ed25519_sign
from aster.peer_store import PeerAttributeStore
from aster.status import PermissionDeniedError
from aster.trust import DelegatedAdmissionPolicy, DelegatedGrant, handle_delegated_admission_connection
from identities import table
from support import Num, asynchronous, raised
from trust_support import AsterServer, Issuer, Other, Vault, attributes_of, client

ALPN = b"aster.admission"


def signed(seed, document, name):
    """Sign the sorted compact JSON of a document, in ASCII."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return {**document, name: ed25519_sign(seed, text.encode("ascii")).hex()}


class Authority:
    """Admits its consumers to services of others."""

    def __init__(self):
        self.seed, self.root = generate_root_keypair()
        self.signing = generate_root_keypair()
        self.consumer = generate_root_keypair()

    def grant(self, service, contract_id, *, ttl=3600, attested=100, roles=("vault.read",), key=None):
        now = int(time.time())
        attestation = {
            "signing_pubkey": self.signing[1].hex(),
            "key_id": "k",
            "valid_from": now - 100,
            "valid_until": now + attested,
        }
        token = {
            "consumer_handle": "josé",
            "consumer_pubkey": self.consumer[1].hex(),
            "target_handle": "acme",
            "target_service": service,
            "target_contract_id": contract_id,
            "roles": list(roles),
            "issued_at": now,
            "expires_at": now + ttl,
            "signing_key_id": "k",
        }
        return DelegatedGrant(
            signed(self.signing[0], token, "signature"),
            signed(self.seed, attestation, "root_signature"),
            key or self.consumer[0],
        )

    def published(self, service, contract_id):
        fields = {"contract_id": contract_id, "handle": "acme", "aster_root_pubkey": self.root.hex()}
        return table(f'[published_services."{service}"]', fields)


def contract(cls):
    return cls.__aster_service_info__.contract_id


def delegating(authority, tmp_path, *names):
    """Return a server of two services that takes an authority's word for those with these names."""
    classes = {"Vault": Vault, "Other": Other}
    published = [authority.published(name, contract(classes[name])) for name in names]
    identity = Issuer().identity(tmp_path / "server.id", bytes([5] * 32), *published)
    return AsterServer([Vault(), Other()], identity=identity)


@asynchronous
async def test_tr11_a_grant_is_for_its_service_only(tmp_path):
    authority = Authority()
    async with delegating(authority, tmp_path, "Vault", "Other") as server:
        grant = authority.grant("Vault", contract(Vault))
        async with client(server, delegation=grant) as connected:
            assert await attributes_of(connected) == {"aster.role": "vault.read", "aster.name": "josé"}
            assert (await (await connected.client(Vault)).read("x")).body == "x"
            refused = await raised((await connected.client(Other)).ping(Num(1)))
            assert isinstance(refused, PermissionDeniedError)
            assert refused.message == "not admitted"
            admission = server.peer_store.get(connected.endpoint_id)
            assert (admission.admission_path, admission.handle) == ("delegated", "josé")
            # The attestation ends first.
            assert admission.expires_at == grant.attestation["valid_until"]
        assert grant.signing_key not in repr(grant).encode()
        assert grant.signing_key.hex() not in repr(grant)


@asynchronous
async def test_tr11_bad_grants_are_denied(tmp_path):
    authority, other = Authority(), Authority()
    async with delegating(authority, tmp_path, "Vault") as server:
        contract_id = contract(Vault)
        for grant in (
            other.grant("Vault", contract_id),
            authority.grant("Other", contract(Other)),
            authority.grant("Vault", "00" * 32),
            authority.grant("Vault", contract_id, ttl=0),
            authority.grant("Vault", contract_id, roles=["a,b"]),
            authority.grant("Vault", contract_id, key=other.consumer[0]),
        ):
            denied = await raised(client(server, delegation=grant).connect())
            assert isinstance(denied, AdmissionDeniedError)
        assert server.peer_store.peer_count() == 0


@asynchronous
async def test_tr11_without_policy_nobody_is_delegated(tmp_path):
    authority = Authority()
    async with delegating(authority, tmp_path) as server:
        grant = authority.grant("Vault", contract(Vault))
        refused = await raised(client(server, delegation=grant).connect())
        assert isinstance(refused, IrohConnectionError), repr(refused)


def test_tr11_what_is_no_grant():
    grant = Authority().grant("Vault", contract(Vault))

    async def connect(delegation):
        return await raised(AsterClient(address="ab" * 32, delegation=delegation).connect())

    short = DelegatedGrant(grant.token, grant.attestation, b"short")
    assert isinstance(asyncio.run(connect(short)), ValueError)


@pytest.mark.parametrize("is_good", [True, False])
@asynchronous
async def test_tr11_endpoints_of_programs_admit_too(is_good):
    authority, store = Authority(), PeerAttributeStore()
    home = await create_endpoint(ALPN)
    policy = DelegatedAdmissionPolicy("acme", "Vault", contract(Vault), (authority if is_good else Authority()).root)
    address = home.endpoint_addr_info()

    async def serve():
        connection = await home.accept()
        await handle_delegated_admission_connection(
            connection, policies=[policy], own_endpoint_id=home.endpoint_id(), peer_store=store
        )

    serving = asyncio.create_task(serve())
    target = NodeAddr(address.endpoint_id, direct_addresses=address.direct_addresses)
    connecting = AsterClient(address=target, delegation=authority.grant("Vault", contract(Vault)))
    # It is no server of consumers, so that what follows the grant fails.
    failed = await raised(connecting.connect())
    await asyncio.wait_for(serving, 15)
    assert isinstance(failed, IrohConnectionError if is_good else AdmissionDeniedError), repr(failed)
    assert store.peer_count() == int(is_good)
    await home.close()
