"""A random schema as pyfory sees it: classes with wire names for fields, registered by name."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import typing
import uuid
from typing import TYPE_CHECKING, Any
from unittest import mock

import pyfory  # type: ignore[import-untyped]
from oracle_model import CONTAINERS, PRIMITIVES, Message, Schema, Type, fory_name, wire_name

if TYPE_CHECKING:
    from collections.abc import Callable

_HINTS: dict[str, Any] = {
    "int8": pyfory.Int8,
    "int16": pyfory.Int16,
    "int32": pyfory.FixedInt32,
    "varint32": pyfory.Int32,
    "int64": pyfory.FixedInt64,
    "varint64": int,
    "uint8": pyfory.UInt8,
    "uint16": pyfory.UInt16,
    "uint32": pyfory.FixedUInt32,
    "var_uint32": pyfory.UInt32,
    "uint64": pyfory.FixedUInt64,
    "var_uint64": pyfory.UInt64,
    "float32": pyfory.Float32,
    "float64": float,
    "bool": bool,
    "string": str,
    "binary": bytes,
    "timestamp": dt.datetime,
    "date": dt.date,
    "duration": dt.timedelta,
    "decimal": decimal.Decimal,
    "uuid": str,
}
_CONTAINER_HINTS: dict[str, Any] = {"list": list, "set": set, "map": dict}
_DEPTH = 10_000


class Theirs:
    """The classes of a schema and a pyfory that knows them."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.fory = pyfory.Fory(xlang=True, compatible=True, ref=False, strict=True, max_depth=_DEPTH)
        self._classes: dict[str, Any] = {}
        # typing keeps `Optional[list[int | None]]` and gives it for an equal one with `Optional` inside, which is all
        # that pyfory understands.
        for forget in getattr(typing, "_cleanups", ()):
            forget()
        for tag, kind in schema.enums.items():
            if kind.ordinal:
                by_value = sorted((member.value, member.name) for member in kind.members)
                self._register(tag, enum.Enum(kind.class_name, {name: value for value, name in by_value}))
        for tag, message in schema.messages.items():
            self._classes[tag] = type(f"Twin{message.spelling}", (), {})
        for tag, message in schema.messages.items():
            self._complete(self._classes[tag], message)
            self._register(tag, self._classes[tag])

    def _complete(self, cls: Any, message: Message) -> None:
        cls.__annotations__ = {wire_name(part.name): self._hint(part.type) for part in message.fields}
        for part in message.fields:
            setattr(cls, wire_name(part.name), dataclasses.field(default=None))
        # Wire names may be keywords.
        dataclasses.dataclass(init=False, repr=False, eq=False)(cls)

    def _register(self, tag: str, cls: Any) -> None:
        self._classes[tag] = cls
        # pyfory splits names at the last dot, but packages and names may hold dots.
        with mock.patch.object(pyfory.registry, "_split_registration_name", lambda _: fory_name(tag)):
            self.fory.register_type(cls, name=tag)

    def _hint(self, of: Type) -> Any:
        if of.name in CONTAINERS:
            parts = tuple(map(self._hint, of.parts))
            found = _CONTAINER_HINTS[of.name][parts if len(parts) > 1 else parts[0]]
        else:
            # Enums that go by name are strings.
            found = self._classes.get(of.name) or _HINTS.get(of.name, str)
        return typing.Optional[found] if of.optional else found

    def value(self, of: Type, plain: Any) -> Any:
        """Return a plain value as pyfory takes it."""
        if plain is None or of.name in PRIMITIVES:
            return str(plain) if of.name == "uuid" and plain is not None else plain
        if of.name == "map":
            return {self.value(of.parts[0], key): self.value(of.parts[1], item) for key, item in plain}
        if of.name in CONTAINERS:
            # Sets too: it writes any sequence, and a list keeps the order.
            return [self.value(of.parts[0], item) for item in plain]
        if of.name in self.schema.enums:
            return self._classes[of.name][plain] if of.name in self._classes else plain
        made = self._classes[of.name]()
        for part in self.schema.messages[of.name].fields:
            setattr(made, wire_name(part.name), self.value(part.type, plain[part.name]))
        return made

    def plain(self, of: Type, value: Any) -> Any:
        """Return a value of pyfory as a plain one."""
        if value is None:
            return None
        if of.name in PRIMITIVES:
            return uuid.UUID(value) if of.name == "uuid" else value
        if of.name == "map":
            return [(self.plain(of.parts[0], key), self.plain(of.parts[1], item)) for key, item in value.items()]
        if of.name in CONTAINERS:
            return [self.plain(of.parts[0], item) for item in value]
        if of.name in self.schema.enums:
            return value.name if isinstance(value, enum.Enum) else value
        fields = self.schema.messages[of.name].fields
        return {part.name: self.plain(part.type, getattr(value, wire_name(part.name))) for part in fields}

    def encode(self, plain: Any) -> bytes:
        return bytes(self.fory.serialize(self.value(self.schema.root, plain)))

    def decode(self, data: bytes) -> Any:
        read: Callable[[bytes], Any] = self.fory.deserialize
        return self.plain(self.schema.root, read(data))
