"""Runs the interceptors of one side, each hook exactly as often as `wire.md` section 17 says."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, cast

from aster.interceptors.base import Decider, Interceptor, streams_input, streams_output
from aster.interceptors.retry import RetryInterceptor
from aster.status import RpcError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from aster.context import CallContext

    Decide = Callable[[CallContext], None]
    Start = Callable[[CallContext], Coroutine[Any, Any, None]]
    Message = Callable[[CallContext, Any], Coroutine[Any, Any, Any]]
    Failure = Callable[[CallContext, RpcError], Coroutine[Any, Any, "RpcError | None"]]
    End = Callable[[CallContext, "RpcError | None"], None]

logger = logging.getLogger("aster.interceptors")

# Kept in the context of a call, and only of calls that need it.
_STOPPED_AT_START = "_aster_stopped_at_start"
_STOPPED_AT_REQUEST = "_aster_stopped_at_request"
_PASSED = "_aster_first_item_passed"
_ENDED = "_aster_ended"


class Chain:
    """The interceptors of a server or client, with the hooks they override looked up once.

    One call uses one `CallContext` object with it, from `start` to `finish` or `error`; attempts of a retry are one
    call. A call goes: `start`, then `request` per item, `response` per item, and at last either `finish` or `error`.
    Any of them may raise what a hook raises; the call has then failed, and the caller passes the failure to `error`.
    """

    __slots__ = (
        "_ends",
        "_errors",
        "_requests",
        "_responses",
        "_starts",
        "has_request",
        "has_response",
        "has_start",
        "has_unary_start",
        "retry",
        "starts_at_once",
    )

    def __init__(self, interceptors: Iterable[Interceptor]) -> None:
        chosen = list(interceptors)
        self._starts: list[tuple[int, Start, Decide | None]] = [
            (position, hook, _decides(chosen[position], "on_start")) for position, hook in _hooks(chosen, "on_start")
        ]
        self._requests: list[tuple[int, Message, Decide | None]] = [
            (position, hook, _decides(chosen[position], "on_request"))
            for position, hook in _hooks(chosen, "on_request")
        ]
        self._responses: list[Message] = [hook for _, hook in _hooks(chosen, "on_response")]
        started = {position for position, _, _ in self._starts}
        # With where they stand, and whether their `on_start` looks at calls, or at those with a stream of requests.
        self._errors: list[tuple[int, bool, bool, Failure]] = [
            (position, position in started, isinstance(chosen[position], Decider), hook)
            for position, hook in reversed(_hooks(chosen, "on_error"))
        ]
        self._ends: list[End] = [hook for _, hook in _hooks(chosen, "_call_ended")]
        self.has_start = bool(self._starts)
        # Whether `start` does anything for calls with one request: what decides does so with the request.
        self.has_unary_start = any(decide is None for _, _, decide in self._starts)
        self.has_request = bool(self._requests)
        self.has_response = bool(self._responses)
        # Whether a handler of a client or bidi stream may start before the first item has passed.
        self.starts_at_once = all(position in started for position, _, _ in self._requests)
        self.retry = next((one for one in chosen if isinstance(one, RetryInterceptor)), None)

    @staticmethod
    def of(interceptors: Iterable[Interceptor]) -> Chain | None:
        """Make a chain; nothing if there are no interceptors."""
        chosen = list(interceptors)
        return Chain(chosen) if chosen else None

    async def start(self, ctx: CallContext) -> None:
        """Run `on_start` of each, once per call, before any item."""
        position = 0
        streams = streams_input(ctx)
        try:
            for position, hook, decide in self._starts:  # noqa: B007 - where it stopped
                if decide is None:
                    await hook(ctx)
                elif streams:
                    decide(ctx)
        except BaseException:
            vars(ctx)[_STOPPED_AT_START] = position
            raise

    async def request(self, ctx: CallContext, item: Any) -> Any:
        """Run `on_request` of each for one request, and return what it became."""
        position = 0
        streams = streams_input(ctx)
        try:
            for position, hook, decide in self._requests:  # noqa: B007 - as above
                if decide is not None:
                    if not streams:
                        decide(ctx)
                    continue
                returned = await hook(ctx, item)
                if returned is None and item is not None:
                    raise _returned_nothing(hook)
                item = returned
        except BaseException:
            if _PASSED not in vars(ctx):
                vars(ctx)[_STOPPED_AT_REQUEST] = position
            raise
        if streams:
            vars(ctx)[_PASSED] = True
        return item

    async def examine_empty(self, ctx: CallContext) -> None:
        """Run `on_request` once without item, where no `on_start` has examined the call: its input ended empty."""
        started = {position for position, _, _ in self._starts}
        position = 0
        try:
            for position, hook, _ in self._requests:
                if position not in started:
                    await hook(ctx, None)
        except BaseException:
            vars(ctx)[_STOPPED_AT_REQUEST] = position
            raise
        vars(ctx)[_PASSED] = True

    async def response(self, ctx: CallContext, item: Any) -> Any:
        """Run `on_response` of each for one response, and return what it became."""
        for hook in self._responses:
            returned = await hook(ctx, item)
            if returned is None and item is not None:
                raise _returned_nothing(hook)
            item = returned
        return item

    async def error(self, ctx: CallContext, error: RpcError) -> RpcError | None:
        """Run `on_error` of each that saw the call, last first, and return the error that stands.

        `None` means that the call ends normally, which only server and bidi streams do. Hooks run once per call,
        whatever fails later; a second error is returned as it is. A hook may raise another `RpcError` in place of
        returning it; anything else that it raises is logged, and the error stands.
        """
        kept = vars(ctx)
        if kept.get(_ENDED):
            return error
        kept[_ENDED] = True
        stands: RpcError | None = error
        for position, starts, only_streams, hook in self._errors:
            started = starts and (not only_streams or streams_input(ctx))
            if not _saw_the_call(kept, position, started):
                continue
            returned = await _answer(hook, ctx, error)
            if returned is None:
                if not streams_output(ctx):
                    continue
                stands = None
                break
            stands = error = returned
        if type(stands) is RpcError:
            # What callers catch is the class of the code.
            stands = RpcError.from_status(stands.code, stands.message, stands.details).with_traceback(
                stands.__traceback__
            )
            stands.__cause__ = error.__cause__
        for end in self._ends:
            end(ctx, stands)
        return stands

    def finish(self, ctx: CallContext, error: RpcError | None = None) -> None:
        """Note the normal end of a call, after its last response; or, without hooks, an error nobody can await for."""
        if not self._ends or vars(ctx).get(_ENDED):
            return
        vars(ctx)[_ENDED] = True
        for end in self._ends:
            end(ctx, error)


def _hooks(interceptors: list[Interceptor], name: str) -> list[tuple[int, Any]]:
    """Return the hooks of a name that do something, with the position of their interceptor."""
    inherited = getattr(Interceptor, name)
    found = [(position, getattr(one, name, inherited)) for position, one in enumerate(interceptors)]
    return [(position, hook) for position, hook in found if getattr(hook, "__func__", hook) is not inherited]


def _decides(interceptor: Interceptor, name: str) -> Decide | None:
    """Return what decides in place of a hook, without a coroutine; nothing if the hook is one of its own."""
    own = getattr(type(interceptor), name) is not getattr(Decider, name, None) or name in vars(interceptor)
    return None if own or not isinstance(interceptor, Decider) else interceptor._decide  # noqa: SLF001 - ours


def _saw_the_call(kept: dict[str, Any], position: int, started: bool) -> bool:
    """Tell whether the turn of an interceptor came before one refused the call."""
    stopped = kept.get(_STOPPED_AT_START)
    if stopped is not None:
        return bool(position <= stopped)
    stopped = kept.get(_STOPPED_AT_REQUEST)
    return stopped is None or started or bool(position <= stopped)


async def _answer(hook: Failure, ctx: CallContext, error: RpcError) -> RpcError | None:
    try:
        returned = cast("object", await hook(ctx, error))  # Hooks of the program may return anything.
    except RpcError as other:
        return other
    except Exception:
        logger.exception("%s failed; the error of the call stands", _name(hook))
        return error
    if returned is None or isinstance(returned, RpcError):
        return returned
    logger.error("%s returned %s; the error of the call stands", _name(hook), type(returned).__name__)
    return error


def _returned_nothing(hook: Message) -> TypeError:
    return TypeError(f"{_name(hook)} returned None; it must return the message that goes on")


def _name(hook: Any) -> str:
    return str(getattr(hook, "__qualname__", hook))
