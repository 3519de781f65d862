"""How calls end: answers, errors, deadlines, cancellation, loss."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aster import (
    AsterClient,
    AsterServer,
    CallContext,
    ConnectionLostError,
    RpcError,
    StatusCode,
    TransportError,
    rpc,
    service,
)
from aster.status import (
    CancelledError,
    DeadlineExceededError,
    InternalError,
    InvalidArgumentError,
    PermissionDeniedError,
    ResourceExhaustedError,
    UnavailableError,
    UnimplementedError,
    UnknownRpcError,
)
from support import Echo, Num, Text, asynchronous, raised, served


@asynchronous
async def test_errors_of_handlers():
    async with served(Echo()) as (_, client):
        echo = await client.client(Echo)
        error = await raised(echo.refuse(3, "negative amount", {"field": "amount"}))
        assert type(error) is InvalidArgumentError
        assert str(error) == "[INVALID_ARGUMENT] negative amount"
        assert error.details == {"field": "amount"}
        error = await raised(echo.refuse(250, "own code", {}))
        assert type(error) is RpcError
        assert (error.code, error.code.name, error.message) == (250, "CODE_250", "own code")
        error = await raised(echo.refuse(-7, "", {}))
        assert (int(error.code), error.code.name) == (-7, "CODE_-7")


@pytest.mark.parametrize(("exposed", "text"), [(None, "secret"), (True, "secret"), (False, None)])
@asynchronous
async def test_other_exceptions_are_logged_and_unknown(exposed, text, caplog):
    async with served(Echo(), expose_errors=exposed) as (_, client):
        error = await raised((await client.client(Echo)).fail("secret"))
        assert type(error) is UnknownRpcError
        call_id = error.details["call_id"]
        assert error.message == (text or f"internal error; call id {call_id}")
    [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.exc_info[0] is ValueError
    assert call_id in record.getMessage()


@pytest.mark.parametrize(("what", "reason"), [("type", "Num"), ("none", "null"), ("value", "Num.value")])
@asynchronous
async def test_answers_that_do_not_fit(what, reason, caplog):
    async with served(Echo()) as (_, client):
        echo = await client.client(Echo)
        error = await raised(echo.wrong(what))
        assert type(error) is InternalError
        assert error.message.startswith("cannot encode response: ")
        assert reason in error.message
        assert (await echo.num(Num(4))).value == 4
    assert any("Echo.wrong" in record.getMessage() for record in caplog.records)


def test_errors_are_values():
    error = InvalidArgumentError("m", {"k": "v"})
    assert repr(error) == f"RpcError(code={StatusCode.INVALID_ARGUMENT!r}, message='m', details={{'k': 'v'}})"
    for made in (error, ConnectionLostError("lost"), RpcError(250, "x")):
        copy = pickle.loads(pickle.dumps(made))
        assert (copy.code, copy.message, copy.details) == (made.code, made.message, made.details)
    assert StatusCode(250) == 250
    assert StatusCode(0) is StatusCode.OK
    with pytest.raises(ValueError, match="StatusCode"):
        StatusCode("x")


@asynchronous
async def test_call_context():
    echo = Echo()
    async with served(echo) as (_, client):
        stub = await client.client(Echo)
        assert CallContext.current() is None
        before = time.time()
        assert (await stub.inspect(Text("x"), metadata={"k": "v", "\u65e5": ""}, timeout=5)).body == "x"
        context = echo.context
        assert (context.service, context.method, context.pattern, context.attempt) == ("Echo", "inspect", "unary", 1)
        assert context.peer == client.endpoint_id
        assert context.metadata == {"k": "v", "\u65e5": ""}
        assert (context.attributes, context.session_id, context.is_streaming) == ({}, None, False)
        assert before + 4 < context.deadline < time.time() + 5.1
        assert 0 < context.remaining_seconds <= 5
        assert not context.expired
        await stub.inspect(Text("x"))
        assert echo.context.remaining_seconds is None or echo.context.remaining_seconds <= 300
        assert echo.context.call_id != context.call_id


@asynchronous
async def test_inline_arguments():
    async with served(Echo()) as (_, client):
        echo = await client.client(Echo)
        request = Echo.__aster_service_info__.get_method("current").request_type
        for call in (
            echo.current("a"),
            echo.current("a", 7),
            echo.current(first="a", second=7),
            echo.current("a", second=7, timeout=3),
            echo.current(request("a"), metadata={"k": "v"}),
        ):
            assert (await call).body == "a 7 current"
        with pytest.raises(TypeError):
            echo.current("a", 7, 8)
        with pytest.raises(TypeError):
            echo.current(third=1)
        assert (await echo.nothing()).value == 5


@asynchronous
async def test_calls_at_the_same_time_have_their_own_context():
    async with served(Echo()) as (_, client):
        echo = await client.client(Echo)
        answers = await asyncio.gather(*(echo.current(str(n), n) for n in range(100)))
        assert [answer.body for answer in answers] == [f"{n} {n} current" for n in range(100)]


@asynchronous
async def test_deadlines():
    echo = Echo()
    async with served(echo) as (_, client):
        stub = await client.client(Echo)
        # Dialling counts, too.
        assert (await stub.num(Num(1))).value == 1
        started = time.monotonic()
        error = await raised(stub.sleep(20.0, timeout=0.5))
        assert type(error) is DeadlineExceededError
        assert error.message == "deadline exceeded"
        assert time.monotonic() - started < 5
        await echo.cancelled.wait()
        assert str(await raised(stub.impatient(20.0))) == "[DEADLINE_EXCEEDED] deadline exceeded"
        assert (await stub.impatient(0.15, timeout=10.0)).value == 1
        echo.entered.clear()
        for timeout in (0, -1.5, -1e300):
            assert str(await raised(stub.sleep(0.0, timeout=timeout))) == "[DEADLINE_EXCEEDED] deadline exceeded"
        assert not echo.entered.is_set()
        assert (await stub.sleep(0.0, timeout=1e300)).value == 1
        assert isinstance(await raised(stub.sleep(0.0, timeout=float("nan"))), ValueError)


@asynchronous
async def test_cancelling_a_task_cancels_at_the_peer():
    echo = Echo()
    async with served(echo) as (_, client):
        stub = await client.client(Echo)
        task = asyncio.create_task(stub.sleep(60.0))
        await echo.entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert type(caught.value) is asyncio.CancelledError
        await echo.cancelled.wait()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(stub.sleep(60.0), 0.05)
        never = asyncio.create_task(stub.sleep(60.0))
        never.cancel()
        with pytest.raises(asyncio.CancelledError):
            await never
        assert (await stub.num(Num(1))).value == 1


@asynchronous
async def test_a_handler_that_cancels_itself():
    @service("Odd", public=True)
    class Odd:
        @rpc
        async def cancel(self, v: Num) -> Num:
            raise asyncio.CancelledError

        @rpc
        async def status(self, v: Num) -> Num:
            raise CancelledError("by choice")

    async with served(Odd()) as (_, client):
        odd = await client.client(Odd)
        assert type(await raised(odd.cancel(Num()))) is UnknownRpcError
        assert str(await raised(odd.status(Num()))) == "[CANCELLED] by choice"


@asynchronous
async def test_many_calls_at_once():
    async with served(Echo()) as (_, client):
        echo = await client.client(Echo)
        answers = await asyncio.gather(*(echo.num(Num(n)) for n in range(1000)))
        assert [answer.value for answer in answers] == list(range(1000))
        slow = [asyncio.create_task(echo.sleep(30.0)) for _ in range(1000)]
        while True:
            await asyncio.sleep(0.05)
            if sum(task.done() for task in slow) == 0 and (await echo.num(Num(7))).value == 7:
                break
        for task in slow:
            task.cancel()
        done = await asyncio.gather(*slow, return_exceptions=True)
        assert all(isinstance(outcome, asyncio.CancelledError) for outcome in done)
        assert (await echo.num(Num(8))).value == 8


@asynchronous
async def test_the_smallest_limit_of_calls_wins():
    @service("Narrow", public=True, max_concurrent_streams=2)
    class Narrow(Echo):
        pass

    impl = Narrow()
    async with served(impl) as (_, client):
        narrow = await client.client(Narrow)
        running = [asyncio.create_task(narrow.sleep(30.0)) for _ in range(2)]
        await impl.entered.wait()
        error = await raised(narrow.num(Num(1)))
        assert type(error) is ResourceExhaustedError
        assert error.message == "too many concurrent streams (limit 2)"
        for task in running:
            task.cancel()
        await asyncio.wait(running)
        while True:
            try:
                assert (await narrow.num(Num(1))).value == 1
                break
            except ResourceExhaustedError:
                await asyncio.sleep(0.01)


@asynchronous
async def test_capabilities_are_checked():
    async with served(Echo()) as (_, client):
        error = await raised((await client.client(Echo)).guarded())
        assert type(error) is PermissionDeniedError
        assert error.message == "capability check failed for method 'Echo.guarded'"


@asynchronous
async def test_unknown_methods():
    @service("Echo", public=True)
    class Larger(Echo):
        @rpc
        async def further(self, v: Num) -> Num:
            return v

    async with served(Echo()) as (_, client):
        larger = await client.client(Larger)
        error = await raised(larger.further(Num()))
        assert type(error) is UnimplementedError
        assert error.message == "Method 'Echo.further' not implemented"
        assert (await larger.num(Num(2))).value == 2


@asynchronous
async def test_another_contract_is_logged_once(caplog):
    @service("Echo", public=True)
    class Larger(Echo):
        @rpc
        async def further(self, v: Num) -> Num:
            return v

    async with served(Echo()) as (_, client):
        for _ in range(2):
            await (await client.client(Larger)).num(Num(2))
        lines = [record for record in caplog.records if "contract" in record.getMessage()]
        assert len(lines) == 1
        assert lines[0].name == "aster.client"
        assert lines[0].levelno == logging.WARNING


@asynchronous
async def test_bodies_that_are_too_large():
    async with served(Echo()) as (_, client):
        echo = await client.client(Echo)
        noise = os.urandom(17 * 1024 * 1024).hex()
        error = await raised(echo.text(Text(noise)))
        assert type(error) is ResourceExhaustedError
        assert "exceeds limit of 16777215" in error.message
        error = await raised(echo.large(9 * 1024 * 1024))
        assert isinstance(error, RpcError)
        assert (await echo.large(1024 * 1024)).body == "\u65e5" * 1024 * 1024
        assert (await echo.num(Num(1))).value == 1


@asynchronous
async def test_a_server_that_closes_ends_its_calls():
    echo = Echo()
    async with AsterServer([echo]) as server, AsterClient(address=server.address) as client:
        stub = await client.client(Echo)
        pending = asyncio.create_task(stub.sleep(60.0))
        await echo.entered.wait()
        await server.close()
        error = await raised(pending)
        assert isinstance(error, UnavailableError)
        assert echo.cancelled.is_set()
        error = await raised(stub.num(Num(1), timeout=0.3))
        assert error.code in {StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED}


@asynchronous
async def test_draining():
    echo = Echo()
    async with served(echo) as (server, client):
        stub = await client.client(Echo)
        running = asyncio.create_task(stub.sleep(0.3))
        await echo.entered.wait()
        draining = asyncio.create_task(server.drain(5.0))
        await asyncio.sleep(0.05)
        error = await raised(stub.num(Num(1)))
        assert (type(error), error.message) == (UnavailableError, "server is draining")
        assert (await running).value == 1
        await draining
        await server.drain()


def test_a_server_that_dies():
    program = Path(__file__).with_name("dying_server.py")

    async def main(process, address):
        async with AsterClient(address=address) as client:
            echo = await client.client(Echo)
            assert (await echo.num(Num(1))).value == 1
            pending = asyncio.create_task(echo.sleep(60.0))
            await asyncio.sleep(0.1)
            process.terminate()
            error = await raised(pending)
            assert type(error) is ConnectionLostError
            assert error.code is StatusCode.UNAVAILABLE
            assert error.message.startswith("connection lost: ")
            assert isinstance(error, (ConnectionError, TransportError))
            assert error.errno is None

    with subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE, text=True) as process:
        try:
            address = process.stdout.readline().strip()
            asyncio.run(asyncio.wait_for(main(process, address), 50))
        finally:
            process.kill()


@asynchronous
async def test_a_client_that_closes_ends_its_calls():
    echo = Echo()
    async with AsterServer([echo]) as server:
        client = AsterClient(address=server.address)
        await client.connect()
        stub = await client.client(Echo)
        pending = asyncio.create_task(stub.sleep(60.0))
        await echo.entered.wait()
        await client.close()
        assert isinstance(await raised(pending), UnavailableError)
        await echo.cancelled.wait()
        assert isinstance(await raised(stub.num(Num(1))), RuntimeError)


@asynchronous
async def test_a_closed_stub_leaves_the_connection():
    async with served(Echo()) as (_, client):
        stub, other = await client.client(Echo), await client.client(Echo)
        await stub.close()
        await stub.close()
        assert isinstance(await raised(stub.num(Num(1))), RuntimeError)
        assert (await other.num(Num(1))).value == 1
        assert (other.service_name, other.service_version) == ("Echo", 1)


@asynchronous
async def test_calls_leave_nothing_behind():
    async with served(Echo()) as (_, client):
        echo = await client.client(Echo)
        for _ in range(50):
            await echo.num(Num(1))
        await raised(echo.sleep(5.0, timeout=0.01))
        gc.collect()
        await asyncio.sleep(0.05)
        before = len(gc.get_objects())
        for _ in range(500):
            await echo.num(Num(1))
        gc.collect()
        assert len(gc.get_objects()) - before < 100
