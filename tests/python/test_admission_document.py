"""docs/admission.md: its program prints what its closing comments say."""

from __future__ import annotations

import re
from pathlib import Path

from support import run

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "admission.md").read_text(encoding="utf-8")


def test_the_program_of_the_document_runs():
    [program] = re.findall(r"```python\n(.*?)```", DOCUMENT, flags=re.DOTALL)
    expected = [line[2:] for line in program.rstrip().splitlines() if line.startswith("# ")]
    assert len(expected) == 3
    ended = run(program)
    assert ended.stdout.splitlines() == expected, ended.stderr
