"""Clients without classes: the contract comes from the registry, messages are dicts (RG-9)."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import inspect
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from aster import ContractViolationError, RpcError, rpc, server_stream, service, wire_type, with_options
from aster.proxies import ProxyCalls, ProxyClient
from aster.status import UnimplementedError
from support import asynchronous, raised, served


@wire_type("dynamic/Mood")
class Mood(enum.IntEnum):
    CALM = 0
    CROSS = 1


@wire_type("dynamic/Colour")
class Colour(str, enum.Enum):
    RED = "red"
    SEA = "sea green"


@wire_type("dynamic/Node")
@dataclass
class Node:
    name: str = "root"
    mood: Mood = Mood.CALM
    colour: Colour | None = None
    children: list[Node] = field(default_factory=list)
    parent: Node | None = None
    raw: bytes = b""
    at: dt.datetime = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
    day: dt.date = dt.date(1970, 1, 1)
    took: dt.timedelta = dt.timedelta(0)
    price: decimal.Decimal = decimal.Decimal(0)
    scores: dict[str, list[int]] = field(default_factory=dict)


@service("Forest", public=True)
class Forest:
    @rpc
    async def echo(self, req: Node) -> Node:
        return req

    @rpc(timeout=5.0)
    async def deepest(self, req: Node) -> Node:
        while req.children:
            req = req.children[0]
        return req

    @server_stream
    async def walk(self, req: Node) -> AsyncIterator[Node]:
        yield req
        for child in req.children:
            yield child


@service("Diary", scoped="session", public=True)
class Diary:
    def __init__(self, peer: str | None = None) -> None:
        self.names: list[str] = []

    @rpc
    async def note(self, req: Node) -> Node:
        self.names.append(req.name)
        return Node(name=",".join(self.names))


WHOLE = {
    "name": "a",
    "mood": "CROSS",
    "colour": "SEA",
    "children": [{"name": "b", "children": [{"name": "c"}]}],
    "parent": {"name": "p"},
    "raw": b"\0\xff",
    "at": dt.datetime(2026, 11, 21, 12, tzinfo=dt.timezone.utc),
    "day": dt.date(2026, 11, 21),
    "took": dt.timedelta(seconds=1.5),
    "price": decimal.Decimal("12.50"),
    "scores": {"x": [1, -2], "": []},
}


def full(values):
    """Return a node with every field, as an answer has them."""
    empty = {
        "name": "root",
        "mood": "CALM",
        "colour": None,
        "children": [],
        "parent": None,
        "raw": b"",
        "at": dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc),
        "day": dt.date(1970, 1, 1),
        "took": dt.timedelta(0),
        "price": decimal.Decimal(0),
        "scores": {},
    }
    made = {**empty, **values}
    made["children"] = [full(child) for child in made["children"]]
    made["parent"] = made["parent"] and full(made["parent"])
    return made


@asynchronous
async def test_recursive_nested_and_enum_types_round_trip_as_dicts():
    async with served(Forest()) as (_, client):
        forest = client.proxy("Forest")
        assert await forest.echo(WHOLE) == full(WHOLE)
        assert await forest.echo() == full({})
        assert (await forest.deepest(WHOLE))["name"] == "c"
        assert [node["name"] async for node in forest.walk.stream(WHOLE)] == ["a", "b"]
        assert await forest.echo({"name": "x"}, mood="CROSS") == full({"name": "x", "mood": "CROSS"})


@asynchronous
async def test_a_session_without_classes_keeps_its_object():
    async with served(Diary) as (_, client), client.session("Diary") as diary:
        await diary.note(name="one")
        assert (await diary.call("note", {"name": "two"}))["name"] == "one,two"


UNFIT = [
    ({"nam": "x"}, "Node"),
    ({"children": [{"name": "ok"}, {"nme": 1}]}, "Node.children[1]"),
    ({"parent": {"parent": {"what": 1}}}, "Node.parent.parent"),
    ({"name": 1}, "Node.name"),
    ({"mood": "HAPPY"}, "Node.mood"),
    ({"scores": {"x": ["1"]}}, "Node.scores[0][0]"),
    ({"children": None}, "Node.children"),
]


@asynchronous
async def test_what_the_contract_does_not_know_is_refused_unsent_and_as_the_server_would():
    async with served(Forest()) as (server, client):
        forest = client.proxy("Forest")
        assert await forest.echo() == full({})
        # The same error comes from the server, when a client that knows no contract sends JSON.
        native, queue = client._connected()
        [summary] = client.services
        blind = ProxyClient(ProxyCalls(native.caller(), queue, summary, None))
        local, remote = await raised(forest.echo(nam="x")), await raised(blind.echo(nam="x"))
        assert type(local) is type(remote)
        keys = ("unexpected_fields", "location", "expected_class")
        assert [local.details.get(key) for key in keys] == [remote.details.get(key) for key in keys]

        # Nobody is asked: what could be sent fails otherwise.
        await server.close()
        assert not isinstance(await raised(with_options(forest, timeout=0.5).echo()), ContractViolationError)
        for request, location in UNFIT:
            error = await raised(forest.echo(request))
            assert isinstance(error, ContractViolationError), request
            assert error.details["location"] == location


@asynchronous
async def test_unknown_methods_and_wrong_forms_say_what_is_right():
    async with served(Forest()) as (_, client):
        forest = client.proxy("Forest")
        error = await raised(forest.fell({}))
        assert isinstance(error, UnimplementedError)
        assert error.message == "Method 'Forest.fell' not implemented"
        for call, text in [
            (forest.walk({}), "'Forest.walk' is a server_stream method. Use proxy.walk.stream({..})."),
            (forest.echo([{}]), "'Forest.echo' is a unary method. Use await proxy.echo({..})."),
            (forest.echo.stream({}).__anext__(), "'Forest.echo' is a unary method. Use await proxy.echo({..})."),
            (forest.echo.bidi().recv(), "'Forest.echo' is a unary method. Use await proxy.echo({..})."),
        ]:
            error = await raised(call)
            assert isinstance(error, RuntimeError), text
            assert str(error) == text
        assert (await forest) is forest
        with pytest.raises(AttributeError):
            _ = forest._private
        assert inspect.iscoroutine(pending := forest.echo({}))
        assert await pending == full({})


@asynchronous
async def test_options_of_proxies():
    async with served(Forest()) as (_, client):
        forest = with_options(client.proxy("Forest"), timeout=-1.0)
        error = await raised(forest.echo({}))
        assert isinstance(error, RpcError)
        assert error.code.name == "DEADLINE_EXCEEDED"
