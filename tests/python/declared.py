"""Python declarations for the service descriptions and schemas of the shared vectors."""

from __future__ import annotations

import base64
import dataclasses
import keyword
from typing import Optional

from aster import all_of, any_of, rpc, service, wire_type

PRIMITIVES = {
    "string": str,
    "bool": bool,
    "int": int,
    "varint64": int,
    "float": float,
    "float64": float,
    "bytes": bytes,
    "binary": bytes,
}
KEYS = {"string", "int", "varint64", "bool"}


class NotDeclarable(Exception):
    """A part of a vector that this version does not declare in Python."""


class Types:
    """Dataclasses for the types of a vector."""

    def __init__(self, types):
        self._declared = types
        self.classes = {}
        for tag, declaration in types.items():
            self.classes[tag] = self._declare(tag, declaration)
        for tag, declaration in types.items():
            self._complete(self.classes[tag], declaration)

    def _declare(self, tag, declaration):
        if "fields" not in declaration:
            raise NotDeclarable("enum")
        name = tag.rpartition("/")[2]
        if "." in name or "<" in name:
            raise NotDeclarable("tag of a class without a tag of its own")
        return type(name, (), {})

    def _complete(self, cls, declaration):
        tag = next(tag for tag, known in self.classes.items() if known is cls)
        annotations = {}
        for entry in declaration["fields"]:
            name = entry["name"]
            if not name.isidentifier() or keyword.iskeyword(name):
                raise NotDeclarable("field name")
            annotations[name] = self.annotation(entry["type"])
            setattr(cls, name, self.default(entry))
        cls.__annotations__ = annotations
        wire_type(tag)(dataclasses.dataclass(cls))

    def default(self, entry):
        text = entry["type"]
        if entry.get("factory") or ("default" in entry and isinstance(entry["default"], (dict, list))):
            raise NotDeclarable("default")
        if "default" in entry:
            return self.value(text, entry["default"])
        if text.endswith("?"):
            return None
        if text.startswith("list<"):
            return dataclasses.field(default_factory=list)
        if text.startswith("map<"):
            return dataclasses.field(default_factory=dict)
        if text in PRIMITIVES:
            return PRIMITIVES[text]()
        return dataclasses.field(default_factory=self.classes[text])

    def annotation(self, text):
        if text.endswith("?"):
            return Optional[self.annotation(text.rstrip("?"))]
        for container in ("list", "map"):
            if text.startswith(container + "<"):
                parts = split(text[len(container) + 1 : -1])
                if container == "map" and parts[0] not in KEYS:
                    raise NotDeclarable("key")
                return (list if container == "list" else dict)[tuple(map(self.annotation, parts))]
        if text in PRIMITIVES:
            return PRIMITIVES[text]
        if text not in self.classes:
            raise NotDeclarable(text)
        return self.classes[text]

    def value(self, text, plain):
        """Build a value from its JSON form."""
        if text.endswith("?"):
            return None if plain is None else self.value(text.rstrip("?"), plain)
        if text.startswith("list<"):
            return [self.value(text[5:-1], item) for item in plain] if isinstance(plain, list) else plain
        if text.startswith("map<") and isinstance(plain, dict):
            key, value = split(text[4:-1])
            return {self.key(key, k): self.value(value, v) for k, v in plain.items()}
        if text in self.classes and isinstance(plain, dict):
            types = {entry["name"]: entry["type"] for entry in self._declared[text]["fields"]}
            made = self.classes[text]()
            for name, given in plain.items():
                if name not in types:
                    raise NotDeclarable("unknown field")
                setattr(made, name, self.value(types[name], given))
            return made
        return scalar(text, plain)

    @staticmethod
    def key(text, plain):
        if text == "bool":
            return {"true": True, "false": False}[plain]
        return plain if text == "string" else int(plain)


def scalar(text, plain):
    if text in {"bytes", "binary"} and isinstance(plain, str):
        return base64.b64decode(plain)
    if text in {"float", "float64"} and plain in {"NaN", "Infinity", "-Infinity"}:
        return float(plain)
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


def declare_service(description):
    """Return a decorated class for a description."""
    if description.get("scoped", "shared") != "shared" or description.get("producer_language"):
        raise NotDeclarable("session or native service")
    types = Types(description["types"])
    members = {}
    for entry in description["methods"]:
        if entry["pattern"] != "unary":
            raise NotDeclarable("stream")
        if entry["request"] in PRIMITIVES or entry["response"] in PRIMITIVES:
            raise NotDeclarable("bare scalar")

        async def method(self, request):
            return request

        method.__annotations__ = {
            "request": types.annotation(entry["request"]),
            "return": types.annotation(entry["response"]),
        }
        options = {"timeout": entry.get("timeout_s"), "idempotent": entry.get("idempotent", False)}
        members[entry["name"]] = rpc(name=entry["name"], requires=requirement(entry.get("requires")), **options)(method)
    made = type("Declared", (), members)
    required = requirement(description.get("requires"))
    return service(description["service"], version=description["version"], requires=required, public=True)(made), types
