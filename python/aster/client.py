"""Clients: one node that calls the services of a server (`python-api.md` section 4)."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, TypeVar, cast

from aster import _aster
from aster._native import LoopBound, open_queue, settle, warn_unclosed
from aster.config import AsterConfig, setting, tell_warnings
from aster.config import settle as settle_config
from aster.errors import AdmissionDeniedError, DeniedByServer
from aster.service import ServiceSummary, service_info
from aster.stubs import ServiceClient

if TYPE_CHECKING:
    import os
    from types import TracebackType

    from typing_extensions import Self

T = TypeVar("T")

logger = logging.getLogger("aster.client")


class AsterClient(LoopBound):
    """A client of one server.

    `async with AsterClient(address=ticket) as client:` connects and closes it. Without an address the
    configuration says it, as `ASTER_ENDPOINT_ADDR` does.
    """

    _queue: _aster.Queue | None = None
    _native: _aster.Client | None = None
    _turn: asyncio.Lock | None = None
    _closed = False

    def __init__(
        self,
        *,
        config: AsterConfig | None = None,
        peer: str | None = None,
        identity: str | os.PathLike[str] | None = None,
        address: str | None = None,
        endpoint_addr: str | None = None,
        root_pubkey: bytes | None = None,
        enrollment_credential_file: str | None = None,
        channel_name: str = "rpc",
        connect_timeout: float = _aster.CONNECT_TIMEOUT,
        allow_foreign_channels: bool | None = None,
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
        self._connect_timeout = connect_timeout

    async def connect(self) -> None:
        """Dial the server and be admitted. Idempotent; a failure releases everything."""
        self._bind_loop()
        if self._turn is None:
            self._turn = asyncio.Lock()
        async with self._turn:
            if self._native is not None:
                return
            if self._closed:
                raise RuntimeError("client is closed")
            tell_warnings(self._config)
            file, credential = _credential(self._config)
            queue = open_queue()
            try:
                self._native = await self._dial(queue, credential)
            except DeniedByServer as denied:
                raise AdmissionDeniedError(
                    had_credential=bool(credential),
                    credential_file=file,
                    our_endpoint_id=denied.our_endpoint_id,
                    server_address=self._address,
                ) from None
            finally:
                if self._native is None:
                    queue.close()
            self._queue = queue

    async def _dial(self, queue: _aster.Queue, credential: str) -> _aster.Client:
        foreign = bool(setting(self._config, "allow_foreign_channels"))
        operation = _aster.connect(
            queue, self._config, self._address, self._channel, credential, self._connect_timeout, foreign
        )
        return cast("_aster.Client", await settle(operation))

    async def client(self, service_cls: type[T]) -> T:
        """Return a stub for a service of the server. Its methods are those of the class, plus call options."""
        self._check_loop()
        native, queue = self._connected()
        info = service_info(service_cls)
        if info is None:
            raise TypeError(f"{service_cls} is not @service-decorated (missing __aster_service_info__)")
        stub = ServiceClient(info, native.bind(info.plan, queue), asyncio.get_running_loop())
        return cast("T", stub)

    async def close(self) -> None:
        """End every call, close the connection and release the node. Repeatable; never raises."""
        self._check_loop()
        self._closed = True
        native, queue = self._native, self._queue
        if native is None or queue is None:
            return
        self._native = None
        try:
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


def _text(address: Any) -> str | None:
    if address is None or isinstance(address, str):
        return address
    raise TypeError(f"an address is a string, got {type(address).__name__}")


def _credential(config: _aster.Config) -> tuple[str | None, str]:
    """Return what is presented: label and text. A missing file raises `FileNotFoundError`, a bad one `ValueError`."""
    return config.credential or (None, "")
