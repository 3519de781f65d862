"""Handshakes that an application decides about (`config.md` section 6, `enable_hooks`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aster._native import receive

if TYPE_CHECKING:
    from collections.abc import Awaitable, Generator

    from aster import _aster

NOT_ADMITTED = 403


@dataclass(frozen=True)
class HookDecision:
    """What is to happen with a peer. Made by `create_allow()` or `create_deny()`."""

    allow: bool
    code: int = 0
    reason: str = ""

    @staticmethod
    def create_allow() -> HookDecision:
        """Let the peer in."""
        return HookDecision(allow=True)

    @staticmethod
    def create_deny(code: int = NOT_ADMITTED, reason: str = "not admitted") -> HookDecision:
        """Close the connection with this code and reason."""
        return HookDecision(allow=False, code=code, reason=reason)


@dataclass(frozen=True)
class HookHandshakeInfo:
    """A peer that has connected: its id, 64 hex digits, and the protocol it wants."""

    remote_endpoint_id: str
    alpn: bytes


class _Sent:
    """What was done already, for callers that await it."""

    def __await__(self) -> Generator[None, None, None]:
        return
        yield


class NodeHookDecisionSender:
    """Takes the decision about one handshake."""

    def __init__(self, native: _aster.PendingHandshake) -> None:
        self._native = native

    def send(self, decision: HookDecision) -> Awaitable[None]:
        """Decide, at once; may be awaited. `RuntimeError` the second time. Too late, it has no effect."""
        self._native.decide(None if decision.allow else (decision.code, decision.reason))
        return _Sent()


class NodeHookReceiver:
    """The handshakes of a node that wait for a decision. Without one in time the peer is refused with 403."""

    def __init__(self, native: _aster.Handshakes) -> None:
        self._native = native

    async def recv(self) -> tuple[HookHandshakeInfo, NodeHookDecisionSender]:
        """Wait for the next handshake. `IrohError` once the node is closed."""
        peer, alpn, pending = await receive(self._native.next)
        return HookHandshakeInfo(peer, alpn), NodeHookDecisionSender(pending)


@dataclass(frozen=True)
class HookConnectInfo:
    """Without effect; kept for programs that name it. Dials are not hooked."""

    remote_endpoint_id: str = ""
    alpn: bytes = b""


class HookReceiver:
    """Without effect; kept for programs that name it."""


class HookRegistration:
    """Without effect; kept for programs that name it."""


class HookManager:
    """Without effect; kept for programs that name it. Hooks of a node come from `take_hook_receiver()`."""
