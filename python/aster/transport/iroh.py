"""Calls by name over a connection that the program made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aster import _aster
from aster._ad_hoc import untyped_method, untyped_plan
from aster._native import loop_queue
from aster.codec import ForyCodec
from aster.json_codec import json_decode, json_encode
from aster.rpc_types import RpcPattern, SerializationMode
from aster.stubs import CallSite
from aster.transport.base import Transport

if TYPE_CHECKING:
    from collections.abc import Callable

    from aster.codec import ForyConfig
    from aster.net import IrohConnection

__all__ = ["IrohTransport"]


class IrohTransport(Transport):
    """Calls over an `IrohConnection` that speaks `RPC_ALPN`.

    Requests are wire types, in XLANG unless a call asks for JSON. Answers become the `response_type` of the call, else
    the class with their wire name among those the codec has met; `TypeError` if it has met none. Closing leaves the
    connection open; when it ends, calls end with `ConnectionLostError`.
    """

    def __init__(
        self, connection: IrohConnection, codec: ForyCodec | None = None, fory_config: ForyConfig | None = None
    ) -> None:
        self._codec = codec or ForyCodec(fory_config=fory_config)
        self._caller = _aster.Caller.over(connection._native)  # noqa: SLF001 - both are this library's
        self._queue = loop_queue()
        self._methods: dict[tuple[object, ...], Callable[..., Any]] = {}

    def _method(
        self,
        service: str,
        method: str,
        pattern: RpcPattern,
        version: int,
        response_type: type[Any] | None,
        mode: SerializationMode | None,
    ) -> Callable[..., Any]:
        key = service, method, pattern, version, response_type, mode
        known = self._methods.get(key)
        if known is None:
            plan = untyped_plan(service, version, method, pattern)
            as_json = mode is SerializationMode.JSON
            functions = self._functions(response_type, as_json)
            bound = self._caller.bind(plan, self._queue, ["json"] if as_json else None, functions)
            known = CallSite(service, bound, None, None).method(0, untyped_method(method, pattern))
            self._methods[key] = known
        return known

    def _functions(
        self, response_type: type[Any] | None, as_json: bool
    ) -> tuple[Callable[[Any], bytes], Callable[[bool, bytes], Any]]:
        codec = self._codec

        def encode(message: Any) -> bytes:
            return json_encode(message) if as_json else codec.encode(message)

        def decode(is_json: bool, body: bytes) -> Any:
            return json_decode(body, response_type) if is_json else codec.decode(body, response_type)

        return encode, decode
