"""Services that are described by what is at hand: one method, its pattern and its types."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from aster import _aster
from aster._messages import MessageTable
from aster.metadata import Metadata
from aster.rpc_types import RpcPattern, RpcScope, SerializationMode
from aster.service import MethodInfo, ServiceInfo

if TYPE_CHECKING:
    from collections.abc import Callable

_ANY = "aster/Any"


def untyped_plan(
    service: str, version: int, method: str, pattern: RpcPattern, scope: str = RpcScope.SHARED.value
) -> _aster.Plan:
    """Describe a method whose messages the host encodes and decodes itself."""
    return _plan(service, version, scope, method, pattern, (_ANY, _ANY), {_ANY: {"fields": []}})


def untyped_method(name: str, pattern: RpcPattern) -> MethodInfo:
    """Return what stubs need to know of a method whose types are not at hand."""
    return _method(name, pattern, dict, dict)


def dynamic_method(described: dict[str, Any]) -> MethodInfo:
    """Return what stubs need to know of a method of a description, with messages as dicts."""
    found = _method(described["name"], RpcPattern(described["pattern"]), dict, dict)
    return dataclasses.replace(found, timeout=described.get("timeout_s"), idempotent=bool(described.get("idempotent")))


def handled_service(
    service: str, version: int, method: str, pattern: RpcPattern, types: tuple[Any, Any], handler: Callable[..., Any]
) -> tuple[object, ServiceInfo]:
    """Describe a handler as a service of one method; return an object that has it, and the description."""
    table = MessageTable({})
    roots = table.add(types[0]), table.add(types[1])
    table.complete()
    plan = _plan(service, version, RpcScope.SHARED.value, method, pattern, roots, table.types, table)
    described = _method(method, pattern, *types)
    info = ServiceInfo(
        service,
        version,
        RpcScope.SHARED.value,
        {method: described},
        (SerializationMode.XLANG,),
        (),
        None,
        None,
        True,
        Metadata(),
        plan,
    )
    return _Holder(method, handler), info


class _Holder:
    def __init__(self, method: str, handler: Callable[..., Any]) -> None:
        setattr(self, method, handler)


def _plan(
    service: str,
    version: int,
    scope: str,
    method: str,
    pattern: RpcPattern,
    roots: tuple[str, str],
    types: dict[str, Any],
    table: MessageTable | None = None,
) -> _aster.Plan:
    described = {
        "service": service,
        "version": version,
        "scoped": scope,
        "types": types,
        "methods": [{"name": method, "pattern": pattern.value, "request": roots[0], "response": roots[1]}],
    }
    classes, enums = ({}, {}) if table is None else (table.classes, table.enums)
    return _aster.Plan(json.dumps(described), classes, enums)


def _method(name: str, pattern: RpcPattern, request: Any, response: Any) -> MethodInfo:
    return MethodInfo(
        name=name,
        attribute=name,
        pattern=pattern.value,
        request_type=request,
        response_type=response,
        timeout=None,
        idempotent=False,
        serialization=None,
        requires=None,
        metadata=Metadata(),
        context_parameter=None,
        request_style="explicit",
    )
