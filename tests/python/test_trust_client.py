"""What clients make of servers that are not ours (`trust.md` section 14): vectors and fakes."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from aster import (
    AdmissionDeniedError,
    AsterClient,
    IrohConnectionError,
    IrohNode,
    TrustDomainError,
    rpc,
    service,
)
from aster.net import EndpointConfig
from identities import KEYS, TRUST
from support import Num, asynchronous, raised
from trust_support import Issuer

RESPONSES = TRUST["admission"]["responses"]
ADMISSION = b"aster.consumer_admission"


@service("Billing")
class Billing:
    @rpc
    async def pay(self, value: Num) -> Num:
        return value


@service("AgentSession", scoped="session")
class AgentSession:
    def __init__(self, peer: str | None = None) -> None:
        self.peer = peer

    @rpc
    async def go(self, value: Num) -> Num:
        return value


class Fake:
    """A server that does to each connection for admission what it is told."""

    def __init__(self, *turns):
        self.turns, self.served, self.failed = turns, 0, []

    async def __aenter__(self):
        config = EndpointConfig(
            [ADMISSION],
            relay_mode="disabled",
            bind_addr="127.0.0.1:0",
            secret_key=bytes.fromhex(KEYS["server"]["seed"]),
        )
        self.node = await IrohNode.memory_with_alpns([], config)
        self.task = asyncio.create_task(self.serve())
        return self

    async def __aexit__(self, *_):
        self.task.cancel()
        await self.node.close()

    async def serve(self):
        while True:
            _, connection = await self.node.accept_aster()
            turn = self.turns[min(self.served, len(self.turns) - 1)]
            self.served += 1
            await turn(connection)

    @property
    def address(self):
        return self.node.node_addr_info()


def answering(text):
    async def answer(connection):
        send, recv = await connection.accept_bi()
        await recv.read_to_end(1 << 20)
        await send.write_all(text.encode())
        await send.finish()

    return answer


async def busy(connection):
    connection.close(429, b"busy")


async def silent(connection):
    streams = await connection.accept_bi()
    await connection.closed()
    del streams  # Dropped sooner, they would be an answer.


ADMITTED = json.dumps({"admitted": True, "services": [], "attributes": {"a": "b"}})


@pytest.mark.parametrize("case", RESPONSES, ids=lambda case: case["name"])
@asynchronous
async def test_tr15_answers_of_the_vectors(case):
    root = None if case["client_root"] is None else bytes.fromhex(case["client_root"])
    async with Fake(answering(case["json"])) as fake:
        assert fake.node.node_id() == TRUST["admission"]["server_endpoint_id"]
        client = AsterClient(address=fake.address, root_pubkey=root)
        if case["client"] == "accept":
            async with client:
                told = json.loads(case["json"])
                assert client.attributes == told.get("attributes", {})
                assert client.registry_namespace == (told.get("registry_namespace") or told.get("registry_ticket", ""))
                assert client.gossip_topic == told.get("gossip_topic", "")
                await usable(client, {summary["name"] for summary in told["services"]}, case["usable_services"])
            if foreign := case.get("usable_with_allow_foreign_channels"):
                async with AsterClient(address=fake.address, root_pubkey=root, allow_foreign_channels=True) as other:
                    await usable(other, set(foreign), foreign)
        else:
            error = await raised(client.connect())
            expected = {
                "denied": AdmissionDeniedError,
                "trust_domain_mismatch": TrustDomainError,
                "protocol_error": IrohConnectionError,
            }[case["client"]]
            assert type(error) is expected, repr(error)


async def usable(client, offered, expected):
    """Check which of the services that are offered may be called."""
    for name in offered:
        cls = {"Billing": Billing, "AgentSession": AgentSession}[name]
        if name not in expected:
            refused = await raised(client.client(cls))
            assert isinstance(refused, PermissionError), repr(refused)
        elif cls is Billing:
            await (await client.client(cls)).close()


@asynchronous
async def test_tr31_waits_are_bounded():
    async with Fake(silent) as fake:
        began = time.monotonic()
        error = await raised(AsterClient(address=fake.address, connect_timeout=1.0).connect())
        assert isinstance(error, IrohConnectionError), repr(error)
        assert 0.9 < time.monotonic() - began < 5


@asynchronous
async def test_tr31_busy_is_tried_again():
    async with Fake(busy, answering(ADMITTED)) as fake:
        began = time.monotonic()
        async with AsterClient(address=fake.address) as client:
            assert client.attributes == {"a": "b"}
        assert time.monotonic() - began >= 1.0
        assert fake.served == 2


@asynchronous
async def test_tr31_a_denial_is_final():
    denial = TRUST["admission"]["denied"]
    async with Fake(answering(denial)) as fake:
        assert isinstance(await raised(AsterClient(address=fake.address).connect()), AdmissionDeniedError)
        assert fake.served == 1


@asynchronous
async def test_tr7_a_token_is_sent_once_by_a_process(tmp_path):
    denial, seen = TRUST["admission"]["denied"], []

    async def noting(connection):
        send, recv = await connection.accept_bi()
        seen.append(json.loads(bytes(await recv.read_to_end(1 << 20)))["credential_json"])
        await send.write_all(denial.encode())
        await send.finish()
        # After its denial the client tries to resume on the same connection.
        send, recv = await connection.accept_bi()
        seen.append(json.loads(bytes(await recv.read_to_end(1 << 20)))["credential_json"])
        await send.write_all(denial.encode())
        await send.finish()

    issuer = Issuer()
    file = issuer.file(tmp_path / "token.cred", kind="ott")
    async with Fake(noting) as fake:
        client = AsterClient(address=fake.address, enrollment_credential_file=file)
        assert isinstance(await raised(client.connect()), AdmissionDeniedError)
    assert [bool(text) for text in seen] == [True, False]
    async with Fake(noting) as fake:
        client = AsterClient(address=fake.address, enrollment_credential_file=file)
        assert isinstance(await raised(client.connect()), AdmissionDeniedError)
    assert [bool(text) for text in seen] == [True, False, False]
