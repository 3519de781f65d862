"""Sessions: stubs of session services, each with a stream and an object at the server of its own."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, TypeVar, cast

from aster._callers import bind_local, bind_over, caller_over
from aster._native import loop_queue
from aster.endpoint_server import Server
from aster.errors import ServerError
from aster.interceptors._chain import Chain
from aster.proxies import ProxyCalls, SessionProxyClient
from aster.rpc_types import RpcScope
from aster.service import ServiceSummary, service_info
from aster.stubs import CallDefaults, ServiceClient

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from typing_extensions import Self

    from aster import _aster
    from aster.client import AsterClient
    from aster.codec import ForyCodec, ForyConfig
    from aster.interceptors import Interceptor
    from aster.net import IrohConnection, NetClient
    from aster.service import ServiceInfo

__all__ = [
    "ClientSession",
    "SessionProxyClient",
    "SessionServer",
    "SessionStub",
    "create_local_session",
    "create_proxy_session",
    "create_session",
]

T = TypeVar("T")
logger = logging.getLogger("aster.client")


class SessionStub(ServiceClient):
    """A stub of a session service: one session, its calls in order, one at a time.

    `close()` ends the session and waits, at most a second, until the server has run its close hook. Calls after it
    raise `RuntimeError` `session is closed`, calls after the loss of the connection `ConnectionLostError`.
    """

    def __init__(
        self,
        info: ServiceInfo,
        bound: _aster.BoundService,
        chain: Chain | None = None,
        defaults: CallDefaults | None = None,
        *,
        opener: SessionStub | None = None,
    ) -> None:
        # A sibling with other defaults shares the session, and keeps the stub that opened it.
        self._opener = opener
        if opener is None:
            self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._bound = bound.open_session(self._ended)
        else:
            self._ended, self._bound = opener._ended, bound  # noqa: SLF001 - the same session
        super().__init__(info, self._bound, chain, defaults)
        self.session_id: str = self._bound.session_id or ""

    def with_defaults(self, defaults: CallDefaults) -> SessionStub:
        """Make a sibling in the same session whose calls have other defaults."""
        opener = self if self._opener is None else self._opener
        return SessionStub(self._info, self._bound, self._site.chain, defaults, opener=opener)

    async def cancel(self) -> None:
        """Cancel the call that runs, with CANCELLED; the session goes on."""
        self._site.check_loop()
        self._bound.cancel_running()

    async def close(self) -> None:
        """End the session and wait for its close hook at the server, at most a second. Repeatable."""
        self._site.check_loop()
        self._bound.close_session()
        await asyncio.shield(self._ended)
        self._forget("session is closed")

    def __del__(self) -> None:
        bound = self.__dict__.get("_bound")
        if bound is not None and self._opener is None and not self._ended.done():
            bound.close_session()

    def __repr__(self) -> str:
        return f"<session {self.session_id} of {self.service_name} v{self.service_version}>"


def make_stub(info: ServiceInfo, bound: _aster.BoundService, chain: Chain | None) -> ServiceClient:
    """Make the stub that fits the scope of a service."""
    if info.scoped == RpcScope.SESSION.value:
        return SessionStub(info, bound, chain)
    return ServiceClient(info, bound, chain)


class ClientSession:
    """Stubs that are closed together: one per session service, and of shared services as well.

    `session_id` counts the sessions of a client from 1.
    """

    def __init__(
        self, client: AsterClient, session_id: int, channel: str | None, service_cls: type[Any] | None
    ) -> None:
        self.session_id = session_id
        self._client = client
        self._channel = channel
        self._eager = service_cls
        self._stubs: dict[type[Any], ServiceClient] = {}
        self._closed = False

    @property
    def connection(self) -> AsterClient:
        """The client that the session belongs to."""
        return self._client

    async def client(self, cls: type[T], *, codec: object = None, interceptors: list[Interceptor] | None = None) -> T:
        """Return the stub of a service; of a session service always the same one.

        Raises `RuntimeError` `ClientSession is closed` after `close()`.
        """
        if self._closed:
            raise RuntimeError("ClientSession is closed")
        known = self._stubs.get(cls)
        if known is None:
            stub = await self._client.client(cls, channel=self._channel, codec=codec, interceptors=interceptors)
            known = cast("ServiceClient", stub)
            info = service_info(cls)
            if info is not None and info.scoped == RpcScope.SESSION.value:
                self._stubs[cls] = known
        return cast("T", known)

    async def close(self) -> None:
        """Close its session stubs. Repeatable; never raises."""
        self._closed = True
        stubs, self._stubs = list(self._stubs.values()), {}
        ended = await asyncio.gather(*(stub.close() for stub in stubs), return_exceptions=True)
        for failure in ended:
            if isinstance(failure, Exception):
                logger.error("a session could not be closed cleanly", exc_info=failure)

    async def __aenter__(self) -> Self:
        if self._eager is not None:
            await self.client(self._eager)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()


async def create_session(
    service_class: type[T],
    connection: IrohConnection | None = None,
    codec: ForyCodec | None = None,
    fory_config: ForyConfig | None = None,
    interceptors: Sequence[Interceptor] | None = None,
) -> T:
    """Open a session of a session service over a connection that speaks `RPC_ALPN`.

    `codec` and `fory_config` are accepted and not needed. Raises `ValueError` for a class without `@service`, and
    without a connection.
    """
    del codec, fory_config
    info = service_info(service_class)
    if info is None:
        raise ValueError(f"Class {service_class.__name__} is not decorated with @service")
    if connection is None:
        raise ValueError("create_session requires a connection")
    return cast("T", make_stub(info, bind_over(connection, info), Chain.of(interceptors or ())))


async def create_local_session(
    service_class: type[T],
    implementation: object,
    wire_compatible: bool = True,
    interceptors: Sequence[Interceptor] | None = None,
) -> T:
    """Open a session of a session service in this process: its class, a `Server` or an `AsterServer`.

    Calls behave as over the network. `wire_compatible` encodes messages; without it they are handed over as they are.
    Raises `ValueError` for a class without `@service`.
    """
    info = service_info(service_class)
    if info is None:
        raise ValueError(f"Class {service_class.__name__} is not decorated with @service")
    bound = bind_local(implementation, info, objects=not wire_compatible)
    return cast("T", make_stub(info, bound, Chain.of(interceptors or ())))


async def create_proxy_session(
    service: str,
    connection: IrohConnection | None = None,
    *,
    version: int = 1,
    interceptors: Sequence[Interceptor] | None = None,
) -> SessionProxyClient:
    """Open a session of a session service over a connection, without its class: dicts in, dicts out.

    Raises `ValueError` without a connection; calls fail with NOT_FOUND if the server has no such service.
    """
    if connection is None:
        raise ValueError("create_proxy_session requires a connection")
    summary = ServiceSummary(service, version, "", {}, RpcScope.SESSION.value, ["json"])
    calls = ProxyCalls(caller_over(connection), loop_queue(), summary, Chain.of(interceptors or ()))
    return await SessionProxyClient.open(calls)


class SessionServer(Server):
    """A `Server` of session services, with one object of each per session.

    Takes the arguments of `Server`. Raises `ServerError` for a shared service.
    """

    def __init__(self, endpoint: NetClient, services: Sequence[object], **options: Any) -> None:
        super().__init__(endpoint, services, **options)
        for info in self.infos:
            if info.scoped != RpcScope.SESSION.value:
                raise ServerError(f"'{info.name}' is not session-scoped; serve it with Server")
