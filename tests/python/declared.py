"""Python values and services for the schemas and descriptions of the shared vectors."""

from __future__ import annotations

import base64
import datetime as dt
import decimal
from collections.abc import AsyncIterator

from aster import (
    SerializationMode,
    all_of,
    any_of,
    bidi_stream,
    client_stream,
    rpc,
    server_stream,
    service,
)
from aster.dynamic import DynamicTypeFactory

BARE = {"string": str, "int": int, "float": float, "bool": bool, "bytes": bytes}
FLOATS = {"float", "float64", "float32"}
DECORATORS = {
    "unary": rpc,
    "server_stream": server_stream,
    "client_stream": client_stream,
    "bidi_stream": bidi_stream,
}
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)


class NotDeclarable(Exception):
    """A part of a vector that this version does not declare in Python."""


class Types:
    """Values for the types of a vector: instances of classes, or dicts and names of members."""

    def __init__(self, types, *, dicts=False):
        self.declared = types
        self.classes = {} if dicts else DynamicTypeFactory(types).classes

    def annotation(self, root):
        return BARE.get(root) or self.classes[root]

    def value(self, text, plain):
        """Build a value from its JSON form; what does not fit the type stays as it is."""
        if text.endswith("?"):
            return None if plain is None else self.value(text.rstrip("?"), plain)
        for container, parts in ((name, text[len(name) + 1 : -1]) for name in ("list", "set", "map")):
            if text.startswith(container + "<"):
                return self.container(container, split(parts), plain)
        if text in self.declared:
            return self.named(text, plain)
        return scalar(text, plain)

    def container(self, kind, parts, plain):
        if kind == "map":
            if not isinstance(plain, dict):
                return plain
            return {self.key(parts[0], key): self.value(parts[1], item) for key, item in plain.items()}
        if not isinstance(plain, list):
            return plain
        items = [self.value(parts[0], item) for item in plain]
        if kind == "set":
            if len(set(items)) < len(items):
                raise NotDeclarable("a set has no element twice")
            return set(items)
        return items

    def named(self, tag, plain):
        declared = self.declared[tag]
        if "enum" in declared:
            cls = self.classes.get(tag)
            return cls[plain] if cls is not None and plain in cls.__members__ else plain
        if not isinstance(plain, dict):
            return plain
        types = {entry["name"]: entry["type"] for entry in declared["fields"]}
        values = {name: self.value(types[name], item) if name in types else item for name, item in plain.items()}
        if not self.classes:
            return values
        if set(values) != set(types):
            raise NotDeclarable("an instance has exactly its fields")
        made = self.classes[tag]()
        attributes = list(made.__dataclass_fields__)
        for attribute, name in zip(attributes, types):
            setattr(made, attribute, values[name])
        return made

    def key(self, text, plain):
        if text == "bool":
            return {"true": True, "false": False}.get(plain, plain)
        if text == "string":
            return plain
        if text in self.declared:
            return self.named(text, plain)
        return int(plain) if plain.lstrip("-").isdigit() else plain


def scalar(text, plain):
    if not isinstance(plain, str) or text == "string":
        return plain
    if text in {"bytes", "binary"}:
        return base64.b64decode(plain)
    if text in FLOATS and plain in {"NaN", "Infinity", "-Infinity"}:
        return float(plain)
    if text == "uuid":
        return plain
    if text == "decimal":
        return decimal.Decimal(plain)
    if text == "date":
        return dt.date.fromisoformat(plain)
    if text == "timestamp":
        return dt.datetime.fromisoformat(plain.replace("Z", "+00:00"))
    if text == "duration":
        return dt.timedelta(microseconds=int(decimal.Decimal(plain.rstrip("s")) * 1_000_000))
    return plain


def split(text):
    """Split type arguments at the comma outside brackets."""
    depth = 0
    for at, char in enumerate(text):
        depth += (char == "<") - (char == ">")
        if char == "," and depth == 0:
            return [text[:at], text[at + 1 :]]
    return [text]


def requirement(given):
    if isinstance(given, dict):
        [(kind, roles)] = given.items()
        return {"any_of": any_of, "all_of": all_of}[kind](*roles)
    return given


def answer_with_one(streamed):
    """Return an undecorated method: a coroutine function, or an async generator."""

    async def answer(self, request):
        return request

    async def answers(self, request):
        yield request

    return answers if streamed else answer


def declare_method(entry, types):
    """Return a decorated method for its description."""
    if entry["request"] in BARE or entry["response"] in BARE:
        raise NotDeclarable("bare scalar")
    pattern = entry["pattern"]
    request, response = types.annotation(entry["request"]), types.annotation(entry["response"])
    method = answer_with_one(pattern in {"server_stream", "bidi_stream"})
    method.__annotations__ = {
        "request": AsyncIterator[request] if pattern in {"client_stream", "bidi_stream"} else request,
        "return": AsyncIterator[response] if pattern in {"server_stream", "bidi_stream"} else response,
    }
    options = {"timeout": entry.get("timeout_s"), "requires": requirement(entry.get("requires"))}
    if "idempotent" in entry:
        options["idempotent"] = entry["idempotent"]
    return DECORATORS[pattern](name=entry["name"], **options)(method)


def declare_service(description):
    """Return a decorated class for a description, and its types."""
    types = Types(description["types"])
    members = {entry["name"]: declare_method(entry, types) for entry in description["methods"]}
    if description.get("scoped") == "session":
        members["__init__"] = lambda self, peer=None: None
    made = type("Declared", (), members)
    modes = [SerializationMode[name.upper()] for name in description.get("serialization_modes", ["xlang"])]
    decorate = service(
        description["service"],
        version=description["version"],
        requires=requirement(description.get("requires")),
        scoped=description.get("scoped", "shared"),
        serialization=modes,
        public=True,
    )
    return decorate(made), types
