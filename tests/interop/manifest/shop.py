"""The service of `test_manifests.py` in Python; `tests/node/manifest-scenario.ts` declares it in TypeScript."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum

import aster
from aster import types


class Colour(IntEnum):
    RED = 0
    GREEN = 1


aster.wire_type("shop/Colour")(Colour)


class Size(str, Enum):
    S = "small"
    L = "large"


aster.wire_type("shop/Size")(Size)


@aster.wire_type("shop/Line")
@dataclass
class Line:
    sku: str = ""
    count: int = 1
    weight: types.Float32 = 0.5


@aster.wire_type("shop/Order")
@dataclass
class Order:
    id: str = ""
    lines: list[Line] = field(default_factory=list)
    by_sku: dict[str, Line | None] = field(default_factory=dict)
    colour: Colour = Colour.GREEN
    number: types.Int8 = -1
    total: Decimal = Decimal("12.50")
    at: datetime = datetime(2024, 5, 6, 7, 8, 9, 250_000, tzinfo=timezone.utc)
    day: date = date(2024, 2, 29)
    lasts: timedelta = timedelta(seconds=1.5)
    raw: bytes = b"\x00\xff"
    tags: set[str] = field(default_factory=set)
    grid: list[list[float]] = field(default_factory=list)
    sizes: dict[Size, int] = field(default_factory=dict)
    size: Size = Size.L
    note: str | None = "none"
    parent: Order | None = None


@aster.wire_type("shop/Receipt")
@dataclass
class Receipt:
    id: str = ""
    done: bool = False


@aster.service(name="Shop", version=3, scoped="session", requires=aster.any_of("buyer", "admin"))
class Shop:
    def __init__(self, peer: str | None = None) -> None: ...

    @aster.rpc(timeout=1.5, idempotent=True)
    async def place(self, order: Order) -> Receipt: ...

    @aster.rpc(requires="admin")
    async def cancel_order(self, order_id: str, reason: str | None) -> Receipt: ...

    @aster.server_stream
    async def watch(self, line: Line) -> AsyncIterator[Order]:
        yield  # type: ignore[misc]

    @aster.client_stream
    async def fill(self, lines: AsyncIterator[Line]) -> Receipt: ...

    @aster.bidi_stream
    async def haggle(self, lines: AsyncIterator[Line]) -> AsyncIterator[Receipt]:
        yield  # type: ignore[misc]
