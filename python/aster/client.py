"""Clients: one node that calls the services of a server (`python-api.md` section 4)."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, TypeVar, cast

from aster import _aster
from aster._native import LoopBound, open_queue, settle, warn_unclosed
from aster.addresses import addr_parts
from aster.config import AsterConfig, setting, tell_warnings
from aster.config import settle as settle_config
from aster.errors import AdmissionDeniedError, DeniedByServer
from aster.interceptors._chain import Chain
from aster.node import HasNode
from aster.proxies import ProxyCalls, ProxyClient, SessionOpener, SessionProxyClient
from aster.registry.client import RegistryClient
from aster.registry.models import EndpointLease
from aster.rpc_types import RpcScope
from aster.service import ServiceSummary, service_info
from aster.session import ClientSession, make_stub

if TYPE_CHECKING:
    import os
    from collections.abc import Awaitable, Sequence
    from types import TracebackType

    from typing_extensions import Self

    from aster.addresses import AddressLike
    from aster.interceptors import Interceptor
    from aster.trust.delegated import DelegatedGrant

__all__ = ["AsterClient"]

T = TypeVar("T")

logger = logging.getLogger("aster.client")


class AsterClient(LoopBound, HasNode):
    """A client of one server.

    `async with AsterClient(address=ticket) as client:` connects and closes it. Without an address the
    configuration says it, as `ASTER_ENDPOINT_ADDR` does. `connect_timeout` is in seconds (default 30). Raises
    `ValueError` without an address and for text that is none. With `delegation` it is admitted to a service by the word
    of another authority first. Members that need the server raise `RuntimeError` before `connect()`.
    """

    _queue: _aster.Queue | None = None
    _native: _aster.Client | None = None
    _turn: asyncio.Lock | None = None
    _closed = False
    _credential: tuple[str | None, str] = (None, "")
    _registry: RegistryClient | None = None

    def __init__(
        self,
        *,
        config: AsterConfig | None = None,
        peer: str | None = None,
        identity: str | os.PathLike[str] | None = None,
        address: AddressLike | None = None,
        endpoint_addr: AddressLike | None = None,
        root_pubkey: bytes | None = None,
        enrollment_credential_file: str | None = None,
        channel_name: str = "rpc",
        interceptors: Sequence[Interceptor] | None = None,
        connect_timeout: float = _aster.CONNECT_TIMEOUT,
        allow_foreign_channels: bool | None = None,
        delegation: DelegatedGrant | None = None,
    ) -> None:
        given = {
            "identity_file": identity,
            "endpoint_addr": _text(address if address is not None else endpoint_addr),
            "root_pubkey": root_pubkey,
            "enrollment_credential_file": enrollment_credential_file,
            "allow_foreign_channels": allow_foreign_channels,
        }
        arguments = {name: value for name, value in given.items() if value is not None}
        used = AsterConfig.from_env() if config is None else config
        self._config = settle_config(used, arguments, role="consumer", peer=peer)
        if self._config.endpoint_addr is None:
            raise ValueError(
                "AsterClient requires an endpoint address. Set ASTER_ENDPOINT_ADDR or pass endpoint_addr= explicitly."
            )
        self._address = self._config.endpoint_addr
        _aster.check_address(self._address)
        self._channel = channel_name
        self._interceptors = list(interceptors or ())
        self._opened_sessions = 0
        self._connect_timeout = connect_timeout
        self._delegation = None if delegation is None else delegation._native()  # noqa: SLF001 - of this library

    async def connect(self) -> None:
        """Dial the server and be admitted. Idempotent; a failure releases everything.

        Raises `IrohConnectionError` if the server cannot be reached within `connect_timeout`, `AdmissionDeniedError` if
        it refuses, `TrustDomainError` if it trusts another root key, and what a bad credential file raises.
        """
        self._bind_loop()
        if self._turn is None:
            self._turn = asyncio.Lock()
        async with self._turn:
            if self._native is not None:
                return
            if self._closed:
                raise RuntimeError("client is closed")
            tell_warnings(self._config)
            self._credential = _credential(self._config)
            queue = open_queue()
            try:
                self._native = await self._admitted(self._dial(queue, self._credential[1]))
            finally:
                if self._native is None:
                    queue.close()
            self._queue = queue

    async def _dial(self, queue: _aster.Queue, credential: str) -> _aster.Client:
        foreign = bool(setting(self._config, "allow_foreign_channels"))
        operation = _aster.connect(
            queue,
            self._config,
            self._address,
            self._channel,
            credential,
            self._connect_timeout,
            foreign,
            self._delegation,
        )
        return cast("_aster.Client", await settle(operation))

    async def _admitted(self, admission: Awaitable[T]) -> T:
        """Wait for an admission; say what a refusal is about."""
        try:
            return await admission
        except DeniedByServer as denied:
            file, credential = self._credential
            raise AdmissionDeniedError(
                had_credential=bool(credential),
                credential_file=file,
                our_endpoint_id=denied.our_endpoint_id,
                server_address=self._address,
            ) from None

    async def client(
        self,
        service_cls: type[T],
        *,
        channel: str | None = None,
        codec: object = None,
        interceptors: Sequence[Interceptor] | None = None,
        resolve: str = "direct",
        strategy: str = "round_robin",
    ) -> T:
        """Return a stub for a service of the server; for a session service one with a session of its own.

        Its methods are those of the class, plus call options. `interceptors` run after those of the client; `codec`
        is accepted and not needed: core encodes. Raises `LookupError` for what the server does not offer.

        `resolve="registry"` calls every producer of the service that the registry knows: each call takes the next by
        `strategy` (`round_robin`, `least_load`, `random`), and moves on when one is unavailable and the call was not
        sent or its method is idempotent (`registry.md` section 7). A session stays where it was opened.
        `LookupError` if nobody serves it, `ValueError` for another word.
        """
        del codec
        self._check_loop()
        native, queue = self._connected()
        info = service_info(service_cls)
        if info is None:
            raise TypeError(f"{service_cls} is not @service-decorated (missing __aster_service_info__)")
        if resolve == "registry":
            bound = await settle(native.bind_routed(info.plan, queue, strategy))
        elif resolve == "direct":
            bound = native.bind(info.plan, queue, channel)
        else:
            raise ValueError(f"resolve is 'direct' or 'registry', not '{resolve}'")
        chain = Chain.of([*self._interceptors, *(interceptors or ())])
        return cast("T", make_stub(info, bound, chain))

    def open_session(
        self, *, service_cls: type[Any] | None = None, channel: str | None = None
    ) -> SessionOpener[ClientSession]:
        """Open a group of stubs that are closed together: `async with`, or `await`.

        With `service_cls` its stub is made at once, and raises here what `client()` raises.
        """
        self._check_loop()
        self._connected()
        self._opened_sessions += 1
        number = self._opened_sessions

        async def opened() -> ClientSession:
            session = ClientSession(self, number, channel, service_cls)
            return await session.__aenter__()

        return SessionOpener(opened)

    def proxy(self, name: str) -> ProxyClient:
        """Return a client of a service that needs no class: dicts in, dicts out. Awaiting it gives itself.

        Raises `ValueError` if the server has no such service, `TypeError` if it is session-scoped.
        """
        self._check_loop()
        summary = self._offered(name)
        if summary.pattern == RpcScope.SESSION.value:
            raise TypeError(
                f"'{name}' is session-scoped. Use 'await client.session(\"{name}\")' "
                f"instead of 'client.proxy(\"{name}\")'."
            )
        return ProxyClient(self._calls_of(summary))

    def session(self, name: str) -> SessionOpener[SessionProxyClient]:
        """Open a session of a service that needs no class: `async with`, or `await`.

        Raises `ValueError` if the server has no such service, `TypeError` if it is not session-scoped.
        """
        self._check_loop()
        summary = self._offered(name)
        if summary.pattern != RpcScope.SESSION.value:
            raise TypeError(f"'{name}' is not session-scoped. Use 'client.proxy(\"{name}\")'.")
        calls = self._calls_of(summary)

        async def opened() -> SessionProxyClient:
            return await SessionProxyClient.open(calls)

        return SessionOpener(opened)

    def _calls_of(self, summary: ServiceSummary) -> ProxyCalls:
        native, queue = self._connected()
        return ProxyCalls(native.caller(), queue, summary, Chain.of(self._interceptors), native)

    def _offered(self, name: str) -> ServiceSummary:
        services = self.services
        named = [summary for summary in services if summary.name == name]
        if named:
            return max(named, key=lambda summary: summary.version)
        raise ValueError(f"Service '{name}' not found. Available: {[summary.name for summary in services]}")

    async def producers(self, name: str, version: int | None = None) -> list[EndpointLease]:
        """Return the producers of a service that can be used now, from the registry; without one none."""
        self._check_loop()
        native, queue = self._connected()
        return [EndpointLease.from_json(text) for text in await settle(native.producers(queue, name, version))]

    @property
    def registry(self) -> RegistryClient:
        """The registry of the server, joined at its first use."""
        native, queue = self._connected()
        if self._registry is None:
            self._registry = RegistryClient(native, queue)
        return self._registry

    async def reconnect(self) -> None:
        """Connect afresh, admission included: five tries, with waits of 0, 2, 4, 8 and 16 seconds.

        Stubs made before go on; sessions end. Raises the builtin `ConnectionError`
        `Failed to reconnect after 5 attempts`, and `AdmissionDeniedError` at once if the server refuses.
        """
        self._check_loop()
        native, queue = self._connected()
        self._registry = None
        await self._admitted(settle(native.reconnect(queue)))

    async def close(self) -> None:
        """End every call, close the connection and release the node. Repeatable; never raises."""
        self._check_loop()
        self._closed = True
        await self._release()

    async def _release(self) -> None:
        native, queue = self._native, self._queue
        if native is None or queue is None:
            return
        self._native = None
        try:
            # Core closes the sessions first, and waits a moment for their close hooks.
            await asyncio.shield(settle(native.close(queue)))
        except Exception:
            logger.exception("client could not be closed cleanly")
        finally:
            queue.close()

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __del__(self) -> None:
        native, queue = self.__dict__.get("_native"), self.__dict__.get("_queue")
        if native is not None and queue is not None:
            warn_unclosed(self, queue, self._loop)
            native.close_detached()

    def _connected(self) -> tuple[_aster.Client, _aster.Queue]:
        if self._native is None or self._queue is None:
            raise RuntimeError("AsterClient not connected; call connect() first")
        return self._native, self._queue

    def _native_node(self) -> _aster.Node:
        return self._connected()[0].node

    @property
    def services(self) -> list[ServiceSummary]:
        """The services of the server."""
        return [ServiceSummary.from_tuple(values) for values in self._connected()[0].services]

    @property
    def open_gate(self) -> bool:
        """Whether the client was admitted without a credential."""
        return self._connected()[0].open_gate

    @property
    def registry_namespace(self) -> str:
        """Id of the server's registry, 64 hex digits, or empty."""
        return self._connected()[0].registry_namespace

    @property
    def gossip_topic(self) -> str:
        """Topic of the producers' mesh, for operators; else empty."""
        return self._connected()[0].gossip_topic

    @property
    def attributes(self) -> dict[str, str]:
        """Attributes that the server granted."""
        return self._connected()[0].attributes

    @property
    def endpoint_id(self) -> str:
        """The client's own public key, 64 hex digits."""
        return self._connected()[0].endpoint_id

    def __repr__(self) -> str:
        return f"<AsterClient of {self._address[:14]}...>"


def _text(address: AddressLike | None) -> str | None:
    return address if address is None or isinstance(address, str) else _aster.addr_text(addr_parts(address))


def _credential(config: _aster.Config) -> tuple[str | None, str]:
    """Return what is presented: label and text. A missing file raises `FileNotFoundError`, a bad one `ValueError`."""
    return config.credential or (None, "")
