"""Writes down who called what, and how it ended."""

from __future__ import annotations

import json
import logging
from time import time
from typing import TYPE_CHECKING, Any

from aster.interceptors.base import Decider, notes, streams_output

if TYPE_CHECKING:
    from collections.abc import Callable

    from aster.context import CallContext
    from aster.status import RpcError

__all__ = ["AuditLogInterceptor"]

_logger = logging.getLogger("aster.interceptors")


class AuditLogInterceptor(Decider):
    """Writes two entries per call: `request` when it begins, `response` or `error` when it ends.

    An entry is a dict with `event service method call_id attempt ts` (seconds since 1970), errors also with `code`
    (the name) and `message`. Messages and metadata of calls are never written.
    """

    def __init__(
        self,
        *,
        sink: list[dict[str, Any]] | Callable[[dict[str, Any]], object] | None = None,
        logger: logging.Logger | None = None,
    ) -> None:
        """Give entries to `sink`, a list or what is called with each; else, or also, to `logger` as JSON at INFO.

        Without either they go to the logger `aster.audit`. A sink that raises is reported, and the call goes on.
        """
        self.sink = sink
        self.logger = logging.getLogger("aster.audit") if sink is None and logger is None else logger

    async def on_response(self, ctx: CallContext, response: Any) -> Any:
        """Write the end of a call with one response."""
        if not streams_output(ctx):
            self._end(ctx, None)
        return response

    async def on_error(self, ctx: CallContext, error: RpcError) -> RpcError | None:
        """Write the end of a call that failed."""
        self._end(ctx, error)
        return error

    def _call_ended(self, ctx: CallContext, error: RpcError | None) -> None:
        if self in notes(ctx):
            self._end(ctx, error)

    def _decide(self, ctx: CallContext) -> None:
        notes(ctx)[self] = None
        self._write(ctx, "request")

    def _end(self, ctx: CallContext, error: RpcError | None) -> None:
        """Write how the call ended; once, but an error also after a response that did not get through."""
        kept = notes(ctx)
        event = "response" if error is None else "error"
        if kept.get(self) in {event, "error"}:
            return
        kept[self] = event
        if error is None:
            self._write(ctx, event)
        else:
            self._write(ctx, event, code=error.code.name, message=error.message)

    def _write(self, ctx: CallContext, event: str, **more: str) -> None:
        entry: dict[str, Any] = {
            "event": event,
            "service": ctx.service,
            "method": ctx.method,
            "call_id": ctx.call_id,
            "attempt": ctx.attempt,
            "ts": time(),
            **more,
        }
        if self.logger is not None:
            # JSON in ASCII: ids and texts come from peers.
            self.logger.info("%s", json.dumps(entry))
        if self.sink is None:
            return
        try:
            if callable(self.sink):
                self.sink(entry)
            else:
                self.sink.append(entry)
        except Exception:
            _logger.exception("the audit sink failed")
