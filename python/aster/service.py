"""What the decorators know of a service (`python-api.md` section 2.5)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aster import _aster
    from aster.capabilities import CapabilityRequirement
    from aster.interceptors import Interceptor
    from aster.metadata import Metadata
    from aster.rpc_types import SerializationMode

SERVICE_ATTRIBUTE = "__aster_service_info__"


@dataclass(frozen=True)
class MethodInfo:
    """A method of a service. `name` is the wire name, `attribute` the name in Python."""

    name: str
    attribute: str
    pattern: str
    request_type: type[Any]
    response_type: type[Any]
    timeout: float | None
    idempotent: bool
    serialization: SerializationMode | None
    requires: CapabilityRequirement | None
    metadata: Metadata
    context_parameter: str | None
    request_style: str
    inline_params: tuple[str, ...] = ()

    @property
    def accepts_ctx(self) -> bool:
        """Whether the handler is given a `CallContext`."""
        return self.context_parameter is not None


@dataclass(frozen=True)
class ServiceInfo:
    """A service. `methods` is keyed by wire name, in declared order."""

    name: str
    version: int
    scoped: str
    methods: dict[str, MethodInfo]
    serialization_modes: tuple[SerializationMode, ...]
    interceptors: tuple[Interceptor | type[Interceptor], ...]
    max_concurrent_streams: int | None
    requires: CapabilityRequirement | None
    public: bool
    metadata: Metadata
    plan: _aster.Plan = field(repr=False, compare=False)

    def get_method(self, name: str) -> MethodInfo | None:
        """Return a method by its wire name."""
        return self.methods.get(name)

    def has_method(self, name: str) -> bool:
        """Tell whether there is a method with this wire name."""
        return name in self.methods

    @property
    def contract_id(self) -> str:
        """The 64 hex digits that name the contract."""
        return self.plan.contract_id


def service_info(cls: type[Any]) -> ServiceInfo | None:
    """Return what `@service` left on the class or a base of it."""
    info = getattr(cls, SERVICE_ATTRIBUTE, None)
    return info if isinstance(info, ServiceInfo) else None


@dataclass(frozen=True)
class ServiceSummary:
    """A service as a producer announces it."""

    name: str
    version: int
    contract_id: str
    channels: dict[str, str]
    pattern: str
    serialization_modes: list[str]

    @classmethod
    def from_tuple(cls, values: tuple[str, int, str, list[tuple[str, str]], str, list[str]]) -> ServiceSummary:
        """Take the form of the native module."""
        name, version, contract_id, channels, pattern, modes = values
        return cls(name, version, contract_id, dict(channels), pattern, modes)
