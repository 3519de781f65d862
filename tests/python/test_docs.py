"""The Python programs in docs/types.md run as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "types.md").read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_run(program):
    exec(compile(program, "docs/types.md", "exec"), {"__name__": "docs"})


def test_there_is_one():
    assert len(PROGRAMS) == 1
