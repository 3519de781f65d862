"""Sessions: stubs of session services, each with a stream and an object at the server of its own."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, TypeVar, cast

from aster.rpc_types import RpcScope
from aster.service import service_info
from aster.stubs import CallDefaults, ServiceClient

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from aster import _aster
    from aster.client import AsterClient
    from aster.interceptors import Interceptor
    from aster.interceptors._chain import Chain
    from aster.service import ServiceInfo

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
            self._ended, self._bound = opener._ended, bound  # noqa: SLF001 - of this class
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
        for stub in stubs:
            try:
                await stub.close()
            except Exception:
                logger.exception("a session could not be closed cleanly")

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
