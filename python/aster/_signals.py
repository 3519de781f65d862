"""What SIGTERM and SIGINT do to a server: the first ends it gracefully, the second at once."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

logger = logging.getLogger("aster.server")
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class SignalHandlers:
    """Handlers of one loop; `stop` is awaited once."""

    def __init__(self, stop: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._stop = stop
        self._stopping: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()

    def install(self) -> None:
        """Take the signals. `RuntimeError` outside of the main thread."""
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("signal handlers can only be installed in the main thread")
        for number in _SIGNALS:
            self._loop.add_signal_handler(number, self._received, number)

    def remove(self) -> None:
        """Give the signals back."""
        for number in _SIGNALS:
            self._loop.remove_signal_handler(number)

    def _received(self, number: int) -> None:
        if self._stopping is not None:
            logger.warning("Forced exit (second signal)")
            logging.shutdown()
            os._exit(1)
        logger.info("%s received, stopping", signal.Signals(number).name)
        self._stopping = self._loop.create_task(self._stop(), name="aster-signal")
