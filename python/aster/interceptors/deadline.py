"""Refuses calls whose deadline has passed."""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING

from aster import _aster
from aster.interceptors.base import Decider
from aster.status import DeadlineExceededError

if TYPE_CHECKING:
    from aster.context import CallContext

__all__ = ["DeadlineInterceptor"]


class DeadlineInterceptor(Decider):
    """Refuses calls that arrive too late; those that become late are core's, which needs no interceptor."""

    def __init__(self, skew_tolerance_ms: int = _aster.DEADLINE_SKEW_MS) -> None:
        """Tolerate deadlines that passed up to this many milliseconds ago."""
        if skew_tolerance_ms < 0:
            raise ValueError("skew_tolerance_ms must not be negative")
        self.skew_tolerance_ms = skew_tolerance_ms
        self._tolerance = skew_tolerance_ms / 1000

    def timeout_seconds(self, ctx: CallContext) -> float | None:
        """Return the seconds a call has left, not below zero; nothing without a deadline."""
        return None if ctx.deadline is None else max(0.0, ctx.deadline - time())

    def _decide(self, ctx: CallContext) -> None:
        if ctx.deadline is not None and time() - ctx.deadline > self._tolerance:
            raise DeadlineExceededError(_aster.DEADLINE_EXPIRED)
