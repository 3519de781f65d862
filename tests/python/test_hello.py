"""The quickstart, in one process and as two programs."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from aster import AsterClient, AsterConfig, AsterServer
from support import Echo, Num, asynchronous, served

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "python"


def program(name, *args, **env):
    command = [sys.executable, str(EXAMPLES / name), *args]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
    )


@contextmanager
def hello_server():
    command = [sys.executable, str(EXAMPLES / "hello_server.py")]
    # A test run in the background of a shell ignores Ctrl-C, and its children inherit that.
    heed = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        started = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, heed)
    with started as process:
        try:
            word, address = process.stdout.readline().split()
            assert word == "address"
            yield process, address
        finally:
            process.kill()


def test_one_process():
    done = program("hello.py")
    closing = [line.removeprefix("# ") for line in (EXAMPLES / "hello.py").read_text().splitlines() if line[:2] == "# "]
    assert done.stdout.splitlines() == closing
    assert done.returncode == 0


def test_two_processes():
    with hello_server() as (process, address):
        assert address.startswith("aster1")
        by_argument, by_variable = (
            program("hello_client.py", address),
            program("hello_client.py", ASTER_ENDPOINT_ADDR=address),
        )
        assert by_argument.stdout == by_variable.stdout == "Hello, World!\n"
        assert by_argument.stderr == by_variable.stderr == ""
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0


@asynchronous
async def test_addresses_of_a_server():
    async with AsterServer([Echo()]) as server:
        assert server.address.startswith("aster1")
        assert len(bytes.fromhex(server.endpoint_id)) == 32
        for given in ({"address": server.address}, {"endpoint_addr": server.endpoint_addr_b64}):
            async with AsterClient(**given) as client:
                assert (await (await client.client(Echo)).num(Num(3))).value == 3
        async with AsterClient(config=AsterConfig.from_env(endpoint_addr=server.address)) as client:
            assert client.endpoint_id != server.endpoint_id


@asynchronous
async def test_what_server_and_client_know():
    async with served(Echo()) as (server, client):
        assert client.services == server.services
        [summary] = client.services
        assert (summary.name, summary.version, summary.pattern) == ("Echo", 1, "shared")
        assert summary.contract_id == Echo.__aster_service_info__.contract_id
        assert list(summary.channels) == ["rpc"]
        assert client.open_gate is True
        assert client.registry_namespace == server.registry.namespace
        assert client.gossip_topic == ""
        assert client.attributes == {}
        assert len(server.root_pubkey) == 32


@asynchronous
async def test_start_connect_and_close_are_idempotent():
    server = AsterServer([Echo()])
    assert server.root_pubkey is not None
    for name in ("address", "endpoint_id", "endpoint_addr_b64", "services"):
        with pytest.raises(RuntimeError, match=r"^AsterServer not started; call start\(\) first$"):
            getattr(server, name)
    with pytest.raises(RuntimeError, match=r"^AsterServer.serve\(\) called before start\(\)$"):
        server.serve()
    await server.start()
    await server.start()
    assert server.serve() is server.serve()
    client = AsterClient(address=server.address)
    with pytest.raises(RuntimeError, match=r"^AsterClient not connected; call connect\(\) first$"):
        await client.client(Echo)
    await client.connect()
    await client.connect()
    await client.close()
    await client.close()
    with pytest.raises(RuntimeError, match="not connected"):
        await client.client(Echo)
    await server.close()
    await server.close()
    assert server.serve().done()
    with pytest.raises(RuntimeError, match="closed"):
        await server.start()


@asynchronous
async def test_cancelling_serve_closes_the_server():
    server = AsterServer([Echo()])
    await server.start()
    task = server.serve()
    await asyncio.sleep(0)
    task.cancel()
    await task
    assert not task.cancelled()
    with pytest.raises(RuntimeError, match="closed"):
        await server.start()
