#!/usr/bin/env python3
"""Checks that every package has the version of Cargo.toml."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def found(path: str, pattern: str) -> str:
    match = re.search(pattern, (ROOT / path).read_text(), re.M)
    return match.group(1) if match else "missing"


def main() -> int:
    cargo = found("Cargo.toml", r'^version = "([^"]+)"')
    others = {
        "pyproject.toml": found("pyproject.toml", r'^version = "([^"]+)"'),
        "ts/package.json": json.loads((ROOT / "ts/package.json").read_text())["version"],
        "include/aster.h": found("include/aster.h", r'#define ASTER_VERSION "([^"]+)"'),
        "CHANGELOG.md": found("CHANGELOG.md", r"^## ([0-9][^ ]*)"),
    }
    iroh = found("Cargo.toml", r'^iroh = \{ version = "=([^"]+)"')
    shown = found("python/aster/cli/frame.py", r'^IROH_VERSION = "([^"]+)"')
    wrong = {path: version for path, version in others.items() if version != cargo}
    for path, version in wrong.items():
        print(f"{path}: version {version}, Cargo.toml has {cargo}")
    if shown != iroh:
        print(f"python/aster/cli/frame.py: iroh {shown}, Cargo.toml has {iroh}")
    print(f"versions: {cargo}, {len(wrong) + (shown != iroh)} difference(s)")
    return 1 if wrong or shown != iroh else 0


if __name__ == "__main__":
    sys.exit(main())
