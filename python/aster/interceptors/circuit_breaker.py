"""Stops calling what does not answer."""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING, Any

from aster.interceptors.base import Decider, notes, streams_output
from aster.status import RpcError, StatusCode, UnavailableError

if TYPE_CHECKING:
    from aster.context import CallContext

__all__ = ["CircuitBreakerInterceptor"]

_FAILURES = frozenset({StatusCode.UNAVAILABLE, StatusCode.INTERNAL, StatusCode.UNKNOWN})
# Our own doing, or too little to say that the other side works.
_NEUTRAL = frozenset({StatusCode.CANCELLED, StatusCode.DEADLINE_EXCEEDED, StatusCode.RESOURCE_EXHAUSTED})
_REFUSED = -1


class CircuitBreakerInterceptor(Decider):
    """Refuses calls with UNAVAILABLE after several failures in a row, until a trial call succeeds.

    `closed`: calls pass, and `failure_threshold` failures without a success between them open it. `open`: calls are
    refused for `recovery_timeout` seconds. `half_open`: at most `half_open_max_calls` calls at once are tried; a
    success closes, a failure opens. Failures are UNAVAILABLE, INTERNAL and UNKNOWN.
    """

    def __init__(
        self, *, failure_threshold: int = 3, recovery_timeout: float = 5.0, half_open_max_calls: int = 1
    ) -> None:
        if failure_threshold < 1 or half_open_max_calls < 1 or recovery_timeout < 0:
            raise ValueError("failure_threshold and half_open_max_calls must be at least 1, recovery_timeout 0")
        self.failure_threshold = failure_threshold
        self.recovery_timeout = recovery_timeout
        self.half_open_max_calls = half_open_max_calls
        self._lock = threading.Lock()
        self._state = "closed"
        self._failures = 0
        self._trials = 0
        self._opened_at = 0.0
        # Calls of an earlier state have no say in this one.
        self._generation = 0

    @property
    def state(self) -> str:
        """`closed`, `open` or `half_open`."""
        with self._lock:
            self._look_at_clock()
            return self._state

    def before_call(self) -> None:
        """Take the place of a call; raise UNAVAILABLE if there is none."""
        self._admit()

    def record_success(self) -> None:
        """Note that a call succeeded."""
        self._record(self._generation, failed=False)

    def record_failure(self) -> None:
        """Note that a call failed."""
        self._record(self._generation, failed=True)

    async def on_response(self, ctx: CallContext, response: Any) -> Any:
        """Note the success of a call with one response."""
        if not streams_output(ctx):
            self._settle(ctx, None)
        return response

    async def on_error(self, ctx: CallContext, error: RpcError) -> RpcError | None:
        """Note the failure of a call."""
        self._settle(ctx, error)
        return error

    def _call_ended(self, ctx: CallContext, error: RpcError | None) -> None:
        if self in notes(ctx):
            self._settle(ctx, error)

    def _decide(self, ctx: CallContext) -> None:
        kept = notes(ctx)
        kept[self] = _REFUSED
        kept[self] = self._admit()

    def _admit(self) -> int:
        with self._lock:
            self._look_at_clock()
            if self._state == "open":
                raise UnavailableError("circuit breaker is open")
            if self._state == "half_open":
                if self._trials >= self.half_open_max_calls:
                    raise UnavailableError("circuit breaker is half-open")
                self._trials += 1
            return self._generation

    def _settle(self, ctx: CallContext, error: RpcError | None) -> None:
        """Note how a call ended, unless that is done or it was ours to refuse."""
        kept = notes(ctx)
        generation = kept.get(self, self._generation)
        kept[self] = _REFUSED
        if generation == _REFUSED:
            return
        if error is None or error.code not in _NEUTRAL:
            self._record(generation, failed=error is not None and error.code in _FAILURES)
            return
        with self._lock:
            if generation == self._generation and self._trials:
                self._trials -= 1

    def _record(self, generation: int, *, failed: bool) -> None:
        with self._lock:
            if generation != self._generation or self._state == "open":
                return
            if not failed:
                self._failures = 0
                if self._state == "half_open":
                    self._become("closed")
                return
            self._failures += 1
            if self._state == "half_open" or self._failures >= self.failure_threshold:
                self._opened_at = monotonic()
                self._become("open")

    def _look_at_clock(self) -> None:
        if self._state == "open" and monotonic() - self._opened_at >= self.recovery_timeout:
            self._become("half_open")

    def _become(self, state: str) -> None:
        self._state = state
        self._generation += 1
        self._failures = 0
        self._trials = 0
