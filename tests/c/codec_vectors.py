#!/usr/bin/env python3
"""Prints codec.json as lines for codec.c: operation, id, description, root, mode, hex, value, value, error, details.

Values are written by kind: `n`, `b1`, `i-5` (INT), `u5` (UINT), `f` and the bits, `s` text, `y` bytes, `x` decimal and
`e` enum in hex, `T` `D` `d` times, `[ .. ]`, `{ key value .. }`, `( name value .. )`. The first value is what a
program builds; the second one what it reads, entries of maps sorted.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import math
import struct
import sys
from pathlib import Path
from typing import Any

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
SIGNED = {"int", "int8", "int16", "int32", "varint32", "int64", "varint64"}
UNSIGNED = {"uint8", "uint16", "uint32", "var_uint32", "uint64", "var_uint64"}
FLOATS = {"float", "float32", "float64"}


class Inexpressible(Exception):
    """A value that a tree cannot hold."""


def text_hex(text: str) -> str:
    try:
        return text.encode().hex()
    except UnicodeEncodeError as error:
        raise Inexpressible from error


def split_map(inside: str) -> tuple[str, str]:
    depth = 0
    for at, char in enumerate(inside):
        depth += (char == "<") - (char == ">")
        if char == "," and depth == 0:
            return inside[:at], inside[at + 1 :]
    raise ValueError(inside)


def micros_of(text: str) -> int:
    return (dt.datetime.fromisoformat(text.replace("Z", "+00:00")) - EPOCH) // dt.timedelta(microseconds=1)


def duration_of(text: str) -> int:
    number = text[:-1]
    whole, _, fraction = number.lstrip("-").partition(".")
    micros = int(whole) * 1_000_000 + int((fraction + "000000")[:6])
    return -micros if number.startswith("-") else micros


def whole(value: int, unsigned: bool) -> str:
    if -(2**63) <= value < 2**63 and not (unsigned and value >= 0):
        return f"i{value}"
    if 0 <= value < 2**64:
        return f"u{value}"
    raise Inexpressible


def float_of(value: Any) -> str:
    number = float(value)
    return "fnan" if math.isnan(number) else "f" + struct.pack(">d", number).hex()


class Kinds:
    """Writes JSON values of declared types; whatever does not fit is written as what it looks like."""

    def __init__(self, types: dict[str, Any], sort: bool) -> None:
        self.types, self.sort = types, sort

    def write(self, ty: str, value: Any) -> str:
        if value is None:
            return "n"
        ty = ty.rstrip("?")
        if isinstance(value, bool):
            return f"b{int(value)}"
        if isinstance(value, str):
            return self.text(ty, value)
        if isinstance(value, list):
            item = ty[ty.index("<") + 1 : -1] if ty.startswith(("list<", "set<")) else "?"
            return " ".join(["[", *(self.write(item, one) for one in value), "]"])
        if isinstance(value, dict):
            return self.map(ty, value) if ty.startswith("map<") else self.record(ty, value)
        if ty in FLOATS and (isinstance(value, float) or float(value) == value):
            return float_of(value)
        return float_of(value) if isinstance(value, float) else whole(value, ty in UNSIGNED)

    def text(self, ty: str, value: str) -> str:
        if "enum" in self.types.get(ty, {}):
            return "e" + text_hex(value)
        if ty in FLOATS and value in ("NaN", "Infinity", "-Infinity"):
            return float_of(value)
        if ty in ("bytes", "binary"):
            return "y" + base64.b64decode(value).hex()
        writers = {"timestamp": ("T", micros_of), "duration": ("d", duration_of)}
        if ty in writers:
            letter, read = writers[ty]
            return f"{letter}{read(value)}"
        if ty == "date":
            return f"D{(dt.date.fromisoformat(value) - EPOCH.date()).days}"
        return ("x" if ty == "decimal" else "s") + text_hex(value)

    def key(self, ty: str, key: str) -> str:
        if ty == "bool":
            return f"b{int(key == 'true')}"
        if ty in SIGNED | UNSIGNED and key.lstrip("-").isdigit():
            return whole(int(key), ty in UNSIGNED)
        return self.text(ty, key)

    def map(self, ty: str, value: dict[str, Any]) -> str:
        key, item = split_map(ty[len("map<") : -1])
        entries = [f"{self.key(key, k)} {self.write(item, v)}" for k, v in value.items()]
        return " ".join(["{", *(sorted(entries) if self.sort else entries), "}"])

    def record(self, ty: str, value: dict[str, Any]) -> str:
        declared = {field["name"]: field["type"] for field in self.types.get(ty, {}).get("fields", [])}
        names = [name for name in declared if name in value] + [name for name in value if name not in declared]
        return " ".join(["(", *(f"{text_hex(n)} {self.write(declared.get(n, '?'), value[n])}" for n in names), ")"])


def line(op: str, case: str, schema: dict[str, Any], value: Any = None, **expect: Any) -> None:
    types, root = schema["types"], schema["root"]
    method = {"name": "m", "pattern": "unary", "request": root, "response": root}
    description = {"service": "V", "version": 1, "types": types, "methods": [method]}
    built = shown = ""
    try:
        if value is not None:
            built = Kinds(types, sort=False).write(root, value)
        if "error" not in expect:
            shown = Kinds(types, sort=True).write(root, value)
    except Inexpressible:
        print("skip", case, sep="\t")
        return
    details = ";".join(f"{key}={text}" for key, text in sorted(expect.get("details", {}).items()))
    columns = [
        op,
        case,
        json.dumps(description),
        root,
        expect.get("mode", ""),
        expect.get("data", ""),
        built,
        shown,
        expect.get("error", ""),
        details,
    ]
    print("\t".join(columns))


def main() -> None:
    vectors = json.loads((Path(sys.argv[1]) / "codec.json").read_text())
    schemas = vectors["schemas"]
    for case in vectors["cases"]:
        schema, value = schemas[case["schema"]], case["value"]
        line("encode", case["id"], schema, value, mode="xlang", data=case["hex"])
        line("decode", case["id"], schema, mode="xlang", data=case["hex"], value=value)
        line("decode", case["id"], schema, mode="json", data=json.dumps(value).encode().hex(), value=value)
        if "hex" in case.get("fory_rs", {}):
            line("decode", case["id"] + "/fory_rs", schema, mode="xlang", data=case["fory_rs"]["hex"], value=value)
    for case in vectors["evolution"]:
        line("decode", case["id"], case["reader"], mode="xlang", data=case["hex"], **case["expect"])
    for case in vectors["decode"]:
        line("decode", case["id"], schemas[case["schema"]], mode="xlang", data=case["hex"], **case["expect"])
    for case in vectors["json"]:
        data = case["hex"] if "hex" in case else case["text"].encode().hex()
        line("decode", case["id"], schemas[case["schema"]], mode="json", data=data, **case["expect"])
    for case in vectors["encode_refused"]:
        expect = {key: case["expect"][key] for key in ("error", "details") if key in case["expect"]}
        line("refuse", case["id"], schemas[case["schema"]], case["value"], **expect)


if __name__ == "__main__":
    main()
