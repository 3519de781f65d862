"""Services whose clients are generated and called, and the servers of them."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Annotated, Generic, TypeVar

from aster import (
    CallContext,
    Description,
    Metadata,
    SerializationMode,
    any_of,
    bidi_stream,
    client_stream,
    describe,
    rpc,
    server_stream,
    service,
    wire_type,
)
from aster.types import FixedInt64, Float32, Int8, Int32, UInt64

T = TypeVar("T")


@wire_type("gen/Level")
class Level(enum.IntEnum):
    LOW = 10
    HIGH = -20


@wire_type("gen/Mood")
class Mood(str, enum.Enum):
    UP = 'going "up"'
    DOWN = "going\ndown"


@wire_type("gen/Point")
@dataclass
class Point:
    x: float = 0.0
    y: float = 0.0


@wire_type("gen/Page")
@dataclass
class Page(Generic[T]):
    items: list[T] = field(default_factory=list)
    next: Page[T] | None = None


@wire_type("gen/Author")
@dataclass
class Author:
    name: str = ""
    books: list[Book] = field(default_factory=list)


@wire_type("gen/Book")
@dataclass
class Book:
    title: str = ""
    by: Author | None = None


@wire_type("other/Point")
@dataclass
class OtherPoint:
    """The same simple name in another package."""

    label: str = describe("what is there", tags=["pii"], default="x")


@wire_type("gen/Everything")
@dataclass
class Everything:
    text: str = describe('says "it"', default="it's\t\u65e5\\")
    flag: bool = True
    number: int = -5
    ratio: float = 1e30
    odd: float = float("-inf")
    raw: bytes = b"\x00'\"\xff"
    small: Int8 = -128
    word: Int32 = 7
    big: UInt64 = 2**64 - 1
    fixed: FixedInt64 = -(2**63)
    single: Float32 = 0.5
    at: dt.datetime = dt.datetime(2024, 5, 6, 7, 8, 9, 123000, tzinfo=dt.timezone.utc)
    day: dt.date = dt.date(2024, 2, 29)
    span: dt.timedelta = dt.timedelta(days=-1, milliseconds=5)
    price: decimal.Decimal = decimal.Decimal("-12.3400")
    level: Level = Level.HIGH
    mood: Mood = Mood.DOWN
    maybe: Mood | None = None
    names: set[str] = field(default_factory=lambda: {"b", "a"})
    by_level: dict[Level, Point | None] = field(default_factory=dict)
    points: list[Point] = field(default_factory=list)
    other: OtherPoint = field(default_factory=OtherPoint)
    page: Page[Point] | None = None
    author: Author | None = None
    grid: list[list[Point]] = field(default_factory=list)
    camelCase: str = ""  # noqa: N815
    str: str = "shadow"
    list: list[int | None] = field(default_factory=lambda: [1, None])


@service(
    "Everything-Service",
    version=2,
    requires=None,
    public=True,
    serialization=[SerializationMode.XLANG, SerializationMode.JSON],
    metadata=Metadata("All that there is.\n\n  Indented \\ text.", ["demo"]),
)
class EverythingService:
    @rpc(timeout=20.5, idempotent=True)
    async def echo(self, value: Everything) -> Everything:
        """Give it back."""
        return value

    @rpc
    async def inline(
        self,
        ctx: CallContext,
        name: Annotated[str, Description("who")],
        count: int = 2,
        levels: list[Level] = [Level.LOW],  # noqa: B006
        point: Point | None = None,
        metadata: str = "m",
    ) -> Point:
        """Take parameters."""
        return Point(float(len(name) * count), point.y if point else float(len(levels)))

    @rpc(name="none")
    async def nothing(self) -> Point:
        return Point(1.0)

    @server_stream
    async def count(self, first: int, until: int = 3) -> AsyncIterator[Point]:
        for at in range(first, until):
            yield Point(float(at))

    @server_stream(name="list", idempotent=True)
    async def list_(self, page: Page[Point]) -> AsyncIterator[Point]:
        for item in page.items:
            yield item

    @client_stream
    async def total(self, points: AsyncIterator[Point]) -> Point:
        given = [point async for point in points]
        return Point(sum(one.x for one in given), float(len(given)))

    @bidi_stream
    async def negate(self, points: AsyncIterator[Point]) -> AsyncIterator[Point]:
        async for point in points:
            yield Point(-point.x, -point.y)

    @rpc(requires=any_of("b", "a"), metadata=Metadata("", [], deprecated=True))
    async def library(self, book: Book) -> Author:
        return book.by or Author(books=[book])


@service("Tally", scoped="session", public=True)
class Tally:
    def __init__(self, peer: str | None = None) -> None:
        self.total = 0.0

    @rpc
    async def add(self, point: Point) -> Point:
        self.total += point.x
        return Point(self.total)

    @bidi_stream
    async def cancel(self, points: AsyncIterator[Point]) -> AsyncIterator[Point]:
        async for point in points:
            self.total += point.x
            yield Point(self.total)


# Whatever contracts allow and Python and TypeScript do not.
ODD = {
    "service": "1 odd\u00fc/Service",
    "version": 0,
    "scoped": "shared",
    "description": 'Ends in a quote "',
    "types": {
        "odd/class": {
            "fields": [
                {"name": "class", "type": "string", "default": "\u202e\"'\u0000", "description": 'a\\\n""" b'},
                {"name": "2nd", "type": "int", "tags": ["t"]},
                {"name": "self", "type": "odd/str"},
                {"name": "_x", "type": "string?"},
                {"name": "__init__", "type": "string"},
                {"name": "str", "type": "string"},
                {"name": "int", "type": "list<int>"},
                {"name": "list", "type": "map<string,list<string?>>", "default": {"a b": ["c", None]}},
                {"name": "set", "type": "set<odd/Enum>", "default": ["with space", "0"]},
                {"name": "bytes", "type": "bytes", "default": "IiInJycA/w=="},
                {"name": "float", "type": "float", "default": "NaN"},
                {"name": "two words", "type": "odd/b/str", "factory": True},
                {"name": "a-b", "type": "timestamp?", "factory": True},
                {"name": "a_b", "type": "duration"},
                {"name": "aster", "type": "decimal"},
                {"name": "\ufb01eld", "type": "varint32", "default": -7},
                {"name": "default", "type": "odd/str", "default": {"x": "y", "in": {"RED": 3}}},
                {"name": "__proto__", "type": "string"},
                {"name": "constructor", "type": "string"},
                {"name": "describe", "type": "string", "description": "described", "default": "d" * 90},
            ]
        },
        "odd/str": {
            "fields": [
                {"name": "x", "type": "string", "default": "long " * 40},
                {"name": "in", "type": "map<odd/Color,int>", "default": {}},
            ]
        },
        "odd/b/str": {"fields": [{"name": "then", "type": "odd/b/str?"}, {"name": "of", "type": "odd/Outer.Inner?"}]},
        "odd/Outer.Inner": {"fields": []},
        "odd/Color": {"enum": [["RED", 5], ["mro", 1], ["_y", 2], ["from", 3], ["__proto__", 4]]},
        "odd/Enum": {"enum": ["with space", "0", "title", "name"], "texts": {"0": "zero", "name": "zero"}},
    },
    "methods": [
        {"name": "then", "pattern": "unary", "request": "odd/class", "response": "odd/class"},
        {"name": "close", "pattern": "unary", "request": "odd/str", "response": "odd/str"},
        {"name": "int", "pattern": "server_stream", "request": "odd/str", "response": "odd/str"},
        {"name": "str", "pattern": "bidi_stream", "request": "odd/b/str", "response": "odd/b/str"},
        {"name": "2 words", "pattern": "client_stream", "request": "odd/str", "response": "odd/str"},
        {"name": "2_words", "pattern": "unary", "request": "odd/Outer.Inner", "response": "odd/Outer.Inner"},
        {
            "name": "__class__", "pattern": "unary", "request": "odd/str", "response": "odd/str",
            "requires": {"all_of": ['"']},
        },
        {
            "name": "inlined", "pattern": "unary", "request": "odd/class", "response": "odd/class",
            "request_style": "inline", "timeout_s": 1e-7, "description": 'text " ', "deprecated": True,
        },
    ],
}  # fmt: skip
