"""Loops, threads, processes (`python-api.md` section 13)."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
import warnings

import pytest

from aster import AsterClient, AsterServer
from support import Echo, Num, asynchronous, raised, served

FORK_TEXT = "aster cannot be used after fork(); create servers and clients in the child process"


def run(program):
    """Run a program that knows the modules of the tests."""
    path = os.pathsep.join(filter(None, [os.path.dirname(__file__), os.environ.get("PYTHONPATH")]))
    env = {**os.environ, "PYTHONPATH": path}
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, env=env)


async def one_call():
    async with served(Echo()) as (_, client):
        return (await (await client.client(Echo)).num(Num(3))).value


def test_loops_one_after_the_other():
    assert [asyncio.run(one_call()) for _ in range(5)] == [3] * 5


def test_loops_in_threads():
    results = []
    threads = [threading.Thread(target=lambda: results.append(asyncio.run(one_call()))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert results == [3] * 4


def test_a_server_in_another_thread():
    ready, stop = threading.Event(), threading.Event()
    found = []

    async def serve():
        async with AsterServer([Echo()]) as server:
            found.append(server.address)
            ready.set()
            await asyncio.get_running_loop().run_in_executor(None, stop.wait)

    async def call():
        async with AsterClient(address=found[0]) as client:
            echo = await client.client(Echo)
            return await asyncio.gather(*(echo.num(Num(n)) for n in range(100)))

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(20)
    assert [num.value for num in asyncio.run(call())] == list(range(100))
    stop.set()
    thread.join(20)


def test_objects_belong_to_one_loop():
    async def start():
        server = AsterServer([Echo()])
        await server.start()
        client = AsterClient(address=server.address)
        await client.connect()
        return server, client, await client.client(Echo)

    async def elsewhere(server, client, stub):
        for name, call in (
            ("AsterServer", server.start()),
            ("AsterServer", server.drain()),
            ("AsterServer", server.close()),
            ("AsterClient", client.connect()),
            ("AsterClient", client.client(Echo)),
            ("AsterClient", client.close()),
            ("ServiceClient", stub.num(Num(1))),
        ):
            error = await raised(call)
            assert type(error) is RuntimeError
            assert str(error) == f"{name} belongs to another event loop"
        with pytest.raises(RuntimeError, match="^AsterServer belongs to another event loop$"):
            server.serve()

    async def finish(server, client, stub):
        assert (await stub.num(Num(1))).value == 1
        await client.close()
        await server.close()

    loop = asyncio.new_event_loop()
    try:
        made = loop.run_until_complete(start())
        asyncio.run(elsewhere(*made))
        loop.run_until_complete(finish(*made))
    finally:
        loop.close()


class LoopWithoutReaders(asyncio.SelectorEventLoop):
    """A loop as on platforms that cannot watch descriptors."""

    def add_reader(self, *_):
        raise NotImplementedError


def test_loops_without_readers():
    loop = LoopWithoutReaders()
    try:
        assert loop.run_until_complete(one_call()) == 3
        assert loop.run_until_complete(one_call()) == 3
    finally:
        loop.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "aster-wake"]


@asynchronous
async def test_dropped_objects_close_with_a_warning():
    server = AsterServer([Echo()])
    await server.start()
    address = server.address
    client = AsterClient(address=address)
    await client.connect()
    with pytest.warns(ResourceWarning, match="unclosed <AsterClient"):
        del client
        gc.collect()
    async with AsterClient(address=address) as other:
        assert (await (await other.client(Echo)).num(Num(1))).value == 1
    with pytest.warns(ResourceWarning, match="unclosed <AsterServer"):
        del server
        gc.collect()
    await asyncio.sleep(0.1)
    error = await raised(AsterClient(address=address, connect_timeout=0.5).connect())
    assert isinstance(error, ConnectionError)


@asynchronous
async def test_objects_that_were_never_opened_go_quietly():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        AsterServer([Echo()])
        AsterClient(address="00" * 32)
        gc.collect()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_fork():
    program = """
import asyncio, os, sys, warnings
warnings.simplefilter("ignore")
from support import *
async def one_call():
    async with served(Echo()) as (_, client):
        return (await (await client.client(Echo)).num(Num(3))).value
async def start():
    server = AsterServer([Echo()])
    await server.start()
    client = AsterClient(address=server.address)
    await client.connect()
    return server, client, await client.client(Echo)
loop = asyncio.new_event_loop()
server, client, stub = loop.run_until_complete(start())
pid = os.fork()
if pid == 0:
    async def child():
        for call in (stub.num(Num(1)), client.client(Echo), client.connect(), server.start(), server.drain()):
            error = await raised(call)
            assert type(error) is RuntimeError, error
            assert str(error) == FORK_TEXT, error
        for name in ("address", "endpoint_id", "services"):
            try:
                getattr(server, name)
                raise AssertionError(name)
            except RuntimeError as error:
                assert str(error) == FORK_TEXT, error
        assert await one_call() == 3
    asyncio.run(child())
    print("child done", flush=True)
    sys.exit(0)
assert os.waitpid(pid, 0)[1] == 0
async def finish():
    assert (await stub.num(Num(1))).value == 1
    await client.close()
    await server.close()
loop.run_until_complete(finish())
loop.close()
print("parent done")
""".replace("FORK_TEXT", repr(FORK_TEXT))
    done = run(program)
    assert done.stdout.splitlines() == ["child done", "parent done"], done.stderr
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("how", ["open", "pending", "handler"])
def test_exit_never_hangs(how):
    program = f"""
import asyncio, warnings
warnings.simplefilter("ignore")
from support import *
async def main():
    echo = Echo()
    server = AsterServer([echo])
    await server.start()
    server.serve()
    client = AsterClient(address=server.address)
    await client.connect()
    stub = await client.client(Echo)
    assert (await stub.num(Num(3))).value == 3
    if {how!r} == "pending":
        asyncio.ensure_future(stub.sleep(60.0))
        await asyncio.sleep(0)
    if {how!r} == "handler":
        asyncio.ensure_future(stub.sleep(60.0))
        await echo.entered.wait()
asyncio.run(main())
"""
    done = run(program)
    assert done.returncode == 0, done.stderr
