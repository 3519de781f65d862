"""Python sources of literals, values, annotations and docstrings, as the formatter writes them."""

from __future__ import annotations

import datetime as dt
import math
import textwrap
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from aster import types
from aster.cli.generate._layout import Group, is_plain
from aster.cli.generate._model import EnumModel, MessageModel, TypeModel

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from aster.cli.generate._layout import Part
    from aster.cli.generate._model import FieldModel, Tree

NUMBER_TYPES: dict[str, str] = {
    mark.name: name for name, value in vars(types).items() for mark in getattr(value, "__metadata__", ())
}
BUILTINS = frozenset({"str", "int", "float", "bool", "bytes", "list", "set", "dict"})
_SCALARS = {
    "string": "str",
    "bool": "bool",
    "binary": "bytes",
    "varint64": "int",
    "float64": "float",
    "timestamp": "_dt.datetime",
    "date": "_dt.date",
    "duration": "_dt.timedelta",
    "decimal": "_decimal.Decimal",
}
_ANNOTATIONS = {**_SCALARS, **NUMBER_TYPES}
BARE = {"string": "str", "int": "int", "float": "float", "bool": "bool", "bytes": "bytes"}
_ZEROS: dict[str, Any] = {
    "string": "",
    "bool": False,
    "binary": b"",
    "float32": 0.0,
    "float64": 0.0,
    "timestamp": dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc),
    "date": dt.date(1970, 1, 1),
    "duration": dt.timedelta(),
    "decimal": Decimal(0),
}
_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def text_literal(text: str) -> str:
    """Return a string literal, in the quotes that need fewer escapes."""
    quote = "'" if text.count('"') > text.count("'") else '"'
    return quote + "".join(_escaped(char, quote) for char in text) + quote


def _escaped(char: str, quote: str) -> str:
    if char == quote:
        return f"\\{char}"
    if char in _ESCAPES:
        return _ESCAPES[char]
    return char if is_plain(char) else _by_number(char)


def _by_number(char: str) -> str:
    number = ord(char)
    if number <= 0xFF:  # noqa: PLR2004 - what two digits hold
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"  # noqa: PLR2004 - what four digits hold


def bytes_literal(data: bytes) -> str:
    """Return a literal of bytes."""
    text = data.decode("latin-1")
    quote = "'" if text.count('"') > text.count("'") else '"'
    shown = (_escaped(char, quote) if char.isascii() else _by_number(char) for char in text)
    return f"b{quote}{''.join(shown)}{quote}"


def float_literal(number: float) -> str:
    """Return a literal of a float; a call for what has none."""
    if not math.isfinite(number):
        return f'float("{number}")'
    return repr(number).replace("e+", "e")


def docstring(text: str, indent: str) -> list[str]:
    """Return the lines of a docstring."""
    first, *rest = [line.expandtabs().rstrip() for line in text.strip().splitlines()] or [""]
    shown = [_doc_line(line) for line in (first.lstrip(), *textwrap.dedent("\n".join(rest)).split("\n"))]
    shown = shown if rest else shown[:1]
    if shown[0].startswith('"'):
        shown[0] = f" {shown[0]}"
    if shown[-1].endswith('"'):
        shown[-1] = f'{shown[-1][:-1]}\\"'
    if not rest:
        return [f'{indent}"""{shown[0]}"""']
    return [f'{indent}"""{shown[0]}', *(f"{indent}{line}" if line else "" for line in shown[1:]), f'{indent}"""']


def _doc_line(line: str) -> str:
    escaped = "".join("\\\\" if char == "\\" else char if is_plain(char) else _by_number(char) for char in line)
    return escaped.replace('"""', '\\"\\"\\"')


class Scope:
    """A class body or module: how types and values are written there."""

    def __init__(
        self,
        classes: Mapping[str, str],
        types: Mapping[str, TypeModel],
        fields: Mapping[str, Mapping[str, str]],
        shadowed: Collection[str] = (),
    ) -> None:
        self._classes = classes
        self._types = types
        self._fields = fields
        self._shadowed = shadowed
        self.used: set[str] = set()

    def builtin(self, name: str) -> str:
        """Return the name of a builtin, which an attribute of the class may hide."""
        if name not in self._shadowed:
            return name
        self.used.add("builtins")
        return f"builtins.{name}"

    def annotation(self, tree: Tree, *, evaluated: bool = False) -> str:
        """Return the annotation of a type; one that is evaluated at once has in quotes what does not exist yet."""
        if isinstance(tree, str):
            known = self._classes[tree] if tree in self._classes else _ANNOTATIONS[tree]
            self.used.add(known.partition(".")[0])
            return self.builtin(known) if known in BUILTINS else known
        kind, *parts = tree
        if kind == "optional":
            return f"{self.annotation(parts[0])} | None"
        inner = [self.annotation(part) for part in parts]
        if evaluated:
            inner = [text if text in BUILTINS else f'"{text}"' for text in inner]
        return f"{self.builtin('dict' if kind == 'map' else kind)}[{', '.join(inner)}]"

    def zero(self, tree: Tree) -> str | None:
        """Return the value that a required field starts from; nothing if it must be made anew each time."""
        if isinstance(tree, str):
            model = self._types.get(tree)
            if isinstance(model, MessageModel):
                return None
            if isinstance(model, EnumModel):
                return self._member(model, model.members[0][0])
            return str(self.value(tree, _ZEROS.get(tree, 0)))
        return "None" if tree[0] == "optional" else None

    def factory(self, tree: Tree, known: Collection[str]) -> str:
        """Return what makes a value anew; classes that are not yet known must wait to be called."""
        if isinstance(tree, str):
            name = self._classes[tree]
            return name if name in known else f"lambda: {name}()"
        return self.annotation(tree, evaluated=True)

    def default(self, field: FieldModel, known: Collection[str]) -> str | tuple[str, Part]:
        """Return the default of a field: a value, or `default_factory` with what makes one."""
        if field.default == "value":
            value = self.value(field.type, field.value)
            return value if isinstance(value, str) and not _is_mutable(field) else ("default_factory", _made(value))
        tree = field.type
        if field.default == "empty" and not isinstance(tree, str) and tree[0] == "optional":
            tree = tree[1]
        zero = self.zero(tree)
        return ("default_factory", self.factory(tree, known)) if zero is None else zero

    def value(self, tree: Tree, value: Any) -> Part:
        """Return a value of a type."""
        if isinstance(tree, str):
            model = self._types.get(tree)
            return self._scalar(value) if model is None else self._named(model, value)
        kind, *parts = tree
        if kind == "optional":
            return "None" if value is None else self.value(parts[0], value)
        if kind == "map":
            entries = [(self.value(parts[0], key), self.value(parts[1], item)) for key, item in value.items()]
            return Group("{", [_prefixed(f"{key}: ", item) for key, item in entries], "}")
        items = [self.value(parts[0], item) for item in value]
        if kind == "list":
            return Group("[", items, "]")
        return Group("{", sorted(map(str, items)), "}") if items else f"{self.builtin('set')}()"

    def _named(self, model: TypeModel, value: Any) -> Part:
        if isinstance(model, EnumModel):
            return self._member(model, value)
        names = self._fields[model.tag]
        given = [
            _prefixed(f"{names[field.name]}=", self.value(field.type, value[field.name])) for field in model.fields
        ]
        return Group(f"{self._classes[model.tag]}(", given, ")")

    def _member(self, model: EnumModel, name: str) -> str:
        return f"{self._classes[model.tag]}.{self._fields[model.tag][name]}"

    def _scalar(self, value: Any) -> str:
        if isinstance(value, str):
            return text_literal(value)
        if isinstance(value, bytes):
            return bytes_literal(value)
        if isinstance(value, float):
            return float_literal(value).replace("float(", f"{self.builtin('float')}(")
        if isinstance(value, Decimal):
            self.used.add("_decimal")
            return f'_decimal.Decimal("{value}")'
        if isinstance(value, (dt.date, dt.timedelta)):
            self.used.add("_dt")
            return _time(value)
        return repr(value)


def _time(value: dt.date | dt.timedelta) -> str:
    if isinstance(value, dt.timedelta):
        parts = {name: getattr(value, name) for name in ("days", "seconds", "microseconds")}
        return f"_dt.timedelta({', '.join(f'{name}={part}' for name, part in parts.items() if part)})"
    day = f"{value.year}, {value.month}, {value.day}"
    if not isinstance(value, dt.datetime):
        return f"_dt.date({day})"
    clock = [value.hour, value.minute, value.second, value.microsecond]
    while clock and clock[-1] == 0:
        clock.pop()
    return f"_dt.datetime({', '.join([day, *map(str, clock)])}, tzinfo=_dt.timezone.utc)"


def _is_mutable(field: FieldModel) -> bool:
    return isinstance(field.value, (list, set, dict))


def _made(value: Part) -> Part:
    return _prefixed("lambda: ", value)


def _prefixed(prefix: str, part: Part) -> Part:
    return f"{prefix}{part}" if isinstance(part, str) else Group(f"{prefix}{part.head}", part.parts, part.tail)
