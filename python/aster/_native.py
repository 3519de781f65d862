"""What servers and clients share towards the native module: their queue, its loop, and operations."""

from __future__ import annotations

import asyncio
import os
import sys
import warnings
from typing import TYPE_CHECKING, Any

from aster import _aster

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

_FIRST_WITH_EAGER_TASKS = (3, 12)
_KEPT = "_aster_queue"


async def settle(operation: _aster.Operation) -> Any:
    """Wait for an operation. Cancelling the wait ends it, and releases what it made."""
    try:
        return await operation.future
    except asyncio.CancelledError:
        operation.abort()
        raise
    finally:
        del operation  # An exception must not keep, through this frame, the future that keeps it.


def open_queue() -> _aster.Queue:
    """Make the queue of the loop that runs."""
    loop = asyncio.get_running_loop()
    queue = _aster.Queue(loop, _task_maker(loop))
    queue.open()
    return queue


def loop_queue() -> _aster.Queue:
    """Return the queue of the loop that runs, for operations of nodes; made once and kept by the loop itself."""
    loop = asyncio.get_running_loop()
    kept = getattr(loop, _KEPT, None)
    if kept is None or kept[0] != os.getpid():
        # A forked child that goes on with the loop of its parent must not touch the queue of that process.
        kept = (os.getpid(), open_queue())
        setattr(loop, _KEPT, kept)
    queue: _aster.Queue = kept[1]
    return queue


async def perform(start: Callable[..., _aster.Operation], *arguments: Any) -> Any:
    """Run an operation of a node in the loop that runs. Cancelling the wait ends the operation."""
    return await settle(start(loop_queue(), *arguments))


async def receive(start: Callable[..., _aster.Operation], *arguments: Any) -> Any:
    """Wait for something that others bring. Cancelling the wait leaves it where it is, at any moment."""
    operation = start(loop_queue(), *arguments)
    try:
        arrival = await operation.future
    except asyncio.CancelledError:
        operation.abort()
        # It may have come in the turn of the loop in which the task was cancelled.
        future = operation.future
        if future.done() and not future.cancelled() and future.exception() is None:
            future.result().give_back()
        raise
    finally:
        del operation  # As in `settle`.
    return arrival.take()


def _task_maker(loop: asyncio.AbstractEventLoop) -> Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]:
    """Return what makes the task of a handler; where possible one that starts at once."""
    if sys.version_info < _FIRST_WITH_EAGER_TASKS or loop.get_task_factory() is not None:
        return loop.create_task
    options: dict[str, Any] = {"loop": loop, "eager_start": True}
    return lambda coroutine: asyncio.Task(coroutine, **options)


def running_loop(pid: int) -> asyncio.AbstractEventLoop:
    """Return the loop that runs. In a fork of the process with this number `RuntimeError` says that it is one."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        _aster.check_process(pid)
        raise


class LoopBound:
    """An object that belongs to the loop in which it was started."""

    _loop: asyncio.AbstractEventLoop | None = None
    _pid = 0

    def _bind_loop(self) -> None:
        """Belong to the loop that runs, or check that it is ours."""
        if self._loop is None:
            self._loop, self._pid = asyncio.get_running_loop(), os.getpid()
        else:
            self._check_loop()

    def _check_loop(self) -> None:
        if self._loop is not None and running_loop(self._pid) is not self._loop:
            _aster.check_process(self._pid)
            raise RuntimeError(f"{type(self).__name__} belongs to another event loop")


def warn_unclosed(dropped: object, queue: _aster.Queue, loop: asyncio.AbstractEventLoop | None) -> None:
    """Tell that an open object was dropped, and stop its queue."""
    warnings.warn(f"unclosed {dropped!r}", ResourceWarning, stacklevel=3, source=dropped)
    if loop is not None and not loop.is_closed():
        loop.call_soon_threadsafe(queue.close)
