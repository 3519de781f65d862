"""Dataclasses and enums as declared types: fields, defaults, and how instances are made."""

from __future__ import annotations

import dataclasses
import inspect
import json
import sys
from typing import TYPE_CHECKING, Any

from aster import _aster, _defaults, _enums
from aster._annotations import HostType, Namespace, UnresolvedTypeError, UnsupportedTypeError, host_type, shown
from aster._defaults import Default
from aster._generics import type_variables
from aster._wire_type import wire_tag
from aster.metadata import FIELD_DOCS

if TYPE_CHECKING:
    import enum
    from collections.abc import Mapping

    from aster._aster import _ClassSpec as ClassSpec
    from aster._aster import _EnumSpec as EnumSpec
    from aster._generics import Variables
    from aster.metadata import Metadata

CONTRACT_NAME = "aster.name"
"""Key of `dataclasses.Field.metadata`: the contract name of a field that Python cannot spell."""


class MessageTable:
    """The messages that roots reach, in the forms of core and of the native module."""

    def __init__(self, local_names: Mapping[str, Any]) -> None:
        self.types: dict[str, Any] = {}
        self.classes: dict[str, ClassSpec] = {}
        self.enums: dict[str, EnumSpec] = {}
        self._local_names = local_names
        self._known: dict[str, tuple[type[Any], tuple[HostType, ...]]] = {}
        self._waiting: list[str] = []
        self._pending: list[_defaults.Pending] = []

    def add(self, annotation: Any) -> str:
        """Add a root and all it reaches; return its tag or the name of the scalar."""
        text = host_type(annotation, Namespace({}, self._local_names), self).text
        while self._waiting:
            tag = self._waiting.pop()
            self._describe(tag, *self._known[tag])
        return text

    def complete(self) -> None:
        """Write the defaults that need all types. To be called once, after the last root."""
        _defaults.write(self._pending, self.types, self.classes, self.enums)
        self._pending.clear()

    def codec(self) -> _aster.Codec:
        """Compile the types."""
        self.complete()
        return _aster.Codec(json.dumps(self.types), self.classes, self.enums)

    def message(self, cls: type[Any], arguments: tuple[HostType, ...]) -> str:
        """Meet a dataclass, to be described later."""
        tag = wire_tag(cls)
        if arguments:
            tag = _aster.flattened_name(tag, [argument.text for argument in arguments])
        if self._is_new(tag, cls, arguments):
            self.types[tag] = {"fields": []}
            self._waiting.append(tag)
        return tag

    def enum(self, cls: type[enum.Enum]) -> str:
        """Meet an enum."""
        tag = wire_tag(cls)
        if self._is_new(tag, cls, ()):
            self.types[tag] = _enums.describe(cls)
            self.enums[tag] = _enums.members(cls)
        return tag

    def is_enum(self, tag: str) -> bool:
        """Tell whether a tag is that of an enum."""
        return tag in self.enums

    def _is_new(self, tag: str, cls: type[Any], arguments: tuple[HostType, ...]) -> bool:
        known, given = self._known.setdefault(tag, (cls, arguments))
        if known is not cls or given != arguments:
            raise ValueError(f"Duplicate wire_type tag '{tag}': {_full_name(known)} and {_full_name(cls)}")
        return tag not in self.types

    def _describe(self, tag: str, cls: type[Any], arguments: tuple[HostType, ...]) -> None:
        _refuse_init_vars(cls)
        variables = type_variables(cls, arguments, self._read)
        fields: list[tuple[str, Any, Default | None]] = []
        local: list[tuple[str, Default]] = []
        wire_names: dict[str, str] = {}
        documents = getattr(cls, "__wire_type_field_metadata__", {})
        for field in dataclasses.fields(cls):
            default = Default.of(field)
            if not field.init:
                if default is not None:
                    local.append((field.name, default))
                continue
            if default is None:
                raise TypeError(
                    f"Field {cls.__name__}.{field.name} has no default value; every wire type field needs one"
                )
            name = field.metadata.get(CONTRACT_NAME, field.name)
            other = wire_names.setdefault(_aster.wire_name(name), field.name)
            if other != field.name:
                wire = _aster.wire_name(name)
                raise TypeError(f"Fields '{other}' and '{field.name}' of {cls.__name__} share the wire name '{wire}'")
            text, form = self._field_type(cls, field, variables)
            described: Metadata | None = documents.get(field.name) or field.metadata.get(FIELD_DOCS)
            docs: dict[str, Any] = {} if described is None else described.describe()
            entry: dict[str, Any] = {"name": name, "type": text, **docs}
            declared = _defaults.declare(default)
            if declared is None:
                self._pending.append(_defaults.Pending(cls, entry, form, default.value))
            entry.update(declared or {})
            self.types[tag]["fields"].append(entry)
            fields.append((field.name, form, default if entry.get("factory") else None))
        self.classes[tag] = (cls, _has_constructor(cls), fields, local)

    def _field_type(
        self, cls: type[Any], field: dataclasses.Field[Any], variables: Mapping[type[Any], Variables]
    ) -> HostType:
        owner = next((base for base in cls.__mro__ if field.name in _own_annotations(base)), cls)
        try:
            return self._read(owner, field.type, variables.get(owner, {}))
        except UnsupportedTypeError:
            raise TypeError(f"Unsupported type in {cls.__name__}.{field.name}: {shown(field.type)}") from None
        except UnresolvedTypeError as error:
            raise TypeError(f"Field {cls.__name__}.{field.name}: cannot resolve annotation '{error}'") from error

    def _read(self, owner: type[Any], annotation: Any, variables: Variables) -> HostType:
        """Return the type of an annotation as the module of its class sees it."""
        module = sys.modules.get(owner.__module__)
        parameters = {parameter.__name__: parameter for parameter in getattr(owner, "__type_params__", ())}
        local_names = {owner.__name__: owner, **parameters, **self._local_names}
        return host_type(annotation, Namespace(getattr(module, "__dict__", {}), local_names, variables), self)


def _own_annotations(cls: type[Any]) -> Mapping[str, Any]:
    if sys.version_info >= (3, 10):
        return inspect.get_annotations(cls)
    found: Mapping[str, Any] = cls.__dict__.get("__annotations__", {})  # noqa: RUF063 - before 3.10
    return found


def _full_name(cls: type[Any]) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _refuse_init_vars(cls: type[Any]) -> None:
    for name, field in cls.__dataclass_fields__.items():
        # Pseudo-fields have no public mark.
        if getattr(field, "_field_type", None) is getattr(dataclasses, "_FIELD_INITVAR", ...):
            raise TypeError(f"Unsupported type in {cls.__name__}.{name}: {shown(field.type)}")


def _has_constructor(cls: type[Any]) -> bool:
    """Tell whether the class, or a base, wrote `__init__` or `__post_init__` itself."""
    if hasattr(cls, "__post_init__"):
        return True
    for base in cls.__mro__[:-1]:
        init = base.__dict__.get("__init__")
        if init is not None:
            params = base.__dict__.get("__dataclass_params__")
            # A method that dataclass makes is not compiled from the file of the class.
            generated = params is not None and params.init and init.__code__.co_filename == "<string>"
            return not generated
    return False
