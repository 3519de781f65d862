"""Defaults of dataclass fields in the forms of descriptions and of the native module."""

from __future__ import annotations

import base64
import dataclasses
import enum
import json
import math
import typing
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

from aster import _aster
from aster._enums import contract_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aster._aster import _ClassSpec as ClassSpec
    from aster._aster import _EnumSpec as EnumSpec

EMPTY = (list, tuple, set, frozenset, dict)


class Default(NamedTuple):
    """A default: a value, or what makes a fresh one."""

    is_factory: bool
    value: Any

    @classmethod
    def of(cls, field: dataclasses.Field[Any]) -> Default | None:
        """Return the default of a field, if it has one."""
        if field.default is not dataclasses.MISSING:
            return cls(False, field.default)
        if field.default_factory is not dataclasses.MISSING:
            # list[str]() makes what list() makes.
            return cls(True, typing.get_origin(field.default_factory) or field.default_factory)
        return None


class Pending(NamedTuple):
    """A declared default that only core can write down."""

    cls: type[Any]
    field: dict[str, Any]
    form: Any
    value: Any


def declare(default: Default) -> dict[str, Any] | None:
    """Return a default as descriptions have it; nothing if core must write it."""
    is_factory: bool = default.is_factory
    value: Any = default.value
    if is_factory and value not in EMPTY:
        return {"factory": True}
    if is_factory:
        value = {} if value is dict else []
    elif isinstance(value, enum.Enum):
        value = contract_name(value)
    elif isinstance(value, (bytes, bytearray)):
        value = base64.b64encode(value).decode()
    elif isinstance(value, uuid.UUID):
        value = str(value)
    elif isinstance(value, float) and not math.isfinite(value):
        value = "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    elif value is not None and not isinstance(value, (str, int, float)):
        return None
    return {"default": value}


def write(
    pending: Iterable[Pending],
    types: Mapping[str, Any],
    classes: Mapping[str, ClassSpec],
    enums: dict[str, EnumSpec],
) -> None:
    """Let core write defaults: each one as the value of a message with one field of its type."""
    scratch = {f"_default{number}/Value": entry for number, entry in enumerate(pending)}
    if not scratch:
        return
    extended, hosts = dict(types), dict(classes)
    for tag, entry in scratch.items():
        extended[tag] = {"fields": [{"name": "value", "type": entry.field["type"]}]}
        hosts[tag] = (dict, False, [("value", entry.form, None)], [])
    codec = _aster.Codec(json.dumps(extended), hosts, enums)
    for tag, (cls, field, _, value) in scratch.items():
        try:
            written = codec.root(tag).encode_json({"value": value})
        except Exception as error:
            text = field["type"]
            raise TypeError(f"Default of {cls.__name__}.{field['name']} does not fit {text}: {value!r}") from error
        field["default"] = json.loads(written)["value"]
