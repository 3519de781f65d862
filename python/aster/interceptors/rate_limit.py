"""Limits how many calls begin per second."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from time import monotonic
from typing import TYPE_CHECKING

from aster.interceptors.base import Decider
from aster.status import ResourceExhaustedError

if TYPE_CHECKING:
    from aster.context import CallContext

__all__ = ["RateLimitInterceptor"]

_KEYS = ("global", "service", "method", "peer")
# Buckets of one limit; the one used longest ago makes room for a new one.
_MAX_BUCKETS = 10_000


class RateLimitInterceptor(Decider):
    """Refuses calls with RESOURCE_EXHAUSTED when a token bucket is empty; detail `retry_after_ms` says for how long."""

    def __init__(
        self,
        rate: float = 100.0,
        burst: float | None = None,
        per: str = "global",
        *,
        global_rps: float | None = None,
        per_service_rps: float | None = None,
        per_method_rps: float | None = None,
        per_peer_rps: float | None = None,
    ) -> None:
        """Allow `rate` calls per second for each `per` (`global`, `service`, `method` or `peer`).

        The `.._rps` arguments set several limits at once, in place of `rate` and `per`; a call must pass all of them.
        `burst` is what may come at once, one second's worth by default, at least 1.
        """
        if per not in _KEYS:
            raise ValueError(f"per must be one of {', '.join(_KEYS)}, got {per!r}")
        several = dict(zip(_KEYS, (global_rps, per_service_rps, per_method_rps, per_peer_rps)))
        chosen = {key: value for key, value in several.items() if value is not None} or {per: rate}
        self._limits = [_Limit(key, value, burst) for key, value in chosen.items()]
        self._lock = threading.Lock()

    def _decide(self, ctx: CallContext) -> None:
        now = monotonic()
        with self._lock:
            buckets = [limit.bucket(ctx, now) for limit in self._limits]
            # A call that one limit refuses takes nothing from the others.
            for limit, bucket in zip(self._limits, buckets):
                if bucket.tokens < 1:
                    raise limit.refusal(bucket)
            for bucket in buckets:
                bucket.tokens -= 1


class _Bucket:
    __slots__ = ("tokens", "when")

    def __init__(self, tokens: float, when: float) -> None:
        self.tokens = tokens
        self.when = when


class _Limit:
    """One rate, and a bucket for each of what it is limited by."""

    def __init__(self, per: str, rate: float, burst: float | None) -> None:
        if not rate > 0 or not math.isfinite(rate):
            raise ValueError("a rate must be a positive number of calls per second")
        if burst is not None and not burst >= 1:
            raise ValueError("burst must be at least 1")
        self.per = per
        self.rate = rate
        self.burst = max(1.0, rate) if burst is None else burst
        self.buckets: OrderedDict[object, _Bucket] = OrderedDict()

    def bucket(self, ctx: CallContext, now: float) -> _Bucket:
        """Return the bucket of a call, filled up to now."""
        key = self._key(ctx)
        bucket = self.buckets.get(key)
        if bucket is None:
            if len(self.buckets) >= _MAX_BUCKETS:
                self.buckets.popitem(last=False)
            bucket = self.buckets[key] = _Bucket(self.burst, now)
            return bucket
        self.buckets.move_to_end(key)
        bucket.tokens = min(self.burst, bucket.tokens + max(0.0, now - bucket.when) * self.rate)
        bucket.when = now
        return bucket

    def refusal(self, bucket: _Bucket) -> ResourceExhaustedError:
        """Return the error of a call that finds its bucket empty."""
        wait = math.ceil((1 - bucket.tokens) / self.rate * 1000)
        text = f"Rate limit exceeded ({self.rate:g}/s per {self.per})"
        return ResourceExhaustedError(text, {"retry_after_ms": str(wait)})

    def _key(self, ctx: CallContext) -> object:
        if self.per == "service":
            return ctx.service
        if self.per == "method":
            return ctx.service, ctx.method
        return ctx.peer if self.per == "peer" else None
