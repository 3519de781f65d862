"""Decodes small inputs that ask for much, and prints for each what happened, the growth of the process and the time.

A program of its own: memory is only counted up. Bombs that may take some memory come last.
"""

from __future__ import annotations

import dataclasses
import json
import resource
import sys
import time
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from oracle_mutations import definitions, header, uvarint

from aster import RpcError
from aster.codec import ForyCodec, wire_type
from aster.json_codec import JsonProxyCodec

if TYPE_CHECKING:
    from collections.abc import Callable


@wire_type("bomb/Empty")
@dataclass
class Empty:
    pass


@wire_type("bomb/Node")
@dataclass
class Node:
    next: Node | None = None


@wire_type("bomb/Tree")
@dataclass
class Tree:
    children: list[Tree] = field(default_factory=list)


@wire_type("bomb/Many")
@dataclass
class Many:
    """Fields in the order of the wire, which is that of their names."""

    a_bools: list[bool] = field(default_factory=list)
    b_empties: list[Empty] = field(default_factory=list)
    c_nested: list[list[Empty]] = field(default_factory=list)
    d_table: dict[str, int] = field(default_factory=dict)
    e_texts: list[str] = field(default_factory=list)
    f_text: str = ""
    g_binary: bytes = b""
    h_decimal: Decimal = Decimal(0)
    i_set: set[int] = field(default_factory=set)
    j_spread: list[Empty | None] = field(default_factory=list)


MB = 1 << 20
SMALL_MB, LARGE_MB = 24, 256
"""Growth by a bomb that must not take memory, and by one that comes just within the limit of 128 MiB."""
CODECS = {cls: ForyCodec(types=[cls]) for cls in (Node, Tree, Many)}
JSON = JsonProxyCodec([Node, Tree, Many])
FIELDS = [part.name for part in dataclasses.fields(Many)]
EMPTY_FIELDS = {"f_text": b"\x00", "h_decimal": b"\x00\x00"}


def many(name: str, value: bytes) -> tuple[type[Any], bytes]:
    """Return a `Many` with one field that is not empty."""
    [(_, _, end)] = definitions(front := CODECS[Many].encode(Many()))
    values = [value if part == name else EMPTY_FIELDS.get(part, b"\x00") for part in FIELDS]
    return Many, front[:end] + b"".join(values)


def empty_type() -> bytes:
    """Return the type info of `Empty` as second type of a payload."""
    written = CODECS[Many].encode(Many(b_empties=[Empty()]))
    found = definitions(written)[1]
    return b"\x1e\x02" + written[found.start : found.end]


def nodes(depth: int) -> tuple[type[Any], bytes]:
    [(_, _, end)] = definitions(front := CODECS[Node].encode(Node()))
    return Node, front[:end] + b"\xff\x1e\x01" * depth + b"\xfd"


def trees(depth: int) -> tuple[type[Any], bytes]:
    [(_, _, end)] = definitions(front := CODECS[Tree].encode(Tree()))
    return Tree, front[:end] + b"\x01\x08\x1e\x01" * depth + b"\x00"


def items(name: str, count: int, flags: bytes, item: bytes) -> tuple[type[Any], bytes]:
    """Return a `Many` with a list of equal items."""
    return many(name, uvarint(count) + flags + item * count)


def definition(body: bytes) -> tuple[type[Any], bytes]:
    """Return a payload whose only type definition has this body, and the right hash."""
    return Node, b"\x01\xff\x1e\x00" + header(body) + body


def node_definition(fields: int, field_bytes: bytes) -> tuple[type[Any], bytes]:
    [(_, begin, end)] = definitions(front := CODECS[Node].encode(Node()))
    namespace_size, name_at = front[begin + 1] >> 2, begin + 2 + (front[begin + 1] >> 2)
    names = front[begin + 1 : name_at + 1 + (front[name_at] >> 2)]
    assert namespace_size
    assert len(names) < end - begin
    first = bytes([0xE0 | min(fields, 31)]) + (uvarint(fields - 31) if fields >= 31 else b"")
    return definition(first + names + field_bytes)


def deep_types(depth: int) -> bytes:
    """Return a field `a` whose type is a list of lists of lists .."""
    return b"\x40\x16" + uvarint(22 << 2) * depth + uvarint(7 << 2) + b"\x00"


def definitions_of_many_types(count: int) -> tuple[type[Any], bytes]:
    """Return a list of empty messages, each of which has its own definition."""
    info = empty_type()
    body = info[10:]
    lists = (b"\x01\x08\x1e" + uvarint(2 + 2 * at) + header(body) + body for at in range(count))
    return many("c_nested", uvarint(count) + b"\x0c" + b"".join(lists))


HUGE, WIDE = b"\xff\xff\xff\xff\x0f", b"\xff" * 9
MALFORMED, VIOLATION, VALUE = "INVALID_ARGUMENT", "CONTRACT_VIOLATION", "value"
# name: (expected, maker of class and bytes, growth in MB)
BOMBS: dict[str, tuple[str, Callable[[], tuple[type[Any], bytes]], int]] = {
    "list count": (MALFORMED, lambda: many("a_bools", HUGE + b"\x0c"), SMALL_MB),
    "list count, 2^31 - 1": (MALFORMED, lambda: many("a_bools", b"\xff\xff\xff\xff\x07\x0c\x01\x01"), SMALL_MB),
    "set count": (MALFORMED, lambda: many("i_set", HUGE + b"\x0c\x02"), SMALL_MB),
    "text count": (MALFORMED, lambda: many("e_texts", HUGE + b"\x0c"), SMALL_MB),
    "map count": (MALFORMED, lambda: many("d_table", HUGE + b"\x24\xff"), SMALL_MB),
    "text length": (MALFORMED, lambda: many("f_text", WIDE), SMALL_MB),
    "text length, 2^40": (MALFORMED, lambda: many("f_text", uvarint(1 << 42)), SMALL_MB),
    "binary length": (MALFORMED, lambda: many("g_binary", HUGE), SMALL_MB),
    "decimal length": (MALFORMED, lambda: many("h_decimal", b"\x00" + WIDE), SMALL_MB),
    "decimal of 1 MB": (MALFORMED, lambda: many("h_decimal", b"\x00" + uvarint(MB << 2 | 1) + b"\xff" * MB), SMALL_MB),
    "empty messages": (MALFORMED, lambda: many("b_empties", HUGE + b"\x08" + empty_type()), SMALL_MB),
    "empty messages, 8193": (MALFORMED, lambda: many("b_empties", uvarint(8193) + b"\x08" + empty_type()), SMALL_MB),
    "empty messages, 8192": (VALUE, lambda: many("b_empties", uvarint(8192) + b"\x08" + empty_type()), SMALL_MB),
    "lists of empty messages": (
        MALFORMED,
        lambda: many("c_nested", b"\xd0\x0f\x0c" + b"\xe8\x07\x08" + empty_type() + b"\xe8\x07\x08\x1e\x03" * 1999),
        SMALL_MB,
    ),
    "definitions, 1024": (VALUE, lambda: definitions_of_many_types(1023), SMALL_MB),
    "definitions, 1025": (MALFORMED, lambda: definitions_of_many_types(1024), SMALL_MB),
    "depth 51": (MALFORMED, lambda: nodes(50), SMALL_MB),
    "depth 50": (VALUE, lambda: nodes(49), SMALL_MB),
    "depth of a million": (MALFORMED, lambda: nodes(1_000_000), SMALL_MB),
    "trees, depth 50": (VALUE, lambda: trees(49), SMALL_MB),
    "trees, depth of a million": (MALFORMED, lambda: trees(1_000_000), SMALL_MB),
    "type nesting": (MALFORMED, lambda: node_definition(1, deep_types(60_000)), SMALL_MB),
    "definition of 1 MB": (MALFORMED, lambda: node_definition(1, deep_types(MB)), SMALL_MB),
    "fields": (MALFORMED, lambda: node_definition(0xFFFFFFFF, b""), SMALL_MB),
    "fields, 1025": (MALFORMED, lambda: node_definition(1025, b"\x00\x01a" * 1025), SMALL_MB),
    "JSON depth": (MALFORMED, lambda: (Tree, b'{"children":[' * 1_000_000), SMALL_MB),
    "JSON depth 51": (MALFORMED, lambda: (Tree, b'{"children":[' * 51 + b"]}" * 51), SMALL_MB),
    "JSON depth 50": (VALUE, lambda: (Tree, b'{"children":[' * 50 + b"]}" * 50), SMALL_MB),
    "JSON unknown member": (
        VIOLATION,
        lambda: (Tree, b'{"x":' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}"),
        SMALL_MB,
    ),
    "JSON arrays": (MALFORMED, lambda: (Tree, b"[" * 1_000_000), SMALL_MB),
    "JSON integer": (VIOLATION, lambda: (Many, b'{"i_set":[' + b"9" * MB + b"]}"), SMALL_MB),
    "JSON decimal": (MALFORMED, lambda: (Many, b'{"h_decimal":"' + b"9" * MB + b'"}'), SMALL_MB),
    "JSON decimal exponent": (VIOLATION, lambda: (Many, b'{"h_decimal":"1e999999999999"}'), SMALL_MB),
    "bools beyond the limit": (MALFORMED, lambda: items("a_bools", 9 * MB, b"\x0c", b"\x01"), LARGE_MB),
    "texts beyond the limit": (MALFORMED, lambda: items("e_texts", 9 * MB, b"\x0c", b"\x00"), LARGE_MB),
    "nulls beyond the limit": (MALFORMED, lambda: items("j_spread", 9 * MB, b"\x0a" + empty_type(), b"\xfd"), LARGE_MB),
    "bools within the limit": (VALUE, lambda: items("a_bools", 7 * MB, b"\x0c", b"\x01"), LARGE_MB),
}  # fmt: skip


def peak_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (MB if sys.platform == "darwin" else 1024)


def explode(name: str) -> dict[str, Any]:
    expected, make, most = BOMBS[name]
    cls, data = make()
    before, began = peak_mb(), time.perf_counter()
    reason = ""
    try:
        codec: Any = JSON if name.startswith("JSON") else CODECS[cls]
        codec.decode(data, cls)
        outcome = VALUE
    except RpcError as error:
        outcome, reason = error.code.name, str(error)
    took, grown = time.perf_counter() - began, peak_mb() - before
    measured = {"grown_mb": round(grown, 1), "most_mb": most, "took_s": round(took, 3), "most_s": 60}
    return {"name": name, "expected": expected, "outcome": outcome, "reason": reason[:120], **measured}


if __name__ == "__main__":
    for bomb in BOMBS:
        print(json.dumps(explode(bomb)), flush=True)
    print(json.dumps({"all": len(BOMBS)}))
