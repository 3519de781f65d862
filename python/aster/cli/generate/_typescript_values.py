"""TypeScript sources of literals, values, types, field helpers and comments."""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from typing import TYPE_CHECKING, Any

from aster.cli.generate._layout import Group, Part, is_plain
from aster.cli.generate._model import EnumModel, TypeModel

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from aster.cli.generate._model import FieldModel, Tree

_BIG = frozenset({"var_uint64", "int64", "uint64"})
_HELPERS = {
    "string": "string",
    "bool": "bool",
    "binary": "bytes",
    "int8": "int8",
    "int16": "int16",
    "varint32": "int32",
    "varint64": "int",
    "uint8": "uint8",
    "uint16": "uint16",
    "var_uint32": "uint32",
    "var_uint64": "uint64",
    "int32": "fixedInt32",
    "int64": "fixedInt64",
    "uint32": "fixedUint32",
    "uint64": "fixedUint64",
    "float32": "float32",
    "float64": "float",
    "timestamp": "timestamp",
    "date": "date",
    "duration": "duration",
    "decimal": "decimal",
}
_TYPES = {
    "bool": "boolean",
    "binary": "Uint8Array",
    "timestamp": "Date",
    **dict.fromkeys(("string", "date", "decimal"), "string"),
}
BARE = {
    "string": ("f.string()", "string"),
    "int": ("f.int()", "number"),
    "float": ("f.float()", "number"),
    "bool": ("f.bool()", "boolean"),
    "bytes": ("f.bytes()", "Uint8Array"),
}
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
_PROPERTY = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")


def text_literal(text: str) -> str:
    """Return a string literal in double quotes."""
    shown = (
        json.dumps(char)[1:-1] if char in '"\\\n\r\t' else char if is_plain(char) else _by_number(char) for char in text
    )
    return f'"{"".join(shown)}"'


def _by_number(char: str) -> str:
    number = ord(char)
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\u{{{number:x}}}"  # noqa: PLR2004 - what four digits hold


def comment(text: str, indent: str) -> list[str]:
    """Return the lines of a documentation comment."""
    shown = [
        "".join(c if is_plain(c) else _by_number(c) for c in line.expandtabs()).rstrip()
        for line in text.strip().splitlines()
    ]
    shown = [line.replace("*/", "*\\/") for line in shown] or [""]
    if len(shown) == 1:
        return [f"{indent}/** {shown[0]} */"]
    return [f"{indent}/**", *(f"{indent} * {line}".rstrip() for line in shown), f"{indent} */"]


def key(name: str) -> str:
    """Return a name as the key of an object."""
    if name == "__proto__":
        return '["__proto__"]'  # else it would be the prototype
    return name if _PROPERTY.fullmatch(name) else text_literal(name)


def member(of: str, name: str) -> str:
    """Return the access to a member of an object."""
    return f"{of}.{name}" if _PROPERTY.fullmatch(name) else f"{of}[{text_literal(name)}]"


def record(parts: list[Part]) -> Group:
    """Return an object."""
    return Group("{", parts, "}", " ")


def entry(name: str, value: Part) -> Part:
    """Return an entry of an object."""
    return prefixed(f"{key(name)}: ", value)


def prefixed(prefix: str, part: Part) -> Part:
    """Return a part with something before it."""
    return (
        f"{prefix}{part}"
        if isinstance(part, str)
        else Group(f"{prefix}{part.head}", part.parts, part.tail, part.padding)
    )


def number_literal(number: float) -> str:
    """Return a literal of a number."""
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    if float(number).is_integer() and abs(number) < 2**53:
        return "-0" if number == 0 and math.copysign(1, number) < 0 else str(int(number))
    return repr(float(number))


class Scope:
    """How the types of a module and their values are written. `known` are classes that exist already."""

    def __init__(
        self,
        classes: Mapping[str, str],
        types: Mapping[str, TypeModel],
        properties: Mapping[str, Mapping[str, str]],
        known: Collection[str] = (),
    ) -> None:
        self._classes = classes
        self._types = types
        self._properties = properties
        self._known = known

    def type(self, tree: Tree) -> str:
        """Return a type."""
        if isinstance(tree, str):
            return self._classes.get(tree) or _TYPES.get(tree) or ("bigint" if tree in _BIG else "number")
        kind, *parts = tree
        inner = [self.type(part) for part in parts]
        if kind == "optional":
            return f"{inner[0]} | null"
        if kind == "list":
            return f"({inner[0]})[]" if " " in inner[0] and not inner[0].endswith(">") else f"{inner[0]}[]"
        return f"{kind.capitalize()}<{', '.join(inner)}>"

    def helper(self, tree: Tree, options: Part | None = None) -> Part:
        """Return the helper of a field, or of a part of one."""
        given = [] if options is None else [options]
        if isinstance(tree, str):
            return self._named(tree, given)
        kind, *parts = tree
        return _call(f"f.{kind}(", [*(self.helper(part) for part in parts), *given])

    def _named(self, tree: str, given: list[Part]) -> Part:
        model = self._types.get(tree)
        if model is None:
            # Finer times than a Date holds are rounded rather than refused.
            return _call(f"f.{_HELPERS[tree]}(", [_rounded(given)] if tree == "timestamp" else given)
        name = self._classes[tree]
        if isinstance(model, EnumModel):
            return _call("f.enum(", [text_literal(tree), name, *given])
        if name in self._known:
            return _call("f.ref(", [name, *given]) if given else name
        return _call("f.lazy(", [f"() => {name}", *given])

    def value(self, tree: Tree, value: Any) -> Part:
        """Return a value of a type."""
        if isinstance(tree, str):
            model = self._types.get(tree)
            return _scalar(tree, value) if model is None else self._value_of(model, value)
        kind, *parts = tree
        if kind == "optional":
            return "null" if value is None else self.value(parts[0], value)
        if kind == "map":
            pairs = [
                Group("[", [self.value(parts[0], k), self.value(parts[1], item)], "]") for k, item in value.items()
            ]
            return Group("new Map([", pairs, "])") if pairs else "new Map()"
        items = [self.value(parts[0], item) for item in value]
        if kind == "list":
            return Group("[", items, "]")
        return Group("new Set([", sorted(map(str, items)), "])") if items else "new Set()"

    def _value_of(self, model: TypeModel, value: Any) -> Part:
        if isinstance(model, EnumModel):
            return member(self._classes[model.tag], value)
        names = self._properties[model.tag]
        return record([entry(names[field.name], self.value(field.type, value[field.name])) for field in model.fields])

    def field(self, field: FieldModel, name: str) -> Part:
        """Return the entry of a field in a table."""
        options: list[Part] = [] if name == field.name else [entry("name", text_literal(field.name))]
        if field.default == "value":
            options.append(entry("default", self.value(field.type, field.value)))
        elif field.default == "empty" and field.type[0] == "optional":
            options.append(entry("default", self.value(field.type, {})))
        options += docs(field.description, field.tags)
        return entry(name, self.helper(field.type, record(options) if options else None))


def docs(description: str, tags: Collection[str], deprecated: bool = False) -> list[Part]:
    """Return documentation as entries of options."""
    out: list[Part] = [entry("description", text_literal(description))] if description else []
    if tags:
        out.append(entry("tags", Group("[", [text_literal(tag) for tag in tags], "]")))
    if deprecated:
        out.append("deprecated: true")
    return out


def _rounded(given: list[Part]) -> Part:
    parts = [part for options in given if isinstance(options, Group) for part in options.parts]
    return record(["round: true", *parts])


def _call(head: str, parts: list[Part]) -> Part:
    # One object among the arguments opens and closes together with the brackets of the call.
    *first, last = parts or [""]
    if isinstance(last, Group) and last.head == "{" and all(isinstance(part, str) for part in first):
        before = "".join(f"{part}, " for part in first)
        return Group(f"{head}{before}{{", last.parts, "})", " ")
    return Group(head, parts, ")") if parts else f"{head})"


def _scalar(kind: str, value: Any) -> str:
    if isinstance(value, bytes):
        return f"new Uint8Array([{', '.join(map(str, value))}])" if value else "new Uint8Array()"
    if isinstance(value, (dt.datetime, dt.timedelta)):
        return _time(value)
    if isinstance(value, (int, float)):
        return _number(kind, value)
    return text_literal(value.isoformat() if isinstance(value, dt.date) else str(value))


def _number(kind: str, value: float) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value}n" if kind in _BIG else number_literal(value)


def _time(value: dt.datetime | dt.timedelta) -> str:
    if isinstance(value, dt.timedelta):
        return number_literal(value / dt.timedelta(microseconds=1) / 1000)
    return f"new Date({(value - _EPOCH) // dt.timedelta(milliseconds=1)})"
