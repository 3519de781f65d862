"""What the type variables of generic dataclasses stand for (`contract.md` section 6)."""

from __future__ import annotations

import dataclasses
import typing
from typing import TYPE_CHECKING, Any

from aster._annotations import HostType, UnsupportedTypeError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Variables = Mapping[Any, HostType]
    Read = Callable[[type[Any], Any, Variables], HostType]


def type_variables(cls: type[Any], arguments: Sequence[HostType], read: Read) -> dict[type[Any], Variables]:
    """Return the meaning of type variables for a class and each of its bases.

    `read` gives the type of an annotation that stands in the bases of a class.
    """
    found: dict[type[Any], Variables] = {}
    waiting = [(cls, tuple(arguments))]
    while waiting:
        owner, given = waiting.pop()
        if owner in found:
            continue
        known = dict(zip(getattr(owner, "__parameters__", ()), given))
        found[owner] = known
        for base in owner.__dict__.get("__orig_bases__", owner.__bases__):
            origin = typing.get_origin(base) or base
            if dataclasses.is_dataclass(origin) and isinstance(origin, type):
                waiting.append((origin, _read_all(owner, typing.get_args(base), known, read)))
    return found


def _read_all(owner: type[Any], arguments: Sequence[Any], known: Variables, read: Read) -> tuple[HostType, ...]:
    try:
        return tuple(read(owner, argument, known) for argument in arguments)
    except UnsupportedTypeError:
        # Refused where a field uses it.
        return ()
