"""Stores of spent one-time tokens (`trust.md` section 9). One that raises, or is late, denies."""

from __future__ import annotations

import asyncio
import inspect
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Union

from aster import _aster
from aster._native import perform

if TYPE_CHECKING:
    import os
    from collections.abc import Awaitable

__all__ = ["InMemoryNonceStore", "NonceStore", "NonceStoreLike"]

logger = logging.getLogger("aster.trust")

NEVER = (1 << 53) - 1


class NonceStoreLike(Protocol):
    """What a program gives as a store of its own. Its functions may be coroutines, and have five seconds."""

    def consume(self, nonce: bytes, /) -> Awaitable[bool] | bool:
        """Spend a nonce of 32 bytes. False: it was spent before. Only one of several at once may succeed."""
        ...

    def is_consumed(self, nonce: bytes, /) -> Awaitable[bool] | bool:
        """Tell whether a nonce was spent."""
        ...


class _CoreStore:
    """A store of core's."""

    def __init__(self, native: _aster.Nonces) -> None:
        self._native = native

    async def consume(self, nonce: bytes, expires_at: int = NEVER) -> bool:
        """Spend a nonce of a token that expires in this second; false if it was spent before.

        `ValueError` unless it has 32 bytes, `LimitExceeded` if the store is full.
        """
        return bool(await perform(self._native.consume, nonce, expires_at))

    async def is_consumed(self, nonce: bytes) -> bool:
        """Tell whether a nonce was spent. `ValueError` unless it has 32 bytes."""
        return bool(await perform(self._native.is_consumed, nonce))


class InMemoryNonceStore(_CoreStore):
    """Remembers spent tokens as long as the process lives."""

    def __init__(self) -> None:
        super().__init__(_aster.Nonces.memory())


class NonceStore(_CoreStore):
    """Remembers spent tokens in a file, which several processes may share.

    `path` is that of the file; it is made when the first token is spent. A file that cannot be read raises `OSError`, a
    damaged one `ValueError`: half a list would admit twice.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        super().__init__(_aster.Nonces.file(str(self.path)))


AnyNonceStore = Union[NonceStoreLike, InMemoryNonceStore, NonceStore]


def native_nonces(store: AnyNonceStore, queue: _aster.Queue) -> _aster.Nonces:
    """Return what core asks; a store of the program is asked in the loop of the queue."""
    if isinstance(store, _CoreStore):
        return store._native  # noqa: SLF001 - of this module
    for name in ("consume", "is_consumed"):
        if not callable(getattr(store, name, None)):
            raise TypeError(f"a nonce store has {name}(nonce), {type(store).__name__} has not")
    running: set[asyncio.Task[None]] = set()

    def ask(nonce: bytes, is_spent: bool, expires_at: int, answer: _aster.Answer) -> None:
        del expires_at
        method = store.consume if is_spent else store.is_consumed
        spawn(running, tell(answer, method, nonce))

    return _aster.Nonces.hosted(queue, ask)


def spawn(running: set[asyncio.Task[None]], work: Any) -> None:
    """Start a task and keep it until it has ended."""
    task = asyncio.ensure_future(work)
    running.add(task)
    task.add_done_callback(running.discard)


async def tell(answer: _aster.Answer, method: Any, *arguments: Any) -> None:
    """Give what the program says to core. Anything but true or false in time is no answer, which denies."""
    try:
        said = method(*arguments)
        if inspect.isawaitable(said):
            said = await asyncio.wait_for(said, _aster.HOST_DECISION_TIMEOUT)
        if isinstance(said, bool):
            answer.give(said)
        else:
            logger.error("a store or backend answered %s instead of a bool", type(said).__name__)
    except Exception as error:  # noqa: BLE001 - whatever it is, core denies
        # Its text may quote what was asked for.
        logger.error("a store or backend raised %s", type(error).__name__)  # noqa: TRY400
    finally:
        answer.give(None)
