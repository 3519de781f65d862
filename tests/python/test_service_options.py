"""Sessions, interceptors and documents in declarations."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Annotated, Any

import pytest

import aster._messages
from aster import (
    CallContext,
    Description,
    Interceptor,
    Metadata,
    RpcScope,
    create_local_client,
    describe,
    rpc,
    server_stream,
    service,
    wire_type,
)
from support import Num, asynchronous


def test_sessions_take_a_peer():
    class Without:
        def __init__(self) -> None: ...

    class ByPosition:
        def __init__(self, peer, /) -> None: ...

    class Nothing:
        pass

    for cls in (Without, ByPosition, Nothing):
        text = rf"^@service\(scoped='session'\) class {cls.__name__}.__init__ must accept a 'peer' parameter$"
        with pytest.raises(TypeError, match=text):
            service(scoped="session")(cls)

    class With:
        def __init__(self, peer: str | None = None) -> None: ...

    class KeywordOnly:
        def __init__(self, *, peer: str) -> None: ...

    class Anything:
        def __init__(self, **options: Any) -> None: ...

    class Inherits(With):
        pass

    @dataclass
    class Made:
        peer: str = ""

    for cls in (With, KeywordOnly, Anything, Inherits, Made):
        for spelling in ("session", "stream"):
            info = service(scoped=spelling)(cls).__aster_service_info__
            assert info.scoped == "session" == RpcScope.SESSION.value


def test_scopes_are_part_of_the_contract():
    class Plain:
        def __init__(self, peer: str | None = None) -> None: ...

    ids = [
        service("Same", scoped=scope)(Plain).__aster_service_info__.contract_id
        for scope in ("shared", "session", "stream")
    ]
    assert ids[0] != ids[1] == ids[2]


class Counting(Interceptor):
    made = 0

    def __init__(self) -> None:
        type(self).made += 1
        self.seen: list[str] = []

    async def on_request(self, ctx: CallContext, request: object) -> object:
        self.seen.append(ctx.method)
        return request


@asynchronous
async def test_interceptors_of_services():
    shared = Counting()
    Counting.made = 1

    @service(interceptors=[Counting, shared], public=True)
    class Counted:
        @rpc
        async def one(self, v: Num) -> Num:
            return v

        @server_stream
        async def many(self, v: Num) -> AsyncIterator[Num]:
            yield v

    assert Counted.__aster_service_info__.interceptors == (Counting, shared)
    assert Counting.made == 1  # A class is made once per server, not with the declaration.
    stubs = [create_local_client(Counted, Counted()) for _ in range(2)]
    assert Counting.made == 3
    for stub in stubs:
        await stub.one(Num())
        assert [one async for one in stub.many(Num())] == [Num()]
    assert shared.seen == ["one", "many"] * 2


def test_what_is_no_interceptor():
    for given in ("trace", [object()], [Counting(), int], 5):
        with pytest.raises(TypeError, match="^interceptors must be a list of interceptors, or classes of them, got "):
            service(interceptors=given)


# -- documentation -------------------------------------------------------------------------------------------------


def described_fields(cls):
    table = aster._messages.MessageTable({})
    return {
        one["name"]: (one.get("description", ""), one.get("tags", [])) for one in table.types[table.add(cls)]["fields"]
    }


def test_documented_fields_and_parameters():
    @wire_type("test/Documented", metadata={"c": Metadata("sea", tags=["y"])})
    @dataclass
    class Documented:
        a: str = describe("first", default="")
        b: list[str] = describe("second", tags=("x",), default_factory=list)
        c: int = 0
        d: int = 1

    assert Documented() == Documented("", [], 0, 1)
    assert described_fields(Documented) == {
        "a": ("first", []),
        "b": ("second", ["x"]),
        "c": ("sea", ["y"]),
        "d": ("", []),
    }

    @service("Documents")
    class Documents:
        @rpc
        async def m(
            self, name: Annotated[str, Description("who", ("pii",))], n: Annotated[int, "unrelated"] = 3
        ) -> Num: ...

    @service("Documents")
    class Silent:
        @rpc
        async def m(self, name: str, n: int = 3) -> Num: ...

    method = Documents.__aster_service_info__.get_method("m")
    assert described_fields(method.request_type) == {"name": ("who", ["pii"]), "n": ("", [])}
    assert Documents.__aster_service_info__.contract_id == Silent.__aster_service_info__.contract_id
    with pytest.raises(ValueError, match="default"):
        describe("both", default=1, default_factory=int)


def test_factories_with_arguments_are_empty_defaults():
    plain = dataclasses.make_dataclass("Plain", [("x", list[str], field(default_factory=list))])
    strict = dataclasses.make_dataclass("Strict", [("x", list[str], field(default_factory=list[str]))])
    for cls in (plain, strict):
        table = aster._messages.MessageTable({})
        assert table.types[table.add(cls)]["fields"] == [{"name": "x", "type": "list<string>", "default": []}]
