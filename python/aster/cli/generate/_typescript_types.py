"""TypeScript modules of the types of contracts: classes and constant objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aster.cli.generate._layout import Group, lines
from aster.cli.generate._model import EnumModel, MessageModel, references
from aster.cli.generate._names import Names, camel_case, javascript_name, simple_name, words
from aster.cli.generate._python_types import TypeNames
from aster.cli.generate._typescript_values import Scope, comment, entry, key, text_literal

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from aster.cli.generate._model import TypeModel

STEP = "  "
RESERVED_CLASSES = words(
    """
    Array AsterClient AsyncDisposable BidiChannel BidiStream CallOptions ClientStream Date Infinity Map NaN Object
    Partial Promise Reflect Rpc SerializationMode ServerStream ServerStreamCall ServiceDefinition Set Source Stub Symbol
    Uint8Array allOf anyOf defineService eval f wireType
    """
)
# Properties that objects have anyway.
_HIDDEN = words("constructor __proto__")


def name_types(types: Mapping[str, TypeModel], known: TypeNames) -> TypeNames:
    """Name types, of which some may be known from another module."""
    names = Names(known.classes[tag] for tag in types if tag in known.classes)
    classes = {tag: known.classes[tag] for tag in types if tag in known.classes}
    for tag in sorted(set(types) - set(classes)):
        classes[tag] = names.take(javascript_name(simple_name(tag), RESERVED_CLASSES))
    members = {tag: known.members.get(tag) or _properties(model) for tag, model in sorted(types.items())}
    return TypeNames(classes, members)


def _properties(model: TypeModel) -> dict[str, str]:
    if isinstance(model, EnumModel):
        return {}
    names = Names()
    return {field.name: names.take(_property(field.name)) for field in model.fields}


def _property(text: str) -> str:
    name = camel_case(text)
    return f"x{name}" if name in _HIDDEN else name


def types_body(
    types: Mapping[str, TypeModel], names: TypeNames, own: Iterable[str], recursive: Collection[str]
) -> tuple[list[str], set[str], set[str]]:
    """Return the lines of a module, the helpers it uses, and the tags of other modules that it refers to."""
    ordered = sorted(own, key=lambda tag: (isinstance(types[tag], MessageModel), names.classes[tag]))
    known = {names.classes[tag] for tag in types} - {names.classes[tag] for tag in ordered}
    taken = Names(names.classes.values())
    out: list[str] = []
    used: set[str] = set()
    for tag in ordered:
        model = types[tag]
        if isinstance(model, EnumModel):
            written = _enum(model, names.classes[tag])
        else:
            scope = Scope(names.classes, types, names.members, known)
            written = _message(model, names, scope, taken if tag in recursive else None)
            used |= {"wireType"} | ({"f"} if model.fields else set())
        out += ["", *written]
        known.add(names.classes[tag])
    elsewhere = {tag for each in ordered for tag in references(types[each])} - set(ordered)
    return out, used, elsewhere


def _enum(model: EnumModel, name: str) -> list[str]:
    members = [
        f"{key(member)}: {value if isinstance(value, int) else text_literal(value)}" for member, value in model.members
    ]
    return [
        *comment(f"Enum `{model.tag}`.", ""),
        *lines(Group(f"export const {name} = {{", members, "} as const;", " "), "", STEP),
        f"export type {name} = (typeof {name})[keyof typeof {name}];",
    ]


def _message(model: MessageModel, names: TypeNames, scope: Scope, taken: Names | None) -> list[str]:
    """Return the class of a message; `taken` are the names of the module if it contains itself."""
    name, properties = names.classes[model.tag], names.members[model.tag]
    fields = [scope.field(field, properties[field.name]) for field in model.fields]
    made = f"wireType({text_literal(model.tag)}, {{"
    about = comment(f"Message `{model.tag}`.", "")
    if taken is None:
        return [*about, *lines(Group(f"export class {name} extends {made}", fields, "}) {}", " "), "", STEP)]
    # The fields are declared apart: a class cannot be part of the type of its own base.
    shape, base = (taken.take(f"{name}{what}") for what in ("Fields", "Base"))
    members = [f"{STEP}{_typed(properties[field.name], scope.type(field.type))}" for field in model.fields]
    head = f"const {base}: new (init?: Partial<{shape}>) => {shape} = {made}"
    return [
        f"interface {shape} {{",
        *members,
        "}",
        *lines(Group(head, fields, "});", " "), "", STEP),
        *about,
        f"export class {name} extends {base} {{}}",
    ]


def _typed(name: str, text: str) -> str:
    return f"{entry(name, text)};"
