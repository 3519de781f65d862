"""Clocks of the producers' mesh: whose differ from those of most (`trust.md` section 11). Core judges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aster import _aster

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["ClockDriftConfig"]

_WINDOW, _TOLERANCE, _HEARTBEAT, _GRACE, _MINIMUM = _aster.drift_defaults()


@dataclass(frozen=True)
class ClockDriftConfig:
    """How clocks are judged, in milliseconds.

    `replay_window_ms` is the age up to which a message counts, `drift_tolerance_ms` what a clock may differ from the
    median, `lease_heartbeat_ms` the interval of leases, `grace_period_ms` a time after joining in which nobody is
    judged; with fewer than `min_peers_for_median` offsets there is no median.
    """

    replay_window_ms: int = _WINDOW
    drift_tolerance_ms: int = _TOLERANCE
    lease_heartbeat_ms: int = _HEARTBEAT
    grace_period_ms: int = _GRACE
    min_peers_for_median: int = _MINIMUM

    def median(self, offsets: Iterable[int]) -> int | None:
        """Return the median of offsets, of two the higher one; nothing for too few."""
        return _aster.drift_median(self._native(), list(offsets))

    def in_drift(self, offsets: Mapping[str, int]) -> set[str]:
        """Return the peers whose offset differs too much from the median."""
        median = self.median(offsets.values())
        if median is None:
            return set()
        return {peer for peer, offset in offsets.items() if _aster.drifts(self._native(), offset, median)}

    def _native(self) -> tuple[int, int, int, int, int]:
        return (
            self.replay_window_ms,
            self.drift_tolerance_ms,
            self.lease_heartbeat_ms,
            self.grace_period_ms,
            self.min_peers_for_median,
        )
