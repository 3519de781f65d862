"""Random schemas: messages that nest and recurse, every type at every place, classes of every flavour."""

from __future__ import annotations

import dataclasses
import re
import sys
from typing import TYPE_CHECKING, Any

import oracle_names as names
from oracle_model import (
    BARE_ROOTS,
    CONTAINERS,
    INTEGERS,
    PRIMITIVES,
    EnumType,
    Field,
    Member,
    Message,
    Schema,
    Type,
)

if TYPE_CHECKING:
    from random import Random

_FLAVOURS = ("slots", "frozen", "kw_only") if sys.version_info >= (3, 10) else ("frozen",)
_MORE_FLAVOURS = ("no_eq", "tag_below", "base", "post_init", "own_init", "local")
_MAX_NESTING = 13


def random_schema(random: Random) -> Schema:
    """Return a schema; its root is a message but for a few."""
    if random.random() < 0.02:
        return Schema(Type(random.choice(list(BARE_ROOTS))))
    return _Maker(random).schema()


class _Maker:
    def __init__(self, random: Random) -> None:
        self.random = random
        self.made = Schema(Type(""), future_annotations=random.random() < 0.5)
        self.tags: set[tuple[str, str]] = set()
        self.order: list[str] = []

    def schema(self) -> Schema:
        random = self.random
        for number in range(random.choice((0, 1, 1, 2, 3))):
            self.enum(number)
        for number in range(random.choice((1, 1, 2, 3, 4, 6))):
            flavour = frozenset(flavour for flavour in (*_FLAVOURS, *_MORE_FLAVOURS) if random.random() < 0.2)
            tag = names.tag(random, self.tags)
            self.order.append(tag)
            self.made.messages[tag] = Message(tag, f"M{number}", flavour=flavour)
        if random.random() < 0.3:
            self.generics()
        for at, tag in enumerate(self.order):
            self.complete(at, self.made.messages[tag])
        self.made.root = Type(self.order[0])
        self.made.readable = all(map(names.readable, self.made.messages))
        return self.made

    def enum(self, number: int) -> None:
        random = self.random
        members = names.member_names(random, random.choice((1, 2, 3, 8)))
        choices: tuple[tuple[str, list[Any]], ...] = (
            ("Enum", list(range(len(members)))),
            ("IntEnum", list(range(len(members)))),
            ("Enum", random.sample(range(-(2**31), 2**31), len(members))),
            ("IntEnum", list(range(1, len(members) + 1))),
            ("Enum", [f"{name} value" for name in members]),
            ("str, Enum", [f"{name}!" for name in members]),
        )
        base, values = random.choice(choices)
        if random.random() < 0.3:
            random.shuffle(values)
        tag = names.tag(random, self.tags)
        made = EnumType(tag, f"E{number}", base, [Member(name, value) for name, value in zip(members, values)])
        self.made.enums[tag] = made

    def generics(self) -> None:
        """Add a generic message with some of its arguments."""
        tag = names.tag(self.random, self.tags)
        for argument in (Type("varint64"), Type("list", (Type("uint16"),)), Type("timestamp"), Type(self.order[0])):
            if self.random.random() < 0.5:
                flat = f"{tag}_" + re.sub("[^A-Za-z0-9_]+", "_", _signature(argument)).rstrip("_")
                message = Message(flat, f"G0[{annotation(self.made, argument)}]", generic_tag=tag)
                inner = dataclasses.replace(argument, optional=True)
                message.fields = [
                    Field("item", "item", inner, "None"),
                    Field("otherItems", "otherItems", Type("list", (argument,)), "field(default_factory=list)"),
                ]
                self.made.messages[flat] = message

    def complete(self, at: int, message: Message) -> None:
        """Give a message its fields."""
        random = self.random
        count = random.choice((0, 1, 2, 3, 5, 8, 12, random.choice((29, 30, 31, 32, 60))))
        later = self.order[at + 1 :]
        for name, attribute in names.field_names(random, count):
            of = self.type_of(random.choice((0, 0, 1, 1, 2, 3)))
            if random.random() < 0.15 and later:
                # A message that must be there cannot contain itself. One such field, so that values stay small.
                of = Type(later.pop(0))
                later.clear()
            message.fields.append(Field(name, attribute, of, self.default(of)))
        message.base_fields = random.randint(0, len(message.fields))

    def type_of(self, depth: int) -> Type:
        """Return a type for a field, at most so deep."""
        random = self.random
        if random.random() < 0.004:
            deep = self.scalar()
            for _ in range(random.randint(8, _MAX_NESTING)):
                kind, parts = random.choice((("list", (deep,)), ("map", (self.key(), deep))))
                deep = Type(kind, parts, spelling=self.spelling())
            return deep
        optional = random.random() < 0.3
        if depth == 0 or random.random() < 0.2:
            found = self.scalar() if random.random() < 0.75 else self.message()
            return dataclasses.replace(found, optional=optional or found.name in self.made.messages)
        return dataclasses.replace(self.container(depth), optional=optional)

    def container(self, depth: int) -> Type:
        kind = self.random.choice((*CONTAINERS, "list"))
        if kind == "set":
            part = self.scalar()
            return Type("set", (dataclasses.replace(part, optional=False),), spelling=self.spelling())
        part = self.type_of(depth - 1)
        if part.name in self.made.messages and self.random.random() < 0.7:
            part = dataclasses.replace(part, optional=False)
        return Type(kind, (part,) if kind == "list" else (self.key(), part), spelling=self.spelling())

    def key(self) -> Type:
        enums = list(self.made.enums)
        choices = ["string", "string", "varint64", "bool", self.random.choice(INTEGERS), *enums]
        return Type(self.random.choice(choices), spelling=self.spelling())

    def scalar(self) -> Type:
        name = self.random.choice((*PRIMITIVES, "string", "varint64", *self.made.enums))
        return Type(name, spelling=self.spelling())

    def message(self) -> Type:
        return Type(self.random.choice(list(self.made.messages)))

    def spelling(self) -> int:
        return self.random.randrange(12)

    def default(self, of: Type) -> str:
        """Return Python source that follows the colon and annotation of a field."""
        if of.optional:
            return "None"
        if of.name in self.made.messages:
            return f"field(default_factory=lambda: {self.made.messages[of.name].spelling}())"
        if of.name in self.made.enums:
            enum = self.made.enums[of.name]
            return f"{enum.class_name}.{self.random.choice(enum.members).name}"
        if of.name in CONTAINERS:
            kind: str = of.host.__name__
            return f"{kind}()" if of.host in {tuple, frozenset} else f"field(default_factory={kind})"
        defaults = {"float64": "0.5", "float32": "0.25", "string": "'é'", "bool": "True", "binary": "b'x'"}
        more = {
            "timestamp": "datetime(2000, 1, 1, tzinfo=timezone.utc)",
            "date": "date(2000, 1, 1)",
            "duration": "timedelta(1)",
        }
        return {**defaults, **more, "decimal": "Decimal('1.50')", "uuid": "UUID(int=7)"}.get(of.name, "7")


def _signature(of: Type) -> str:
    """Return the name of a type as flattened names of generics contain it."""
    if not of.parts:
        return of.name.rpartition("/")[2].rpartition(".")[2]
    return f"{of.name}<{','.join(map(_signature, of.parts))}>"


_SPELLINGS = {
    "varint64": ("int", "Annotated[int, 'doc']", "Count"),
    "float64": ("float",),
    "string": ("str", "str", "Text", "Annotated[str, 5]"),
    "bool": ("bool",),
    "binary": ("bytes",),
    "timestamp": ("datetime",),
    "date": ("date",),
    "duration": ("timedelta",),
    "decimal": ("Decimal",),
    "uuid": ("UUID",),
    "varint32": ("Int32",),
    "var_uint32": ("UInt32",),
    "var_uint64": ("UInt64",),
    "int32": ("FixedInt32",),
    "int64": ("FixedInt64",),
    "uint32": ("FixedUInt32",),
    "uint64": ("FixedUInt64",),
    "int8": ("Int8",),
    "int16": ("Int16",),
    "uint8": ("UInt8",),
    "uint16": ("UInt16",),
    "float32": ("Float32",),
}
_CONTAINER_SPELLINGS: dict[Any, tuple[str, ...]] = {
    list: ("list[{}]", "List[{}]"),
    tuple: ("tuple[{}, ...]", "Tuple[{}, ...]"),
    set: ("set[{}]", "Set[{}]"),
    frozenset: ("frozenset[{}]", "FrozenSet[{}]"),
    dict: ("dict[{}, {}]", "Dict[{}, {}]"),
}


def annotation(schema: Schema, of: Type) -> str:
    """Return the Python source of an annotation."""
    if of.name in CONTAINERS:
        bare = {"list": "string", "map": "string"}.get(of.name)
        if of.host is not tuple and bare and all(part == Type(bare, (), False, part.spelling) for part in of.parts):
            spellings: tuple[str, ...] = (of.host.__name__, *_CONTAINER_SPELLINGS[of.host])
        else:
            spellings = _CONTAINER_SPELLINGS[of.host]
        text = spellings[of.spelling // 2 % len(spellings)]
        text = text.format(*(annotation(schema, part) for part in of.parts))
    elif of.name in schema.messages:
        text = schema.messages[of.name].spelling
        text = text if schema.future_annotations else repr(text)
    elif of.name in schema.enums:
        text = schema.enums[of.name].class_name
    else:
        choices = _SPELLINGS[of.name]
        text = choices[of.spelling % len(choices)]
    if of.optional:
        union = "{} | None" if schema.future_annotations else "Union[None, {}]"
        text = ("Optional[{}]", union)[of.spelling % 2].format(text)
    return text
