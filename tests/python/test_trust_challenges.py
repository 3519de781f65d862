"""Challenges and proofs of delegated admission, message by message (`trust.md` section 12)."""

from __future__ import annotations

import asyncio
import json
import struct
from contextlib import asynccontextmanager

import pytest

from aster import IrohConnectionError, create_endpoint
from aster._aster import ed25519_sign, ed25519_verify
from identities import TRUST
from support import asynchronous, raised
from test_trust_delegated import ALPN, Authority, contract, delegating
from trust_support import AsterClient, Vault, public, until

HELD = 1 << 16
# What a root key signs, of each kind what the specification shows.
_SIGNED = {case["name"]: bytes.fromhex(case["signed_bytes"]) for case in TRUST["credentials"]}
SIGNED = {name: _SIGNED[name] for name in ("producer-billing", "policy-unbound", "ott-bound-non-ascii")}


def framed(document):
    text = document if isinstance(document, str) else json.dumps(document)
    return struct.pack("<I", len(text)) + text.encode()


async def message(recv):
    """Return the next message; nothing if the stream ends before it."""
    try:
        (length,) = struct.unpack("<I", await asyncio.wait_for(recv.read_exact(4), 15))
        return json.loads(await asyncio.wait_for(recv.read_exact(length), 15))
    except IrohConnectionError:
        return None


def proof_bytes(nonce, client_id, server_id, token):
    """Return what a consumer signs, and nothing else."""
    targets = [token[f"target_{name}"].encode() for name in ("handle", "service", "contract_id")]
    return b"".join(
        [
            b"aster-delegated-proof/1\0",
            nonce,
            bytes.fromhex(client_id),
            bytes.fromhex(server_id),
            *(struct.pack(">H", len(text)) + text for text in targets),
            bytes.fromhex(token["signature"]),
        ]
    )


def test_the_proof_of_the_vectors():
    given = TRUST["delegated"]
    made = proof_bytes(
        bytes.fromhex(given["nonce"]), given["client_endpoint_id"], given["server_endpoint_id"], given["token"]
    )
    assert made.hex() == given["proof_bytes"]


# -- what a hostile server gets signed -----------------------------------------------------------------------------


async def answered(grant, challenge):
    """Challenge a client as a server of its own may, and return its endpoint id, the server's, and what it sends."""
    home = await create_endpoint(ALPN)
    heard = []

    async def serve():
        connection = await home.accept()
        send, recv = await connection.accept_bi()
        assert (await message(recv))["token"] == grant.token
        await send.write_all(framed(challenge(home.endpoint_id())))
        heard.append((connection.remote_id(), await message(recv)))
        connection.close()

    serving = asyncio.create_task(serve())
    failed = await raised(AsterClient(address=home.endpoint_addr_info(), delegation=grant).connect())
    await asyncio.wait_for(serving, 15)
    server_id = home.endpoint_id()
    await home.close()
    assert isinstance(failed, IrohConnectionError), repr(failed)
    [(client_id, said)] = heard
    return client_id, server_id, said


def challenged(**changes):
    """Return what makes a challenge; values that are callable get the id of the server."""

    def make(server_id):
        fields = {"v": 1, "nonce": "5a" * 32, "server_endpoint_id": server_id, **changes}
        return {name: value(server_id) if callable(value) else value for name, value in fields.items()}

    return make


REFUSED = {
    **{f"a nonce that is {name}": challenged(nonce=data.hex()) for name, data in SIGNED.items()},
    **{
        f"a nonce that is the text of {name}": challenged(nonce=data.decode("latin-1")) for name, data in SIGNED.items()
    },
    "31 bytes": challenged(nonce="5a" * 31),
    "33 bytes": challenged(nonce="5a" * 33),
    "63 digits": challenged(nonce="5a" * 31 + "5"),
    "no digits": challenged(nonce="zz" * 32),
    "an empty nonce": challenged(nonce=""),
    "no nonce": challenged(nonce=None),
    "several nonces": challenged(nonce=["5a" * 32]),
    "another server": challenged(server_endpoint_id="cd" * 32),
    "no server": challenged(server_endpoint_id=None),
    "more behind the server": challenged(server_endpoint_id=lambda server_id: server_id + "00"),
    "another version": challenged(v=2),
    "a nonce twice": lambda server_id: json.dumps(challenged()(server_id)).replace(
        "{", '{"nonce":"' + "00" * 32 + '",'
    ),
}


@pytest.mark.parametrize("challenge", REFUSED.values(), ids=REFUSED)
@asynchronous
async def test_tr9_bad_challenges_get_no_signature(challenge):
    authority = Authority()
    # Its owner even signs with the root key, which is what the server is after.
    grant = authority.grant("Vault", contract(Vault), key=authority.seed)
    _, _, said = await answered(grant, challenge)
    assert said is None


@pytest.mark.parametrize("name", SIGNED)
@asynchronous
async def test_tr9_a_challenge_that_looks_like_a_credential_gets_a_tagged_signature_only(name):
    authority, data = Authority(), SIGNED[name]
    grant = authority.grant("Vault", contract(Vault), key=authority.seed)
    nonce = data[:32]
    challenge = challenged(nonce=nonce.hex(), message=data.hex(), purpose="aster-enrollment", signed=data.hex())
    client_id, server_id, said = await answered(grant, challenge)
    assert list(said) == ["signature"]
    signature, key = bytes.fromhex(said["signature"]), bytes.fromhex(public(authority.seed))
    assert ed25519_verify(key, proof_bytes(nonce, client_id, server_id, grant.token), signature)
    for forged in (data, nonce, nonce.hex().encode(), nonce + data, json.dumps(challenge(server_id)).encode()):
        assert not ed25519_verify(key, forged, signature)


# -- exchanges that are cut ----------------------------------------------------------------------------------------


@asynccontextmanager
async def consumer(server):
    """Yield an endpoint, and what begins an exchange from it: connection, stream, and what a proof signs."""
    home = await create_endpoint(ALPN)

    async def begin(grant):
        connection = await home.connect_node_addr(server.node.node_addr_info(), ALPN)
        send, recv = await connection.open_bi()
        await send.write_all(framed({"v": 1, "token": grant.token, "attestation": grant.attestation}))
        challenge = await message(recv)
        assert challenge["server_endpoint_id"] == server.endpoint_id
        nonce = bytes.fromhex(challenge["nonce"])
        proof = proof_bytes(nonce, home.endpoint_id(), server.endpoint_id, grant.token)
        return connection, send, recv, framed({"signature": ed25519_sign(grant.signing_key, proof).hex()})

    yield home, begin
    await home.close()


def allowed(caplog):
    return sum("event=delegated.allow" in record.getMessage() for record in caplog.records)


@asynchronous
async def test_tr11_an_exchange_that_is_cut_leaves_no_grant(tmp_path, caplog):
    caplog.set_level("INFO", logger="aster.admission")
    authority = Authority()
    async with delegating(authority, tmp_path, "Vault") as server, consumer(server) as (home, begin):
        grant, longer = (authority.grant("Vault", contract(Vault), attested=attested) for attested in (100, 200))
        entry = lambda: server.peer_store.get(home.endpoint_id())  # noqa: E731

        # Cut before the proof: nothing was verified.
        connection, _, _, _ = await begin(grant)
        connection.close()
        # The answer cannot be sent: its reader is gone, the proof is good.
        connection, send, recv, proof = await begin(grant)
        recv.stop()
        await send.write_all(proof)
        await until(lambda: allowed(caplog) == 1, "the proof was good")
        await until(lambda: entry() is None, "the grant is withdrawn")
        connection.close()

        # A second exchange works, and its grant is the one that stays when a third is cut.
        connection, send, recv, proof = await begin(grant)
        await send.write_all(proof)
        answer = await message(recv)
        assert (answer["admitted"], answer["expires_at"]) == (True, grant.attestation["valid_until"])
        kept = entry()
        assert kept.expires_at == grant.attestation["valid_until"]
        connection.close()
        connection, send, recv, proof = await begin(longer)
        recv.stop()
        await send.write_all(proof)
        await until(lambda: allowed(caplog) == 3, "the proof was good")
        await until(lambda: entry() == kept, "the grant before it is back")
        connection.close()
