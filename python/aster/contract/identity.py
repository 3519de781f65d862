"""Contract ids, type hashes and the graph of types (`contract.md` sections 1, 2 and 5). Core computes all of it."""

from __future__ import annotations

import json
import unicodedata
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, cast

from aster import _aster
from aster._messages import MessageTable
from aster.capabilities import CapabilityRequirement
from aster.contract._model import (
    CapabilityKind,
    ContainerKind,
    Document,
    EnumValueDef,
    FieldDef,
    MethodDef,
    MethodPattern,
    ScopeKind,
    ServiceContract,
    TypeDef,
    TypeDefKind,
    TypeKind,
    UnionVariantDef,
)
from aster.service import info_of, service_info

__all__ = [
    "CapabilityKind",
    "CapabilityRequirement",
    "ContainerKind",
    "EnumValueDef",
    "FieldDef",
    "MethodDef",
    "MethodPattern",
    "ScopeKind",
    "ServiceContract",
    "TypeDef",
    "TypeDefKind",
    "TypeGraph",
    "TypeKind",
    "TypeNode",
    "UnionVariantDef",
    "build_type_graph",
    "canonical_xlang_bytes",
    "compute_contract_id",
    "compute_type_hash",
    "contract_id_from_service",
    "normalize_identifier",
    "resolve_with_cycles",
]

_SCRIPTS = ("LATIN", "CYRILLIC", "GREEK")


class TypeNode(NamedTuple):
    """A type of a graph: its canonical bytes, their hash, and what references from outside its cycle are."""

    canonical: bytes
    hash: bytes
    entering_ref: bytes


class TypeGraph(Mapping[str, TypeNode]):
    """Types by full name, referenced ones first. `cycles` are the components that refer to themselves, in post-order.

    Lists in lists and the like are types of the package `_aster.container`.
    """

    def __init__(self, nodes: Mapping[str, TypeNode], cycles: tuple[tuple[str, ...], ...]) -> None:
        self._nodes = dict(nodes)
        self.cycles = cycles

    def __getitem__(self, name: str) -> TypeNode:
        return self._nodes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._nodes)

    def __len__(self) -> int:
        return len(self._nodes)

    def __repr__(self) -> str:
        return f"<TypeGraph of {len(self)} types, {len(self.cycles)} cycles>"


def build_type_graph(types: Mapping[str, Any] | Iterable[Any] | type[Any]) -> TypeGraph:
    """Return the graph of all types that some types reach.

    `types` are dataclasses or enums, one or several; services, for what their methods use; or declared types in the
    form of service descriptions. `TypeError` if a rule of contracts is broken.
    """
    declared: Mapping[str, Any] = cast("Any", types) if isinstance(types, Mapping) else _declared(types)
    found = json.loads(_aster.type_graph(json.dumps(dict(declared))))
    nodes = {
        name: TypeNode(*(bytes.fromhex(entry[key]) for key in ("canonical", "hash", "entering_ref")))
        for name, entry in found["types"].items()
    }
    return TypeGraph(nodes, tuple(tuple(cycle) for cycle in found["cycles"]))


def _declared(types: Iterable[Any] | type[Any]) -> Mapping[str, Any]:
    # An enum is a class whose members can be iterated.
    given: list[Any] = [types] if isinstance(types, type) else list(types)
    table = MessageTable({})
    for one in given:
        info = service_info(one) if isinstance(one, type) else None
        roots = (
            [] if info is None else [root for m in info.methods.values() for root in (m.request_type, m.response_type)]
        )
        for root in [one] if info is None else roots:
            table.add(root)
    table.complete()
    return table.types


def resolve_with_cycles(types: TypeGraph | Mapping[str, Any] | Iterable[Any] | type[Any]) -> dict[str, TypeDef]:
    """Return the definitions of types with every reference resolved, by full name, referenced ones first.

    Takes a graph or what `build_type_graph` takes. Inside a cycle the references that would close it are
    `TypeKind.SELF_REF`; those that enter it commit to all its members.
    """
    graph = types if isinstance(types, TypeGraph) else build_type_graph(types)
    return {name: TypeDef.from_bytes(node.canonical) for name, node in graph.items()}


def canonical_xlang_bytes(value: object, *, kind: str | None = None) -> bytes:
    """Return the canonical bytes of a `TypeDef`, `MethodDef` or `ServiceContract`.

    With `kind` (`uvarint zigzag string bytes bool float64 list_header optional`) those of a scalar of the layout.
    `TypeError` for other values, and if a rule of contracts is broken.
    """
    if kind is not None:
        plain = value.hex() if isinstance(value, (bytes, bytearray)) else value
        return _aster.canonical_bytes(kind, json.dumps(plain))
    if not isinstance(value, Document):
        raise TypeError(f"canonical bytes have TypeDef, MethodDef and ServiceContract, not {type(value).__name__}")
    return value.to_bytes()


def compute_type_hash(definition: TypeDef | bytes) -> bytes:
    """Return the 32 bytes of BLAKE3 over a type definition, or over its canonical bytes."""
    return _aster.blake3_digest(definition if isinstance(definition, bytes) else definition.to_bytes())


def compute_contract_id(contract: ServiceContract | bytes) -> str:
    """Return the 64 hex digits of the id of a contract, or of its canonical bytes."""
    return _aster.blake3_hex(contract if isinstance(contract, bytes) else contract.to_bytes())


def contract_id_from_service(service: object) -> str:
    """Return the contract id of a decorated class, an instance of one, or a `ServiceInfo`: 64 hex digits.

    `TypeError` for a class without `@service`.
    """
    return info_of(service).contract_id


def normalize_identifier(text: str) -> str:
    """Return an identifier in Unicode form NFC (`contract.md` section 6).

    `ValueError` unless it is an identifier. `UserWarning` if letters of Latin, Cyrillic and Greek are mixed: they
    look alike.
    """
    normal = unicodedata.normalize("NFC", text)
    if not normal.isidentifier():
        raise ValueError(f"not an identifier: {text!r}")
    scripts = {script for char in normal for script in _SCRIPTS if unicodedata.name(char, "").startswith(f"{script} ")}
    if len(scripts) > 1:
        found = " and ".join(script.capitalize() for script in _SCRIPTS if script in scripts)
        warnings.warn(f"identifier {normal!r} mixes letters of {found}", UserWarning, stacklevel=2)
    return normal
