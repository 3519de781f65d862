"""Random plain values of a schema: mostly small, at the edges of types and of how they are written."""

from __future__ import annotations

import datetime as dt
import decimal
import math
import struct
import uuid
from random import Random
from typing import Any

from oracle_model import CONTAINERS, SIGNED, UNSIGNED, Schema, Type

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
_FIRST, _LAST = -62135596800, 253402300799
_FIRST_DATE, _LAST_DATE = dt.date.min.toordinal(), dt.date.max.toordinal()
_DURATION = 9_223_372_036_854
"""Seconds of the longest duration."""
_EXACT_SECONDS = (1 << 53) // 1_000_000
"""Beyond, a double cannot hold every microsecond."""
_DEPTH = 50
_ALPHABETS = ("abc xyz019", "\x00\x7f\x80ÿéß\n", "Āß你好\ud7ff\ue000\uffff", "a\U00010000\U0001f600\U0010ffff你é")
_LENGTHS = (0, 1, 2, 3, 7, 8, 15, 16, 17, 31, 32, 33, 40, 255, 256, 511, 512)


def random_value(random: Random, schema: Schema) -> Any:
    """Return a plain value of the root."""
    return _Maker(random, schema).value(schema.root, 1)


class _Maker:
    def __init__(self, random: Random, schema: Schema) -> None:
        self.random, self.schema = random, schema
        self.depths: dict[str, int] = {}
        # So many more parts may be made.
        self.budget = random.choice((3, 10, 30, 100))
        self.nulls = random.choice((0.0, 0.1, 0.5, 0.9))
        # One value in some goes as deep as it may.
        self.deep = random.random() < 0.05

    def value(self, of: Type, depth: int) -> Any:
        """Return a value inside of so many messages, its own included."""
        if of.optional and (self.too_deep(of.name, depth) or self.is_null(of)):
            return None
        self.budget -= 1
        if of.name in CONTAINERS:
            return self.container(of, depth)
        if of.name in self.schema.messages:
            fields = self.schema.messages[of.name].fields
            return {part.name: self.value(part.type, depth + 1) for part in fields}
        if of.name in self.schema.enums:
            return self.random.choice(self.schema.enums[of.name].members).name
        return scalar(self.random, of.name)

    def is_null(self, of: Type) -> bool:
        if self.deep and of.name in self.schema.messages:
            self.budget -= 1
            return self.budget < -_DEPTH * 10
        return self.budget < 0 or self.random.random() < self.nulls

    def container(self, of: Type, depth: int) -> Any:
        count = self.count(of, depth)
        if of.name == "list":
            return [self.value(of.parts[0], depth) for _ in range(count)]
        if of.name == "set":
            return self.distinct(of.parts[0], count)
        return [(key, self.value(of.parts[1], depth)) for key in self.distinct(of.parts[0], count)]

    def count(self, of: Type, depth: int) -> int:
        """Return how many elements a container gets; none where messages would be nested too deeply."""
        innermost = of
        small = True
        while innermost.name in CONTAINERS:
            innermost = innermost.parts[-1]
            small = small and innermost.name not in CONTAINERS
        is_message = innermost.name in self.schema.messages
        if self.budget < 0 or self.too_deep(innermost.name, depth):
            return 0
        if self.deep and is_message:
            return 1
        if small and not is_message and self.random.random() < 0.02:
            return self.random.choice((254, 255, 256, 257, 300, 511, 600))
        return self.random.choice((0, 1, 1, 2, 3, 5))

    def too_deep(self, name: str, depth: int) -> bool:
        """Tell whether a message inside of so many cannot be made within the limit."""
        return name in self.schema.messages and depth + self.required_depth(name) > _DEPTH + 1

    def required_depth(self, tag: str) -> int:
        """Return how many messages a value of this type contains at least, one in the other."""
        if tag not in self.depths:
            inner = [part.type.name for part in self.schema.messages[tag].fields if not part.type.optional]
            depths = [self.required_depth(name) for name in inner if name in self.schema.messages]
            self.depths[tag] = 1 + max(depths, default=0)
        return self.depths[tag]

    def distinct(self, of: Type, count: int) -> list[Any]:
        """Return up to so many values that Python takes for different ones."""
        found: dict[Any, None] = {}
        for _ in range(count * 2):
            item = self.value(of, 1)
            if item == item and len(found) < count:  # noqa: PLR0124 - NaN differs from itself
                found.setdefault(item)
        return list(found)


def scalar(random: Random, name: str) -> Any:
    """Return a value of a primitive."""
    if name in SIGNED:
        return _integer(random, -(1 << SIGNED[name] - 1), (1 << SIGNED[name] - 1) - 1)
    if name in UNSIGNED:
        return _integer(random, 0, (1 << UNSIGNED[name]) - 1)
    if name in {"float64", "float32"}:
        return _float(random, name)
    if name == "string":
        return text(random)
    if name == "binary":
        return random.randbytes(random.choice(_LENGTHS)) if random.random() < 0.3 else random.randbytes(3)
    if name == "decimal":
        return _decimal(random)
    if name == "uuid":
        return uuid.UUID(int=random.getrandbits(128))
    if name == "bool":
        return random.random() < 0.5
    return _time(random, name)


def text(random: Random) -> str:
    alphabet = random.choice(_ALPHABETS)
    length = random.choice(_LENGTHS) if random.random() < 0.15 else random.randrange(12)
    made = random.choices(alphabet, k=length)
    if made and random.random() < 0.2:
        made[random.randrange(length)] = random.choice(random.choice(_ALPHABETS))
    return "".join(made)


def _integer(random: Random, low: int, high: int) -> int:
    edge = random.choice((1, -1)) * (1 << random.randrange(65)) + random.randint(-1, 1)
    found = random.choice((low, high, 0, 1, -1, edge, edge, random.randint(-100, 300), random.randint(low, high)))
    return min(max(found, low), high)


def _float(random: Random, name: str) -> float:
    pattern, exponent, quiet = ("<d", 0x7FF << 52, 1 << 51) if name == "float64" else ("<f", 0xFF << 23, 1 << 22)
    size = struct.calcsize(pattern)
    bits = random.getrandbits(size * 8)
    if random.random() < 0.1:
        bits |= exponent
    (found,) = struct.unpack(pattern, bits.to_bytes(size, "little"))
    if math.isnan(found):
        # Signalling ones become quiet on their way through some processors.
        (found,) = struct.unpack(pattern, (bits | quiet).to_bytes(size, "little"))
    special = (0.0, -0.0, math.inf, -math.inf, math.nan, 1.0, -2.5, 16777216.0, 5.0e-324 if size == 8 else 2.0**-149)
    return float(random.choice((found, random.choice(special), float(random.randint(-9, 999)))))


def _decimal(random: Random) -> decimal.Decimal:
    edge = (1 << 62) + random.randint(-2, 2)
    wide = random.getrandbits(random.choice((8, 63, 64, 65, 200, 2000)))
    number = random.choice((0, 1, random.randint(0, 10**6), edge, 1 << 63, wide))
    if random.random() < 0.002:
        number = (1 << 80_000) - 1
    # JSON readers count such long texts by the square of their length, so that a value has few.
    scale = random.choice((0, 0, 2, -3, random.randint(-40, 40)) if random.random() < 0.98 else (10_000, -10_000))
    return decimal.Decimal((random.getrandbits(1) if number else 0, _digits(number), -scale))


def _digits(number: int) -> tuple[int, ...]:
    # Python 3.11 and later refuse to write so many digits of an integer; Decimal does not.
    return decimal.Context(prec=30_000).create_decimal(number).as_tuple().digits


def _time(random: Random, name: str) -> Any:
    near = random.randint(-100, 100)
    if name == "date":
        some = random.choice(
            (random.randint(_FIRST_DATE, _LAST_DATE), _FIRST_DATE, _LAST_DATE, _EPOCH.toordinal() + near)
        )
        return dt.date.fromordinal(some)
    longest = _DURATION if name == "duration" else _LAST
    first = -_DURATION if name == "duration" else _FIRST
    seconds = random.choice((random.randint(first, longest - 1), first, longest - 1, near, random.getrandbits(32)))
    # pyfory computes microseconds in doubles, which hold such fractions exactly.
    steps = 64 if abs(seconds) < _EXACT_SECONDS else 2
    elapsed = dt.timedelta(seconds=seconds, microseconds=random.randrange(steps) * (1_000_000 // steps))
    return elapsed if name == "duration" else _EPOCH + elapsed
