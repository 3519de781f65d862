"""Declared services in the forms of core and of the native module."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aster import _aster
from aster._messages import MessageTable
from aster.service import MethodInfo, ServiceInfo

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aster.capabilities import CapabilityRequirement
    from aster.interceptors import Interceptor
    from aster.metadata import Metadata
    from aster.rpc_types import RpcScope, SerializationMode


def declare(
    name: str,
    version: int,
    scope: RpcScope,
    methods: Sequence[MethodInfo],
    *,
    modes: tuple[SerializationMode, ...],
    requires: CapabilityRequirement | None,
    metadata: Metadata,
    producer_language: str,
    local_names: Mapping[str, Any],
    public: bool = False,
    interceptors: tuple[Interceptor | type[Interceptor], ...] = (),
    max_concurrent_streams: int | None = None,
) -> ServiceInfo:
    """Compile a service. `TypeError` if its methods or types break a rule of contracts."""
    messages = MessageTable(local_names)
    described = {
        "service": name,
        "version": version,
        "scoped": scope.value,
        "serialization_modes": [mode.name.lower() for mode in modes],
        "requires": None if requires is None else requires.describe(),
        "public": public,
        "producer_language": producer_language,
        **metadata.describe(),
        "methods": [_describe(method, messages) for method in methods],
        "types": messages.types,
    }
    messages.complete()
    text = json.dumps(described)
    return ServiceInfo(
        name,
        version,
        scope.value,
        {method.name: method for method in methods},
        modes,
        interceptors,
        max_concurrent_streams,
        requires,
        public,
        metadata,
        _aster.Plan(text, messages.classes, messages.enums),
        text,
    )


def _describe(method: MethodInfo, messages: MessageTable) -> dict[str, Any]:
    return {
        "name": method.name,
        "pattern": method.pattern,
        "request": messages.add(method.request_type),
        "response": messages.add(method.response_type),
        "timeout_s": method.timeout,
        "idempotent": method.idempotent,
        "requires": None if method.requires is None else method.requires.describe(),
        "request_style": method.request_style,
        **method.metadata.describe(),
    }
