"""Python values and services for the schemas and descriptions of the shared vectors."""

from __future__ import annotations

import base64
import datetime as dt
import decimal

from aster import all_of, any_of, rpc, service
from aster.dynamic import DynamicTypeFactory

BARE = {"string": str, "int": int, "float": float, "bool": bool, "bytes": bytes}
FLOATS = {"float", "float64", "float32"}
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


def declare_service(description):
    """Return a decorated class for a description, and its types."""
    if description.get("scoped", "shared") != "shared" or description.get("producer_language"):
        raise NotDeclarable("session or native service")
    types = Types(description["types"])
    members = {}
    for entry in description["methods"]:
        if entry["pattern"] != "unary":
            raise NotDeclarable("stream")
        if entry["request"] in BARE or entry["response"] in BARE:
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
