"""Wrong input gets a clear error of the right class, soon, and what runs goes on."""

from __future__ import annotations

import asyncio
import base64
import socket
import time

import pytest

import aster
from aster import (
    AdmissionDeniedError,
    AsterClient,
    AsterConfig,
    AsterServer,
    AuthInterceptor,
    IrohConnectionError,
    IrohError,
    TrustDomainError,
    service,
)
from identities import credential
from support import Echo, Num, asynchronous, raised, served

ROOT = bytes.fromhex("03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8")
SOMEBODY = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"


def node_addr(endpoint_id, *direct):
    return base64.b64encode("\n".join([endpoint_id, "", *direct]).encode()).decode()


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def test_addresses():
    with pytest.raises(ValueError, match="^invalid address: expected an aster1 ticket"):
        AsterClient(address="not an address")
    with pytest.raises(TypeError, match="^an address is a NodeAddr, str or bytes, got int$"):
        AsterClient(address=5)
    with pytest.raises(ValueError) as caught:
        AsterClient()
    text = "AsterClient requires an endpoint address. Set ASTER_ENDPOINT_ADDR or pass endpoint_addr= explicitly."
    assert str(caught.value) == text


@asynchronous
async def test_a_dead_address():
    client = AsterClient(address=node_addr(SOMEBODY, f"127.0.0.1:{free_port()}"), connect_timeout=0.5)
    started = time.monotonic()
    error = await raised(client.connect())
    assert time.monotonic() - started < 10
    assert type(error) is IrohConnectionError
    assert isinstance(error, (ConnectionError, IrohError))
    assert "could not reach" in str(error)
    await client.close()


@asynchronous
async def test_an_id_without_discovery():
    error = await raised(AsterClient(address=SOMEBODY, connect_timeout=5).connect())
    assert type(error) is IrohConnectionError


@asynchronous
async def test_an_endpoint_that_serves_nothing():
    """The endpoint of a client is there, but accepts nobody."""
    async with AsterServer([Echo()]) as server:
        port = free_port()
        config = AsterConfig.from_env(bind_addr=f"127.0.0.1:{port}")
        async with AsterClient(address=server.address, config=config) as other:
            wrong = AsterClient(address=node_addr(other.endpoint_id, f"127.0.0.1:{port}"), connect_timeout=0.5)
            assert type(await raised(wrong.connect())) is IrohConnectionError
            assert (await (await other.client(Echo)).num(Num(1))).value == 1


@asynchronous
async def test_services_that_are_not_there():
    @service("Other", version=7, public=True)
    class Other(Echo):
        pass

    @service("Echo", version=2, public=True)
    class Newer(Echo):
        pass

    async with served(Echo()) as (_, client):
        error = await raised(client.client(Other))
        assert type(error) is LookupError
        assert str(error) == "service 'Other' v7 not offered by producer (got: [('Echo', 1)])"
        assert str(await raised(client.client(Newer))).startswith("service 'Echo' v2 not offered")
        assert isinstance(await raised(client.client(dict)), TypeError)
        assert (await (await client.client(Echo)).num(Num(1))).value == 1


@asynchronous
async def test_channels_that_are_not_there():
    async with AsterServer([Echo()], channel_name="main") as server:
        async with AsterClient(address=server.address, channel_name="main") as client:
            assert (await (await client.client(Echo)).num(Num(1))).value == 1
        async with AsterClient(address=server.address) as client:
            error = await raised(client.client(Echo))
            assert type(error) is LookupError
            assert str(error) == "service 'Echo' has no channel 'rpc' (available: ['main'])"


def test_no_services():
    with pytest.raises(ValueError, match="^AsterServer requires at least one service$"):
        AsterServer([])


@asynchronous
async def test_services_without_the_decorator():
    class Plain:
        pass

    for wrong, text in ((Plain(), "is not @service-decorated (missing __aster_service_info__)"), (Echo, "instance")):
        server = AsterServer([wrong])
        error = await raised(server.start())
        assert type(error) is TypeError
        assert text in str(error)
        await server.close()


@asynchronous
async def test_one_service_twice():
    server = AsterServer([Echo(), Echo()])
    error = await raised(server.start())
    assert type(error) is ValueError
    assert "Echo" in str(error)
    await server.close()


@asynchronous
async def test_an_address_in_use():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        config = AsterConfig.from_env(bind_addr=f"127.0.0.1:{taken.getsockname()[1]}")
        server = AsterServer([Echo()], config=config)
        assert isinstance(await raised(server.start()), OSError)
    # The address is free again, and the server can be started after all.
    await server.start()
    async with AsterClient(address=server.address) as client:
        assert (await (await client.client(Echo)).num(Num(1))).value == 1
    await server.close()


@asynchronous
async def test_a_closed_gate(tmp_path):
    async with AsterServer([Echo()], root_pubkey=ROOT) as server:
        error = await raised(AsterClient(address=server.address).connect())
        assert type(error) is AdmissionDeniedError
        assert isinstance(error, PermissionError)
        assert (error.had_credential, error.credential_file, error.server_address) == (False, None, server.address)
        assert len(error.our_endpoint_id) == 64
        assert error.format_hint() == str(error)
        assert str(error).splitlines()[0] == "consumer admission denied -- this server requires a credential."
        file = tmp_path / "some.cred"
        text = credential("policy-unbound")["credential_json"]
        file.write_text(text.replace("ops.status", "ops.statue"), encoding="utf-8")
        file.chmod(0o600)
        error = await raised(AsterClient(address=server.address, enrollment_credential_file=str(file)).connect())
        assert type(error) is AdmissionDeniedError
        assert error.had_credential
        lines = str(error).splitlines()
        assert lines[:3] == [
            "consumer admission denied -- the server rejected your credential.",
            f"  credential: {file}",
            f"  your node:  {error.our_endpoint_id[:16]}...",
        ]
        assert len(lines) == 8
        missing = AsterClient(address=server.address, enrollment_credential_file="missing.cred")
        assert isinstance(await raised(missing.connect()), FileNotFoundError)


@asynchronous
async def test_another_root_key():
    async with AsterServer([Echo()]) as server:
        error = await raised(AsterClient(address=server.address, root_pubkey=ROOT).connect())
        assert type(error) is TrustDomainError
        assert isinstance(error, PermissionError)
        async with AsterClient(address=server.address, root_pubkey=server.root_pubkey) as client:
            assert client.open_gate


@asynchronous
async def test_cancelled_connects_and_starts_release_everything():
    client = AsterClient(address=node_addr(SOMEBODY, f"127.0.0.1:{free_port()}"))
    connecting = asyncio.create_task(client.connect())
    await asyncio.sleep(0.05)
    connecting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await connecting
    server = AsterServer([Echo()])
    starting = asyncio.create_task(server.start())
    await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    await server.start()
    await server.close()


@asynchronous
async def test_warnings_of_an_open_gate():
    @service("Unguarded")
    class Unguarded(Echo):
        pass

    # One method of Echo requires a role, which counts as a rule for the service.
    async with AsterServer([Unguarded()]):
        pass

    @service("Bare")
    class Bare:
        @aster.rpc
        async def num(self, v: Num) -> Num:
            return v

    server = AsterServer([Bare()])
    with pytest.warns(UserWarning, match="^Service 'Bare' has no authorization configured and Gate 0 is disabled"):
        await server.start()
    await server.close()
    async with AsterServer([Bare()], root_pubkey=ROOT):
        pass
    # Who looks at credentials of its own needs no warning.
    async with AsterServer([Bare()], interceptors=[AuthInterceptor(validator=bool)]):
        pass


@asynchronous
async def test_a_closed_gate_tells_what_every_admitted_peer_may_call(caplog):
    @service("Mixed")
    class Mixed:
        @aster.rpc
        async def free(self, v: Num) -> Num:
            return v

        @aster.rpc(requires="ops")
        async def kept(self, v: Num) -> Num:
            return v

    with caplog.at_level("INFO", "aster.server"):
        async with AsterServer([Mixed()], root_pubkey=ROOT):
            pass
    told = [one.getMessage() for one in caplog.records if "every admitted peer may call" in one.getMessage()]
    assert len(told) == 1
    assert "Mixed.free" in str(caplog.text)
    assert "Mixed.kept" not in caplog.text
