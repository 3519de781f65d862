"""What tests of trust need: who issues credentials, files of identities, and a guarded service."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import time
from collections.abc import AsyncIterator

from aster import (
    AsterClient,
    AsterConfig,
    AsterServer,
    CallContext,
    ConsumerEnrollmentCredential,
    EnrollmentCredential,
    _aster,
    generate_root_keypair,
    rpc,
    server_stream,
    service,
    sign_credential,
)
from aster.trust import consumer_cred_to_json
from identities import table, write
from support import Num, Text

WAIT = 15.0


async def until(condition, what):
    """Wait for a condition of the program that nothing tells of."""
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline, f"never: {what}"
        await asyncio.sleep(0.01)


def public(seed):
    return _aster.ed25519_public_from_secret(seed).hex()


class Issuer:
    """A root key, and what it signs."""

    def __init__(self):
        self.seed, self.root = generate_root_keypair()

    def consumer(self, kind="policy", *, endpoint_id=None, ttl=3600, **attributes):
        """Return a signed credential. Attributes are named without their prefix `aster.`."""
        made = ConsumerEnrollmentCredential(
            kind,
            self.root,
            int(time.time()) + ttl,
            {f"aster.{name}": value for name, value in attributes.items()},
            endpoint_id,
            secrets.token_bytes(32) if kind == "ott" else None,
        )
        made.signature = sign_credential(made, self.seed)
        return made

    def file(self, path, credential=None, **options):
        """Write a credential file and return its path as text."""
        found = self.consumer(**options) if credential is None else credential
        return str(write(path, consumer_cred_to_json(found)))

    def producer(self, node_seed, ttl=3600):
        made = EnrollmentCredential(public(node_seed), self.root, int(time.time()) + ttl, {"aster.role": "producer"})
        made.signature = sign_credential(made, self.seed)
        return made

    def identity(self, path, node_seed, *more, ttl=3600):
        """Write the identity file of a producer and return its path as text."""
        made = self.producer(node_seed, ttl)
        node = table("[node]", {"secret_key": base64.b64encode(node_seed).decode()})
        entry = table(
            "[[peers]]",
            {
                "name": "p",
                "role": "producer",
                "root_pubkey": self.root.hex(),
                "endpoint_id": made.endpoint_id,
                "expires_at": made.expires_at,
                "signature": made.signature.hex(),
                "attributes": made.attributes,
            },
        )
        return str(write(path, node, entry, *more))


@service("Vault")
class Vault:
    """Needs an admitted peer, and sometimes more."""

    def __init__(self):
        self.cancelled = 0
        self.started = 0

    @rpc
    async def whoami(self, ctx: CallContext) -> Text:
        return Text(json.dumps(ctx.attributes))

    @rpc(requires="vault.read")
    async def read(self, key: str) -> Text:
        return Text(key)

    @server_stream
    async def ticks(self, value: Num) -> AsyncIterator[Num]:
        self.started += 1
        try:
            yield value
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


@service("Other")
class Other:
    @rpc
    async def ping(self, value: Num) -> Num:
        return value


def gated(issuer, *services, **options):
    """Return a server with a closed gate."""
    return AsterServer(list(services) or [Vault()], root_pubkey=issuer.root, **options)


def client(server, file=None, *, key=None, **options):
    """Return a client of a server, with a credential file and a node key."""
    config = AsterConfig.from_env() if key is None else AsterConfig.from_env(secret_key=key)
    return AsterClient(address=server.address, config=config, enrollment_credential_file=file, **options)


async def attributes_of(connected):
    """Return what a handler sees of a client."""
    vault = await connected.client(Vault)
    return json.loads((await vault.whoami()).body)
