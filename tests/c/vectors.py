#!/usr/bin/env python3
"""Prints the cases of the shared vectors that the C interface reaches, as tables for vectors.c."""

from __future__ import annotations

import json
import sys
from pathlib import Path


def c_text(text: str) -> str:
    """A C string literal in pieces; bytes that are not plain are octal escapes, which never swallow what follows."""
    raw = text.encode()
    pieces = [raw[start : start + 900] for start in range(0, max(len(raw), 1), 900)]
    return "\n    ".join('"' + "".join(map(c_char, piece)) + '"' for piece in pieces)


def c_char(byte: int) -> str:
    return chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\?' else f"\\{byte:03o}"


def json_text(value: object) -> str:
    return c_text(json.dumps(value, separators=(",", ":")))


def table(name: str, fields: str, rows: list[str]) -> None:
    print(f"static const struct {{ {fields} }} {name}[] = {{")
    for row in rows:
        print(f"    {{{row}}},")
    print("};\n")


def main() -> None:
    vectors = Path(sys.argv[1])
    wire = json.loads((vectors / "wire.json").read_text())
    contract = json.loads((vectors / "contract.json").read_text())

    table(
        "STATUSES",
        "int32_t constant, code; const char *name; int32_t retryable;",
        [f"{s['c_constant']}, {s['code']}, {c_text(s['name'])}, {int(s['retryable'])}" for s in wire["status_codes"]],
    )
    table(
        "ADDRESSES",
        "const char *name, *input; size_t len; const char *endpoint_id;",
        [
            ", ".join(
                [
                    c_text(a["name"]),
                    c_text(a["input"]),
                    str(len(a["input"].encode())),
                    c_text(a["ok"]["endpoint_id"]) if "ok" in a else "NULL",
                ]
            )
            for a in wire["addresses"]
        ],
    )
    encoded = wire["node_addr"]["encode"]
    table(
        "NODE_ADDRS",
        "const char *name, *endpoint_id, *relay_url, *direct, *base64;",
        [
            ", ".join(
                [
                    c_text(n["name"]),
                    c_text(n["value"]["endpoint_id"]),
                    c_text(n["value"]["relay_url"]) if n["value"]["relay_url"] is not None else "NULL",
                    c_text("\n".join(n["value"]["direct_addresses"])),
                    c_text(n["base64"]),
                ]
            )
            for n in encoded
        ],
    )
    tickets = [(t["name"], t["string"], t["value"]["endpoint_id"]) for t in wire["tickets"]["encode"]]
    tickets += [(t["name"], t["string"], t["value"]["endpoint_id"]) for t in wire["tickets"]["decode"]]
    bad = wire["tickets"]["decode_error"] + wire["tickets"]["string_error"]
    table(
        "TICKETS",
        "const char *name, *text, *endpoint_id;",
        [f"{c_text(name)}, {c_text(text)}, {c_text(endpoint)}" for name, text, endpoint in tickets]
        + [f"{c_text(t['name'])}, {c_text(t['string'])}, NULL" for t in bad],
    )
    table(
        "SERVICES",
        "const char *id, *description, *service; int32_t version; const char *contract_id, *hex;",
        [
            ", ".join(
                [
                    c_text(s["id"]),
                    json_text(s["description"]),
                    c_text(s["description"]["service"]),
                    str(s["description"]["version"]),
                    c_text(s["contract_id"]),
                    c_text(s["hex"]),
                ]
            )
            for s in contract["services"]
        ],
    )
    negative = [n for n in contract["negative"] if n["kind"] == "types"]

    def description(case: dict) -> dict:
        # Any message of the case will do as the type of a method.
        messages = [tag for tag, declared in case["types"].items() if "fields" in declared]
        request = messages[0] if messages else "string"
        method = {"name": "m", "pattern": "unary", "request": request, "response": request}
        return {"service": "S", "version": 1, "types": case["types"], "methods": [method]}

    table(
        "BAD_DESCRIPTIONS",
        "const char *id, *description;",
        [f"{c_text(n['id'])}, {json_text(description(n))}" for n in negative],
    )


if __name__ == "__main__":
    main()
