"""The scenarios of calls, in one list: each runs on every kind of transport, with the same assertions.

A scenario takes a `Case`. `test_scenarios.py` makes the cases: which stub, over what, with interceptors or without.
"""

from __future__ import annotations

import scenarios_ends
import scenarios_good
import scenarios_sessions
from scenario_list import PATTERNS, SCENARIOS, WAITING, Case, blocked, noise

PARTS = (scenarios_good, scenarios_ends, scenarios_sessions)

__all__ = ["PARTS", "PATTERNS", "SCENARIOS", "WAITING", "Case", "blocked", "noise"]
