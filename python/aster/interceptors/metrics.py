"""Counts calls, and tells OpenTelemetry of them if it is installed."""

from __future__ import annotations

import importlib
import threading
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any

from aster.interceptors.base import Decider, notes, streams_output

if TYPE_CHECKING:
    from aster.context import CallContext
    from aster.status import RpcError

__all__ = ["MetricsInterceptor"]


@dataclass
class _Call:
    """A call that is being counted."""

    began: float
    span: Any
    succeeded: bool | None = None


class MetricsInterceptor(Decider):
    """Counts calls: started, succeeded, failed, and those in flight.

    With the extra `otel` it also feeds the counters `aster.rpc.started` and `aster.rpc.completed`, the histogram
    `aster.rpc.duration` in seconds, and makes one span `<service>/<method>` per call.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._started = 0
        self._succeeded = 0
        self._failed = 0
        self._otel = _Telemetry.find()

    @property
    def has_otel(self) -> bool:
        """Whether OpenTelemetry was found when this was made."""
        return self._otel is not None

    @property
    def started(self) -> int:
        """Calls that began."""
        return self._started

    @property
    def succeeded(self) -> int:
        """Calls that ended well."""
        return self._succeeded

    @property
    def failed(self) -> int:
        """Calls that ended with a status other than OK."""
        return self._failed

    @property
    def in_flight(self) -> int:
        """Calls that have not ended."""
        with self._lock:
            return self._started - self._succeeded - self._failed

    def snapshot(self) -> dict[str, int]:
        """Return all numbers as they are at one instant."""
        with self._lock:
            started, succeeded, failed = self._started, self._succeeded, self._failed
        return {
            "started": started,
            "succeeded": succeeded,
            "failed": failed,
            "in_flight": started - succeeded - failed,
        }

    async def on_response(self, ctx: CallContext, response: Any) -> Any:
        """Count the success of a call with one response."""
        if not streams_output(ctx):
            self._end(ctx, None)
        return response

    async def on_error(self, ctx: CallContext, error: RpcError) -> RpcError | None:
        """Count the failure of a call."""
        self._end(ctx, error)
        return error

    def _call_ended(self, ctx: CallContext, error: RpcError | None) -> None:
        self._end(ctx, error)

    def _decide(self, ctx: CallContext) -> None:
        span = None if self._otel is None else self._otel.begin(ctx)
        notes(ctx)[self] = _Call(monotonic(), span)
        with self._lock:
            self._started += 1

    def _end(self, ctx: CallContext, error: RpcError | None) -> None:
        call: _Call | None = notes(ctx).get(self)
        if call is None or call.succeeded is False or (call.succeeded and error is None):
            return
        with self._lock:
            # A response that did not get through was no success.
            self._succeeded += (error is None) - (call.succeeded is True)
            self._failed += error is not None
        first, call.succeeded = call.succeeded is None, error is None
        if first and self._otel is not None:
            self._otel.end(ctx, call.span, monotonic() - call.began, error)


class _Telemetry:
    """The instruments of OpenTelemetry."""

    def __init__(self, metrics: Any, trace: Any) -> None:
        meter = metrics.get_meter("aster")
        self._started = meter.create_counter("aster.rpc.started", unit="1", description="Calls that began")
        self._completed = meter.create_counter("aster.rpc.completed", unit="1", description="Calls that ended")
        self._duration = meter.create_histogram("aster.rpc.duration", unit="s", description="Time a call took")
        self._tracer = trace.get_tracer("aster")
        self._trace = trace

    @staticmethod
    def find() -> _Telemetry | None:
        try:
            metrics, trace = (importlib.import_module(f"opentelemetry.{name}") for name in ("metrics", "trace"))
        except ImportError:
            return None
        return _Telemetry(metrics, trace)

    def begin(self, ctx: CallContext) -> Any:
        about = _about(ctx)
        self._started.add(1, about)
        return self._tracer.start_span(f"{ctx.service}/{ctx.method}", attributes=about)

    def end(self, ctx: CallContext, span: Any, seconds: float, error: RpcError | None) -> None:
        about = {**_about(ctx), "rpc.status": "OK" if error is None else error.code.name}
        self._completed.add(1, about)
        self._duration.record(seconds, about)
        span.set_attribute("rpc.status", about["rpc.status"])
        if error is not None:
            span.set_status(self._trace.Status(self._trace.StatusCode.ERROR, error.message))
        span.end()


def _about(ctx: CallContext) -> dict[str, str]:
    return {"rpc.system": "aster", "rpc.service": ctx.service, "rpc.method": ctx.method}
