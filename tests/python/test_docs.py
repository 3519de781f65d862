"""The Python programs in docs/ run as they stand, offline."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = [
    pytest.param(program, id=f"{name}-{number}")
    for name in ("types", "network")
    for number, program in enumerate(
        re.findall(r"```python\n(.*?)```", (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8"), re.DOTALL)
    )
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_run(program, tmp_path):
    path = tmp_path / "program.py"
    path.write_text(program, encoding="utf-8")
    ran = subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_there_are_some():
    assert len(PROGRAMS) == 7
