"""What the decorators know of services, and registries of them (`python-api.md` section 2.5)."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aster import _aster
    from aster.capabilities import CapabilityRequirement
    from aster.interceptors import Interceptor
    from aster.metadata import Metadata
    from aster.rpc_types import SerializationMode

__all__ = [
    "MethodInfo",
    "ServiceInfo",
    "ServiceRegistry",
    "ServiceSummary",
    "get_default_registry",
    "service_info",
    "set_default_registry",
]

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
    """A service. `methods` is keyed by wire name, in declared order; `described` is the description core was given."""

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
    described: str = field(default="", repr=False, compare=False)

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


class ServiceRegistry:
    """Services that a program knows, by name and version. Threads may share it."""

    def __init__(self) -> None:
        self._services: dict[tuple[str, int], ServiceInfo] = {}
        self._lock = threading.Lock()

    def register(self, service: type | object) -> ServiceInfo:
        """Add a decorated class, an instance of one, or a `ServiceInfo`, and return what is known of it.

        Raises `TypeError` for anything else, `ValueError` if the name and version are taken.
        """
        info = info_of(service)
        key = info.name, info.version
        with self._lock:
            if key in self._services:
                raise ValueError(f"Service '{info.name}' v{info.version} is already registered")
            self._services[key] = info
        return info

    def lookup(self, name: str, version: int | None = None) -> ServiceInfo | None:
        """Return a service, of the highest version if none is named; nothing if it is unknown."""
        with self._lock:
            if version is not None:
                return self._services.get((name, version))
            versions = [known for known in self._services if known[0] == name]
            return self._services[max(versions)] if versions else None

    def lookup_method(
        self, name: str, method: str, version: int | None = None
    ) -> tuple[ServiceInfo, MethodInfo] | None:
        """Return a service and its method by wire name; nothing if either is unknown."""
        info = self.lookup(name, version)
        found = None if info is None else info.get_method(method)
        return None if info is None or found is None else (info, found)

    def get_all_services(self) -> list[ServiceInfo]:
        """Return every service, in the order of registration."""
        with self._lock:
            return list(self._services.values())

    def clear(self) -> None:
        """Forget every service."""
        with self._lock:
            self._services.clear()


class _Default:
    """The registry of the process, made when it is first asked for."""

    lock = threading.Lock()
    registry: ServiceRegistry | None = None


def get_default_registry() -> ServiceRegistry:
    """Return the registry of the process."""
    with _Default.lock:
        if _Default.registry is None:
            _Default.registry = ServiceRegistry()
        return _Default.registry


def set_default_registry(registry: ServiceRegistry) -> None:
    """Put another registry in the place of the process's."""
    with _Default.lock:
        _Default.registry = registry


def info_of(service: type | object) -> ServiceInfo:
    """Return what is known of a decorated class, an instance of one, or a `ServiceInfo`. `TypeError` for others."""
    if isinstance(service, ServiceInfo):
        return service
    cls = service if isinstance(service, type) else type(service)
    info = service_info(cls)
    if info is None:
        raise TypeError(f"{cls.__name__} is not @service-decorated (missing __aster_service_info__)")
    return info
