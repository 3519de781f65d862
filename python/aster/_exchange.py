"""Moves the messages of streaming calls between host coroutines and the native module."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aster import _aster
    from aster.context import CallContext
    from aster.interceptors._chain import Chain

    Requests = AsyncIterable[Any] | Iterable[Any]


async def receive(call: _aster.ClientCall) -> Any:
    """Return the next item. Raises `StopAsyncIteration` after the last, or what the call failed with."""
    while True:
        item = call.take()
        if item is not None:
            return item
        await call.arrival()


async def send(call: _aster.ClientCall, item: Any) -> bool:
    """Send an item, once there is room. False: the call has ended."""
    while not call.send(item):
        if call.ended:
            return False
        await call.room()
    return True


async def closed(iterator: Any) -> None:
    """End a generator that was not exhausted now, not when somebody collects it."""
    close = getattr(iterator, "aclose", None)
    if close is not None:
        await close()


async def feed(call: _aster.ClientCall, items: Requests, chain: Chain | None, context: CallContext | None) -> None:
    """Send items until they or the call end, then half-close. What the items raise cancels the call."""

    async def sent(item: Any) -> bool:
        if chain is not None and chain.has_request and context is not None:
            item = await chain.request(context, item)
        return await send(call, item)

    iterator = items.__aiter__() if isinstance(items, AsyncIterable) else None
    try:
        if iterator is not None:
            async for item in iterator:
                if not await sent(item):
                    break
        else:
            for item in cast("Iterable[Any]", items):
                if not await sent(item):
                    break
    except BaseException:
        call.cancel()
        raise
    else:
        call.end_input()
    finally:
        await closed(iterator)


async def collect(
    call: _aster.ClientCall, items: Requests, chain: Chain | None = None, context: CallContext | None = None
) -> Any:
    """Send items and return the response, which may come before all of them are sent."""
    if not hasattr(items, "__aiter__") and not hasattr(items, "__iter__"):
        call.cancel()
        raise TypeError(f"requests must be an iterable of messages, got {type(items).__name__}")
    if isinstance(items, (list, tuple)):
        # Nobody but us is waited for: no task is needed.
        try:
            await feed(call, items, chain, context)
            return await receive(call)
        except BaseException:
            call.cancel()
            raise
    feeder = asyncio.ensure_future(feed(call, items, chain, context))
    try:
        return await receive(call)
    except BaseException:
        call.cancel()
        failure = _failure(feeder)
        if failure is not None:
            raise failure from None
        raise
    finally:
        await stop(feeder)


async def stop(feeder: asyncio.Future[None]) -> None:
    """End a feeder and wait until its iterable is closed."""
    if not feeder.done():
        feeder.cancel()
        await asyncio.wait([feeder])
    if not feeder.cancelled():
        feeder.exception()  # Seen, or of no interest any more.


def _failure(feeder: asyncio.Future[None]) -> BaseException | None:
    return feeder.exception() if feeder.done() and not feeder.cancelled() else None
