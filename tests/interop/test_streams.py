"""Streams and sessions: the same scenario between every two of Python and Node, over QUIC between processes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from test_hello import environment, serving

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = {
    "python": [sys.executable, str(Path(__file__).parent / "streams/run_python.py")],
    "node": ["node", str(ROOT / "tests/node/dist/streams-scenario.js")],
}
EXPECTED = {
    "shared": {
        "count": [0, 3, 1999000],
        "total": [0, 499500],
        "first": 0,
        "negate": [42 - 1225, 42 - 499500],
        "breaks": [[0, 1, 2], 5, "no more", {"at": "3"}],
        "deadline": "DEADLINE_EXCEEDED",
    },
    "sessions": {
        "add": [1, 3],
        "other": 5,
        "count": [3, 4, 5, 6],
        "load": [4953, 4953],
        "running": 4960,
        "fail": ["NOT_FOUND", "nothing here"],
        "after": 4961,
        "closed": 2,
    },
}


@pytest.mark.parametrize("client", PROGRAMS)
@pytest.mark.parametrize("server", PROGRAMS)
def test_streams_and_sessions(server: str, client: str, tmp_path: Path) -> None:
    with serving([*PROGRAMS[server], "serve"], tmp_path) as address:
        ran = subprocess.run(
            [*PROGRAMS[client], "call", address],
            capture_output=True,
            text=True,
            env=environment(),
            cwd=tmp_path,
            timeout=60,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        assert json.loads(ran.stdout) == EXPECTED
