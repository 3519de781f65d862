"""Clients without a node of their own: over a connection, a transport, or inside the process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from aster._callers import bind_local, bind_over
from aster.errors import ClientError
from aster.interceptors._chain import Chain
from aster.rpc_types import RpcPattern, RpcScope
from aster.service import service_info
from aster.session import make_stub
from aster.stubs import CallDefaults, ServiceClient, inline_call

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aster.codec import ForyCodec, ForyConfig
    from aster.interceptors import Interceptor
    from aster.net import IrohConnection
    from aster.rpc_types import SerializationMode
    from aster.service import MethodInfo, ServiceInfo
    from aster.transport.base import Transport

T = TypeVar("T")


def create_client(
    service_class: type[T],
    connection: IrohConnection | None = None,
    transport: Transport | None = None,
    codec: ForyCodec | None = None,
    fory_config: ForyConfig | None = None,
    interceptors: Sequence[Interceptor] | None = None,
    registry: object = None,
) -> T:
    """Make a stub over a connection that speaks `RPC_ALPN`, or over a transport.

    `codec`, `fory_config` and `registry` are accepted and not needed. Raises `ClientError` for a class without
    `@service`, for a session service (use `create_session`), and without connection and transport.
    """
    del codec, fory_config, registry
    info = _shared(service_class)
    if connection is None and transport is None:
        raise ClientError("create_client requires either connection or transport")
    chain = Chain.of(interceptors or ())
    if connection is not None:
        return cast("T", ServiceClient(info, bind_over(connection, info), chain))
    return cast("T", _TransportStub(info, cast("Transport", transport), chain))


def create_local_client(
    service_class: type[T],
    implementation: object,
    wire_compatible: bool = True,
    codec: ForyCodec | None = None,
    fory_config: ForyConfig | None = None,
    interceptors: Sequence[Interceptor] | None = None,
) -> T:
    """Make a stub of an implementation in this process: an object, a `Server` or an `AsterServer`.

    Calls behave as over the network, with the interceptors of the server. `wire_compatible` encodes messages; without
    it they are handed over as they are. Raises `ClientError` for a class without `@service`.
    """
    del codec, fory_config
    info = service_info(service_class)
    if info is None:
        raise ClientError(f"Class {service_class.__name__} is not decorated with @service")
    bound = bind_local(implementation, info, objects=not wire_compatible)
    return cast("T", make_stub(info, bound, Chain.of(interceptors or ())))


def _shared(service_class: type[Any]) -> ServiceInfo:
    info = service_info(service_class)
    if info is None:
        raise ClientError(f"Class {service_class.__name__} is not decorated with @service")
    if info.scoped == RpcScope.SESSION.value:
        raise ClientError(f"'{info.name}' is session-scoped; use create_session")
    return info


class _TransportStub(ServiceClient):
    """A stub over a transport, which may be one of the program."""

    def __init__(
        self, info: ServiceInfo, transport: Transport, chain: Chain | None, defaults: CallDefaults | None = None
    ) -> None:
        if chain is not None:
            raise ClientError("interceptors need a connection; give them to the transport")
        self.service_name = info.name
        self.service_version = info.version
        self._info = info
        self._transport = transport
        for method in info.methods.values():
            call = _by_transport(info, method, transport, defaults or CallDefaults())
            setattr(self, method.attribute, call if method.request_style == "explicit" else inline_call(method, call))

    def with_defaults(self, defaults: CallDefaults) -> ServiceClient:
        """Make a sibling whose calls have other defaults."""
        return _TransportStub(self._info, self._transport, None, defaults)


def _by_transport(
    info: ServiceInfo, method: MethodInfo, transport: Transport, defaults: CallDefaults
) -> Callable[..., Any]:
    calls: dict[str, Callable[..., Any]] = {
        RpcPattern.UNARY.value: transport.unary,
        RpcPattern.SERVER_STREAM.value: transport.server_stream,
        RpcPattern.CLIENT_STREAM.value: transport.client_stream,
        RpcPattern.BIDI_STREAM.value: transport.bidi_stream,
    }
    send = calls[method.pattern]
    declared = method.timeout if defaults.timeout is None else defaults.timeout

    def call(
        request: Any = None,
        /,
        *,
        metadata: Mapping[str, str] | None = None,
        timeout: float | None = None,
        serialization: SerializationMode | None = None,
    ) -> Any:
        return send(
            info.name,
            method.name,
            request,
            metadata={**defaults.metadata, **(metadata or {})},
            serialization_mode=serialization or defaults.serialization or method.serialization,
            timeout=declared if timeout is None else timeout,
            version=info.version,
            response_type=method.response_type,
        )

    return call
