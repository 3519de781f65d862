"""The requests of a streaming call, as its handler iterates them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aster import _aster
    from aster.context import CallContext
    from aster.interceptors._chain import Chain

_NOTHING: Any = object()


class RequestStream:
    """The items that the client sends; ends when it half-closes."""

    __slots__ = ("_arrival", "_first", "_take")

    def __init__(self, call: _aster.ServerCall) -> None:
        self._take = call.take
        self._arrival = call.arrival
        self._first: Any = _NOTHING

    def __aiter__(self) -> RequestStream:
        return self

    async def __anext__(self) -> Any:
        if self._first is not _NOTHING:
            item, self._first = self._first, _NOTHING
            return item
        return await self._next()

    async def _next(self) -> Any:
        while True:
            item = self._take()
            if item is not None:
                return item
            await self._arrival()


class ExaminedStream(RequestStream):
    """Items that pass the interceptors before the handler sees them."""

    __slots__ = ("_chain", "_context")

    def __init__(self, call: _aster.ServerCall, chain: Chain, context: CallContext) -> None:
        super().__init__(call)
        self._chain = chain
        self._context = context

    async def examine_first(self) -> None:
        """Let the first item pass, or the end if there is none, before a handler starts."""
        try:
            self._first = await self._next()
        except StopAsyncIteration:
            await self._chain.examine_empty(self._context)

    async def _next(self) -> Any:
        return await self._chain.request(self._context, await super()._next())
