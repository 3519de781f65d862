"""Random schemas and values as the oracle tests hold them, apart from both libraries.

A value is plain: a message is a dict by contract names, a map a list of pairs, a set a list, an enum the name of its
member. Everything else is as Python holds it: aware datetimes in UTC, Decimals, UUIDs.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from typing import Any

SIGNED = {"int8": 8, "int16": 16, "int32": 32, "varint32": 32, "int64": 64, "varint64": 64}
UNSIGNED = {"uint8": 8, "uint16": 16, "uint32": 32, "var_uint32": 32, "uint64": 64, "var_uint64": 64}
INTEGERS = (*SIGNED, *UNSIGNED)
FLOATS = ("float64", "float32")
OTHERS = ("string", "bool", "binary", "timestamp", "date", "duration", "decimal", "uuid")
PRIMITIVES = (*INTEGERS, *FLOATS, *OTHERS)
CONTAINERS = ("list", "set", "map")
BARE_ROOTS = {"string": str, "varint64": int, "float64": float, "bool": bool, "binary": bytes}


@dataclass(frozen=True)
class Type:
    """A type: a primitive, "list", "set" or "map" with its parts, or the tag of a message or enum."""

    name: str
    parts: tuple[Type, ...] = ()
    optional: bool = False
    spelling: int = 0
    """Chooses among the annotations that mean this type; `host` is the container they ask for."""

    @property
    def host(self) -> Any:
        """The class of decoded values, where the annotation decides."""
        choices: dict[str, tuple[Any, ...]] = {"list": (list, tuple), "set": (set, frozenset), "map": (dict,)}
        of_kind = choices[self.name]
        return of_kind[self.spelling % len(of_kind)]


@dataclass(frozen=True)
class Field:
    """A field of a message. `default` is Python source."""

    name: str
    attribute: str
    type: Type
    default: str


@dataclass
class Message:
    """A message. `spelling` names its class in annotations, with type arguments if the class is generic."""

    tag: str
    spelling: str
    fields: list[Field] = field(default_factory=list)
    flavour: frozenset[str] = frozenset()
    base_fields: int = 0
    """So many of the fields stand in a base class."""
    generic_tag: str = ""
    """The tag of the class, if it is generic: `tag` has the argument too."""


@dataclass(frozen=True)
class Member:
    name: str
    value: int | str


@dataclass
class EnumType:
    """An enum. `base` is Python source of its bases."""

    tag: str
    class_name: str
    base: str
    members: list[Member]

    @property
    def ordinal(self) -> bool:
        numbers = [member.value for member in self.members if isinstance(member.value, int)]
        return sorted(numbers) == list(range(len(self.members)))


@dataclass
class Schema:
    root: Type
    messages: dict[str, Message] = field(default_factory=dict)
    enums: dict[str, EnumType] = field(default_factory=dict)
    future_annotations: bool = False
    readable: bool = True
    """Whether pyfory can read the names."""


def wire_name(name: str) -> str:
    """Return the name of a field on the wire (`codec.md` section 3)."""
    written = ""
    for at, char in enumerate(name):
        previous, following = name[at - 1 : at] if at else "", name[at + 1 : at + 2]
        if char.isupper():
            boundary = previous.islower() or previous in tuple("0123456789")
            boundary = boundary or (previous.isupper() and following.islower())
            written += "_" if written and not written.endswith("_") and boundary else ""
        written += char.lower() if char.isupper() else char
    return written.rstrip("_")


def fory_name(tag: str) -> tuple[str, str]:
    """Return namespace and type name of a tag on the wire."""
    package, _, name = tag.rpartition("/")
    return package.replace("/", "."), name


def canonical(schema: Schema, of: Type, value: Any, *, bits: bool = True) -> Any:
    """Return a plain value so that `==` tells whether two are the same, to the bits of a float.

    Without `bits`, every NaN is the same.
    """
    if value is None:
        return None
    if of.name in FLOATS:
        return "NaN" if math.isnan(value) and not bits else struct.pack("<d", value)
    if of.name == "decimal":
        sign, digits, exponent = value.as_tuple()
        return (sign if value else 0, digits, exponent)
    if of.name == "list":
        return [canonical(schema, of.parts[0], item, bits=bits) for item in value]
    if of.name == "set":
        items = [canonical(schema, of.parts[0], item, bits=bits) for item in value]
        return sorted(items, key=repr)
    if of.name == "map":
        return [(key, canonical(schema, of.parts[1], item, bits=bits)) for key, item in value]
    message = schema.messages.get(of.name)
    if message is not None:
        return {part.name: canonical(schema, part.type, value[part.name], bits=bits) for part in message.fields}
    return value
