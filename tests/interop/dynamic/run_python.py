"""Dynamic clients of `tests/interop` in Python: `serve` has the types; `call ADDRESS` has none and prints JSON."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any

from aster import AsterClient, AsterServer, ContractViolationError, rpc, server_stream, service, wire_type


class Kind(IntEnum):
    LEAF = 0
    BRANCH = 1


class Size(str, Enum):
    S = "small"
    L = "large"


wire_type("dynamic/Kind")(Kind)
wire_type("dynamic/Size")(Size)


@wire_type("dynamic/Leaf")
@dataclass
class Leaf:
    word: str = ""
    kind: Kind = Kind.LEAF


@wire_type("dynamic/Tree")
@dataclass
class Tree:
    name: str = ""
    kind: Kind = Kind.LEAF
    size: Size = Size.S
    children: list[Tree] = field(default_factory=list)
    leaves: dict[str, list[Leaf]] = field(default_factory=dict)
    by_number: dict[int, str | None] = field(default_factory=dict)
    kinds: set[Kind] = field(default_factory=set)
    big: int = 0
    at: datetime = datetime(1970, 1, 1, tzinfo=timezone.utc)
    day: date = date(1970, 1, 1)
    lasts: timedelta = timedelta(0)
    price: Decimal = Decimal(0)
    raw: bytes = b""
    parent: Branch | None = None


@wire_type("dynamic/Branch")
@dataclass
class Branch:
    """Refers back to what refers to it."""

    tree: Tree | None = None
    depth: int = 0


def below(tree: Tree, depth: int) -> Iterator[Branch]:
    yield Branch(Tree(tree.name, tree.kind), depth)
    for child in tree.children:
        yield from below(child, depth + 1)


@service("Forest", public=True)
class Forest:
    @rpc
    async def turn(self, tree: Tree) -> Tree:
        return replace(tree, children=tree.children[::-1], parent=Branch(Tree(tree.name), 2))

    @server_stream
    async def walk(self, tree: Tree) -> AsyncIterator[Branch]:
        for branch in below(tree, 0):
            yield branch


def small(name: str, *children: Any) -> dict[str, Any]:
    return {"name": name, "kind": "BRANCH" if children else "LEAF", "children": list(children)}


TREE = {
    **small("root", small("left", small("deep")), small("right")),
    "size": "L",
    "leaves": {"green": [{"word": "Blatt", "kind": "LEAF"}], "none": []},
    "by_number": {-1: None, 7: "seven"},
    "kinds": {"BRANCH"},
    "big": 2**62,
    "at": datetime(2024, 5, 6, 7, 8, 9, 250_000, tzinfo=timezone.utc),
    "day": date(2024, 2, 29),
    "lasts": timedelta(seconds=1.5),
    "price": Decimal("12.50"),
    "raw": b"\x00\xff",
    "parent": {"tree": None, "depth": 1},
}


def shown(value: Any) -> Any:
    """Return a value as every language prints it."""
    if isinstance(value, datetime):
        return round(value.timestamp() * 1000)
    if isinstance(value, timedelta):
        return round(value.total_seconds() * 1000)
    if isinstance(value, (date, Decimal)) or (isinstance(value, int) and abs(value) >= 2**53):
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, list):
        return [shown(item) for item in value]
    if isinstance(value, dict):
        return {str(key): shown(item) for key, item in value.items()}
    return value


async def serve() -> None:
    async with AsterServer([Forest()]) as server:
        print("address", server.address, flush=True)
        await server.serve()


async def call(address: str) -> None:
    async with AsterClient(address=address) as client:
        forest = client.proxy("Forest")
        turned = shown(await forest.turn(TREE))
        walked = [[one["depth"], one["tree"]["name"], one["tree"]["kind"]] async for one in forest.walk.stream(TREE)]
        try:
            wrong: Any = await forest.turn({**TREE, "children": [{"name": "a", "twigs": 1}]})
        except ContractViolationError as error:
            wrong = dict(error.details)
        print(json.dumps({"turned": turned, "walked": walked, "wrong": wrong}))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve() if sys.argv[1] == "serve" else call(sys.argv[2]))
