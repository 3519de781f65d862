"""Pairs of a client and a server for tests: offline, without settings of the environment, closed together."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, TypeVar

from aster._clients import create_client, create_local_client
from aster.endpoint_server import Server
from aster.net import RPC_ALPN, EndpointConfig, create_endpoint_with_config
from aster.session import create_local_session, create_session
from aster.stubs import as_client

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from aster.net import IrohConnection, NetClient

__all__ = ["AsterTestHarness"]

T = TypeVar("T")
_LOOPBACK = "127.0.0.1:0"


class AsterTestHarness:
    """Makes pairs of a stub and what it calls; `close()`, or the end of `async with`, closes all of them.

    Remote pairs are two endpoints on the loopback interface, over QUIC, without relays and without a gate. All methods
    raise what `create_client`, `create_local_client` and `create_session` raise for a class that is no service.
    """

    def __init__(self) -> None:
        self._open = AsyncExitStack()

    async def create_local_pair(
        self, service_class: type[T], implementation: object, wire_compatible: bool = True
    ) -> tuple[T, object]:
        """Return a stub that calls an implementation in this process, and the implementation.

        `wire_compatible` encodes messages, as the network does; without it they are handed over as they are.
        """
        stub = create_local_client(service_class, implementation, wire_compatible)
        self._open.push_async_callback(as_client(stub).close)
        return stub, implementation

    async def create_remote_pair(self, service_class: type[T], implementation: object) -> tuple[T, Server]:
        """Return a stub that calls an implementation over the network, and the server."""
        server, connection = await self._serve(implementation)
        stub = create_client(service_class, connection)
        self._open.push_async_callback(as_client(stub).close)
        return stub, server

    async def create_session_pair(
        self, service_class: type[T], implementation: object = None, *, remote: bool = True
    ) -> tuple[T, Server | None]:
        """Return the stub of a new session, and the server, which is `None` with `remote=False`.

        `implementation` is the class of the session objects, `service_class` by default.
        """
        served = service_class if implementation is None else implementation
        if remote:
            server, connection = await self._serve(served)
            stub = await create_session(service_class, connection)
        else:
            server, stub = None, await create_local_session(service_class, served)
        self._open.push_async_callback(as_client(stub).close)
        return stub, server

    async def close(self) -> None:
        """Close the stubs, connections and servers, the newest first. Repeatable."""
        await self._open.aclose()

    async def _serve(self, implementation: object) -> tuple[Server, IrohConnection]:
        home = await self._endpoint()
        server = Server(home, services=[implementation], owns_endpoint=False)
        serving = asyncio.ensure_future(server.serve())
        self._open.push_async_callback(_stop, server, serving)
        away = await self._endpoint()
        return server, await away.connect_node_addr(home.endpoint_addr_info(), RPC_ALPN)

    async def _endpoint(self) -> NetClient:
        config = EndpointConfig(alpns=[RPC_ALPN], relay_mode="disabled", bind_addr=_LOOPBACK)
        endpoint = await create_endpoint_with_config(config)
        self._open.push_async_callback(endpoint.close)
        return endpoint

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()


async def _stop(server: Server, serving: asyncio.Future[None]) -> None:
    await server.close()
    await serving
