"""One service declared in Python and in TypeScript: one contract, one manifest."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent / "manifest"
PYTHON = "import aster.contract, shop; print(aster.contract.ContractManifest.from_service(shop.Shop).to_json(), end='')"


def manifest(command: list[str]) -> str:
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=HERE)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_manifests_are_equal() -> None:
    python = manifest([sys.executable, "-c", PYTHON])
    node = manifest(["node", str(ROOT / "tests/node/dist/manifest-scenario.js")])
    ours, theirs = json.loads(python), json.loads(node)
    for key in ours:
        assert ours[key] == theirs[key], key
    # The languages have nothing of their own in it: not even the text differs.
    assert python == node
