"""Wire types made at run time from a contract (`python-api.md` section 6)."""

from __future__ import annotations

import dataclasses
import enum
import functools
import json
from typing import TYPE_CHECKING, Any, Optional

from aster import _aster, types
from aster._annotations import SCALARS
from aster._enums import CONTRACT_NAMES
from aster._identifiers import python_member
from aster._messages import CONTRACT_NAME, MessageTable
from aster._wire_type import assign_tag
from aster._zero import zero

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DynamicTypeFactory"]

_MODULE = "aster.dynamic.types"


class _TextEnum(str, enum.Enum):
    """Base of enums whose members have texts."""


_ANNOTATIONS: dict[str, Any] = {
    **{host.text: scalar for scalar, host in SCALARS.items()},
    **{mark.name: width for width in vars(types).values() for mark in getattr(width, "__metadata__", ())},
    "varint64": int,
    "float64": float,
    "binary": bytes,
}


class DynamicTypeFactory:
    """Makes dataclasses and enums from the `types` of a service description or manifest.

    Names that are no Python names get a `_`; the contract keeps its own. Declared defaults are kept, other fields
    start from zero values, so that every class can be called without arguments. `TypeError` if the types break a
    rule of contracts.
    """

    def __init__(self, types: Mapping[str, Any]) -> None:
        self._classes: dict[str, type[Any]] = {}
        self._defaults: dict[str, Any] = {}
        self._compiled: _aster.Codec | None = None
        # Core refuses what is no sound table of types, before anything is made of it.
        _aster.Codec(json.dumps(types), {}, {})
        for tag, entry in types.items():
            name = _identifier(tag.rpartition("/")[2].rpartition(".")[2], self._classes)
            self._classes[tag] = _make_enum(name, entry) if "enum" in entry else type(name, (), {})
            self._classes[tag].__module__ = _MODULE
        for tag, entry in types.items():
            if "fields" in entry:
                self._complete(self._classes[tag], entry["fields"])
            assign_tag(self._classes[tag], tag)

    @classmethod
    def from_manifest(cls, manifest: str) -> DynamicTypeFactory:
        """Make the types of a manifest. `TypeError` if it does not have the contract id that it claims."""
        return cls(json.loads(_aster.description_of_manifest(manifest))["types"])

    @property
    def classes(self) -> dict[str, type[Any]]:
        """All classes by tag."""
        return dict(self._classes)

    def get(self, tag: str) -> type[Any]:
        """Return a class by its tag, `package/Name` or `package.Name`. `LookupError` if there is none."""
        package, _, name = tag.rpartition(".")
        found = self._classes.get(tag) or self._classes.get(f"{package}/{name}")
        if found is None:
            raise LookupError(f"no type '{tag}' (there are: {', '.join(sorted(self._classes))})")
        return found

    def _complete(self, cls: type[Any], fields: list[dict[str, Any]]) -> None:
        """Give a class its fields, now that every class it may name is there."""
        annotations: dict[str, Any] = {}
        for entry in fields:
            name = _identifier(entry["name"], annotations)
            annotations[name] = annotation = self._annotation(_aster.type_tree(entry["type"]))
            make = functools.partial(zero, annotation)
            if "default" in entry:
                scratch = f"_default{len(self._defaults)}/Value"
                self._defaults[scratch] = {"fields": [{**entry, "name": "value"}]}
                make = functools.partial(self._default, scratch)
            setattr(cls, name, dataclasses.field(default_factory=make, metadata={CONTRACT_NAME: entry["name"]}))
        cls.__annotations__ = annotations
        dataclasses.dataclass(cls)

    def _annotation(self, tree: Any) -> Any:
        if isinstance(tree, str):
            return _ANNOTATIONS.get(tree) or self._classes[tree]
        kind, *parts = tree
        inner = tuple(self._annotation(part) for part in parts)
        if kind == "optional":
            return Optional[inner[0]]
        container: Any = {"list": list, "set": set, "map": dict}[kind]
        return container[inner]

    def _default(self, scratch: str) -> Any:
        """Return a declared default: what a reader gives a field that is not there."""
        if self._compiled is None:
            table = MessageTable({})
            for cls in self._classes.values():
                table.add(cls)
            self._compiled = _aster.Codec(json.dumps({**table.types, **self._defaults}), table.classes, table.enums)
        return self._compiled.root(scratch).decode_json(b"{}")["value"]


def _identifier(name: str, taken: Mapping[str, Any]) -> str:
    """Return a name that Python can spell and that is not taken."""
    spelled = python_member(name)
    while spelled in taken:
        spelled += "_"
    return spelled


def _make_enum(name: str, entry: Mapping[str, Any]) -> Any:
    declared: list[Any] = entry["enum"]
    is_named = isinstance(declared[0], str)
    members: dict[str, Any] = {member: member for member in declared} if is_named else dict(declared)
    texts: dict[str, Any] = entry.get("texts") or {}
    given = {**members, **texts}
    # Members go by their names; texts that do not tell them apart are of no use.
    if len(set(given.values())) == len(members):
        members = given
    base: Any = _TextEnum if is_named else enum.IntEnum
    made = base(name, [(_member(member), value) for member, value in members.items()])
    setattr(made, CONTRACT_NAMES, {_member(member): member for member in members})
    return made


def _member(name: str) -> str:
    """Return a name that an enum accepts for a member; all but those with a meaning stay as they are."""
    return f"x{name}" if name.startswith("_") or name == "mro" else name
