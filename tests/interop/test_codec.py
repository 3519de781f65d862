"""One scenario in every language: the same contract id, the same bytes, the same errors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
STAGE = Path(os.environ["STAGE_DIR"])  # libaster as `make stage` installs it
HERE = Path(__file__).parent / "codec"
SCENARIO = HERE / "scenario.json"


def result(command: list[str]) -> Any:
    ran = subprocess.run([*command, str(SCENARIO)], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    program = tmp_path_factory.mktemp("codec") / "run_c"
    link = [f"-I{STAGE / 'include'}", f"-L{STAGE / 'lib'}", "-laster", f"-Wl,-rpath,{STAGE / 'lib'}"]
    source = HERE / "run_c.c"
    subprocess.run(["cc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-o", program, source, *link], check=True)
    return {
        "python": result([sys.executable, str(HERE / "run_python.py")]),
        "node": result(["node", str(ROOT / "tests/node/dist/codec-scenario.js")]),
        "c": result([str(program)]),
    }


def test_contract_ids(results: dict[str, Any]) -> None:
    assert len({of["contract_id"] for of in results.values()}) == 1


def test_bytes_and_errors(results: dict[str, Any]) -> None:
    scenario = json.loads(SCENARIO.read_text(encoding="utf-8"))
    for name in scenario["values"]:
        outcomes = [of["outcomes"][name] for of in results.values()]
        assert outcomes[0]["xlang"].startswith("01ff1e00")
        assert outcomes.count(outcomes[0]) == len(results), name
    for name in scenario["refused"]:
        outcomes = [of["outcomes"][name] for of in results.values()]
        assert outcomes[0]["details"]["location"].startswith("Everything.")
        assert outcomes.count(outcomes[0]) == len(results), name
