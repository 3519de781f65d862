"""Dataclasses as declared messages: fields, defaults, and how instances are made."""

from __future__ import annotations

import base64
import dataclasses
import inspect
import math
import sys
from typing import TYPE_CHECKING, Any

from aster import _aster
from aster._annotations import Namespace, UnresolvedTypeError, UnsupportedTypeError, shown, type_text
from aster.codec import wire_tag

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aster._aster import _ClassSpec as ClassSpec


class MessageTable:
    """The messages that a service reaches, in the forms of core and of the native module."""

    def __init__(self, local_names: Mapping[str, Any]) -> None:
        self.types: dict[str, Any] = {}
        self.classes: dict[str, ClassSpec] = {}
        self._local_names = local_names
        self._known: dict[str, type[Any]] = {}
        self._waiting: list[type[Any]] = []

    def add(self, cls: type[Any]) -> str:
        """Add a message and all it reaches; return its tag."""
        tag = self._meet(cls)
        while self._waiting:
            self._describe(self._waiting.pop())
        return tag

    def _meet(self, cls: type[Any]) -> str:
        tag = wire_tag(cls)
        known = self._known.setdefault(tag, cls)
        if known is not cls:
            raise ValueError(f"Duplicate wire_type tag '{tag}': {_full_name(known)} and {_full_name(cls)}")
        if tag not in self.types:
            self.types[tag] = {"fields": []}
            self._waiting.append(cls)
        return tag

    def _describe(self, cls: type[Any]) -> None:
        _refuse_init_vars(cls)
        tag = wire_tag(cls)
        computed: dict[str, tuple[bool, Any]] = {}
        local: list[tuple[str, tuple[bool, Any]]] = []
        wire_names: dict[str, str] = {}
        for field in dataclasses.fields(cls):
            default = _default(field)
            if not field.init:
                if default is not None:
                    local.append((field.name, default))
                continue
            if default is None:
                raise TypeError(
                    f"Field {cls.__name__}.{field.name} has no default value; every wire type field needs one"
                )
            other = wire_names.setdefault(_aster.wire_name(field.name), field.name)
            if other != field.name:
                wire = _aster.wire_name(field.name)
                raise TypeError(f"Fields '{other}' and '{field.name}' of {cls.__name__} share the wire name '{wire}'")
            text = self._field_type(cls, field)
            declared = _declared(text, default)
            if declared.get("factory"):
                computed[field.name] = default
            self.types[tag]["fields"].append({"name": field.name, "type": text, **declared})
        self.classes[tag] = (cls, _has_constructor(cls), computed, local)

    def _field_type(self, cls: type[Any], field: dataclasses.Field[Any]) -> str:
        owner = next((base for base in cls.__mro__ if field.name in _own_annotations(base)), cls)
        module = sys.modules.get(owner.__module__)
        namespace = Namespace(getattr(module, "__dict__", {}), {owner.__name__: owner, **self._local_names})
        try:
            return type_text(field.type, namespace, self._meet)
        except UnsupportedTypeError:
            raise TypeError(f"Unsupported type in {cls.__name__}.{field.name}: {shown(field.type)}") from None
        except UnresolvedTypeError as error:
            raise TypeError(f"Field {cls.__name__}.{field.name}: cannot resolve annotation '{error}'") from error


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


def _default(field: dataclasses.Field[Any]) -> tuple[bool, Any] | None:
    """Return whether the default is a factory, and the default; nothing if there is none."""
    if field.default is not dataclasses.MISSING:
        return False, field.default
    if field.default_factory is not dataclasses.MISSING:
        return True, field.default_factory
    return None


def _declared(text: str, default: tuple[bool, Any]) -> dict[str, Any]:
    """Return the default as descriptions have it. One that JSON cannot say is computed here when needed."""
    is_factory, value = default
    if is_factory:
        return {"default": value()} if value in (list, dict) else {"factory": True}
    if isinstance(value, (bytes, bytearray)) and text.rstrip("?") == "bytes":
        return {"default": base64.b64encode(value).decode()}
    if isinstance(value, float) and not math.isfinite(value):
        return {"default": "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")}
    if value is None or isinstance(value, (str, int, float)):
        return {"default": value}
    return {"factory": True}
