"""Clocks of the producers' mesh: whose differ from those of most (`trust.md` section 11). Core judges."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aster import _aster
from aster.config import environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["ClockDriftConfig"]


def _default(place: int) -> Callable[[], int]:
    return lambda: _aster.drift_defaults(environment())[place]


@dataclass(frozen=True)
class ClockDriftConfig:
    """How clocks are judged, in milliseconds.

    `replay_window_ms` is the age up to which a message counts, `drift_tolerance_ms` what a clock may differ from the
    median, `lease_heartbeat_ms` the interval of leases, `grace_period_ms` a time after joining in which nobody is
    judged; with fewer than `min_peers_for_median` offsets there is no median. Defaults are 30,000, 5000, 900,000,
    60,000 and 3; `ASTER_REPLAY_WINDOW_MS`, `ASTER_CLOCK_DRIFT_TOLERANCE_MS` and `ASTER_GRACE_PERIOD_MS` are read when
    it is made. `ValueError` if one of these is no number.
    """

    replay_window_ms: int = field(default_factory=_default(0))
    drift_tolerance_ms: int = field(default_factory=_default(1))
    lease_heartbeat_ms: int = field(default_factory=_default(2))
    grace_period_ms: int = field(default_factory=_default(3))
    min_peers_for_median: int = field(default_factory=_default(4))

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
