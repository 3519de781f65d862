"""Verification of instance identities by the program (`trust.md` section 10). Servers verify with configured keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from aster.trust.nonces import spawn, tell

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Mapping

    from aster import _aster

__all__ = ["IIDBackend", "MockIIDBackend"]


class IIDBackend(Protocol):
    """Verifies documents in which a cloud says what a peer runs on. One that raises, or is late, denies."""

    def verify(self, attributes: Mapping[str, str], iid_token: str, endpoint_id: str, /) -> Awaitable[bool] | bool:
        """Tell whether a document proves what the attributes `aster.iid_*` of a credential say of a peer."""
        ...


class MockIIDBackend:
    """Says the same of every document; for tests. `asked` counts."""

    def __init__(self, should_pass: bool = True) -> None:
        self.should_pass = should_pass
        self.asked = 0

    async def verify(self, attributes: Mapping[str, str], iid_token: str, endpoint_id: str) -> bool:
        """Return what was chosen."""
        del attributes, iid_token, endpoint_id
        self.asked += 1
        return self.should_pass


def asker(backend: IIDBackend) -> Callable[[dict[str, str], str, str, _aster.Answer], None]:
    """Return what core calls in the loop to ask a backend."""
    running: set[asyncio.Task[None]] = set()

    def ask(attributes: dict[str, str], token: str, peer: str, answer: _aster.Answer) -> None:
        spawn(running, tell(answer, backend.verify, attributes, token, peer))

    return ask
