"""Requests of methods whose parameters are written inline (`python-api.md` section 2.4)."""

from __future__ import annotations

import copy
import dataclasses
import inspect
from functools import partial
from typing import Any, cast

from aster._annotations import (
    Namespace,
    UnsupportedTypeError,
    bare,
    host_type,
    message_class,
    optional_of,
    shown,
)
from aster._defaults import EMPTY
from aster._messages import MessageTable
from aster._zero import zero
from aster.metadata import FIELD_DOCS, Description, Metadata

__all__ = ["make_request", "request_name"]


def request_name(method: str) -> str:
    """Return the name of the message of a method: `say_hello` and `sayHello` give `SayHelloRequest`."""
    return "".join(part[:1].upper() + part[1:] for part in method.split("_")) + "Request"


def make_request(
    module: str, method: str, parameters: dict[str, tuple[inspect.Parameter, Any]], namespace: Namespace
) -> type[Any]:
    """Make the dataclass for inline parameters, given with their resolved annotations."""
    fields = [
        (name, *_field(name, parameter, resolved, namespace)) for name, (parameter, resolved) in parameters.items()
    ]
    made = dataclasses.make_dataclass(request_name(method), fields)
    made.__module__ = module
    return made


def _field(name: str, parameter: inspect.Parameter, resolved: Any, namespace: Namespace) -> tuple[Any, Any]:
    inner, optional = optional_of(bare(resolved, namespace))
    inner = bare(inner, namespace)
    message = message_class(inner)
    if message is not None and not optional:
        raise TypeError(f"Inline parameter '{name}' has dataclass type '{message.__name__}' but is not Optional")
    try:
        host_type(resolved, namespace, MessageTable(namespace.local_names))
    except UnsupportedTypeError:
        raise TypeError(f"Inline parameter '{name}' has unsupported type {shown(parameter.annotation)}") from None
    docs = _docs(namespace.resolve(parameter.annotation))
    if parameter.default is not inspect.Parameter.empty:
        return resolved, _given(parameter.default, docs)
    return resolved, _given(None if optional else zero(inner), docs)


def _docs(annotation: Any) -> dict[str, Metadata]:
    """Return the documentation in an annotation, as metadata of a field."""
    marks = getattr(annotation, "__metadata__", ())
    found = next((mark for mark in marks if isinstance(mark, Description)), None)
    return {} if found is None else {FIELD_DOCS: Metadata(found.text, list(found.tags))}


def _given(default: Any, docs: dict[str, Metadata]) -> Any:
    if type(default).__hash__ is not None:
        return dataclasses.field(default=default, metadata=docs)
    if type(default) in EMPTY and not default:
        kind = cast("Any", type(default))
        return dataclasses.field(default_factory=kind, metadata=docs)
    return dataclasses.field(default_factory=partial(copy.deepcopy, default), metadata=docs)
