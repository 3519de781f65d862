"""Objects of session services: one per session, made when it opens and told when it ends."""

from __future__ import annotations

import asyncio
import inspect
import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aster import _aster

logger = logging.getLogger("aster.server")


class SessionTable:
    """The open sessions of one service."""

    def __init__(self, cls: type[Any], queue: _aster.Queue) -> None:
        self._cls = cls
        self._queue = queue
        self._instances: dict[int, Any] = {}
        self._failures: dict[int, Exception] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def opened(self, ticket: int, session_id: str, peer: str | None) -> None:
        """Make the object of a session. If that fails, its calls fail with the same exception."""
        try:
            self._instances[ticket] = self._cls(peer=peer)
        except Exception as error:  # noqa: BLE001 - the caller is told
            self._failures[ticket] = error
            logger.debug("session %s: the constructor failed", session_id)

    def instance(self, ticket: int | None) -> Any:
        """Return the object of a session, or raise what its constructor raised."""
        failure = None if ticket is None else self._failures.get(ticket)
        if failure is not None:
            raise failure
        return self._instances[ticket or 0]

    def closed(self, ticket: int) -> None:
        """Run the close hook of a session, once, after its last handler."""
        self._failures.pop(ticket, None)
        instance = self._instances.pop(ticket, None)
        hook = getattr(instance, "on_session_close", None) or getattr(instance, "close", None)
        if not callable(hook):
            self._queue.release_session(ticket)
            return
        task = asyncio.ensure_future(self._close(ticket, hook))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _close(self, ticket: int, hook: Any) -> None:
        try:
            closed = hook()
            if inspect.isawaitable(closed):
                await closed
        except Exception:
            logger.exception("the close hook of %s failed", self._cls.__name__)
        finally:
            self._queue.release_session(ticket)
