"""Requests of methods whose parameters are written inline (`python-api.md` section 2.4)."""

from __future__ import annotations

import copy
import dataclasses
import functools
import inspect
from typing import TYPE_CHECKING, Any

from aster._annotations import (
    PRIMITIVES,
    Namespace,
    UnsupportedTypeError,
    bare,
    is_message,
    optional_of,
    shown,
    type_text,
)

if TYPE_CHECKING:
    from collections.abc import Callable


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
    if is_message(inner) and not optional:
        raise TypeError(f"Inline parameter '{name}' has dataclass type '{inner.__name__}' but is not Optional")
    try:
        type_text(resolved, namespace, lambda cls: cls.__name__)
    except UnsupportedTypeError:
        raise TypeError(f"Inline parameter '{name}' has unsupported type {shown(parameter.annotation)}") from None
    if parameter.default is not inspect.Parameter.empty:
        return resolved, _given(parameter.default)
    if optional:
        return resolved, dataclasses.field(default=None)
    if inner in PRIMITIVES:
        return resolved, dataclasses.field(default=inner())
    factory: Callable[[], Any] = dict if type_text(inner, namespace, str).startswith("map") else list
    return resolved, dataclasses.field(default_factory=factory)


def _given(default: Any) -> Any:
    if isinstance(default, (list, dict)):
        empty = type(default) if not default else functools.partial(copy.deepcopy, default)
        return dataclasses.field(default_factory=empty)
    return dataclasses.field(default=default)
