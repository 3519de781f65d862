"""What an interceptor is (`python-api.md` section 7, `wire.md` section 17).

Not here: who runs them (`aster.interceptors._chain`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aster.context import CallContext
    from aster.status import RpcError

__all__ = ["Interceptor"]


class Interceptor:
    """Looks at calls, of a server or of a client. Override the hooks you need; the others cost nothing.

    Requests and responses pass the interceptors in the order of the list, errors in reverse. Raising `RpcError` in
    a hook refuses the call with that status. One object may see many calls at once: keep nothing of a call in `self`.
    """

    async def on_start(self, ctx: CallContext) -> None:
        """Run once per call, before any item."""

    async def on_request(self, ctx: CallContext, request: Any) -> Any:  # noqa: ARG002
        """Run for the decoded request, or for each item of a client or bidi stream; return what goes on.

        Without an `on_start` of the same class, a handler of a client or bidi stream waits until the first item has
        passed here. If the stream ended without one, this runs once with `None`, and what it returns is ignored.
        """
        return request

    async def on_response(self, ctx: CallContext, response: Any) -> Any:  # noqa: ARG002
        """Run for the response, or for each item of a server or bidi stream; return what goes on."""
        return response

    async def on_error(self, ctx: CallContext, error: RpcError) -> RpcError | None:  # noqa: ARG002
        """Run once if the call failed; return the error that goes on.

        `None` swallows it where a call can end without a response, that is server and bidi streams; elsewhere the
        error stands.
        """
        return error

    def _call_ended(self, ctx: CallContext, error: RpcError | None) -> None:
        """Run once at the very end of a call, however it ended. Private, for interceptors that count."""


class Decider(Interceptor):
    """Decides once per call: at its start for client and bidi streams, else with its request."""

    async def on_start(self, ctx: CallContext) -> None:
        """Decide, if requests are a stream."""
        if streams_input(ctx):
            self._decide(ctx)

    async def on_request(self, ctx: CallContext, request: Any) -> Any:
        """Decide, if there is one request."""
        if not streams_input(ctx):
            self._decide(ctx)
        return request

    def _decide(self, ctx: CallContext) -> None:
        """Raise `RpcError` to refuse the call."""


def streams_input(ctx: CallContext) -> bool:
    """Tell whether requests of the call are a stream."""
    # Patterns may be members of RpcPattern: they equal their text but do not hash like it.
    return ctx.pattern in ("client_stream", "bidi_stream")


def streams_output(ctx: CallContext) -> bool:
    """Tell whether responses of the call are a stream, so that it can end without one."""
    return ctx.pattern in ("server_stream", "bidi_stream")


def notes(ctx: CallContext) -> dict[Interceptor, Any]:
    """Return what interceptors keep of this call, by interceptor."""
    kept: dict[Interceptor, Any] = vars(ctx).setdefault("_aster_notes", {})
    return kept
