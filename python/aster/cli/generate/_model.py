"""What generators read: verified manifests, with defaults as values of Python."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Union

from aster import _aster
from aster.contract import ContractManifest, build_type_graph

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Tree = Union[str, tuple[Any, ...]]


@dataclass(frozen=True)
class FieldModel:
    """A field. `default` is `none`, `null`, `value`, `empty` or `factory`; `value` goes with `value`."""

    name: str
    type: Tree
    default: str
    value: Any
    description: str
    tags: tuple[str, ...]


@dataclass(frozen=True)
class MessageModel:
    """A message with its fields as declared."""

    tag: str
    fields: tuple[FieldModel, ...]
    entry: Mapping[str, Any]


@dataclass(frozen=True)
class EnumModel:
    """An enum: names with their numbers or, if it is string-valued, their texts."""

    tag: str
    members: tuple[tuple[str, int | str], ...]
    entry: Mapping[str, Any]

    @property
    def is_numeric(self) -> bool:
        """Whether the members have numbers."""
        return isinstance(self.members[0][1], int)


TypeModel = Union[MessageModel, EnumModel]


@dataclass(frozen=True)
class MethodModel:
    """A method; `request` and `response` are tags or bare scalars."""

    name: str
    pattern: str
    request: str
    response: str
    timeout: float | None
    idempotent: bool
    requires: Mapping[str, Any] | None
    inline: bool
    description: str
    tags: tuple[str, ...]
    deprecated: bool

    @property
    def streams_input(self) -> bool:
        """Whether the caller sends a stream."""
        return self.pattern in {"client_stream", "bidi_stream"}

    @property
    def streams_output(self) -> bool:
        """Whether the server sends a stream."""
        return self.pattern in {"server_stream", "bidi_stream"}


@dataclass(frozen=True)
class ServiceModel:
    """A service with all types that it reaches, by tag; `recursive` are those that contain themselves."""

    manifest: ContractManifest
    methods: tuple[MethodModel, ...]
    types: Mapping[str, TypeModel]
    recursive: frozenset[str]

    @property
    def name(self) -> str:
        """The name of the service."""
        return self.manifest.service

    @property
    def version(self) -> int:
        """The version of the service."""
        return self.manifest.version

    def message(self, tag: str) -> MessageModel | None:
        """Return a message; nothing for a bare scalar."""
        found = self.types.get(tag)
        return found if isinstance(found, MessageModel) else None


def read_services(manifests: Sequence[str]) -> list[ServiceModel]:
    """Read manifests, or exported contracts, sorted by name and version.

    `ValueError` for one that is legacy, and for two contracts under one name and version; `TypeError` for one that
    cannot be verified.
    """
    found: dict[tuple[str, int], ServiceModel] = {}
    for text in manifests:
        manifest = ContractManifest.from_json(text)
        if not manifest.verified:
            raise ValueError(f"the manifest of '{manifest.service}' is legacy: it says too little for a client")
        key = manifest.service, manifest.version
        known = found.get(key)
        if known is not None and known.manifest.contract_id != manifest.contract_id:
            raise ValueError(f"there are two contracts of '{manifest.service}' v{manifest.version}")
        if known is None:
            found[key] = _service(manifest)
    return [found[key] for key in sorted(found)]


def _service(manifest: ContractManifest) -> ServiceModel:
    methods = tuple(_method(entry) for entry in manifest.methods)
    declared: dict[str, Any] = json.loads(_aster.description_of_manifest(manifest.to_json()))["types"]
    defaults = _defaults(declared)
    types = {tag: _type(tag, entry, defaults) for tag, entry in manifest.types.items()}
    cycles = build_type_graph(declared).cycles
    inside = {name for cycle in cycles for name in cycle}
    return ServiceModel(manifest, methods, types, frozenset(tag for tag in types if _full_name(tag) in inside))


def _full_name(tag: str) -> str:
    return ".".join(part for part in (tag.rpartition("/")[0], tag.rpartition("/")[2]) if part)


def _method(entry: Mapping[str, Any]) -> MethodModel:
    return MethodModel(
        name=entry["name"],
        pattern=entry["pattern"],
        request=entry["request_wire_tag"] or entry["request_type"],
        response=entry["response_wire_tag"] or entry["response_type"],
        timeout=entry["timeout"],
        idempotent=entry["idempotent"],
        requires=entry["requires"],
        inline=entry["request_style"] == "inline" and entry["pattern"] in {"unary", "server_stream"},
        description=entry["description"],
        tags=tuple(entry["tags"]),
        deprecated=entry["deprecated"],
    )


def _type(tag: str, entry: Mapping[str, Any], defaults: Mapping[tuple[str, str], Any]) -> TypeModel:
    if "enum" in entry:
        return EnumModel(tag, tuple(_members(entry)), entry)
    fields = (_field(tag, field, defaults) for field in entry["fields"])
    return MessageModel(tag, tuple(fields), entry)


def _members(entry: Mapping[str, Any]) -> Iterator[tuple[str, int | str]]:
    declared = entry["enum"]
    if not isinstance(declared[0], str):
        yield from (tuple(member) for member in declared)
        return
    texts: dict[str, str] = {**{member: member for member in declared}, **(entry.get("texts") or {})}
    given = [texts[member] for member in declared]
    # Members go by their names; texts that do not tell them apart are of no use.
    yield from zip(declared, given if len(set(given)) == len(given) else declared)


def _field(tag: str, entry: Mapping[str, Any], defaults: Mapping[tuple[str, str], Any]) -> FieldModel:
    kind = entry["default_kind"]
    return FieldModel(
        name=entry["name"],
        type=_aster.type_tree(entry["type"]),
        default="empty" if kind.startswith("empty_") else kind,
        value=defaults.get((tag, entry["name"])),
        description=entry["description"],
        tags=tuple(entry["tags"]),
    )


def _defaults(types: Mapping[str, Any]) -> dict[tuple[str, str], Any]:
    """Let core read the defaults: each one as the value of a message with one field of its type, which is left out."""
    declared = [(tag, field) for tag, entry in types.items() for field in entry.get("fields", ()) if "default" in field]
    scratch = {
        f"_default{at}/Value": {"fields": [{**field, "name": "value"}]} for at, (_, field) in enumerate(declared)
    }
    codec = _aster.Codec(json.dumps({**types, **scratch}), {}, {})
    values = (codec.root(tag).decode_json(b"{}")["value"] for tag in scratch)
    return {(tag, field["name"]): value for (tag, field), value in zip(declared, values)}


def shared_tags(services: Sequence[ServiceModel]) -> set[str]:
    """Return the types that several services use and that are the same in all of them, down to what they refer to."""
    uses: dict[str, list[TypeModel]] = {}
    for service in services:
        for tag, model in service.types.items():
            uses.setdefault(tag, []).append(model)
    shared = {
        tag for tag, models in uses.items() if len(models) > 1 and all(one.entry == models[0].entry for one in models)
    }
    while True:
        kept = {tag for tag in shared if references(uses[tag][0]) <= shared}
        if kept == shared:
            return shared
        shared = kept


def references(model: TypeModel) -> set[str]:
    """Return the tags that a type names."""
    if isinstance(model, EnumModel):
        return set()
    return {tag for field in model.fields for tag in _named(field.type)}


def _named(tree: Tree) -> Iterator[str]:
    if not isinstance(tree, str):
        for part in tree[1:]:
            yield from _named(part)
    elif not _aster.is_scalar_type(tree):
        yield tree
