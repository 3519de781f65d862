"""The structures of a contract as dataclasses (`contract.md` section 1). Their bytes and rules are core's."""

from __future__ import annotations

import dataclasses
import enum
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Optional, Union, cast, get_args, get_origin, get_type_hints

from aster import _aster
from aster.capabilities import CapabilityRequirement
from aster.service import info_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Self


class TypeKind(enum.IntEnum):
    """What a field, element or key is."""

    PRIMITIVE = 0
    REF = 1
    SELF_REF = 2
    ANY = 3


class ContainerKind(enum.IntEnum):
    """How a field holds its values."""

    NONE = 0
    LIST = 1
    SET = 2
    MAP = 3


class TypeDefKind(enum.IntEnum):
    """What a type is."""

    MESSAGE = 0
    ENUM = 1
    UNION = 2


class MethodPattern(enum.IntEnum):
    """Who sends how many items in a call."""

    UNARY = 0
    SERVER_STREAM = 1
    CLIENT_STREAM = 2
    BIDI_STREAM = 3


class CapabilityKind(enum.IntEnum):
    """How the roles of a requirement combine."""

    ROLE = 0
    ANY_OF = 1
    ALL_OF = 2


class ScopeKind(enum.IntEnum):
    """How long an instance of a service lives."""

    SHARED = 0
    SESSION = 1


class Structure:
    """What the structures have in common: the JSON form, in which hashes are lower-case hex."""

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form with all members."""
        members = dataclasses.fields(self)  # type: ignore[arg-type]  # subclasses are dataclasses
        return {member.name: _shown(getattr(self, member.name)) for member in members}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """Read the JSON form; absent members are the empty form.

        `TypeError` for members that do not exist, `ValueError` for unknown kinds and bad hex.
        """
        types = get_type_hints(cls)
        return cls(**{name: _read(types.get(name), value) for name, value in document.items()})


class Document(Structure):
    """A structure that has canonical bytes."""

    kind_name: ClassVar[str]

    def to_bytes(self) -> bytes:
        """Return the canonical bytes. `TypeError` if a rule of contracts is broken."""
        return _aster.canonical_bytes(self.kind_name, json.dumps(self.to_dict()))


class ReadableDocument(Document):
    """A document that is read back from its bytes."""

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read canonical bytes. `TypeError` if they are not exactly those of such a structure."""
        return cls.from_dict(json.loads(_aster.read_canonical(cls.kind_name, data)))


@dataclass
class EnumValueDef(Structure):
    """A member of an enum."""

    name: str = ""
    value: int = 0


@dataclass
class UnionVariantDef(Structure):
    """A variant of a union. Declarations never produce it."""

    name: str = ""
    id: int = 0
    type_ref: bytes = b""


@dataclass
class FieldDef(Structure):
    """A field of a message.

    The element or map value is in the `type_` members, the map key in the `container_key_` members. References are 0
    or 32 bytes. Canonical bytes number the fields anew, whatever `id` says.
    """

    id: int = 0
    name: str = ""
    type_kind: TypeKind = TypeKind.PRIMITIVE
    type_primitive: str = ""
    type_ref: bytes = b""
    self_ref_name: str = ""
    optional: bool = False
    ref_tracked: bool = False
    container: ContainerKind = ContainerKind.NONE
    container_key_kind: TypeKind = TypeKind.PRIMITIVE
    container_key_primitive: str = ""
    container_key_ref: bytes = b""
    required: bool = True
    default_value: bytes = b""


@dataclass
class TypeDef(ReadableDocument):
    """A type as its hash sees it."""

    kind_name: ClassVar[str] = "type_def"

    kind: TypeDefKind = TypeDefKind.MESSAGE
    package: str = ""
    name: str = ""
    fields: list[FieldDef] = field(default_factory=list[FieldDef])
    enum_values: list[EnumValueDef] = field(default_factory=list[EnumValueDef])
    union_variants: list[UnionVariantDef] = field(default_factory=list[UnionVariantDef])


@dataclass
class MethodDef(Document):
    """A method as its contract sees it. `default_timeout` is in seconds, 0.0 is none."""

    kind_name: ClassVar[str] = "method"

    name: str = ""
    pattern: MethodPattern = MethodPattern.UNARY
    request_type: bytes = b""
    response_type: bytes = b""
    idempotent: bool = False
    default_timeout: float = 0.0
    requires: Optional[CapabilityRequirement] = None  # noqa: UP045 - evaluated, also before 3.10


@dataclass
class ServiceContract(ReadableDocument):
    """A service as its contract id sees it."""

    kind_name: ClassVar[str] = "service_contract"

    name: str = ""
    version: int = 0
    methods: list[MethodDef] = field(default_factory=list[MethodDef])
    serialization_modes: list[str] = field(default_factory=list[str])
    scoped: ScopeKind = ScopeKind.SHARED
    requires: Optional[CapabilityRequirement] = None  # noqa: UP045 - evaluated, also before 3.10
    producer_language: str = ""

    @classmethod
    def from_service(cls, service: object) -> Self:
        """Return the contract of a decorated class, an instance of one, or a `ServiceInfo`.

        `TypeError` for a class without `@service`.
        """
        return cls.from_dict(json.loads(_aster.contract_identity(info_of(service).described))["contract"])


def _shown(value: Any) -> Any:
    """Return a member in its JSON form."""
    if isinstance(value, enum.IntEnum):
        return value.name.lower()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list):
        return [_shown(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, Structure):
        return value.to_dict()
    if isinstance(value, CapabilityRequirement):
        kind: Any = value.kind
        return {"kind": _shown(kind), "roles": list(value.roles)}
    return value


def _read(annotation: Any, value: Any) -> Any:
    """Return a member from its JSON form. What does not fit stays as it is, for core to refuse."""
    if get_origin(annotation) is Union:
        annotation = get_args(annotation)[0]
    if isinstance(value, list):
        items: list[Any] = cast("Any", value)
        return [_read(inner, item) for inner in get_args(annotation) for item in items] or items
    if isinstance(value, dict):
        document: dict[str, Any] = cast("Any", value)
        if annotation is CapabilityRequirement:
            return CapabilityRequirement(document["kind"], tuple(document["roles"]))
        return annotation.from_dict(document) if hasattr(annotation, "from_dict") else document
    if isinstance(value, str) and isinstance(annotation, type):
        return _from_hex(value) if annotation is bytes else _kind(annotation, value)
    return value


def _kind(kinds: type[Any], name: str) -> Any:
    if not issubclass(kinds, enum.IntEnum):
        return name
    if kinds is ScopeKind and name == "stream":
        return ScopeKind.SESSION  # its old name
    found = next((kind for kind in kinds if kind.name.lower() == name), None)
    if found is None:
        raise ValueError(f"unknown {kinds.__name__} '{name}'")
    return found


def _from_hex(text: str) -> bytes:
    if text.lower() != text or any(char.isspace() for char in text):
        raise ValueError(f"not lower-case hex: '{text}'")
    return bytes.fromhex(text)
