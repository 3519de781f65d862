"""Admitted peers and what they were granted (`trust.md` section 9). The list is core's."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from aster import _aster

__all__ = ["PeerAdmission", "PeerAttributeStore"]

DEFAULT_TTL_S = 86_400
_REAP_INTERVAL_S = 300.0


@dataclass(frozen=True)
class PeerAdmission:
    """The admission of a peer. Times are in seconds since 1970.

    `handle` is text for display. `expires_at` is when it ends; 0: only the time counts that the store gives.
    `admission_path` is `consumer`, `producer`, `mesh`, `delegated` or `manual`.
    """

    endpoint_id: str
    handle: str = ""
    attributes: dict[str, str] = field(default_factory=dict[str, str])
    admitted_at: float = field(default_factory=time.time)
    expires_at: float = 0.0
    admission_path: str = "manual"


class PeerAttributeStore:
    """A list of admitted peers, at most 65 536. An admission holds for `ttl_s` seconds (default one day) or less.

    Given to a `Server` or a `MeshEndpointHook` it is what their gate looks at. Names are endpoint ids, 64 lower-case
    hex digits; others can be kept, but no connection ever has them. Look-ups know nothing of admissions that have
    ended.
    """

    def __init__(self, ttl_s: int = DEFAULT_TTL_S) -> None:
        self._peers = _aster.Peers(False, ttl_s)
        self._reaper: asyncio.Task[None] | None = None

    def admit(self, admission: PeerAdmission) -> None:
        """Put a peer on the list, in place of what it had.

        `ValueError` for a path or time that is none, `LimitExceeded` if there is no room, `PermissionError` for a peer
        that is revoked.
        """
        self._peers.admit(
            admission.endpoint_id,
            admission.handle,
            admission.attributes,
            admission.admitted_at,
            admission.expires_at,
            admission.admission_path,
        )

    def get(self, endpoint_id: str) -> PeerAdmission | None:
        """Return the admission of a peer. Its `expires_at` is when it really ends."""
        found = self._peers.get(endpoint_id)
        return None if found is None else PeerAdmission(endpoint_id, *found)

    def get_attributes(self, endpoint_id: str) -> dict[str, str]:
        """Return what a peer was granted; nothing for one that is not admitted."""
        found = self.get(endpoint_id)
        return {} if found is None else found.attributes

    def remove(self, endpoint_id: str) -> bool:
        """End the admission of a peer and its connections. False: it had none."""
        return self._peers.remove(endpoint_id)

    def sweep_expired(self) -> int:
        """Forget admissions that have ended and close their connections; return how many there were."""
        return self._peers.sweep()

    def peer_count(self) -> int:
        """Return how many peers are admitted."""
        return len(self._peers.names)

    def start_reaper(self) -> None:
        """Sweep every 300 seconds, in the loop that runs. Repeatable; the store of an `AsterServer` needs none."""
        if self._reaper is None or self._reaper.done():
            self._reaper = asyncio.create_task(self._reap(), name="aster-reaper")

    def stop_reaper(self) -> None:
        """Sweep no more. Repeatable."""
        if self._reaper is not None:
            self._reaper.cancel()
            self._reaper = None

    async def _reap(self) -> None:
        while True:
            await asyncio.sleep(_REAP_INTERVAL_S)
            self.sweep_expired()

    def _view(self, peers: _aster.Peers) -> None:
        """Show another list from now on, which takes over what this one has."""
        peers.take_over(self._peers)
        self._peers = peers

    def __repr__(self) -> str:
        return f"<PeerAttributeStore of {self.peer_count()}>"
