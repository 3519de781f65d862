"""Serves on an endpoint that the program made (`python-api.md` section 6)."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from aster import _aster
from aster._native import LoopBound, loop_queue, settle
from aster.errors import IrohError, ServerError
from aster.handlers import decorated, host
from aster.interceptors._chain import Chain
from aster.peer_store import PeerAttributeStore

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from typing_extensions import Self

    from aster.codec import ForyCodec, ForyConfig
    from aster.interceptors import Interceptor
    from aster.net import IrohConnection, NetClient
    from aster.service import ServiceInfo, ServiceRegistry

logger = logging.getLogger("aster.server")


class Server(LoopBound):
    """Serves decorated services on the connections of a `NetClient` that accepts `RPC_ALPN`.

    Every connection of the endpoint is served, unless `require_admission`: then only those of peers that are in
    `peer_store`, which also gives the attributes of a call. `owns_endpoint` closes the endpoint with the server.
    `codec` and `fory_config` are accepted and not needed: core encodes. `registry` adds the services it knows by
    instance. `max_concurrent_streams` bounds the calls of a connection (default 1024).
    """

    def __init__(
        self,
        endpoint: NetClient,
        services: Sequence[object] | None = None,
        codec: ForyCodec | None = None,
        fory_config: ForyConfig | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        max_concurrent_streams: int | None = None,
        registry: ServiceRegistry | None = None,
        owns_endpoint: bool = True,
        peer_store: PeerAttributeStore | None = None,
        *,
        max_sessions_per_connection: int = _aster.MAX_SESSIONS_PER_CONNECTION,
        node: Any = None,
        expose_errors: bool = False,
        require_admission: bool = False,
    ) -> None:
        peers = None if peer_store is None and not require_admission else peer_store or PeerAttributeStore()
        gate = None if peers is None else peers._peers.behind(not require_admission)  # noqa: SLF001 - of this library
        self.endpoint = endpoint
        self.registry = registry
        self._node = node
        self._codec, self._fory_config = codec, fory_config
        self._owns_endpoint = owns_endpoint
        self._services = list(services or ())
        self._infos = [decorated(target) for target in self._services]
        Chain(interceptors or ())  # What is no interceptor is found here.
        limits = [info.max_concurrent_streams for info in self._infos if info.max_concurrent_streams is not None]
        if max_concurrent_streams is not None:
            limits.append(max_concurrent_streams)
        calls = min(limits, default=_aster.MAX_CONCURRENT_STREAMS)
        self._native = _aster.Host(calls, max_sessions_per_connection, expose_errors, gate)
        self._interceptors = list(interceptors or ())
        self._connections: set[asyncio.Task[None]] = set()
        self._hosted = self._serving = self._closed = False
        self._stopped: asyncio.Event | None = None

    @property
    def infos(self) -> list[ServiceInfo]:
        """What is known of the services."""
        return list(self._infos)

    def host(self) -> _aster.Host:
        """Return the services as they are served. Private to the package."""
        self._bind_loop()
        if not self._hosted:
            self._hosted = True
            for target, info in zip(self._services, self._infos):
                host(self._native, loop_queue(), target, info, self._interceptors)
        return self._native

    async def serve(self) -> None:
        """Accept connections until the server is closed. `ServerError` if it serves already or is closed."""
        if self._serving or self._closed:
            raise ServerError("the server is closed" if self._closed else "the server serves already")
        self._serving = True
        self.host()
        stopped = self._stop_event()
        ended = asyncio.ensure_future(stopped.wait())
        try:
            while not stopped.is_set():
                accepting = asyncio.ensure_future(self.endpoint.accept())
                await asyncio.wait({accepting, ended}, return_when=asyncio.FIRST_COMPLETED)
                if not accepting.done():
                    accepting.cancel()
                    await asyncio.wait({accepting})
                    return
                self._spawn(accepting.result())
        except IrohError:
            return  # The endpoint is closed.
        finally:
            ended.cancel()
            await self.close()

    def _spawn(self, connection: IrohConnection) -> None:
        task = asyncio.ensure_future(self.handle_connection(connection))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def handle_connection(self, connection: IrohConnection) -> None:
        """Serve one connection until it ends."""
        native = self.host()
        await settle(native.serve(loop_queue(), connection._native))  # noqa: SLF001 - both are this library's

    def _local_caller(self, objects: bool) -> _aster.Caller:
        """Return what calls the services inside of this process."""
        return self.host().local_caller(objects)

    async def drain(self, grace_period: float = _aster.DRAIN_GRACE) -> None:
        """Refuse new calls and wait, at most `grace_period` seconds, for the running ones. Does not close."""
        await settle(self.host().drain(loop_queue(), grace_period))

    async def close(self) -> None:
        """End calls and connections; close the endpoint if it is owned. Repeatable."""
        if self._closed:
            await self.wait_until_stopped()
            return
        self._closed = True
        stopped = self._stop_event()
        try:
            await self.drain(0.0)
            if self._owns_endpoint:
                await self.endpoint.close()
            for task in list(self._connections):
                task.cancel()
        except Exception:
            logger.exception("server could not be closed cleanly")
        finally:
            stopped.set()

    async def wait_until_stopped(self) -> None:
        """Wait until the server is closed."""
        await self._stop_event().wait()

    def _stop_event(self) -> asyncio.Event:
        if self._stopped is None:
            self._stopped = asyncio.Event()
        return self._stopped

    async def __aenter__(self) -> Self:
        self.host()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()
