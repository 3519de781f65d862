"""Checks what services and methods require of their callers. Core decides (`trust.md` section 13)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aster import _aster
from aster.interceptors.base import Decider
from aster.service import ServiceInfo, service_info

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aster.capabilities import CapabilityRequirement
    from aster.context import CallContext

__all__ = ["CapabilityInterceptor"]


class CapabilityInterceptor(Decider):
    """Refuses calls whose `ctx.attributes` lack what the service, or else the method, requires.

    Core checks every remote call by itself, before any interceptor; this checks calls that never leave the process.
    """

    def __init__(self, service_map: Mapping[str, ServiceInfo | type | object]) -> None:
        """Take services by name: their `ServiceInfo`, class or instance. Services that are missing are refused."""
        self.service_map = {name: _info(declared) for name, declared in service_map.items()}
        self._capabilities = _aster.Capabilities(
            {
                name: (_text(info.requires), {one.name: _text(one.requires) for one in info.methods.values()})
                for name, info in self.service_map.items()
            }
        )

    def _decide(self, ctx: CallContext) -> None:
        self._capabilities.check(ctx.service, ctx.method, ctx.attributes)


def _info(declared: ServiceInfo | type | object) -> ServiceInfo:
    if isinstance(declared, ServiceInfo):
        return declared
    cls = declared if isinstance(declared, type) else type(declared)
    info = service_info(cls)
    if info is None:
        raise TypeError(f"{cls.__name__} is not @service-decorated (missing __aster_service_info__)")
    return info


def _text(requires: CapabilityRequirement | None) -> str | None:
    return None if requires is None else json.dumps(requires.describe())
