#!/usr/bin/env python3
"""Measures the codec against pyfory 1.7.7: one process, short slices in turn, registration outside.

    make PROFILE=release python && .venv/bin/python bench/python/codec.py

Prints a table, then one line of JSON per row. Only ratios mean something.
"""

from __future__ import annotations

import argparse
import dataclasses
import gc
import json
import re
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional

import pyfory  # type: ignore[import-untyped]

from aster import types
from aster.codec import ForyCodec, wire_type

MESSAGES = json.loads((Path(__file__).resolve().parents[1] / "codec/messages.json").read_text(encoding="utf-8"))
TARGETS = {("medium", "encode"): 1.2, ("medium", "decode"): 0.8}
SCALARS: dict[str, tuple[Any, Any]] = {
    "string": (str, ""),
    "int": (int, 0),
    "float": (float, 0.0),
    "bool": (bool, False),
}
SLICE_S = 0.02


class Classes:
    """The dataclasses of a message, as people declare them; only the mark of a 32-bit number differs."""

    def __init__(self, message: dict[str, Any], int32: Any) -> None:
        self.types, self.scalars = message["types"], {**SCALARS, "varint32": (int32, 0)}
        self.made: dict[str, Any] = {}
        self.root = self.cls(message["root"])
        self.value = self.build(message["root"], message["value"])

    def cls(self, tag: str) -> Any:
        if tag not in self.made:
            fields = self.types[tag]["fields"]
            spelled = [
                (snake(part["name"]), self.annotation(part["type"]), self.default(part["type"])) for part in fields
            ]
            self.made[tag] = dataclasses.make_dataclass(tag.rpartition("/")[2], spelled)
        return self.made[tag]

    def annotation(self, text: str) -> Any:
        if text.endswith("?"):
            return Optional[self.annotation(text[:-1])]
        if text.startswith("list<"):
            return list[self.annotation(text[5:-1])]  # type: ignore[misc]
        return self.scalars[text][0] if text in self.scalars else self.cls(text)

    def default(self, text: str) -> Any:
        return (
            dataclasses.field(default_factory=list)
            if text.startswith("list<")
            else self.scalars.get(text, (0, None))[1]
        )

    def build(self, text: str, plain: Any) -> Any:
        if text.startswith("list<"):
            return [self.build(text[5:-1], item) for item in plain]
        if text not in self.types:
            return plain
        kinds = {part["name"]: part["type"] for part in self.types[text]["fields"]}
        return self.made[text](**{snake(name): self.build(kinds[name], item) for name, item in plain.items()})


def snake(name: str) -> str:
    return re.sub("(?<=[a-z])([A-Z])", r"_\1", name).lower()


def aster_codec(message: dict[str, Any]) -> tuple[Callable[[], bytes], Callable[[bytes], Any]]:
    classes = Classes(message, types.Int32)
    for tag, cls in classes.made.items():
        wire_type(tag)(cls)
    codec, value, root = ForyCodec(types=[classes.root]), classes.value, classes.root
    return lambda: codec.encode(value), lambda data: codec.decode(data, root)


def pyfory_codec(message: dict[str, Any]) -> tuple[Callable[[], bytes], Callable[[bytes], Any]]:
    classes = Classes(message, pyfory.Int32)
    fory = pyfory.Fory(xlang=True, compatible=True, ref=False, strict=True)
    for tag, cls in classes.made.items():
        fory.register_type(cls, name=tag.replace("/", "."))
    value = classes.value
    return lambda: fory.serialize(value), fory.deserialize


def rate(call: Callable[..., Any], arguments: tuple[bytes, ...], loops: int) -> float:
    """Returns seconds per call."""
    turns = range(loops)
    begin = time.perf_counter()
    for _ in turns:
        call(*arguments)
    return (time.perf_counter() - begin) / loops


def loops_of(call: Callable[..., Any], arguments: tuple[bytes, ...]) -> int:
    loops = 1
    while (took := rate(call, arguments, loops)) * loops < SLICE_S:
        loops = max(loops + 1, min(loops * 8, int(SLICE_S / took * 1.1)))
    return loops


def compare(theirs: Callable[..., Any], ours: Callable[..., Any], data: tuple[bytes, ...], slices: int) -> list[float]:
    """Returns medians of seconds per call of both, and the median ratio of slices next to each other."""
    systems = (theirs, ours)
    loops = [loops_of(system, data) for system in systems]
    taken: tuple[list[float], list[float]] = ([], [])
    for at in range(slices):
        # Who comes first changes from turn to turn.
        for which in (0, 1) if at % 2 else (1, 0):
            taken[which].append(rate(systems[which], data, loops[which]))
    ratios = [one / other for other, one in zip(*taken)]
    return [statistics.median(taken[0]), statistics.median(taken[1]), statistics.median(ratios)]


def rows(slices: int) -> list[dict[str, Any]]:
    found = []
    for name, message in MESSAGES.items():
        encode, decode = aster_codec(message)
        their_encode, their_decode = pyfory_codec(message)
        data = encode()
        if data != bytes(their_encode()):
            raise SystemExit(f"{name}: the bytes differ")
        if dataclasses.astuple(decode(data)) != dataclasses.astuple(their_decode(data)):
            raise SystemExit(f"{name}: the values differ")
        gc.collect()
        for work, theirs, ours, given in (
            ("encode", their_encode, encode, ()),
            ("decode", their_decode, decode, (data,)),
        ):
            pyfory_s, aster_s, ratio = compare(theirs, ours, given, slices)
            measured = {"message": name, "work": work, "bytes": len(data), "pyfory_us": round(pyfory_s * 1e6, 3)}
            target = TARGETS.get((name, work))
            found.append({**measured, "aster_us": round(aster_s * 1e6, 3), "ratio": round(ratio, 3), "target": target})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures ForyCodec against pyfory.")
    parser.add_argument("--slices", type=int, default=60, help="slices of 20 ms per system and row")
    found = rows(parser.parse_args().slices)
    print(f"{'message':10}{'work':8}{'bytes':>7}{'pyfory us':>12}{'aster us':>12}{'ratio':>8}  target")
    for row in found:
        target = f"at most {row['target']}" if row["target"] else ""
        times = f"{row['pyfory_us']:12.2f}{row['aster_us']:12.2f}{row['ratio']:8.2f}"
        print(f"{row['message']:10}{row['work']:8}{row['bytes']:7}{times}  {target}")
    for row in found:
        print(json.dumps(row))


if __name__ == "__main__":
    main()
