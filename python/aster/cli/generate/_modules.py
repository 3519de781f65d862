"""Which names a package offers from its modules."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


class Module(NamedTuple):
    """A module with the names that it offers; `family` is the service, whatever its version."""

    path: str
    family: str
    names: frozenset[str]


def offered(modules: Sequence[Module]) -> dict[str, list[str]]:
    """Return what the package offers of each module: a name that several have only from the last version."""
    return {module.path: sorted(name for name in module.names if _wins(module, name, modules)) for module in modules}


def _wins(module: Module, name: str, modules: Sequence[Module]) -> bool:
    others = [other for other in modules if name in other.names]
    return others[-1] is module and all(other.family == module.family for other in others)
