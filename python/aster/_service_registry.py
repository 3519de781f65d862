"""Services by name and version (`python-api.md` section 2.5)."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aster.service import MethodInfo, ServiceInfo


class ServiceRegistry:
    """Services that a program knows, by name and version. Threads may share it."""

    def __init__(self) -> None:
        self._services: dict[tuple[str, int], ServiceInfo] = {}
        self._lock = threading.Lock()

    def register(self, service: type | object) -> ServiceInfo:
        """Add a decorated class, an instance of one, or a `ServiceInfo`, and return what is known of it.

        Raises `TypeError` for anything else, `ValueError` if the name and version are taken.
        """
        info = _info(service)
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


def _info(service: type | object) -> ServiceInfo:
    # aster.service offers this class, so it imports this module.
    from aster.service import ServiceInfo, service_info  # noqa: PLC0415

    if isinstance(service, ServiceInfo):
        return service
    cls = service if isinstance(service, type) else type(service)
    info = service_info(cls)
    if info is None:
        raise TypeError(f"{cls.__name__} is not @service-decorated (missing __aster_service_info__)")
    return info
