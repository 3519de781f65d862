"""Recursive, nested and enum types reach clients without classes and come back (`registry.md` RG-9)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from test_hello import environment, serving

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = {
    "python": [sys.executable, str(Path(__file__).parent / "dynamic/run_python.py")],
    "node": ["node", str(ROOT / "tests/node/dist/dynamic-scenario.js")],
}


def tree(name: str, *children: Any, **more: Any) -> dict[str, Any]:
    empty = {"size": "S", "leaves": {}, "by_number": {}, "kinds": [], "big": 0, "at": 0, "day": "1970-01-01"}
    rest = {"lasts": 0, "price": "0", "raw": "", "parent": None}
    kind = "BRANCH" if children else "LEAF"
    return {"name": name, "kind": kind, "children": list(children), **empty, **rest, **more}


EXPECTED = {
    "turned": tree(
        "root",
        tree("right"),
        tree("left", tree("deep")),
        size="L",
        leaves={"green": [{"word": "Blatt", "kind": "LEAF"}], "none": []},
        by_number={"-1": None, "7": "seven"},
        kinds=["BRANCH"],
        big=str(2**62),
        at=1714979289250,
        day="2024-02-29",
        lasts=1500,
        price="12.50",
        raw="00ff",
        parent={"tree": tree("root"), "depth": 2},
    ),
    "walked": [[0, "root", "BRANCH"], [1, "left", "BRANCH"], [2, "deep", "LEAF"], [1, "right", "LEAF"]],
    "wrong": {"unexpected_fields": "'twigs'", "location": "Tree.children[0]", "expected_class": "Tree"},
}


@pytest.mark.parametrize("client", PROGRAMS)
@pytest.mark.parametrize("server", PROGRAMS)
def test_dynamic_clients(server: str, client: str, tmp_path: Path) -> None:
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
    got = json.loads(ran.stdout)
    # Only with the types these values are what they are; JSON would have them as text.
    assert "using JSON" not in ran.stderr
    assert got == EXPECTED
