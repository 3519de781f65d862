"""Memory stays flat and nothing stays open, however many calls there were.

`ASTER_SOAK_CALLS` and `ASTER_SOAK_STREAMS` say how many; the full run has 200000 and 200.
"""

from __future__ import annotations

import asyncio
import os

import soak

# Taken before the fixture of all tests removes them.
CALLS = int(os.environ.get("ASTER_SOAK_CALLS", "20000"))
STREAMS = int(os.environ.get("ASTER_SOAK_STREAMS", "200"))
# Pages that allocators keep; what leaked per call would be much more.
SLACK_MIB = 6.0


def test_flat_memory_and_no_open_streams():
    outcome = asyncio.run(asyncio.wait_for(soak.run(CALLS, STREAMS), 60 + CALLS / 200))
    before, after = outcome["before"], outcome["after"]
    server = after["server"]
    assert (server["calls"], server["sessions"], server["left"]) == (0, 0, STREAMS), outcome
    for side in ("client", "server"):
        assert after[side]["mib"] - before[side]["mib"] < SLACK_MIB, outcome
        assert after[side]["tasks"] <= before[side]["tasks"], outcome
        assert after[side]["files"] <= before[side]["files"], outcome
