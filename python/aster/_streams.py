"""What streaming calls give to their callers: response streams and channels (`python-api.md` section 5)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from aster._exchange import feed, receive, send, stop
from aster.errors import StreamClosedError
from aster.interceptors.retry import retrying
from aster.status import CancelledError, RpcError

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Coroutine, Iterable
    from types import TracebackType

    from typing_extensions import Self

    from aster import _aster
    from aster.context import CallContext
    from aster.interceptors._chain import Chain

    Opener = Callable[[], _aster.ClientCall]
    Examined = tuple[Chain, CallContext]

_EXIT_SECONDS = 5.0
_NOTHING: Any = object()
Req = TypeVar("Req")
Resp = TypeVar("Resp")


class ResponseStream(Generic[Resp]):
    """The responses of a server stream: `async for`. The call starts with the first item that is asked for.

    Leaving the loop, dropping the stream, `aclose()` and cancelling the task cancel the call.
    """

    _call: _aster.ClientCall | None = None
    _over = False

    def __init__(self, opener: Opener) -> None:
        self._opener = opener

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Resp:
        if self._over:
            raise StopAsyncIteration
        try:
            return await self._next()
        except asyncio.CancelledError:
            await self.aclose()
            raise
        except BaseException:
            self._over = True
            raise

    async def _next(self) -> Any:
        if self._call is None:
            self._call = self._opener()
        return await receive(self._call)

    async def aclose(self) -> None:
        """Cancel the call, unless it has ended."""
        self._over = True
        if self._call is not None:
            self._call.cancel()

    def __del__(self) -> None:
        if self._call is not None:
            self._call.cancel()


class ExaminedResponses(ResponseStream[Resp]):
    """Responses that pass interceptors."""

    def __init__(self, opener: Callable[[Any], _aster.ClientCall], request: Any, begin: Callable[[], Examined]) -> None:
        super().__init__(lambda: opener(self._request))
        self._request = request
        self._begin = begin
        self._examined: Examined | None = None

    async def _next(self) -> Any:
        first = self._examined is None
        chain, context = self._examined or self._begin()
        self._examined = chain, context
        try:
            item = await (self._start(chain, context) if first else super()._next())
            return await chain.response(context, item) if chain.has_response else item
        except StopAsyncIteration:
            chain.finish(context)
            raise
        except asyncio.CancelledError:
            chain.finish(context, CancelledError("cancelled"))
            raise
        except RpcError as error:
            stands = await chain.error(context, error)
            if self._call is not None:
                self._call.cancel()
            if stands is None:
                raise StopAsyncIteration from None
            raise stands from None

    async def _start(self, chain: Chain, context: CallContext) -> Any:
        if chain.has_start:
            await chain.start(context)
        if chain.has_request:
            self._request = await chain.request(context, self._request)
        if chain.retry is None:
            return await super()._next()
        item = await retrying(chain.retry, context, self._attempt, lambda: context.remaining_seconds)
        if item is _NOTHING:
            raise StopAsyncIteration
        return item

    async def _attempt(self) -> Any:
        self._call = None
        try:
            return await super()._next()
        except StopAsyncIteration:
            return _NOTHING

    async def aclose(self) -> None:
        """Cancel the call, unless it has ended."""
        if self._examined is not None:
            chain, context = self._examined
            chain.finish(context, CancelledError("cancelled"))
        await super().aclose()


class BidiChannel(Generic[Req, Resp]):
    """Both directions of a bidi call: `send`, `recv`, `async for`, `async with`.

    Leaving `async with` ends the requests, discards what still comes and raises what the call failed with; leaving it
    by an exception cancels the call. The call starts with `async with`, or the first message either way. A channel
    belongs to one event loop. A cancelled `recv` loses no item.
    """

    _call: _aster.ClientCall | None = None
    _feeder: asyncio.Task[None] | None = None
    _closed = False
    _over = False
    _told = False

    def __init__(
        self,
        opener: Opener,
        items: AsyncIterable[Req] | Iterable[Req] | None = None,
        begin: Callable[[], Examined] | None = None,
    ) -> None:
        self._opener = opener
        self._items = items
        self._begin = begin
        self._examined: Examined | None = None
        self._opening: asyncio.Lock | None = None

    async def _open(self) -> _aster.ClientCall:
        if self._call is not None:
            return self._call
        if self._opening is None:
            self._opening = asyncio.Lock()
        async with self._opening:
            return self._call or await self._start()

    async def _start(self) -> _aster.ClientCall:
        if self._begin is not None:
            chain, context = self._begin()
            self._examined = chain, context
            if chain.has_start:
                await self._guard(chain.start(context))
        self._call = call = self._opener()
        if self._items is not None:
            self._closed = True
            chain_and_context = self._examined or (None, None)
            self._feeder = asyncio.ensure_future(feed(call, self._items, *chain_and_context))
        return call

    async def _guard(self, hook: Coroutine[Any, Any, Any]) -> Any:
        """Run a hook; what it refuses ends the call."""
        try:
            return await hook
        except RpcError as error:
            raise await self._failed(error) or StreamClosedError("the channel is closed") from None

    async def _failed(self, error: RpcError) -> RpcError | None:
        self._over = self._told = True
        if self._call is not None:
            self._call.cancel()
        if self._examined is None:
            return error
        chain, context = self._examined
        return await chain.error(context, error)

    async def open(self) -> None:
        """Start the call, without a message. Idempotent."""
        await self._open()

    async def send(self, item: Req) -> None:
        """Send a request, once there is room.

        Raises `StreamClosedError` after `close()` and once the call has ended, `ContractViolationError` for a value
        that does not fit; the call goes on without it.
        """
        if self._closed or self._over:
            raise StreamClosedError("the channel is closed for sending")
        call = await self._open()
        passed: Any = item
        if self._examined is not None and self._examined[0].has_request:
            passed = await self._guard(self._examined[0].request(self._examined[1], item))
        if not await send(call, passed):
            raise StreamClosedError("the channel is closed: the call has ended")

    async def recv(self) -> Resp:
        """Return the next response.

        Raises `RpcError` if the call failed, `StreamClosedError` after its normal end.
        """
        try:
            return await self.__anext__()
        except StopAsyncIteration:
            raise StreamClosedError("the channel is closed: there are no more responses") from None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Resp:
        if self._over:
            raise StopAsyncIteration
        call = await self._open()
        try:
            item = await receive(call)
            if self._examined is not None and self._examined[0].has_response:
                item = await self._examined[0].response(self._examined[1], item)
        except StopAsyncIteration:
            self._over = True
            if self._examined is not None:
                self._examined[0].finish(self._examined[1])
            raise
        except RpcError as error:
            source = self._feeding_failure()
            if source is not None:
                self._over = self._told = True
                raise source from None
            stands = await self._failed(error)
            if stands is None:
                raise StopAsyncIteration from None
            raise stands from None
        else:
            response: Resp = item
            return response

    def _feeding_failure(self) -> BaseException | None:
        feeder = self._feeder
        return feeder.exception() if feeder is not None and feeder.done() and not feeder.cancelled() else None

    async def close(self) -> None:
        """End the requests; responses may still come. Repeatable."""
        if self._closed:
            return
        self._closed = True
        if not self._over:
            (await self._open()).end_input()

    async def wait_for_trailer(self) -> None:
        """Discard what still comes, until the call has ended. Raises `RpcError` if it failed."""
        async for _ in self:
            pass

    async def cancel(self) -> None:
        """Cancel the call, unless it has ended."""
        self._closed = True
        over, self._over = self._over, True
        if self._call is not None:
            self._call.cancel()
        if self._examined is not None and not over:
            self._examined[0].finish(self._examined[1], CancelledError("cancelled"))
        if self._feeder is not None:
            await stop(self._feeder)

    async def __aenter__(self) -> Self:
        await self._open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error is None and not self._told:
                if self._items is None:
                    await self.close()
                await asyncio.wait_for(self.wait_for_trailer(), _EXIT_SECONDS)
        except asyncio.TimeoutError:
            pass  # The server does not end the call: it is cancelled.
        finally:
            await self.cancel()

    def __del__(self) -> None:
        if self._call is not None:
            self._call.cancel()
