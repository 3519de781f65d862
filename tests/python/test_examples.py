"""The programs in `examples/python` print what their closing comments say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "python"
# Two processes that find each other: tests/interop runs them.
PAIRS = {"hello_server.py", "hello_client.py"}
PROGRAMS = sorted(path.name for path in EXAMPLES.glob("*.py") if path.name not in PAIRS)
SECONDS = 20


def expected(program):
    lines = (EXAMPLES / program).read_text(encoding="utf-8").splitlines()
    comments = []
    while lines and lines[-1].startswith("# "):
        comments.insert(0, lines.pop()[2:])
    assert comments, "a program ends with what it prints"
    return "".join(f"{line}\n" for line in comments)


def test_the_programs_of_the_specification_are_there():
    assert {
        "auth.py",
        "hello.py",
        "patterns.py",
        "sessions.py",
        "proxy.py",
        "interceptors.py",
        "data_plane.py",
        "raw_transport.py",
        "errors.py",
        "config_file.py",
        "drain.py",
        "failover.py",
    } <= set(PROGRAMS)


@pytest.mark.parametrize("program", PROGRAMS)
def test_output(program, tmp_path):
    env = {name: value for name, value in os.environ.items() if not name.startswith("ASTER_")}
    env |= {"ASTER_RELAY_MODE": "disabled", "ASTER_LOG_LEVEL": "error"}
    ran = subprocess.run(
        [sys.executable, EXAMPLES / program],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (0, expected(program)), ran.stderr
