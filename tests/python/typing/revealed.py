"""What checkers see of calls. mypy and pyright prove the types, and that each ignored line is an error for both."""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from typed_services import Answer, Ask, Bare, Named
from typing_extensions import assert_type

from aster import AsterClient, AsterServer, SerializationMode, rpc, service


async def calls(client: AsterClient) -> None:
    stub = await client.client(Bare)
    assert_type(stub, Bare)
    assert_type(await client.client(Named), Named)
    assert_type(await stub.explicit(Ask("x")), Answer)
    pending = assert_type(stub.explicit(Ask("x")), Coroutine[Any, Any, Answer])
    assert_type(await pending, Answer)
    await stub.explicit(Ask("x"), metadata={"k": "v"}, timeout=0.5, serialization=SerializationMode.JSON)
    assert_type(await stub.with_context(Ask("x")), Answer)
    assert_type(await stub.after_context(Ask("x"), timeout=1), Answer)
    assert_type(await stub.inline("a", 2), Answer)
    assert_type(await stub.inline(name="a"), Answer)
    assert_type(await stub.inline_with_context("a"), Answer)
    assert_type(await stub.only_context(), Answer)
    assert_type(await stub.nothing(), Answer)
    inherited = await client.client(Named)
    assert_type(await inherited.inline("a"), Answer)


async def errors(client: AsterClient) -> None:
    stub = await client.client(Bare)
    await stub.explicit(Answer("x"))  # type: ignore[arg-type]
    await stub.explicit()  # type: ignore[call-arg]
    await stub.explicit(request=Ask("x"))  # type: ignore[call-arg]
    await stub.explicit(Ask("x"), timeout="1")  # type: ignore[arg-type]
    await stub.explicit(Ask("x"), metadata={"k": 1})  # type: ignore[dict-item]
    await stub.explicit(Ask("x"), deadline=1)  # type: ignore[call-arg]
    await stub.with_context(Ask("x"), None)  # type: ignore[call-arg]
    await stub.inline(5)  # type: ignore[arg-type]
    await stub.inline()  # type: ignore[call-arg]
    await stub.inline("a", other=1)  # type: ignore[call-arg]
    await stub.inline_with_context()  # type: ignore[call-arg]
    await stub.only_context("a")  # type: ignore[call-arg]
    await stub.nothing(Ask("x"))  # type: ignore[call-arg]
    await stub.missing()  # type: ignore[attr-defined]
    print((await stub.explicit(Ask("x"))).missing)  # type: ignore[attr-defined]
    AsterClient("address")  # type: ignore[call-arg, arg-type]


async def implementations() -> None:
    server = AsterServer([Bare(), Named()])
    assert_type(server.address, str)
    assert_type(await Bare().explicit(Ask("x")), Answer)
    async with server as entered:
        assert_type(entered, AsterServer)


class Declared:
    @rpc  # type: ignore[arg-type]
    def plain(self, request: Ask) -> Answer:
        return Answer(request.text)

    @rpc(timeout="1")  # type: ignore[call-overload, untyped-decorator]
    async def options(self, request: Ask) -> Answer:
        return Answer(request.text)


assert_type(service(Declared), type[Declared])
service("Name", scope="session")  # type: ignore[call-overload]
