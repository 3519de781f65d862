"""What a handler may know of its call (`python-api.md` section 7)."""

from __future__ import annotations

import contextvars
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aster import _aster

_CALL: contextvars.ContextVar[_aster.ServerCall | CallContext | None] = contextvars.ContextVar(
    "aster_call", default=None
)


@dataclass
class CallContext:
    """One call, as its handler sees it. `deadline` is in seconds since 1970."""

    service: str
    method: str
    call_id: str
    session_id: str | None = None
    peer: str | None = None
    metadata: dict[str, str] = field(default_factory=dict[str, str])
    attributes: dict[str, str] = field(default_factory=dict[str, str])
    deadline: float | None = None
    is_streaming: bool = False
    pattern: str | None = None
    idempotent: bool = False
    attempt: int = 1

    @property
    def remaining_seconds(self) -> float | None:
        """Seconds until the deadline, not below zero; nothing without a deadline."""
        return None if self.deadline is None else max(0.0, self.deadline - time.time())

    @property
    def expired(self) -> bool:
        """Whether the deadline has passed."""
        return self.remaining_seconds == 0.0

    @staticmethod
    def current() -> CallContext | None:
        """Return the context of the handler that runs, if one does."""
        call = _CALL.get()
        if call is None or isinstance(call, CallContext):
            return call
        context = of_call(call)
        # The same object for everybody who asks.
        _CALL.set(context)
        return context


def of_call(call: _aster.ServerCall) -> CallContext:
    """Make the context of a call."""
    remaining, pattern = call.remaining, call.pattern
    # By position, which is faster: with interceptors every call comes here.
    return CallContext(
        call.service,
        call.method,
        call.call_id,
        call.session_id,
        call.peer,
        call.metadata,
        call.attributes,
        None if remaining is None else time.time() + remaining,
        pattern != "unary",
        pattern,
        call.idempotent,
    )


def enter_call(call: _aster.ServerCall | CallContext) -> None:
    """Make a call the current one of the task that runs."""
    _CALL.set(call)
