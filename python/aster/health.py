"""Health and metrics over HTTP, for probes and scrapers (`python-api.md` section 9, `config.md` section 10).

A few fixed paths, `GET` and `HEAD`, one request per connection, nothing of the request but its first line is used.
Everything is bounded: connections, bytes, time.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
import time
from abc import abstractmethod
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

from aster import _aster

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from typing_extensions import Self

__all__ = ["HealthServer", "HealthSource", "check_health", "check_ready", "metrics_snapshot"]

logger = logging.getLogger("aster.health")

_MAX_CONNECTIONS = 32
_MAX_REQUEST_BYTES = 8192
_REQUEST_SECONDS = 5.0
_ANSWER_SECONDS = 5.0
_LINGER_SECONDS = 1.0
_MAX_LINGER_BYTES = 1024 * 1024
_REQUEST_LINE_PARTS = 3


class HealthSource(Protocol):
    """What is asked of a server. `AsterServer` has it; other objects may have it too."""

    @abstractmethod
    def _health(self) -> dict[str, Any]:
        """Return `started`, `draining`, `closed` (bool), `running_calls`, `connections`, `sessions` (int).

        Counters may be added under `metrics`: name to number; `registry_failing` (bool) is optional.

        Must not block, and may be called at any time in the loop of the server.
        """


def check_health(server: HealthSource) -> dict[str, Any]:
    """Tell whether the process can answer: `{"status": "ok"}`, or `"closed"` once the server is closed."""
    return {"status": "closed" if server._health().get("closed") else "ok", "version": _aster.__version__}  # noqa: SLF001 - the protocol


def check_ready(server: HealthSource) -> dict[str, Any]:
    """Tell whether new calls are accepted: `{"ready": bool, "status": ...}`.

    `status` is `ready`, `starting`, `draining` or `closed`. While what the server publishes does not reach its registry
    there is `"registry": "failing"` beside; calls are accepted all the same.
    """
    facts = server._health()  # noqa: SLF001 - the protocol
    if facts.get("closed"):
        status = "closed"
    elif facts.get("draining"):
        status = "draining"
    else:
        status = "ready" if facts.get("started") else "starting"
    ready = {"ready": status == "ready", "status": status}
    return {**ready, "registry": "failing"} if facts.get("registry_failing") else ready


def metrics_snapshot(server: HealthSource) -> dict[str, float]:
    """Return the numbers of a server by name: `ready`, `running_calls`, `connections`, `sessions`, its counters."""
    facts = server._health()  # noqa: SLF001 - the protocol
    numbers: dict[str, float] = {"ready": int(check_ready(server)["ready"])}
    for name in ("running_calls", "connections", "sessions"):
        if name in facts:
            numbers[name] = facts[name]
    numbers.update(facts.get("metrics", {}))
    return numbers


def _prometheus(numbers: dict[str, float]) -> str:
    lines: list[str] = []
    for name, number in sorted(numbers.items()):
        plain = "".join(char if char.isascii() and (char.isalnum() or char == "_") else "_" for char in name)
        kind = "counter" if plain.endswith("_total") else "gauge"
        lines += [f"# TYPE aster_{plain} {kind}", f"aster_{plain} {number}"]
    return "\n".join(lines) + "\n"


class HealthServer:
    """Answers `/healthz`, `/readyz`, `/metrics` and `/metrics/prometheus` about a server, without authentication.

    `port=0` takes the port of the server's configuration, and serves nothing if that is 0 too; with `ephemeral` the
    system picks a port. A `host` other than loopback is warned about. Belongs to the loop of `start`.
    """

    def __init__(
        self, server: HealthSource, host: str = "127.0.0.1", port: int = 0, *, ephemeral: bool = False
    ) -> None:
        self._server = server
        self._host = host
        self._port = port
        self._ephemeral = ephemeral
        self._listener: asyncio.AbstractServer | None = None
        self._connections: dict[asyncio.Task[None], None] = {}
        self._started_at = time.monotonic()

    @property
    def port(self) -> int:
        """The port that is listened on; 0 while there is none."""
        if self._listener is None:
            return 0
        sockets = getattr(self._listener, "sockets", None) or ()
        return int(sockets[0].getsockname()[1]) if sockets else 0

    async def start(self) -> None:
        """Listen. Idempotent. Raises `OSError` if the port is in use."""
        if self._listener is not None:
            return
        port = self._port or (0 if self._ephemeral else _configured_port(self._server))
        if port == 0 and not self._ephemeral:
            return
        if not _is_loopback(self._host):
            logger.warning("health server listens on %s, which is not loopback, without authentication", self._host)
        self._started_at = time.monotonic()
        self._listener = await asyncio.start_server(self._accept, self._host, port, limit=_MAX_REQUEST_BYTES)

    async def stop(self) -> None:
        """Stop listening and drop open connections. Repeatable."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()
        for task in list(self._connections):
            task.cancel()
        if self._connections:
            await asyncio.wait(list(self._connections))
        if listener is not None:
            await listener.wait_closed()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or self._listener is None:
            writer.transport.abort()
            return
        if len(self._connections) >= _MAX_CONNECTIONS:
            next(iter(self._connections)).cancel()  # The oldest: whoever holds on gives way to who comes.
        self._connections[task] = None
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.TimeoutError):
            pass  # A peer that is slow or gone gets nothing.
        except asyncio.CancelledError:
            pass  # stop() does not wait for peers.
        finally:
            self._connections.pop(task, None)
            # Nothing is left to send, or nobody takes it.
            writer.transport.abort() if writer.transport.get_write_buffer_size() else writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _REQUEST_SECONDS)
        except asyncio.LimitOverrunError:
            writer.write(_response(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "request too large\n"))
            await asyncio.wait_for(_linger(reader, writer), _LINGER_SECONDS)
        except asyncio.IncompleteReadError:
            return
        else:
            writer.write(self._answer(head))
        await asyncio.wait_for(writer.drain(), _ANSWER_SECONDS)

    def _answer(self, head: bytes) -> bytes:
        parts = head.split(b"\r\n", 1)[0].split(b" ")
        if len(parts) != _REQUEST_LINE_PARTS or not parts[2].startswith(b"HTTP/1."):
            return _response(HTTPStatus.BAD_REQUEST, "bad request\n")
        method, target, _ = parts
        if method not in {b"GET", b"HEAD"}:
            return _response(HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD\n", extra="Allow: GET, HEAD\r\n")
        handler = self._handlers().get(target.split(b"?", 1)[0])
        if handler is None:
            return _response(HTTPStatus.NOT_FOUND, "not found\n", bodyless=method == b"HEAD")
        try:
            status, kind, body = handler()
        except Exception:
            logger.exception("health could not be told")
            return _response(HTTPStatus.INTERNAL_SERVER_ERROR, "internal error\n", bodyless=method == b"HEAD")
        return _response(status, body, kind=kind, bodyless=method == b"HEAD")

    def _handlers(self) -> dict[bytes, Callable[[], tuple[HTTPStatus, str, str]]]:
        return {
            b"/healthz": self._healthz,
            b"/readyz": self._readyz,
            b"/metrics": self._metrics,
            b"/metrics/prometheus": self._prometheus,
        }

    def _healthz(self) -> tuple[HTTPStatus, str, str]:
        found = check_health(self._server)
        return _status(found["status"] == "ok"), _JSON, json.dumps(found) + "\n"

    def _readyz(self) -> tuple[HTTPStatus, str, str]:
        found = check_ready(self._server)
        return _status(found["ready"]), _JSON, json.dumps(found) + "\n"

    def _numbers(self) -> dict[str, float]:
        return {**metrics_snapshot(self._server), "uptime_seconds": round(time.monotonic() - self._started_at, 3)}

    def _metrics(self) -> tuple[HTTPStatus, str, str]:
        return HTTPStatus.OK, _JSON, json.dumps(self._numbers()) + "\n"

    def _prometheus(self) -> tuple[HTTPStatus, str, str]:
        return HTTPStatus.OK, "text/plain; version=0.0.4; charset=utf-8", _prometheus(self._numbers())


async def _linger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take the rest of a request: closing on it would take the answer back."""
    writer.write_eof()
    taken = 0
    while taken < _MAX_LINGER_BYTES and (data := await reader.read(_MAX_REQUEST_BYTES)):
        taken += len(data)


_JSON = "application/json"


def _status(good: bool) -> HTTPStatus:
    return HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE


def _response(
    status: HTTPStatus, body: str, *, kind: str = "text/plain; charset=utf-8", bodyless: bool = False, extra: str = ""
) -> bytes:
    data = body.encode()
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\n"
        f"Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n{extra}\r\n"
    )
    return head.encode("ascii") + (b"" if bodyless else data)


def _configured_port(server: object) -> int:
    """Return `health_port` of the configuration that a server holds."""
    config = getattr(server, "_config", None)
    found = config.get("health_port") if isinstance(config, _aster.Config) else None
    return 0 if found is None else int(json.loads(found[0]))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
