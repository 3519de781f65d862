"""Makes a failing case smaller: drops fields while it still fails."""

from __future__ import annotations

import copy
import dataclasses
from typing import TYPE_CHECKING, Any

from oracle_model import CONTAINERS, Schema, Type

if TYPE_CHECKING:
    from collections.abc import Callable


def shrink(schema: Schema, value: Any, failure: Callable[[Schema, Any], str | None]) -> tuple[Schema, Any, str]:
    """Return a smaller schema and value that fail, and how. The given ones if nothing smaller does."""
    reason = failure(schema, copy.deepcopy(value)) or "only together with earlier values"
    for tag, message in list(schema.messages.items()):
        for part in () if message.generic_tag else message.fields:
            smaller = without(schema, tag, part.name)
            less = drop(schema, schema.root, copy.deepcopy(value), tag, part.name)
            found = failure(smaller, copy.deepcopy(less))
            if found is not None:
                schema, value, reason = smaller, less, found
    reached: set[str] = set()
    _reach(schema, schema.root, reached)
    return dataclasses.replace(
        schema,
        messages={tag: message for tag, message in schema.messages.items() if tag in reached},
        enums={tag: kind for tag, kind in schema.enums.items() if tag in reached},
    ), value, reason  # fmt: skip


def without(schema: Schema, tag: str, name: str) -> Schema:
    """Return a schema without a field of a message."""
    message = schema.messages[tag]
    fields = [part for part in message.fields if part.name != name]
    less = dataclasses.replace(message, fields=fields, base_fields=min(message.base_fields, len(fields)))
    return dataclasses.replace(schema, messages={**schema.messages, tag: less})


def drop(schema: Schema, of: Type, value: Any, tag: str, name: str) -> Any:
    """Return a value without a field of a message, wherever the message occurs."""
    if value is None or not (of.name in CONTAINERS or of.name in schema.messages):
        return value
    if of.name == "map":
        return [(key, drop(schema, of.parts[1], item, tag, name)) for key, item in value]
    if of.name in CONTAINERS:
        return [drop(schema, of.parts[0], item, tag, name) for item in value]
    return {
        part.name: drop(schema, part.type, value[part.name], tag, name)
        for part in schema.messages[of.name].fields
        if of.name != tag or part.name != name
    }


def _reach(schema: Schema, of: Type, reached: set[str]) -> None:
    for part in of.parts:
        _reach(schema, part, reached)
    if of.name not in reached:
        reached.add(of.name)
        message = schema.messages.get(of.name)
        for field in message.fields if message else ():
            _reach(schema, field.type, reached)
