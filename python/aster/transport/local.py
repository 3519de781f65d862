"""Calls by name inside the process, with the semantics of the network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aster import _aster
from aster._ad_hoc import handled_service
from aster._native import loop_queue
from aster.errors import TransportError
from aster.handlers import host
from aster.rpc_types import RpcPattern
from aster.stubs import CallSite
from aster.transport.base import Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aster.codec import ForyCodec, ForyConfig
    from aster.interceptors import Interceptor
    from aster.rpc_types import SerializationMode

    Found = tuple[Callable[..., Any], Sequence[Any], RpcPattern | str]
    HandlerRegistry = Callable[[str, str], Found | None]

__all__ = ["LocalTransport"]


class LocalTransport(Transport):
    """Calls of handlers that a registry finds.

    `handler_registry(service, method)` returns the handler, its request and response type, and its pattern, or `None`.
    Everything holds that holds over the network: deadlines, cancellation, credit, limits. `wire_compatible` encodes
    messages as well; without it they are handed over as they are. Raises `TransportError` for what has no handler.
    """

    def __init__(
        self,
        handler_registry: HandlerRegistry,
        codec: ForyCodec | None = None,
        fory_config: ForyConfig | None = None,
        wire_compatible: bool = False,
        interceptors: Sequence[Interceptor] | None = None,
    ) -> None:
        self._codec, self._fory_config = codec, fory_config
        self._find = handler_registry
        self._objects = not wire_compatible
        self._interceptors = list(interceptors or ())
        self._queue = loop_queue()
        self._methods: dict[tuple[str, str, int], tuple[RpcPattern, Callable[..., Any]]] = {}

    def _method(
        self,
        service: str,
        method: str,
        pattern: RpcPattern,
        version: int,
        response_type: type[Any] | None,  # noqa: ARG002 - the handler's is known
        mode: SerializationMode | None,  # noqa: ARG002 - nothing is sent
    ) -> Callable[..., Any]:
        known = self._methods.get((service, method, version))
        if known is None:
            known = self._methods[service, method, version] = self._serve(service, method, version)
        if known[0] is not pattern:
            raise TransportError(f"handler for '{service}.{method}' is {known[0].value}, called as {pattern.value}")
        return known[1]

    def _serve(self, service: str, method: str, version: int) -> tuple[RpcPattern, Callable[..., Any]]:
        found = self._find(service, method)
        if found is None:
            raise TransportError(f"no handler for '{service}.{method}'")
        handler, types, shape = found
        pattern = RpcPattern(shape)
        request, response = types
        target, info = handled_service(service, version, method, pattern, (request, response), handler)
        native = _aster.Host(_aster.MAX_CONCURRENT_STREAMS, _aster.MAX_SESSIONS_PER_CONNECTION, True)
        host(native, self._queue, target, info, self._interceptors)
        bound = native.local_caller(self._objects).bind(info.plan, self._queue, None, None)
        site = CallSite(service, bound, None, None)
        return pattern, site.method(0, info.methods[method])
