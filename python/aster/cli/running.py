"""Runs a command's coroutine. Ctrl-C and SIGTERM cancel it, so that calls are cancelled at the peer."""

from __future__ import annotations

import asyncio
import functools
import os
import signal
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_EXIT_BY_SIGNAL = 128


def asynchronous(command: Callable[..., Coroutine[Any, Any, T]]) -> Callable[..., T]:
    """Make a command of a coroutine function."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> T:
        return complete(command(*args, **kwargs))

    return run


def complete(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end. `click` exits with 130 after Ctrl-C; a second one ends the process at once."""
    interrupts = _Interrupts()
    try:
        return asyncio.run(interrupts.guard(work))
    except asyncio.CancelledError:
        if interrupts.received is not None:
            raise click.exceptions.Exit(_EXIT_BY_SIGNAL + interrupts.received) from None
        raise


class _Interrupts:
    """Signals as cancellation of a task."""

    received: int | None = None
    _task: asyncio.Task[Any] | None = None

    async def guard(self, work: Coroutine[Any, Any, T]) -> T:
        self._task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        try:
            # Set explicitly: in the background of a shell Ctrl-C is ignored by default.
            for number in _SIGNALS:
                loop.add_signal_handler(number, self._receive, number)
        except (NotImplementedError, RuntimeError, ValueError):
            # Not on Windows, not outside of the main thread: asyncio does what it can.
            return await work
        try:
            return await work
        finally:
            for number in _SIGNALS:
                loop.remove_signal_handler(number)

    def _receive(self, number: int) -> None:
        if self.received is not None:
            os._exit(_EXIT_BY_SIGNAL + number)
        self.received = number
        if self._task is not None:
            self._task.cancel()
