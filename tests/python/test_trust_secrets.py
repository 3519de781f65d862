"""Nothing secret is in any output (`trust.md` section 17)."""

from __future__ import annotations

import base64
import json
import re

from support import run

PROGRAM = """
import asyncio, json, secrets, sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])
from aster import AsterClient, AsterConfig, AsterServer, AdmissionDeniedError
from aster.trust import consumer_cred_to_json
from test_trust_delegated import Authority, contract
from trust_support import Issuer, Vault, attributes_of, gated, client
from support import Num, Text

async def main():
    folder, issuer, authority = Path("."), Issuer(), Authority()
    seeds = [secrets.token_bytes(32) for _ in range(3)]
    bad = Issuer().consumer("ott")
    token, policy = issuer.consumer("ott", name="s3cret-value"), issuer.consumer(endpoint_id=None)
    published = authority.published("Vault", contract(Vault))
    config = AsterConfig.from_env(allow_all_producers=False, storage_path="state")
    identity = issuer.identity(folder / "one.id", seeds[0], published)
    async with AsterServer([Vault()], identity=identity, config=config, persist_mesh_state=True) as server:
        join = AsterConfig.from_env(mesh_bootstrap=[server.address], allow_all_producers=False)
        other = AsterServer([Vault()], identity=issuer.identity(folder / "two.id", seeds[1]), config=join)
        async with other:
            while not (server.mesh_members and other.mesh_members):
                await asyncio.sleep(0.01)
            for credential in (token, policy, bad):
                file = issuer.file(folder / "a.cred", credential)
                try:
                    async with client(server, file, key=seeds[2]) as connected:
                        await attributes_of(connected)
                        await connected.reconnect()
                        AsterConfig.from_env(secret_key=seeds[2]).print_config()
                except AdmissionDeniedError as denied:
                    print(denied)
            grant = authority.grant("Vault", contract(Vault))
            async with client(server, delegation=grant) as connected:
                await attributes_of(connected)
                server.remove_peer(connected.endpoint_id)
            print(repr(token), repr(grant), repr(server), repr(policy))
            await server.revoke(credential=token)
    salt = json.loads((folder / "state/mesh/mesh_state.json").read_text())["salt"]
    hidden = {
        "root seed": issuer.seed.hex(),
        **{f"node seed {n}": seed.hex() for n, seed in enumerate(seeds)},
        "delegated seeds": authority.seed.hex(),
        "consumer key": authority.consumer[0].hex(),
        "nonce": token.nonce.hex(),
        "other nonce": bad.nonce.hex(),
        "token signature": token.signature.hex(),
        "policy signature": policy.signature.hex(),
        "grant signature": grant.token["signature"],
        "salt": salt,
        "attribute": "s3cret-value",
    }
    Path("hidden.json").write_text(json.dumps(hidden))

asyncio.run(main())
"""


def test_tr24_nothing_secret_is_logged_at_any_level(tmp_path, monkeypatch):
    monkeypatch.setenv("ASTER_LOG_LEVEL", "debug")
    ended = run(PROGRAM, __file__.rsplit("/", 1)[0])
    assert ended.returncode == 0, ended.stderr[-3000:]
    output = ended.stdout + ended.stderr
    # Something was logged, in every part.
    for event in ("admission.allow", "admission.deny", "peer.remove", "peer.revoke", "delegated.allow", "trust.state"):
        assert f"event={event}" in output, event
    hidden = json.loads((tmp_path / "hidden.json").read_text())
    for name, secret in hidden.items():
        forms = {secret}
        if re.fullmatch("[0-9a-f]{32,}", secret):
            raw = bytes.fromhex(secret)
            forms |= {secret.upper(), base64.b64encode(raw).decode(), repr(raw), str(list(raw))}
        if name == "attribute":
            output = output.replace(repr({"aster.name": secret}), "")  # Printed on purpose, by repr().
        for form in forms:
            assert form not in output, f"{name} is in the output"
