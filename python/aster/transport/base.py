"""What a transport is: four kinds of calls by name."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, cast

from aster._streams import BidiChannel
from aster.rpc_types import RpcPattern

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping

    from aster.rpc_types import SerializationMode

    Method = Callable[..., Any]

__all__ = ["BidiChannel", "Transport"]


class Transport(ABC):
    """Calls of any service.

    Options of every call: `metadata`, `timeout` in seconds (or `deadline_epoch_ms`, milliseconds since 1970, 0: none),
    `serialization_mode`, the service's `version`, and the `response_type` that answers become.
    """

    @abstractmethod
    def _method(
        self,
        service: str,
        method: str,
        pattern: RpcPattern,
        version: int,
        response_type: type[Any] | None,
        mode: SerializationMode | None,
    ) -> Method:
        """Return what is called for a method, with the options of stubs."""

    async def unary(self, service: str, method: str, request: Any, **options: Any) -> Any:
        """Send one request and return the response."""
        call, given = self._prepare(service, method, RpcPattern.UNARY, options)
        return await call(request, **given)

    def server_stream(self, service: str, method: str, request: Any, **options: Any) -> AsyncIterator[Any]:
        """Send one request and iterate the responses."""
        call, given = self._prepare(service, method, RpcPattern.SERVER_STREAM, options)
        return cast("AsyncIterator[Any]", call(request, **given))

    async def client_stream(
        self, service: str, method: str, requests: AsyncIterable[Any] | Iterable[Any], **options: Any
    ) -> Any:
        """Send requests and return the response."""
        call, given = self._prepare(service, method, RpcPattern.CLIENT_STREAM, options)
        return await call(requests, **given)

    def bidi_stream(
        self,
        service: str,
        method: str,
        requests: AsyncIterable[Any] | Iterable[Any] | None = None,
        **options: Any,
    ) -> BidiChannel[Any, Any]:
        """Open a channel; `requests` feed it, if given."""
        call, given = self._prepare(service, method, RpcPattern.BIDI_STREAM, options)
        return cast("BidiChannel[Any, Any]", call(requests, **given))

    async def close(self) -> None:  # noqa: B027 - there may be nothing to let go of
        """Let go of the transport. A connection that was given to it stays."""

    def _prepare(
        self, service: str, method: str, pattern: RpcPattern, options: dict[str, Any]
    ) -> tuple[Method, dict[str, Any]]:
        known = CallOptions(**options)
        call = self._method(service, method, pattern, known.version, known.response_type, known.mode)
        return call, {"metadata": known.metadata, "timeout": known.timeout}


class CallOptions:
    """The options of a call by name."""

    def __init__(
        self,
        *,
        metadata: Mapping[str, str] | None = None,
        deadline_epoch_ms: int = 0,
        serialization_mode: SerializationMode | None = None,
        timeout: float | None = None,
        deadline_secs: float | None = None,
        version: int = 1,
        response_type: type[Any] | None = None,
    ) -> None:
        self.metadata = metadata
        self.mode = serialization_mode
        self.version = version
        self.response_type = response_type
        self.timeout = deadline_secs if timeout is None else timeout
        if self.timeout is None and deadline_epoch_ms > 0:
            self.timeout = deadline_epoch_ms / 1000 - time.time()
