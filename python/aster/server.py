"""Servers: one node that hosts services (`python-api.md` section 3)."""

from __future__ import annotations

import asyncio
import logging
import warnings
from typing import TYPE_CHECKING, Any

from aster import _aster
from aster._manifest_check import check_manifest
from aster._native import open_queue, settle, warn_unclosed
from aster._server_trust import ServesTrust, TrustChoice
from aster._signals import SignalHandlers
from aster.banner import BannerFacts, show_banner
from aster.config import AsterConfig, endpoint_arguments, setting, settle_server, tell_warnings
from aster.handlers import class_of, decorated, host
from aster.health import HealthServer
from aster.interceptors.auth import AuthInterceptor
from aster.logging import configure_at_start
from aster.node import HasNode
from aster.registry.publisher import RegistryPublisher
from aster.service import ServiceInfo, ServiceSummary, service_info

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence
    from types import TracebackType

    from typing_extensions import Self

    from aster.interceptors import Interceptor
    from aster.net import EndpointConfig
    from aster.trust.drift import ClockDriftConfig
    from aster.trust.hooks import MeshEndpointHook
    from aster.trust.mesh import MeshState
    from aster.trust.nonces import AnyNonceStore

__all__ = ["AsterServer"]

logger = logging.getLogger("aster.server")


def _authenticates(interceptors: Iterable[Interceptor | type[Interceptor]]) -> bool:
    """Tell whether one of them looks at credentials of its own."""
    classes = (one if isinstance(one, type) else type(one) for one in interceptors)
    return any(issubclass(one, AuthInterceptor) for one in classes)


class AsterServer(ServesTrust, HasNode):
    """A server of decorated services: instances, session services also as class.

    `async with AsterServer([Hello()]) as server:` starts it, serves, and closes it. `config=None` takes the
    environment; arguments beat the configuration. `interceptors=None` means `[DeadlineInterceptor()]`, which core is
    by itself; a list is taken as it is. `expose_errors=None`: texts of exceptions reach callers with an open gate
    only. `registry_ticket` is a ticket to write in the registry of another producer, `registry_namespace` one that
    `storage_path` keeps; else the server has its own, the same one after every start with `storage_path`.
    `endpoint_config` replaces all network settings. `codec` is accepted and not needed: core encodes. `hook` becomes
    a view of the gate, which takes over whom it has admitted. `nonce_store` remembers spent one-time tokens in place
    of core's store. `mesh_state` is what the part in the producers' mesh begins with, `clock_drift_config` how its
    clocks are judged; with `persist_mesh_state` it survives the server. Raises `ValueError` without services and for
    settings that contradict each other.
    """

    _queue: _aster.Queue | None = None
    _started = False
    _closing: asyncio.Task[None] | None = None
    _closed = False
    _serving: asyncio.Task[None] | None = None
    _end: asyncio.Future[None] | None = None
    _signals: SignalHandlers | None = None
    _health_server: HealthServer | None = None
    _draining = False

    def __init__(
        self,
        services: Sequence[object],
        *,
        config: AsterConfig | None = None,
        peer: str | None = None,
        identity: str | os.PathLike[str] | None = None,
        root_pubkey: bytes | None = None,
        allow_all_consumers: bool | None = None,
        allow_all_producers: bool | None = None,
        endpoint_config: EndpointConfig | None = None,
        channel_name: str = "rpc",
        codec: object = None,
        interceptors: Sequence[Interceptor] | None = None,
        hook: MeshEndpointHook | None = None,
        nonce_store: AnyNonceStore | None = None,
        registry_namespace: str = "",
        mesh_state: MeshState | None = None,
        clock_drift_config: ClockDriftConfig | None = None,
        persist_mesh_state: bool = False,
        max_sessions_per_connection: int = _aster.MAX_SESSIONS_PER_CONNECTION,
        expose_errors: bool | None = None,
        registry_ticket: str | None = None,
    ) -> None:
        self._registry_choice = registry_namespace or None, registry_ticket
        self._services = list(services)
        if not self._services:
            raise ValueError("AsterServer requires at least one service")
        given = {
            "identity_file": identity,
            "root_pubkey": root_pubkey,
            "allow_all_consumers": allow_all_consumers,
            "allow_all_producers": allow_all_producers,
            "expose_errors": expose_errors,
        }
        arguments = {name: value for name, value in given.items() if value is not None}
        if endpoint_config is not None:
            arguments |= endpoint_arguments(endpoint_config)
        self._codec = codec
        self._config = settle_server(AsterConfig.from_env() if config is None else config, arguments, peer)
        self._channel = channel_name
        self._max_sessions = max_sessions_per_connection
        # Core refuses late calls by itself, so that the default interceptor has nothing left to do.
        self._interceptors = list(interceptors or ())
        self._revoking = set()
        self._trust = TrustChoice(hook, nonce_store, mesh_state, clock_drift_config, persist_mesh_state)
        self._native = self._make_native()
        if not self._native.is_open:
            for text in self._native.warnings:
                warnings.warn(text, UserWarning, stacklevel=2)

    def _make_native(self) -> _aster.Server:
        infos = [info for info in map(service_info, map(class_of, self._services)) if info is not None]
        limits = [info.max_concurrent_streams for info in infos if info.max_concurrent_streams is not None]
        calls = min(limits, default=_aster.MAX_CONCURRENT_STREAMS)
        drift, persist, state = self._trust.mesh(self._config.root_pubkey)
        namespace, ticket = self._registry_choice
        hook = self._trust.hook
        if hook is not None:
            hook._check_free(self)  # noqa: SLF001 - of this library
        native = _aster.Server(
            self._config, self._channel, calls, self._max_sessions, namespace, ticket, drift, persist, state
        )
        if hook is not None:
            hook._view(self, native.peers)  # noqa: SLF001 - of this library
        if self._peer_store is not None:
            self._peer_store._view(native.peers)  # noqa: SLF001 - of this library
        return native

    async def start(self) -> None:
        """Bind the endpoint and answer calls. Idempotent; waits neither for relays nor for the network.

        Raises `TypeError` for a service without `@service`, `RuntimeError` if the manifest names another contract or
        the server is closed, `OSError` if the address cannot be bound.
        """
        self._bind_loop()
        if self._closed or self._closing is not None:
            raise RuntimeError("server is closed")
        if self._started:
            return
        if self._queue is None:
            infos = [decorated(service) for service in self._services]
            configure_at_start(self._config)
            tell_warnings(self._config)
            manifests = check_manifest(infos)
            self._queue = self._host(infos, manifests)
        queue = self._queue
        try:
            await settle(self._native.start(queue))
        except BaseException:
            if not self._started and self._queue is queue:
                queue.close()
                self._queue, self._native = None, self._make_native()
            raise
        self._started = True
        await self._announce()

    async def _announce(self) -> None:
        names = ", ".join(summary.name for summary in self.services)
        mode = "open-gate" if self._native.is_open else "trusted"
        logger.info("server starting runtime=python services=[%s] mode=%s", names, mode)
        log = f"{setting(self._config, 'log_format')} {setting(self._config, 'log_level')}"
        show_banner(BannerFacts(self.services, self.endpoint_id, self.address, self._native.is_open, log))
        if setting(self._config, "health_port"):
            self._health_server = HealthServer(self, str(setting(self._config, "health_host")))
            await self._health_server.start()

    def _host(self, infos: list[ServiceInfo], manifests: str | None) -> _aster.Queue:
        queue = open_queue()
        try:
            self._trust.give_nonces(self._native, queue)
            if manifests is not None:
                self._native.set_manifests(manifests)
            for target, info in zip(self._services, infos):
                host(self._native, queue, target, info, self._interceptors)
            self._warn_of_open_gate(infos)
        except BaseException:
            queue.close()
            self._native = self._make_native()
            raise
        return queue

    def _warn_of_open_gate(self, infos: list[ServiceInfo]) -> None:
        everywhere = _authenticates(self._interceptors)
        guarded = [info.name for info in infos if everywhere or _authenticates(info.interceptors)]
        for text in self._native.start_report(guarded):
            warnings.warn(text, UserWarning, stacklevel=4)

    def serve(self) -> asyncio.Task[None]:
        """Return the task that ends when the server does; always the same one. Cancelling it closes the server.

        Raises `RuntimeError` before `start()`.
        """
        if not self._started:
            raise RuntimeError("AsterServer.serve() called before start()")
        self._check_loop()
        if self._serving is None:
            self._serving = asyncio.create_task(self._serve(), name="aster-serve")
        return self._serving

    async def _serve(self) -> None:
        try:
            if not self._closed:
                self._end = asyncio.get_running_loop().create_future()
                await self._end
        except asyncio.CancelledError:
            await self.close()

    def install_signal_handlers(self, grace_period: float = _aster.DRAIN_GRACE) -> None:
        """Let SIGTERM and SIGINT drain and close the server, so that `serve()` returns; a second one exits at once.

        `grace_period` is in seconds (default 10). Raises `RuntimeError` outside of the main thread.
        """
        self._check_loop()

        async def stop() -> None:
            await self.drain(grace_period)
            await self.close()

        signals = SignalHandlers(stop)
        signals.install()
        self._signals = signals

    _install_signal_handlers = install_signal_handlers

    async def drain(self, grace_period: float = _aster.DRAIN_GRACE, *, timeout_s: float | None = None) -> None:
        """Refuse new calls and wait until the running ones have ended, then cancel the rest. Does not close.

        `grace_period`, also spelt `timeout_s`, is in seconds (default 10).
        """
        if not self._started or self._closed or self._queue is None:
            return
        self._check_loop()
        self._draining = True
        await settle(self._native.drain(self._queue, grace_period if timeout_s is None else timeout_s))

    async def close(self) -> None:
        """End calls and connections and release the endpoint. Repeatable; never raises."""
        self._check_loop()
        if self._queue is None or not self._started:
            self._closed = True
            return
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(self._queue), name="aster-close")
        await asyncio.shield(self._closing)
        if self._serving is not None and asyncio.current_task() is not self._serving:
            await asyncio.wait([self._serving])

    async def _close(self, queue: _aster.Queue) -> None:
        try:
            if self._health_server is not None:
                await self._health_server.stop()
            await settle(self._native.close(queue))
        except Exception:
            logger.exception("server could not be closed cleanly")
        finally:
            self._closed = True
            if self._signals is not None:
                self._signals.remove()
            queue.close()
            if self._end is not None and not self._end.done():
                self._end.set_result(None)

    async def __aenter__(self) -> Self:
        await self.start()
        self.serve()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __del__(self) -> None:
        queue = self.__dict__.get("_queue")
        if queue is not None and not self._closed:
            warn_unclosed(self, queue, self._loop)
            self._native.close_detached()

    def _running(self) -> _aster.Server:
        if not self._started:
            raise RuntimeError("AsterServer not started; call start() first")
        return self._native

    @property
    def address(self) -> str:
        """The `aster1` ticket that clients dial, current when read."""
        return self._running().address

    @property
    def endpoint_id(self) -> str:
        """The public key of the node, 64 hex digits."""
        return self._running().endpoint_id

    @property
    def endpoint_addr_b64(self) -> str:
        """The address as base64, current when read."""
        return self._running().addr_b64

    def _local_caller(self, objects: bool) -> _aster.Caller:
        """Return what calls the services inside of this process."""
        return self._running().local_caller(objects)

    def _health(self) -> dict[str, Any]:
        """Return what health checks ask for."""
        connections, calls, sessions = self._native.load if self._started else (0, 0, 0)
        return {
            "started": self._started,
            "draining": self._draining,
            "closed": self._closed or self._closing is not None,
            "running_calls": calls,
            "connections": connections,
            "sessions": sessions,
            "registry_failing": self._started and not self._closed and self._native.registry.is_failing,
        }

    @property
    def registry(self) -> RegistryPublisher:
        """The registry in which the server publishes. Raises `RuntimeError` before `start()`."""
        if self._queue is None or not self._started:
            raise RuntimeError("AsterServer not started; call start() first")
        return RegistryPublisher(self._native.registry, self._queue)

    def _native_node(self) -> _aster.Node:
        return self._running().node

    @property
    def services(self) -> list[ServiceSummary]:
        """The services as they are announced."""
        return [ServiceSummary.from_tuple(values) for values in self._running().services]

    @property
    def root_pubkey(self) -> bytes | None:
        """The public root key; in dev mode one that lives as long as the server."""
        return self._native.root_pubkey

    # Spellings of earlier versions.
    _ticket = address
    _rpc_addr_b64 = endpoint_addr_b64
    _rpc_endpoint = HasNode.endpoint

    @property
    def _admission_addr_b64(self) -> str | None:
        return None if self._native.is_open else self.endpoint_addr_b64

    _consumer_admission_addr_b64 = _admission_addr_b64

    @property
    def _producer_admission_addr_b64(self) -> str | None:
        return None if setting(self._config, "allow_all_producers") else self.endpoint_addr_b64

    def __repr__(self) -> str:
        names = ", ".join(class_of(service).__name__ for service in self._services)
        return f"<AsterServer [{names}]>"
