"""Sends idempotent calls again that the server could not take (`wire.md` section 17)."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from aster.interceptors.base import Interceptor
from aster.status import RpcError, StatusCode

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from aster.context import CallContext

__all__ = ["ExponentialBackoff", "RetryInterceptor", "RetryPolicy"]

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class ExponentialBackoff:
    """Waits between attempts: `min(max_ms, initial_ms * multiplier ** (n - 1))`, and up to the share `jitter` more."""

    initial_ms: float = 100
    max_ms: float = 30000
    multiplier: float = 2.0
    jitter: float = 0.1

    def __post_init__(self) -> None:
        if min(self.initial_ms, self.max_ms, self.multiplier, self.jitter) < 0:
            raise ValueError("a backoff has no negative numbers")

    def seconds(self, attempt: int) -> float:
        """Return the seconds to wait after this attempt, counted from 1."""
        try:
            delay = min(self.max_ms, self.initial_ms * self.multiplier ** (attempt - 1))
        except OverflowError:
            delay = self.max_ms
        return delay * (1 + random.random() * self.jitter) / 1000  # noqa: S311 - spreads load, keeps no secret


@dataclass(frozen=True)
class RetryPolicy:
    """How often a call is sent at most, the first time counted, and the waits between."""

    max_attempts: int = 3
    backoff: ExponentialBackoff = field(default_factory=ExponentialBackoff)

    def __post_init__(self) -> None:
        if self.max_attempts < 1:
            raise ValueError("max_attempts must be at least 1")


class RetryInterceptor(Interceptor):
    """Makes clients send idempotent calls again that ended with UNAVAILABLE.

    These are unary calls, server streams before their first item, client streams before one of their items was taken.
    All attempts share the deadline and the call id; `ctx.attempt` counts them. The other interceptors see one call.
    """

    def __init__(self, policy: RetryPolicy | None = None, retryable_codes: Iterable[int] | None = None) -> None:
        """Take a policy (three attempts by default) and the codes that are worth another try (UNAVAILABLE)."""
        self.policy = policy or RetryPolicy()
        codes = (StatusCode.UNAVAILABLE,) if retryable_codes is None else retryable_codes
        self.retryable_codes = frozenset(StatusCode(code) for code in codes)

    def should_retry(self, ctx: CallContext, error: RpcError) -> bool:
        """Tell whether the call, whose attempt `ctx.attempt` ended so, may be sent once more."""
        return (
            ctx.idempotent
            and ctx.pattern != "bidi_stream"
            and ctx.attempt < self.policy.max_attempts
            and error.code in self.retryable_codes
            and not ctx.expired
        )

    def backoff_seconds(self, attempt: int) -> float:
        """Return the seconds to wait after this attempt, counted from 1."""
        return self.policy.backoff.seconds(attempt)


async def retrying(
    interceptor: RetryInterceptor,
    ctx: CallContext,
    attempt: Callable[[], Awaitable[_Result]],
    remaining_seconds: Callable[[], float | None],
    *,
    may_repeat: Callable[[], bool] | None = None,
) -> _Result:
    """Run attempts of one call until one succeeds or the interceptor gives up; return what it returned.

    An attempt opens a new stream. For a server stream it ends with the first item, or the end without one; for a
    client stream `may_repeat` tells whether none of its items was taken yet. `remaining_seconds` is the time left of
    the call's only deadline, if it has one: an attempt that could not begin before it is not waited for.
    """
    while True:
        try:
            return await attempt()
        except RpcError as error:
            if not interceptor.should_retry(ctx, error) or (may_repeat is not None and not may_repeat()):
                raise
            delay = interceptor.backoff_seconds(ctx.attempt)
            left = remaining_seconds()
            if left is not None and delay >= left:
                raise
        await asyncio.sleep(delay)
        ctx.attempt += 1
