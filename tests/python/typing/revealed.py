"""What checkers see. `mypy --strict` proves the types, and that each ignored line is an error."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from typing_extensions import assert_type

from aster import AsterClient, AsterServer, CallContext, SerializationMode, rpc, service


@dataclass
class Ask:
    text: str = ""


@dataclass
class Answer:
    text: str = ""


@service
class Bare:
    @rpc
    async def explicit(self, request: Ask) -> Answer:
        return Answer(request.text)

    @rpc(timeout=1.0, idempotent=True)
    async def with_context(self, request: Ask, ctx: CallContext) -> Answer:
        return Answer(ctx.call_id)

    @rpc(name="inlineMethod")
    async def inline(self, name: str, count: int = 1) -> Answer:
        return Answer(name * count)

    @rpc
    async def inline_with_context(self, ctx: CallContext, name: str) -> Answer:
        return Answer(ctx.service + name)

    @rpc
    async def nothing(self) -> Answer:
        return Answer()


@service("Named", version=2, public=True)
class Named(Bare):
    pass


async def calls(client: AsterClient) -> None:
    stub = await client.client(Bare)
    assert_type(stub, Bare)
    assert_type(await client.client(Named), Named)
    assert_type(await stub.explicit(Ask("x")), Answer)
    pending = stub.explicit(Ask("x"))
    answer: Coroutine[Any, Any, Answer] = pending
    await answer
    await stub.explicit(Ask("x"), metadata={"k": "v"}, timeout=0.5, serialization=SerializationMode.JSON)
    assert_type(await stub.with_context(Ask("x")), Answer)
    assert_type(await stub.inline("a", 2), Answer)
    assert_type(await stub.inline(name="a"), Answer)
    assert_type(await stub.inline_with_context("a"), Answer)
    assert_type(await stub.nothing(), Answer)


async def errors(client: AsterClient) -> None:
    stub = await client.client(Bare)
    await stub.explicit(Answer("x"))  # type: ignore[arg-type]
    await stub.explicit()  # type: ignore[call-arg]
    await stub.explicit(Ask("x"), timeout="1")  # type: ignore[arg-type]
    await stub.inline(5)  # type: ignore[arg-type]
    await stub.inline("a", other=1)  # type: ignore[call-arg]
    await stub.missing()  # type: ignore[attr-defined]
    AsterClient("address")  # type: ignore[call-arg, arg-type]


async def implementations() -> None:
    server = AsterServer([Bare(), Named()])
    assert_type(server.address, str)
    assert_type(await Bare().explicit(Ask("x")), Answer)
    async with server as entered:
        assert_type(entered, AsterServer)
