"""The example of content, documents and gossip prints what its closing comments say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "python" / "data_plane.py"


def test_data_plane():
    ran = subprocess.run([sys.executable, EXAMPLE], capture_output=True, text=True, timeout=20, check=False)
    expected = [line[2:] for line in EXAMPLE.read_text(encoding="utf-8").splitlines() if line.startswith("# b")]
    assert len(expected) == 3
    assert (ran.stdout.splitlines(), ran.returncode) == (expected, 0), ran.stderr
