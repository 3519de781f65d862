"""The Python programs in the documents run as they stand, each in an empty directory."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = {"types.md": 1, "configuration.md": 4, "calls.md": 1, "interceptors.md": 1, "network.md": 6}


def programs(document):
    return re.findall(r"```python\n(.*?)```", (ROOT / "docs" / document).read_text(encoding="utf-8"), re.DOTALL)


PROGRAMS = [
    pytest.param(program, id=f"{document}-{number}")
    for document in DOCUMENTS
    for number, program in enumerate(programs(document))
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_run(program, tmp_path):
    path = tmp_path / "program.py"
    path.write_text(program, encoding="utf-8")
    env = {name: value for name, value in os.environ.items() if not name.startswith("ASTER_")}
    env |= {"ASTER_RELAY_MODE": "disabled", "ASTER_LOG_LEVEL": "error"}
    ran = subprocess.run(
        [sys.executable, path], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize(("document", "count"), DOCUMENTS.items())
def test_there_are_some(document, count):
    assert len(programs(document)) == count
