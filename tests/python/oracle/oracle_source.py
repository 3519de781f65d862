"""A random schema as Python classes for our codec: their source, values of them, and back."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import itertools
import sys
import types
import uuid
from typing import TYPE_CHECKING, Any

from oracle_model import BARE_ROOTS, CONTAINERS, FLOATS, INTEGERS, Field, Message, Schema, Type
from oracle_schemas import annotation

from aster.codec import ForyCodec
from aster.json_codec import JsonProxyCodec

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

_HEADER = """\
import dataclasses
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from typing import *
from uuid import UUID
from aster.codec import wire_type
from aster.types import *

Count, Text, T = NewType("Count", int), NewType("Text", str), TypeVar("T")
"""
_OWN_INIT = """\
    def __init__(_self_, **given):
        for part in dataclasses.fields(_self_):
            made = part.default if part.default_factory is dataclasses.MISSING else part.default_factory()
            object.__setattr__(_self_, part.name, given.pop(part.name, made))
        assert not given
"""
_LOCAL = """\
    LIMIT_: ClassVar[int] = 3
    local_: Any = field(default=7, init=False)
"""
_HOSTS: dict[str, type[Any]] = {
    **dict.fromkeys(INTEGERS, int),
    **dict.fromkeys(FLOATS, float),
    "string": str,
    "bool": bool,
    "binary": bytes,
    "timestamp": dt.datetime,
    "date": dt.date,
    "duration": dt.timedelta,
    "decimal": decimal.Decimal,
    "uuid": uuid.UUID,
}
_EXACT = 1 << 53
_modules = itertools.count()


def source(schema: Schema) -> str:
    """Return a module that declares all types of a schema."""
    parts = ["from __future__ import annotations\n" if schema.future_annotations else "", _HEADER]
    for kind in schema.enums.values():
        parts.append(f"\n\n@wire_type({kind.tag!r})\nclass {kind.class_name}({kind.base}):\n")
        parts += [f"    {member.name} = {member.value!r}\n" for member in kind.members]
    generic = {message.generic_tag for message in schema.messages.values() if message.generic_tag}
    for tag in generic:
        fields = "    item: Optional[T] = None\n    otherItems: list[T] = field(default_factory=list)\n"
        parts.append(f"\n\n@wire_type({tag!r})\n@dataclass\nclass G0(Generic[T]):\n{fields}")
    parts += [_class_source(schema, message) for message in schema.messages.values() if not message.generic_tag]
    return "".join(parts)


def _class_source(schema: Schema, message: Message) -> str:
    flavour = message.flavour
    options = [f"{name}=True" for name in ("slots", "frozen", "kw_only") if name in flavour]
    decorators = [f"@wire_type({message.tag!r})", ""]
    lines, base = message.fields, ""
    text = ""
    if "base" in flavour:
        base = f"(B{message.spelling})"
        text = f"\n\n@dataclass({', '.join(options)})\nclass B{message.spelling}:\n    pass\n"
        text += _fields_source(schema, lines[: message.base_fields])
        lines = lines[message.base_fields :]
    options += [f"{name}=False" for name, has in (("eq", "no_eq"), ("init", "own_init")) if has in flavour]
    decorators[1] = f"@dataclass({', '.join(options)})"
    if "tag_below" in flavour:
        decorators.reverse()
    text += "\n\n" + "\n".join(decorators) + f"\nclass {message.spelling}{base}:\n    pass\n"
    text += _fields_source(schema, lines)
    text += _LOCAL if "local" in flavour else ""
    text += _OWN_INIT if "own_init" in flavour else ""
    text += "    def __post_init__(self):\n        pass\n" if "post_init" in flavour else ""
    return text


def _fields_source(schema: Schema, fields: Iterable[Field]) -> str:
    text = ""
    for part in fields:
        default = part.default
        if part.name != part.attribute:
            default = default[len("field(") : -1] if default.startswith("field(") else f"default={default}"
            default = f"field({default}, metadata={{'aster.name': {part.name!r}}})"
        text += f"    {part.attribute}: {annotation(schema, part.type)} = {default}\n"
    return text


class Ours:
    """The classes of a schema, compiled, and the codec for its root."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.module = types.ModuleType(f"oracle_types_{next(_modules)}")
        sys.modules[self.module.__name__] = self.module
        exec(compile(source(schema), f"<{self.module.__name__}>", "exec", dont_inherit=True), self.module.__dict__)
        self.root: Any = BARE_ROOTS.get(schema.root.name) or self._class(schema.root.name)
        given = [] if schema.root.name in BARE_ROOTS else [self.root]
        self.codec, self.json_codec = ForyCodec(types=given), JsonProxyCodec(given)
        self._subclasses: dict[str, type[Any]] = {}

    def close(self) -> None:
        del sys.modules[self.module.__name__]

    def _class(self, tag: str) -> type[Any]:
        found: type[Any] = getattr(self.module, self.schema.messages[tag].spelling.partition("[")[0])
        return found

    def _enum(self, tag: str) -> type[enum.Enum]:
        found: type[enum.Enum] = getattr(self.module, self.schema.enums[tag].class_name)
        return found

    def value(self, of: Type, plain: Any, random: Random) -> Any:
        """Return a plain value as a program may give it. Plain sets take the order of the sets that are made."""
        if plain is None or self.schema.root.name in BARE_ROOTS:
            # The codec tells the type of a bare root by its class.
            return plain
        if of.name in CONTAINERS:
            return self._container(of, plain, random)
        if of.name in self.schema.messages:
            return self._message(self.schema.messages[of.name], plain, random)
        if of.name in self.schema.enums:
            member = self._enum(of.name)[plain]
            by_value = isinstance(member, (int, str)) and random.random() < 0.2
            return member.value if by_value else member
        return _scalar(of, plain, random) if random.random() < 0.3 else plain

    def _container(self, of: Type, plain: Any, random: Random) -> Any:
        if of.name == "list":
            return random.choice((list, tuple))(self.value(of.parts[0], item, random) for item in plain)
        if of.name == "map":
            return {self._key(of.parts[0], key): self.value(of.parts[1], item, random) for key, item in plain}
        by_host = {self._key(of.parts[0], item): item for item in plain}
        made = random.choice((set, frozenset))(by_host)
        plain[:] = [by_host[item] for item in made]
        return made

    def _key(self, of: Type, plain: Any) -> Any:
        return self._enum(of.name)[plain] if of.name in self.schema.enums else plain

    def _message(self, message: Message, plain: Any, random: Random) -> Any:
        cls = self._class(message.tag)
        if random.random() < 0.05:
            # A class without further fields stands for its base.
            cls = self._subclasses.setdefault(message.tag, type("Sub", (cls,), {"__slots__": ()}))
        given = {part.attribute: self.value(part.type, plain[part.name], random) for part in message.fields}
        return cls(**given)

    def default(self, tag: str, attribute: str) -> Any:
        """Return what the class of a message gives a field that is left out."""
        return getattr(self._class(tag)(), attribute)

    def plain(self, of: Type, value: Any) -> Any:
        """Return a decoded value as a plain one. `AssertionError` unless it has exactly the declared type."""
        if of.optional and value is None:
            return None
        if of.name in self.schema.messages:
            message = self.schema.messages[of.name]
            assert type(value) is self._class(of.name)
            assert "local" not in message.flavour or (value.local_, value.LIMIT_) == (7, 3)
            return {part.name: self.plain(part.type, getattr(value, part.attribute)) for part in message.fields}
        if of.name in self.schema.enums:
            assert type(value) is self._enum(of.name)
            return value.name
        if of.name == "map":
            assert type(value) is dict
            return [(self.plain(of.parts[0], key), self.plain(of.parts[1], item)) for key, item in value.items()]
        if of.name in CONTAINERS:
            assert type(value) is of.host, f"{type(value)} for {of}"
            return [self.plain(of.parts[0], item) for item in value]
        assert type(value) is _HOSTS[of.name], f"{type(value)} for {of}"
        assert of.name != "timestamp" or value.tzinfo is dt.timezone.utc
        return value


def _scalar(of: Type, plain: Any, random: Random) -> Any:
    """Return another value that means the same."""
    if of.name == "binary":
        return random.choice((bytearray, memoryview))(plain)
    if of.name in FLOATS and plain.is_integer() and abs(plain) < _EXACT and str(plain)[0] != "-":
        return int(plain)
    if of.name == "timestamp":
        if random.random() < 0.5:
            return plain.replace(tzinfo=None)
        zone = dt.timezone(dt.timedelta(minutes=random.randint(-800, 800)))
        inside = dt.MINYEAR < plain.year < dt.MAXYEAR
        return plain.astimezone(zone) if inside else plain
    if of.name == "decimal" and not plain:
        return plain.copy_negate()
    return plain
