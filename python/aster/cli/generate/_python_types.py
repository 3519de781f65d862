"""Python modules of the types of contracts: dataclasses and enums."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aster._identifiers import python_member, python_name
from aster.cli.generate._layout import WIDTH as _WIDTH
from aster.cli.generate._layout import Group, Part, flat, lines, width
from aster.cli.generate._model import EnumModel, MessageModel, TypeModel
from aster.cli.generate._names import Names, simple_name, words
from aster.cli.generate._python_values import BUILTINS, NUMBER_TYPES, Scope, docstring, text_literal

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from aster.cli.generate._model import FieldModel

STEP = "    "
# What modules of types and of clients use by these names.
_MODULES = words(
    """
    aster builtins dataclasses enum annotations wire_type
    """
)
_CLIENTS = words(
    """
    AsyncIterable AsyncIterator BidiStream ClientStream GeneratedClient GeneratedSessionClient Iterable Mapping
    SerializationMode ServerStream TYPE_CHECKING Unary
    """
)
RESERVED_CLASSES = BUILTINS | _MODULES | _CLIENTS | frozenset(NUMBER_TYPES.values()) | {"object", "type", "super"}
# Attributes of `int`, `str` and enums that a member would hide.
_HIDDEN = words(
    """
    as_integer_ratio bit_count bit_length capitalize casefold center conjugate count denominator encode endswith
    expandtabs find format format_map from_bytes imag index is_integer isalnum isalpha isascii isdecimal isdigit
    isidentifier islower isnumeric isprintable isspace istitle isupper join ljust lower lstrip maketrans mro
    name numerator partition real removeprefix removesuffix replace rfind rindex rjust rpartition rsplit rstrip
    split splitlines startswith strip swapcase title to_bytes translate upper value zfill
    """
)
_CONTRACT_NAME = "aster.name"


@dataclass(frozen=True)
class TypeNames:
    """How the types of a module are called: classes by tag; attributes and members by tag and contract name."""

    classes: Mapping[str, str]
    members: Mapping[str, Mapping[str, str]]


def name_types(types: Mapping[str, TypeModel], known: TypeNames) -> TypeNames:
    """Name types, of which some may be known from another module."""
    names = Names(known.classes[tag] for tag in types if tag in known.classes)
    classes = {tag: known.classes[tag] for tag in types if tag in known.classes}
    for tag in sorted(set(types) - set(classes)):
        classes[tag] = names.take(python_name(simple_name(tag), RESERVED_CLASSES))
    reserved = {*classes.values(), *_MODULES, *NUMBER_TYPES.values(), "self", "_dt", "_decimal"}
    members = {tag: known.members.get(tag) or _name_members(model, reserved) for tag, model in sorted(types.items())}
    return TypeNames(classes, members)


def _name_members(model: TypeModel, reserved: Collection[str]) -> dict[str, str]:
    names = Names()
    if isinstance(model, EnumModel):
        return {name: names.take(_enum_member(name)) for name, _ in model.members}
    return {field.name: names.take(python_member(field.name, reserved)) for field in model.fields}


def _enum_member(text: str) -> str:
    name = python_member(text, _HIDDEN)
    return f"x{name}" if name.startswith("_") else name


def types_body(types: Mapping[str, TypeModel], names: TypeNames, own: Iterable[str]) -> tuple[list[str], set[str]]:
    """Return the lines of the classes of a module, and what they use. Enums come first, each kind by name."""
    ordered = sorted(own, key=lambda tag: (isinstance(types[tag], MessageModel), names.classes[tag]))
    known = {names.classes[tag] for tag in types} - {names.classes[tag] for tag in ordered}
    out: list[str] = []
    used: set[str] = set()
    for tag in ordered:
        model = types[tag]
        if isinstance(model, EnumModel):
            written = _enum(model, names)
            used.add("enum")
        else:
            scope = Scope(names.classes, types, names.members, names.members[tag].values())
            written = _message(model, names, scope, known)
            used |= scope.used | {"dataclasses"}
            used |= {"aster"} if any("aster." in line for line in written) else set()
        out += ["", "", *written]
        known.add(names.classes[tag])
    return out, used


def _enum(model: EnumModel, names: TypeNames) -> list[str]:
    members = names.members[model.tag]
    base = "enum.IntEnum" if model.is_numeric else "str, enum.Enum"
    renamed = [f"{text_literal(to)}: {text_literal(name)}" for name, to in members.items() if name != to]
    body = [
        f"{members[name]} = {value if isinstance(value, int) else text_literal(value)}" for name, value in model.members
    ]
    out = [
        *statement(Group("@wire_type(", [text_literal(model.tag)], ")"), ""),
        *statement(f"class {names.classes[model.tag]}({base}):", ""),
        *docstring(f"Enum `{model.tag}`.", STEP),
        "",
    ]
    if renamed:
        out += [*statement(Group("__wire_names__ = {", renamed, "}"), STEP), ""]
    return out + [line for text in body for line in statement(text, STEP)]


def _message(model: MessageModel, names: TypeNames, scope: Scope, known: set[str]) -> list[str]:
    members = names.members[model.tag]
    documented = [
        Group(f"{text_literal(members[field.name])}: aster.Metadata(", _docs(field), ")")
        for field in model.fields
        if members[field.name] != field.name and (field.description or field.tags)
    ]
    options: list[Part] = [text_literal(model.tag)]
    if documented:
        options.append(Group("metadata={", documented, "}"))
    out = [
        *statement(Group("@wire_type(", options, ")"), ""),
        "@dataclasses.dataclass",
        *statement(f"class {names.classes[model.tag]}:", ""),
        *docstring(f"Message `{model.tag}`.", STEP),
    ]
    if model.fields:
        out.append("")
    for field in model.fields:
        out += statement(_field(field, members[field.name], scope, known), STEP)
    return out


def _docs(field: FieldModel) -> list[Part]:
    tags = Group("[", [text_literal(tag) for tag in field.tags], "]")
    return [text_literal(field.description), *([tags] if field.tags else [])]


def _field(field: FieldModel, attribute: str, scope: Scope, known: set[str]) -> Part:
    head = f"{attribute}: {scope.annotation(field.type)} = "
    default = scope.default(field, known)
    given = keyword_argument("default", default) if isinstance(default, str) else keyword_argument(*default)
    if attribute != field.name:
        renamed = Group("metadata={", [f"{text_literal(_CONTRACT_NAME)}: {text_literal(field.name)}"], "}")
        return Group(f"{head}dataclasses.field(", [given, renamed], ")")
    if field.description or field.tags:
        text, *tags = _docs(field)
        return Group(f"{head}aster.describe(", [text, *(keyword_argument("tags", tag) for tag in tags), given], ")")
    if isinstance(default, str):
        return f"{head}{default}"
    return Group(f"{head}dataclasses.field(", [given], ")")


def keyword_argument(name: str, value: Part) -> Part:
    """Return an argument with its name."""
    return f"{name}={value}" if isinstance(value, str) else Group(f"{name}={value.head}", value.parts, value.tail)


def statement(part: Part, indent: str) -> list[str]:
    """Return the lines of a statement; what cannot be made to fit is kept from the formatter."""
    written = lines(part, indent, STEP)
    if all(width(line) <= _WIDTH for line in written):
        return written
    return [f"{indent}{flat(part)}  # fmt: skip"]
