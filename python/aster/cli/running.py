"""Runs a command's coroutine. Ctrl-C cancels it, so that calls are cancelled at the peer."""

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

_EXIT_BY_INTERRUPT = 128 + signal.SIGINT


def asynchronous(command: Callable[..., Coroutine[Any, Any, T]]) -> Callable[..., T]:
    """Make a command of a coroutine function."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> T:
        return complete(command(*args, **kwargs))

    return run


def complete(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end. `click.Abort` after Ctrl-C; a second one ends the process at once."""
    interrupts = _Interrupts()
    try:
        return asyncio.run(interrupts.guard(work))
    except asyncio.CancelledError:
        if interrupts.happened:
            raise click.Abort from None
        raise


class _Interrupts:
    """Ctrl-C as cancellation of a task."""

    happened = False
    _task: asyncio.Task[Any] | None = None

    async def guard(self, work: Coroutine[Any, Any, T]) -> T:
        self._task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        try:
            # Set explicitly: in the background of a shell the signal is ignored by default.
            loop.add_signal_handler(signal.SIGINT, self._received)
        except (NotImplementedError, RuntimeError, ValueError):
            # Not on Windows, not outside of the main thread: asyncio does what it can.
            return await work
        try:
            return await work
        finally:
            loop.remove_signal_handler(signal.SIGINT)

    def _received(self) -> None:
        if self.happened:
            os._exit(_EXIT_BY_INTERRUPT)
        self.happened = True
        if self._task is not None:
            self._task.cancel()
