"""What packages of clients have in common in all languages: their parts, and how files begin and end."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import aster
from aster.cli.generate._model import ServiceModel, TypeModel, shared_tags
from aster.cli.generate._modules import Module
from aster.cli.generate._names import Names, file_stem
from aster.cli.generate._python_types import TypeNames

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

SHARED = "shared"
"""Name of the file of types that several services use."""


class Part(NamedTuple):
    """A file of types: those of a service, or without one those that several services use.

    `types` have the names `names`, of which `known` are those of other files; `users` are the services.
    """

    stem: str
    service: ServiceModel | None
    users: Sequence[ServiceModel]
    types: Mapping[str, TypeModel]
    names: TypeNames
    known: TypeNames

    @property
    def title(self) -> str:
        """What the file holds, in a sentence."""
        if self.service is None:
            return "Types that several services use."
        return f"Types of {self.service.name} v{self.service.version}."

    @property
    def own(self) -> list[str]:
        """Tags of the types that this file declares."""
        return [tag for tag in self.types if tag not in self.known.classes]

    def module(self, path: str) -> Module:
        """Return the file as a module that offers the names of its own types."""
        own = frozenset(self.names.classes[tag] for tag in self.own)
        return Module(path, "" if self.service is None else self.service.name, own)


def parts_of(
    services: Sequence[ServiceModel],
    separator: str,
    name_types: Callable[[Mapping[str, TypeModel], TypeNames], TypeNames],
) -> list[Part]:
    """Return the parts of a package, types that are shared first. `separator` joins the words of file names."""
    shared = shared_tags(services)
    common: dict[str, TypeModel] = {tag: each for one in services for tag, each in one.types.items() if tag in shared}
    nothing = TypeNames({}, {})
    known = name_types(common, nothing)
    parts = [Part(SHARED, None, services, common, known, nothing)] if common else []
    stems = Names([SHARED])
    for service in services:
        stem = stems.take(file_stem(service.name, service.version, separator))
        parts.append(Part(stem, service, [service], service.types, name_types(service.types, known), known))
    return parts


def header(services: Sequence[ServiceModel], mark: str, literal: Callable[[str], str]) -> list[str]:
    """Return the comment that a file begins with. `mark` is how each generated file begins."""
    if len(services) == 1:
        return [f"{mark}{aster.__version__}, contract {services[0].manifest.contract_id}; do not edit."]
    sign = mark.partition(" ")[0]
    listed = [f"{sign} {one.manifest.contract_id} {literal(one.name)} v{one.version}" for one in services]
    return [f"{mark}{aster.__version__}; do not edit. Contracts:", *listed]


def text_of(lines: Iterable[str]) -> str:
    """Return the text of a file."""
    return "\n".join(lines) + "\n"
