"""What decorators accept and refuse, with the texts of the specification."""

from __future__ import annotations

import dataclasses
import enum
import typing
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Dict, List, Literal, NewType, Optional, Union

import pytest

import aster
import aster._messages
import aster.public
from aster import CallContext, RpcScope, SerializationMode, all_of, any_of, rpc, service, wire_type
from support import Echo, Num, Text

UserId = NewType("UserId", int)


def field_types(cls):
    """Return the type texts that a message of a service declares."""
    table = aster._messages.MessageTable({})
    tag = table.add(cls)
    return {entry["name"]: entry["type"] for entry in table.types[tag]["fields"]}


def declare(**annotations):
    """Return a service whose request has these fields, declared with a default of None."""
    made = dataclasses.make_dataclass("Made", [(n, a, field(default=None)) for n, a in annotations.items()])

    @service("Declared", public=True)
    class Declared:
        async def call(self, value):
            raise NotImplementedError

        call.__annotations__ = {"value": made, "return": Num}
        call = rpc(call)

    return Declared


def test_forms_of_service():
    @service
    class Bare:
        @rpc
        async def m(self, v: Num) -> Num:
            return v

    @service()
    class Called:
        @rpc()
        async def m(self, v: Num) -> Num:
            return v

    @service("Given")
    class Positional:
        @rpc
        async def m(self, v: Num) -> Num:
            return v

    @service(name="Named", version=7, requires=any_of("b", "a"), public=True, max_concurrent_streams=3)
    class Keyword:
        """First paragraph,
        in two lines.

        Second paragraph."""

        @rpc(name="wireName", timeout=2.5, idempotent=True, requires=all_of("x"), serialization=SerializationMode.JSON)
        async def python_name(self, v: Num) -> Num:
            return v

    names = [cls.__aster_service_info__.name for cls in (Bare, Called, Positional, Keyword)]
    assert names == ["Bare", "Called", "Given", "Named"]
    info = Keyword.__aster_service_info__
    assert (info.version, info.public, info.max_concurrent_streams, info.scoped) == (7, True, 3, RpcScope.SHARED)
    assert info.requires == any_of("b", "a")
    assert info.metadata.description == "First paragraph, in two lines."
    method = info.get_method("wireName")
    assert info.has_method("wireName")
    assert not info.has_method("python_name")
    assert (method.attribute, method.timeout, method.idempotent) == ("python_name", 2.5, True)
    assert (method.pattern, method.request_type, method.request_style) == ("unary", Num, "explicit")
    assert method.serialization is SerializationMode.JSON


def test_methods_of_bases_count():
    class Base:
        @rpc
        async def one(self, v: Num) -> Num:
            return v

    @service
    class Derived(Base):
        @rpc
        async def two(self, v: Text) -> Text:
            return v

    assert list(Derived.__aster_service_info__.methods) == ["one", "two"]


def test_service_refuses():
    with pytest.raises(TypeError, match="^@service can only be applied to classes$"):
        service(lambda: None)
    with pytest.raises(ValueError, match="scoped"):
        service(scoped="global")
    with pytest.raises(ValueError, match="version"):
        service(version=True)
    with pytest.raises(ValueError, match="max_concurrent_streams"):
        service(max_concurrent_streams=0)
    with pytest.raises(ValueError, match="any_of"):
        any_of()
    with pytest.raises(ValueError, match="^Duplicate method name 'same' in service 'Twice'$"):

        @service
        class Twice:
            @rpc(name="same")
            async def one(self, v: Num) -> Num: ...
            @rpc(name="same")
            async def two(self, v: Num) -> Num: ...


def test_rpc_refuses():
    with pytest.raises(TypeError, match="^@rpc method plain must be an async function$"):

        @rpc
        def plain(self, v: Num) -> Num: ...

    with pytest.raises(TypeError, match="^@rpc method stream must be an async function$"):

        @rpc()
        async def stream(self, v: Num):
            yield v


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("async def m(self, v) -> Num: ...", "Method m has no type annotation for request parameter 'v'"),
        ("async def m(self, v: Num): ...", "Method m has no return type annotation"),
        (
            "async def m(self, v: Num) -> None: ...",
            "Method m returns None -- Aster RPC methods must return a @wire_type dataclass, not None.",
        ),
        ("async def m(self, v: Num) -> int: ...", "Method m must return a dataclass, got int"),
        ("async def m(self, v: Num) -> list[Num]: ...", "Method m must return a dataclass, got list[Num]"),
        ("async def m(self, v: 'Missing') -> Num: ...", "Method m: cannot resolve annotation 'Missing'"),
        ("async def m(self, v: Num) -> 'Missing': ...", "Method m: cannot resolve annotation 'Missing'"),
        (
            "async def m(self, a: Num, b: int) -> Num: ...",
            "Inline parameter 'a' has dataclass type 'Num' but is not Optional",
        ),
        ("async def m(self, a: complex) -> Num: ...", "Inline parameter 'a' has unsupported type complex"),
        ("async def m(self, a: Any, b: int) -> Num: ...", "Inline parameter 'a' has unsupported type Any"),
    ],
)
def test_methods_that_cannot_be_called(source, text):
    scope = {"rpc": rpc, "service": service, "Num": Num, "Any": Any}
    program = f"@service\nclass S:\n    @rpc\n    {source}\n"
    with pytest.raises(TypeError) as caught:
        exec(program, scope)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("annotation", "shown"),
    [
        (Any, "Any"),
        (Union[int, str], "Union[int, str]"),
        (Literal["a"], "Literal['a']"),
        (tuple[int, str], "tuple[int, str]"),
        (complex, "complex"),
        (object, "object"),
        (dict[float, str], "dict[float, str]"),
        (dict[Optional[str], str], "dict[typing.Optional[str], str]".replace("typing.", "")),
        (list[Any], "list[typing.Any]".replace("typing.", "")),
        (typing.TypeVar("T"), "~T"),
        (type("Plain", (), {}), "Plain"),
        (enum.Flag("Flags", "A B"), "Flags"),
        (typing.NamedTuple("Pair", [("a", int)]), "Pair"),
        (typing.TypedDict("Typed", {"a": int}), "Typed"),
    ],
)
def test_unsupported_types(annotation, shown):
    with pytest.raises(TypeError) as caught:
        declare(x=annotation)
    assert str(caught.value) == f"Unsupported type in Made.x: {shown}"


def test_fields_that_cannot_travel():
    @dataclass
    class Required:
        x: int

    @dataclass
    class Clash:
        userName: str = ""  # noqa: N815
        user_name: str = ""

    @dataclass
    class Initial:
        x: dataclasses.InitVar[int] = 0

    @dataclass
    class Unknown:
        x: NoSuchType = None  # noqa: F821

    for cls, text in [
        (Required, "Field Required.x has no default value; every wire type field needs one"),
        (Clash, "Fields 'userName' and 'user_name' of Clash share the wire name 'user_name'"),
        (Initial, "Unsupported type in Initial.x: dataclasses.InitVar[int]"),
        (Unknown, "Field Unknown.x: cannot resolve annotation 'NoSuchType'"),
    ]:
        with pytest.raises(TypeError) as caught:
            field_types(cls)
        assert str(caught.value) == text


def test_tags():
    assert Num.__wire_type__ == "test/Num"
    assert (Num.__fory_namespace__, Num.__fory_typename__) == ("test", "Num")
    with pytest.raises(ValueError, match="empty"):
        wire_type("")
    with pytest.raises(ValueError, match="empty"):
        wire_type("package/")
    with pytest.raises(ValueError, match="dot"):
        wire_type("package/a.b")

    @wire_type("deep/er/Alone")
    class Above:
        pass

    assert (Above.__fory_namespace__, Above.__fory_typename__) == ("deep/er", "Alone")

    @dataclass
    class Untagged:
        x: int = 0

    @service
    class Uses:
        @rpc
        async def m(self, v: Untagged) -> Untagged:
            return v

    name = f"{__name__}.test_tags.<locals>.Untagged"
    assert Untagged.__wire_type__ == name
    assert f"{Untagged.__fory_namespace__}.{Untagged.__fory_typename__}" == name


def test_one_tag_for_two_classes():
    @wire_type("test/Num")
    @dataclass
    class Other:
        value: int = 0

    with pytest.raises(ValueError, match=r"^Duplicate wire_type tag 'test/Num': support\.Num and .*Other$"):

        @service
        class Confused:
            @rpc
            async def m(self, v: Num) -> Other: ...


def test_equal_annotations_give_equal_types():
    @wire_type("test/Spelled")
    @dataclass
    class Spelled:
        a: Optional[int] = None
        b: int | None = None
        c: Union[None, int] = None
        d: Annotated[int, "text"] = 0
        e: UserId = UserId(0)
        f: List[str] = field(default_factory=list)
        g: list = field(default_factory=list)
        h: Dict[str, int] = field(default_factory=dict)
        i: dict = field(default_factory=dict)
        j: "list[Optional[list[int]]]" = field(default_factory=list)
        k: Optional[Optional[str]] = None
        l: "Optional[Spelled]" = None
        local: ClassVar[int] = 3
        later: int = field(init=False, default=4)

    assert field_types(Spelled) == {
        "a": "int?",
        "b": "int?",
        "c": "int?",
        "d": "int",
        "e": "int",
        "f": "list<string>",
        "g": "list<string>",
        "h": "map<string,int>",
        "i": "map<string,string>",
        "j": "list<list<int>?>",
        "k": "string?",
        "l": "test/Spelled?",
    }


def test_defaults_are_declared():
    @dataclass
    class Inner:
        x: int = 1

    @wire_type("test/Defaults")
    @dataclass
    class Defaults:
        a: str = "\u65e5"
        b: float = float("inf")
        c: bytes = b"\x00\xff"
        d: bool = True
        e: list[int] = field(default_factory=lambda: [1])
        f: list[int] = field(default_factory=list)
        g: Inner = field(default_factory=Inner)
        h: int | None = 4

    table = aster._messages.MessageTable({"Inner": Inner})
    table.add(Defaults)
    declared = {entry["name"]: entry for entry in table.types["test/Defaults"]["fields"]}
    defaults = {name: entry.get("default", "computed") for name, entry in declared.items()}
    assert defaults == {
        "a": "\u65e5",
        "b": "Infinity",
        "c": "AP8=",
        "d": True,
        "e": "computed",
        "f": [],
        "g": "computed",
        "h": 4,
    }


def test_a_default_of_another_type_is_refused():
    with pytest.raises(TypeError, match="x"):

        @dataclass
        class Odd:
            x: int = "no"

        @service
        class Uses:
            @rpc
            async def m(self, v: Odd) -> Num: ...


def test_inline_parameters():
    methods = Echo.__aster_service_info__.methods
    current = methods["current"]
    assert current.request_style == "inline"
    assert current.inline_params == ("first", "second")
    assert current.accepts_ctx
    assert current.request_type.__name__ == "CurrentRequest"
    assert current.request_type.__wire_type__ == "support.CurrentRequest"
    assert current.request_type("a") == current.request_type("a", 7)
    assert methods["nothing"].request_type.__name__ == "NothingRequest"
    assert methods["refuse"].request_type() == methods["refuse"].request_type(0, "", {})
    assert methods["inspect"].request_style == "explicit"


def test_inline_and_handwritten_requests_are_one_contract():
    @wire_type("test_declarations/SayHelloRequest")
    @dataclass
    class SayHelloRequest:
        name: str = ""
        tags: list[str] = field(default_factory=list)
        first: Optional[Num] = None

    @service("Greeting")
    class Handwritten:
        @rpc(name="sayHello")
        async def say_hello(self, request: SayHelloRequest) -> Text: ...

    @service("Greeting")
    class Inline:
        @rpc(name="sayHello")
        async def m(self, ctx: CallContext, name: str, tags: list[str], first: Optional[Num]) -> Text: ...

    ids = {cls.__aster_service_info__.contract_id for cls in (Handwritten, Inline)}
    assert len(ids) == 1


def test_names_of_the_package():
    for name in aster.__all__:
        assert getattr(aster, name) is not None
    for name in aster.public.__all__:
        assert getattr(aster.public, name) is getattr(aster, name)
    assert not {"ConnectionError", "PermissionError", "TimeoutError"} & set(aster.__all__)
