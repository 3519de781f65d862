"""What stubs call through when there is no `AsterClient`: a connection of the program, or this process."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from aster import _aster
from aster._native import loop_queue
from aster.handlers import decorated, host

if TYPE_CHECKING:
    from aster.net import IrohConnection
    from aster.service import ServiceInfo


def bind_over(connection: IrohConnection, info: ServiceInfo) -> _aster.BoundService:
    """Bind a service to a connection that speaks `RPC_ALPN`."""
    return caller_over(connection).bind(info.plan, loop_queue(), None, None)


def caller_over(connection: IrohConnection) -> _aster.Caller:
    """Return what calls over a connection that speaks `RPC_ALPN`."""
    return _aster.Caller.over(connection._native)  # noqa: SLF001 - both are this library's


def bind_local(implementation: object, info: ServiceInfo, *, objects: bool) -> _aster.BoundService:
    """Bind a service to an implementation in this process: an object, a `Server` or an `AsterServer`."""
    return _local_caller(implementation, objects).bind(info.plan, loop_queue(), None, None)


def _local_caller(implementation: object, objects: bool) -> _aster.Caller:
    serve = getattr(implementation, "_local_caller", None)
    if serve is not None:
        return cast("_aster.Caller", serve(objects))
    native = _aster.Host(_aster.MAX_CONCURRENT_STREAMS, _aster.MAX_SESSIONS_PER_CONNECTION, True)
    host(native, loop_queue(), implementation, decorated(implementation), ())
    return native.local_caller(objects)
