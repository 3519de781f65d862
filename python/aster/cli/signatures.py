"""Methods, fields and requirements of a manifest in words, for trees, tables and the shell."""

from __future__ import annotations

import json
from typing import Any

_STREAMED_INPUT = frozenset({"client_stream", "bidi_stream"})
_STREAMED_OUTPUT = frozenset({"server_stream", "bidi_stream"})
_COMPUTED = {"empty_list": "[]", "empty_map": "{}", "null": "null", "factory": "(computed)"}


def signature(method: dict[str, Any]) -> str:
    """Return what a method takes and gives: `(HelloRequest) -> HelloResponse`, parameters if they are inline."""
    if method.get("request_style") == "inline":
        taken = ", ".join(parameter(field) for field in method["inline_params"])
    else:
        taken = method.get("request_type", "")
    taken = f"stream {taken}" if method["pattern"] in _STREAMED_INPUT else taken
    given = method.get("response_type", "")
    return f"({taken}) -> {'stream ' if method['pattern'] in _STREAMED_OUTPUT else ''}{given}"


def parameter(field: dict[str, Any]) -> str:
    """Return a field with its type and default: `level: string = "info"`."""
    default = default_of(field)
    return f"{field['name']}: {type_of(field)}" + ("" if default is None else f" = {default}")


def type_of(field: dict[str, Any]) -> str:
    """Return the type of a field, without the packages of messages; of legacy fields what is known."""
    text: str = field.get("type") or field.get("kind") or "?"
    parts: list[str] = []
    word = ""
    for character in f"{text} ":
        if character in "<>,? ":
            parts += [word.rpartition("/")[2], character]
            word = ""
        else:
            word += character
    return "".join(parts).strip()


def default_of(field: dict[str, Any]) -> str | None:
    """Return the default of a field as JSON or word; nothing if a value must be given."""
    kind = field.get("default_kind", "none")
    if kind == "value":
        return json.dumps(field.get("default_value"), ensure_ascii=False)
    return _COMPUTED.get(kind)


def required(requirement: dict[str, Any]) -> str:
    """Return the roles that are required: `ops.admin`, `any of (a, b)`."""
    roles = ", ".join(requirement["roles"])
    return {"any_of": f"any of ({roles})", "all_of": f"all of ({roles})"}.get(requirement["kind"], roles)
