"""What decorators of streams accept and refuse, with the texts of the specification."""

from __future__ import annotations

import collections.abc
import importlib.util
import sys
import typing
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import pytest

from aster import (
    CallContext,
    Metadata,
    SerializationMode,
    any_of,
    bidi_stream,
    client_stream,
    rpc,
    server_stream,
    service,
)
from support import Num, Text

STREAMS = {"server_stream": server_stream, "client_stream": client_stream, "bidi_stream": bidi_stream}


def declare(decorator, source, **names):
    """Run the source of a service with one decorated method and return the service."""
    scope = {**STREAMS, "rpc": rpc, "service": service, "Num": Num, "Any": Any, "CallContext": CallContext}
    scope |= {"AsyncIterator": AsyncIterator, "AsyncIterable": AsyncIterable, "AsyncGenerator": AsyncGenerator}
    scope |= names
    program = f"@service\nclass S:\n    @{decorator}\n    {source}\n"
    exec(compile(program, "<service>", "exec", dont_inherit=True), scope)
    return scope["S"].__aster_service_info__


def refusal(decorator, source, kind=TypeError, **names):
    with pytest.raises(kind) as caught:
        declare(decorator, source, **names)
    return str(caught.value)


# -- forms ---------------------------------------------------------------------------------------------------------


def test_forms_of_method_decorators():
    source = {
        "server_stream": "async def m(self, v: Num) -> AsyncIterator[Num]: yield v",
        "client_stream": "async def m(self, vs: AsyncIterator[Num]) -> Num: return Num()",
        "bidi_stream": "async def m(self, vs: AsyncIterator[Num]) -> AsyncIterator[Num]: yield Num()",
    }
    for name, text in source.items():
        for form in (name, f"{name}()"):
            method = declare(form, text).get_method("m")
            assert (method.pattern, method.timeout, method.idempotent) == (name, None, False)
        for form in (f"{name}(2)", f"{name}(2.0)", f"{name}(timeout=2.0)"):
            assert declare(form, text).get_method("m").timeout == 2.0
        options = "name='n', serialization=mode, requires=roles, metadata=docs"
        docs = Metadata("described")
        names = {"mode": SerializationMode.JSON, "roles": any_of("a"), "docs": docs}
        method = declare(f"{name}(0.5, {options})", text, **names).get_method("n")
        assert (method.attribute, method.timeout, method.metadata) == ("m", 0.5, docs)
        assert (method.serialization, method.requires) == (SerializationMode.JSON, any_of("a"))
    for name in ("server_stream", "client_stream"):
        assert declare(f"{name}(idempotent=True)", source[name]).get_method("m").idempotent
    assert "idempotent" in refusal("bidi_stream(idempotent=True)", source["bidi_stream"])
    assert refusal("server_stream(2.0, timeout=3.0)", source["server_stream"]) == "timeout is given twice"
    for bad in ("0", "-1.0", "float('nan')", "float('inf')"):
        text = refusal(f"client_stream({bad})", source["client_stream"], ValueError)
        assert text == "timeout must be a positive number of seconds"


def test_decorators_return_the_function():
    async def plain(self, v: Num) -> AsyncIterator[Num]:
        yield v

    assert server_stream(plain) is plain
    assert server_stream(1.0)(plain) is plain
    assert plain.__aster_method_info__.timeout == 1.0


@pytest.mark.parametrize("decorator", ["server_stream", "bidi_stream"])
@pytest.mark.parametrize("source", ["async def m(self, v: Num) -> Num: ...", "def m(self, v: Num): yield v"])
def test_streams_of_responses_are_generators(decorator, source):
    text = f"@{decorator} method m must be an async generator (use 'async def' with 'yield')"
    assert refusal(decorator, source) == text
    assert refusal(f"{decorator}(1.0)", source) == text


@pytest.mark.parametrize("source", ["def m(self, v: Num) -> Num: ...", "async def m(self, v: Num): yield v"])
def test_one_response_is_returned(source):
    assert refusal("client_stream", source) == "@client_stream method m must be an async function"
    assert refusal("client_stream(timeout=1)", source) == "@client_stream method m must be an async function"


# -- annotations ---------------------------------------------------------------------------------------------------

REFUSED = [
    ("client_stream", "(self) -> Num: ...", "Method m is marked as client_stream but has no request parameter"),
    ("client_stream", "(self, ctx: CallContext) -> Num: ...", "marked as client_stream but has no request parameter"),
    (
        "bidi_stream",
        "(self) -> AsyncIterator[Num]: yield",
        "Method m is marked as bidi_stream but has no request parameter",
    ),
    ("client_stream", "(self, vs) -> Num: ...", "Method m has no type annotation for request parameter 'vs'"),
    ("server_stream", "(self, v) -> AsyncIterator[Num]: yield", "has no type annotation for request parameter 'v'"),
    ("bidi_stream", "(self, vs) -> AsyncIterator[Num]: yield", "has no type annotation for request parameter 'vs'"),
    ("server_stream", "(self, v: Num): yield", "Method m has no return type annotation"),
    ("client_stream", "(self, vs: AsyncIterator[Num]): ...", "Method m has no return type annotation"),
    ("bidi_stream", "(self, vs: AsyncIterator[Num]): yield", "Method m has no return type annotation"),
    ("client_stream", "(self, vs: AsyncIterator[Num]) -> None: ...", "Method m returns None -- Aster RPC methods must"),
    ("server_stream", "(self, v: Num) -> None: yield", "Method m returns None -- Aster RPC methods must return a"),
    ("server_stream", "(self, v: Num) -> AsyncIterator[None]: yield", "Method m returns None -- Aster RPC methods"),
    ("client_stream", "(self, vs: AsyncIterator[Num]) -> int: ...", "Method m must return a dataclass, got int"),
    (
        "server_stream",
        "(self, v: Num) -> AsyncIterator[int]: yield",
        "must return a dataclass, got collections.abc.Async",
    ),
    ("server_stream", "(self, v: Num) -> Num: yield", "Method m must return an AsyncIterator of a dataclass, got Num"),
    (
        "server_stream",
        "(self, v: Num) -> list[Num]: yield",
        "must return an AsyncIterator of a dataclass, got list",
    ),
    (
        "server_stream",
        "(self, v: Num) -> Bare: yield",
        "must return an AsyncIterator of a dataclass, got AsyncIterator",
    ),
    ("client_stream", "(self, v: Num) -> Num: ...", "its request parameter must be an AsyncIterator of a dataclass"),
    ("client_stream", "(self, vs: Bare) -> Num: ...", "its request parameter must be an AsyncIterator of a dataclass"),
    ("client_stream", "(self, vs: list[Num]) -> Num: ...", "its request parameter must be an AsyncIterator of a"),
    ("client_stream", "(self, vs: AsyncIterator[Num], n: int) -> Num: ...", "its request parameter must be an Async"),
    ("client_stream", "(self, vs: AsyncIterator[int]) -> Num: ...", "items of 'vs' must be a dataclass, got int"),
    ("bidi_stream", "(self, vs: AsyncIterator[str]) -> AsyncIterator[Num]: yield", "items of 'vs' must be a dataclass"),
    ("server_stream", "(self, v: Num) -> AsyncIterator['Gone']: yield", "Method m: cannot resolve annotation 'Gone'"),
    (
        "client_stream",
        "(self, vs: 'AsyncIterator[Gone]') -> Num: ...",
        "cannot resolve annotation 'AsyncIterator[Gone",
    ),
    (
        "server_stream",
        "(self, a: Num, b: int) -> AsyncIterator[Num]: yield",
        "'a' has dataclass type 'Num' but is not",
    ),
    (
        "server_stream",
        "(self, a: complex) -> AsyncIterator[Num]: yield",
        "Inline parameter 'a' has unsupported type co",
    ),
    ("server_stream", "(self, *a: int) -> AsyncIterator[Num]: yield", "Inline parameter 'a' has unsupported type *int"),
]


@pytest.mark.parametrize(("decorator", "source", "text"), REFUSED)
def test_methods_that_cannot_be_called(decorator, source, text):
    assert text in refusal(decorator, f"async def m{source}", Bare=typing.AsyncIterator)


@pytest.mark.parametrize(
    "items",
    [
        AsyncIterator[Num],
        AsyncIterable[Num],
        AsyncGenerator[Num, None],
        typing.AsyncIterator[Num],
        typing.AsyncIterable[Num],
        typing.AsyncGenerator[Num, None],
        collections.abc.AsyncIterator["Num"],
        typing.AsyncIterator["Num"],
        "AsyncIterator[Num]",
        "AsyncIterator['Num']",
        Annotated[AsyncIterator[Num], "text"],
        AsyncIterator[Annotated[Num, "text"]],
    ],
)
def test_annotations_of_streams(items):
    source = "async def m(self, vs: Items) -> Items: yield Num()"
    info = declare("bidi_stream", source, Items=items)
    method = info.get_method("m")
    assert (method.request_type, method.response_type, method.request_style) == (Num, Num, "explicit")
    plain = "async def m(self, vs: AsyncIterator[Num]) -> AsyncIterator[Num]: yield Num()"
    assert info.contract_id == declare("bidi_stream", plain).contract_id


def test_contexts_stand_anywhere():
    for parameters in (
        "self, vs: AsyncIterator[Num], ctx: CallContext",
        "self, ctx: CallContext, vs: AsyncIterator[Num]",
    ):
        info = declare("client_stream", f"async def m({parameters}) -> Num: return Num()")
        assert info.get_method("m").accepts_ctx
        assert (
            info.contract_id
            == declare("client_stream", "async def m(self, v: AsyncIterator[Num]) -> Num: ...").contract_id
        )


def test_inline_requests_of_streams():
    method = declare(
        "server_stream",
        "async def say_it(self, text: str, ctx: CallContext, times: int = 2) -> AsyncIterator[Num]: yield",
    ).get_method("say_it")
    assert (method.request_style, method.inline_params, method.accepts_ctx) == ("inline", ("text", "times"), True)
    assert method.request_type.__name__ == "SayItRequest"
    assert method.request_type("a") == method.request_type("a", 2)


def test_methods_of_bases_count():
    class Base:
        @server_stream
        async def one(self, v: Num) -> AsyncIterator[Num]:
            yield v

        @client_stream
        async def two(self, vs: AsyncIterator[Num]) -> Num:
            return Num()

    @service("Derived")
    class Derived(Base):
        @bidi_stream
        async def three(self, vs: AsyncIterator[Num]) -> AsyncIterator[Text]:
            yield Text()

        @server_stream
        async def one(self, v: Text) -> AsyncIterator[Text]:
            yield v

    methods = Derived.__aster_service_info__.methods
    assert [(name, one.pattern) for name, one in methods.items()] == [
        ("one", "server_stream"),
        ("two", "client_stream"),
        ("three", "bidi_stream"),
    ]
    assert methods["one"].request_type is Text
    assert not hasattr(Base, "__aster_service_info__")


def test_names_are_one_space_for_all_patterns():
    with pytest.raises(ValueError, match="^Duplicate method name 'same' in service 'Twice'$"):

        @service
        class Twice:
            @rpc(name="same")
            async def one(self, v: Num) -> Num: ...
            @server_stream(name="same")
            async def two(self, v: Num) -> AsyncIterator[Num]:
                yield v


def test_what_checkers_see_is_what_runs():
    """The services whose types are asserted: an inline method for checkers is one when it runs."""
    path = Path(__file__).parent / "typing" / "typed_services.py"
    spec = importlib.util.spec_from_file_location("typed_services", path)
    typed = importlib.util.module_from_spec(spec)
    sys.modules["typed_services"] = typed
    spec.loader.exec_module(typed)
    del sys.modules["typed_services"]
    methods = {
        method.attribute: method.request_style
        for cls in (typed.Bare, typed.Streams, typed.Room)
        for method in cls.__aster_service_info__.methods.values()
    }
    inline = {"inline", "inline_with_context", "only_context", "nothing", "words", "words_with_context", "ticks"}
    assert {name for name, style in methods.items() if style == "inline"} == inline
    assert len(methods) == 23
