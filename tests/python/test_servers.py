"""Servers as programs run them: start checks, signals, drain, health, reconnecting clients."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aster import (
    RPC_ALPN,
    AsterClient,
    AsterConfig,
    AsterServer,
    ClientError,
    ConnectionLostError,
    EndpointConfig,
    ExponentialBackoff,
    Interceptor,
    IrohTransport,
    LimitExceeded,
    LocalTransport,
    RetryInterceptor,
    RetryPolicy,
    RpcError,
    RpcPattern,
    SerializationMode,
    Server,
    ServerError,
    StatusCode,
    TransportError,
    client_stream,
    create_client,
    create_endpoint,
    create_local_client,
    create_session,
    service,
)
from peer_services import Bump, Counter, Echo, EchoReply, EchoRequest
from support import asynchronous, raised, run, served


def write_manifest(content):
    Path(".aster").mkdir()
    Path(".aster/manifest.json").write_text(content, encoding="utf-8")


@asynchronous
async def test_a_manifest_that_fits_and_one_that_does_not():
    live = Echo.__aster_service_info__
    fits = {"service": live.name, "version": live.version, "contract_id": live.contract_id}
    write_manifest(json.dumps([fits, {"service": "Absent", "version": 1, "contract_id": "0" * 64}]))
    async with AsterServer([Echo()]):
        pass
    path = Path(".aster/manifest.json").resolve()
    path.write_text(json.dumps({**fits, "contract_id": "f" * 64}), encoding="utf-8")
    error = await raised(AsterServer([Echo()]).start())
    assert isinstance(error, RuntimeError)
    assert str(error).splitlines()[:4] == [
        f"Contract identity mismatch for '{live.name}' v{live.version}:",
        f"  Expected (manifest): {'f' * 64}",
        f"  Actual (live):       {live.contract_id}",
        f"  Manifest: {path}",
    ]
    assert "aster contract gen" in str(error)
    for broken in ("{", "[1]", "\xff"):
        path.write_text(broken, encoding="latin-1")
        error = await raised(AsterServer([Echo()]).start())
        assert str(error).startswith(f"Failed to read manifest at {path}: "), error


@asynchronous
async def test_the_start_is_told(caplog):
    with caplog.at_level(logging.INFO, "aster"):
        async with served(Echo(), Counter) as (server, _):
            assert server.root_pubkey is not None
    told = [record.getMessage() for record in caplog.records if record.name == "aster.server"]
    assert "server starting runtime=python services=[Echo, Counter] mode=open-gate" in told


@asynchronous
async def test_properties_before_the_start_and_spellings():
    server = AsterServer([Echo()])
    for name in (
        "address",
        "endpoint_id",
        "endpoint_addr_b64",
        "services",
        "node",
        "blobs",
        "docs",
        "gossip",
        "endpoint",
    ):
        with pytest.raises(RuntimeError, match=r"^AsterServer not started; call start\(\) first$"):
            getattr(server, name)
    with pytest.raises(RuntimeError, match=r"^AsterServer\.serve\(\) called before start\(\)$"):
        server.serve()
    with pytest.raises(ValueError, match="^AsterServer requires at least one service$"):
        AsterServer([])
    with pytest.raises(TypeError, match=r"is not @service-decorated \(missing __aster_service_info__\)$"):
        await AsterServer([object()]).start()
    async with server:
        assert server._rpc_addr_b64 == server.endpoint_addr_b64
        assert server._admission_addr_b64 is None
        assert [summary.name for summary in server.services] == ["Echo"]
        assert server.serve() is server.serve()
        assert server.node.endpoint_id() == server.endpoint_id == server.endpoint.endpoint_id()


PROGRAM = """
import asyncio, sys
from aster import AsterServer
from slow import Slow

async def main():
    impl = Slow()
    async with AsterServer([impl]) as server:
        server.install_signal_handlers(grace_period=float(sys.argv[1]))
        print(server.address, flush=True)
        await server.serve()
    print("stopped", impl.notes, flush=True)

asyncio.run(main())
"""


def start_program(grace):
    env = {**os.environ, "PYTHONPATH": os.path.dirname(__file__)}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(grace)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
    )


async def with_a_call(process, act, *, until_it_ends=True):
    """Run `act` while a call of the program's server waits; return what became of the call."""
    from slow import Slow

    address = await asyncio.to_thread(process.stdout.readline)
    async with AsterClient(address=address.strip()) as client:
        slow = await client.client(Slow)
        calling = asyncio.ensure_future(raised(slow.hold(EchoRequest("x"))))
        async for _ in slow.started(EchoRequest("x")):
            break
        act()
        if until_it_ends:
            return await calling
        calling.cancel()
        return None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_closes(number):
    process = start_program(0.2)
    error = asyncio.run(asyncio.wait_for(with_a_call(process, lambda: process.send_signal(number)), 20))
    assert (error.code, error.message) == (StatusCode.UNAVAILABLE, "server is shutting down")
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, "stopped ['cancelled']\n"), err


def test_a_second_signal_exits_at_once():
    process = start_program(60)

    def twice():
        process.send_signal(signal.SIGTERM)
        line = process.stderr.readline()
        while "stopping" not in line:
            line = process.stderr.readline()
        process.send_signal(signal.SIGTERM)

    asyncio.run(asyncio.wait_for(with_a_call(process, twice, until_it_ends=False), 20))
    _, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "WARNING aster.server — Forced exit (second signal)" in err


@asynchronous
async def test_signals_belong_to_the_main_thread():
    async with AsterServer([Echo()]) as server:
        failures = []

        def install():
            async def inside():
                server._loop = asyncio.get_running_loop()
                try:
                    server.install_signal_handlers()
                except RuntimeError as error:
                    failures.append(str(error))

            asyncio.run(inside())

        ours = server._loop
        thread = threading.Thread(target=install)
        thread.start()
        await asyncio.to_thread(thread.join)
        server._loop = ours
        assert failures == ["signal handlers can only be installed in the main thread"]


@asynchronous
async def test_health_runs_along():
    def get(port, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = AsterConfig.from_env(health_port=port)
    async with served(Echo(), Counter, config=config) as (server, client):
        session = await client.client(Counter)
        await session.bump(Bump())
        assert (await asyncio.to_thread(get, port, "/readyz"))[0] == 200
        status, numbers = await asyncio.to_thread(get, port, "/metrics")
        assert (status, numbers["sessions"], numbers["connections"]) == (200, 1, 1)
        await session.close()
        await server.drain(0.0)
        assert (await asyncio.to_thread(get, port, "/readyz"))[0] == 503
    with pytest.raises(OSError):
        await asyncio.to_thread(get, port, "/healthz")


@asynchronous
async def test_reconnecting():
    async with served(Echo(), Counter) as (_, client):
        echo, session = await client.client(Echo), await client.client(Counter)
        await session.bump(Bump())
        await client.reconnect()
        assert (await echo.echo(EchoRequest("again"))).reply == "again"
        assert isinstance(await raised(session.bump(Bump())), ConnectionLostError)
        assert [summary.name for summary in client.services] == ["Echo", "Counter"]


@asynchronous
async def test_endpoint_config_replaces_the_network(monkeypatch):
    monkeypatch.setenv("ASTER_BIND_ADDR", "nonsense")
    network = EndpointConfig([], relay_mode="disabled", bind_addr="127.0.0.1:0", secret_key=bytes(range(32)))
    async with AsterServer([Echo()], endpoint_config=network, config=AsterConfig()) as server:
        assert server.endpoint_id == "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"


@asynchronous
async def test_a_server_on_an_endpoint():
    home, away = await create_endpoint(RPC_ALPN), await create_endpoint(RPC_ALPN)
    server = Server(home, services=[Echo(), Counter])
    serving = asyncio.create_task(server.serve())
    connection = await away.connect_node_addr(home.endpoint_addr_info(), RPC_ALPN)
    transport = IrohTransport(connection)
    reply = await transport.unary("Echo", "echo", EchoRequest("a"), response_type=EchoReply, timeout=5.0)
    assert reply == EchoReply("a")
    as_json = await transport.unary(
        "Echo", "echo", EchoRequest("b"), serialization_mode=SerializationMode.JSON, deadline_secs=5.0
    )
    assert as_json == {"reply": "b"}
    unknown = await raised(transport.unary("Echo", "echo", EchoRequest("a"), version=9))
    assert (unknown.code, unknown.message) == (StatusCode.NOT_FOUND, "Service 'Echo' v9 not found")
    session = await create_session(Counter, connection)
    assert [(await session.bump(Bump())).value for _ in range(2)] == [1, 2]
    await session.close()
    assert (await create_client(Echo, transport=transport).echo(EchoRequest("c"))).reply == "c"
    assert isinstance(await raised(server.serve()), ServerError)
    await server.drain(1.0)
    draining = await raised(create_client(Echo, connection).echo(EchoRequest("d")))
    assert (draining.code, draining.message) == (StatusCode.UNAVAILABLE, "server is draining")
    await server.close()
    await asyncio.wait_for(serving, 10)
    await server.wait_until_stopped()
    assert isinstance(await raised(create_client(Echo, connection).echo(EchoRequest("e"))), ConnectionLostError)
    await away.close()


@asynchronous
async def test_clients_that_cannot_be_made():
    class Plain:
        pass

    with pytest.raises(ClientError, match="^Class Plain is not decorated with @service$"):
        create_client(Plain)
    with pytest.raises(ClientError, match="^create_client requires either connection or transport$"):
        create_client(Echo)
    with pytest.raises(ClientError, match="session-scoped"):
        create_client(Counter)
    with pytest.raises(ClientError, match="^Class Plain is not decorated with @service$"):
        create_local_client(Plain, Plain())
    assert isinstance(await raised(create_session(Plain)), ValueError)
    assert isinstance(await raised(create_session(Counter)), ValueError)


@asynchronous
async def test_handlers_by_name():
    async def shout(request: EchoRequest) -> EchoReply:
        return EchoReply(request.message.upper())

    async def letters(request: EchoRequest):
        for letter in request.message:
            yield EchoReply(letter)

    seen = []

    class Watch(Interceptor):
        async def on_request(self, ctx, request):
            seen.append((ctx.service, ctx.method))
            return request

    handlers = {
        ("S", "shout"): (shout, (EchoRequest, EchoReply), RpcPattern.UNARY),
        ("S", "letters"): (letters, (EchoRequest, EchoReply), "server_stream"),
    }
    for wire_compatible in (False, True):
        transport = LocalTransport(
            lambda *name: handlers.get(name), wire_compatible=wire_compatible, interceptors=[Watch()]
        )
        request = EchoRequest("ab")
        assert (await transport.unary("S", "shout", request)).reply == "AB"
        assert [item.reply async for item in transport.server_stream("S", "letters", request)] == ["a", "b"]
        with pytest.raises(TransportError, match=r"^no handler for 'S\.other'$"):
            await transport.unary("S", "other", request)
        late = await raised(transport.unary("S", "shout", request, timeout=0))
        assert late.code is StatusCode.DEADLINE_EXCEEDED
    assert seen == [("S", "shout"), ("S", "letters")] * 2


def test_a_child_process_makes_its_own():
    ran = run(
        "import asyncio, os\n"
        "from aster import AsterServer, create_local_client\n"
        "from peer_services import Echo, EchoRequest\n"
        "async def main():\n"
        "    local = create_local_client(Echo, Echo())\n"
        "    assert (await local.echo(EchoRequest('x'))).reply == 'x'\n"
        "    if os.fork() == 0:\n"
        "        try:\n"
        "            await local.echo(EchoRequest('x'))\n"
        "        except RuntimeError as error:\n"
        "            print(error, flush=True)\n"
        "        os._exit(0)\n"
        "    os.wait()\n"
        "    assert (await local.echo(EchoRequest('y'))).reply == 'y'\n"
        "asyncio.run(main())\n"
    )
    assert (ran.returncode, ran.stdout) == (
        0,
        "aster cannot be used after fork(); create servers and clients in the child process\n",
    ), ran.stderr


def test_limits_have_their_names():
    error = LimitExceeded("metadata entries", 64, 65)
    assert (error.field, error.limit, error.actual) == ("metadata entries", 64, 65)


@asynchronous
async def test_a_client_stream_is_sent_again_before_its_first_item():
    class Late:
        attempts = 0

    @service(name="Late", public=True)
    class LateService:
        @client_stream(idempotent=True)
        async def collect(self, requests: AsyncIterator[EchoRequest]) -> EchoReply:
            Late.attempts += 1
            if Late.attempts < 3:
                raise RpcError(StatusCode.UNAVAILABLE, "warming up")
            return EchoReply("".join([request.message async for request in requests]))

    ended = []

    async def items():
        try:
            while Late.attempts < 3:
                await asyncio.sleep(0)
            yield EchoRequest("a")
            yield EchoRequest("b")
        finally:
            ended.append(True)

    retry = RetryInterceptor(RetryPolicy(3, ExponentialBackoff(initial_ms=1)))
    async with (
        AsterServer([LateService()]) as server,
        AsterClient(address=server.address, interceptors=[retry]) as client,
    ):
        late = await client.client(LateService)
        assert (await late.collect(items())).reply == "ab"
        assert ended == [True]
