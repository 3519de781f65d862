#!/usr/bin/env python3
"""Checks that imports point down (ARCHITECTURE.md) and that no rule of the protocol lives outside core."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Modules of core from the bottom up; a module may use those of lower rank, and itself.
RANKS = [
    {"status", "error", "limits", "clock", "ids", "sync"},
    {"types", "keys"},
    {"frame", "wire", "codec", "contract", "trust", "addr", "ticket", "config"},
    {"mesh"},
    {"engine"},
    {"rpc"},
    {"admission", "registry"},
    {"node"},
]
# Neighbours of one rank that may use each other, with the reason.
ALLOWED = {
    ("ticket", "addr"): "an address may be a ticket",
    ("addr", "ticket"): "an address may be a ticket",
    ("rpc", "admission"): "the dispatcher asks the gate",
    ("config", "trust"): "the gate is a rule of trust, its inputs are settings",
    ("config", "ticket"): "tickets that carry a credential are masked",
}
# Files that may touch the host, with the reason.
AT_HOST = {"node/private_file.rs": "files of trust are replaced as a whole, on threads that may wait"}
L0_FORBIDDEN = re.compile(r"\b(tokio|iroh\w*|serde\w*|futures_util)::")
PURE_FORBIDDEN = re.compile(r"\b(tokio|iroh\w*)::")
IROH = re.compile(r"\b(iroh|iroh_\w+)::")
HOST = re.compile(r"\b(pyo3|napi|libc)::|std::env::|std::fs::|println!|eprintln!|tokio::runtime::(Builder|Runtime)\b")

# What must not be said again outside core: wire numbers and texts, frame parsing, admission rules.
RULES = [
    (re.compile(r"aster/1\b|aster\.(consumer_|producer_)?admission\b"), "ALPN name"),
    (re.compile(r"16 ?\* ?1024 ?\* ?1024|16[_ ]?777[_ ]?21[56]|131[_ ]?072"), "protocol limit"),
    (re.compile(r"\b(COMPRESSED|TRAILER|ROW_SCHEMA)\b\s*[:=]+\s*(0x)?\d"), "frame flag"),
    (re.compile(r"aster-timeout-ms|aster-session-trailers|02ff1d|fory1"), "wire text"),
    (re.compile(r"\"credential_json\"\s*:|\"registry_namespace\"\s*:|\"admitted\""), "admission document"),
    (
        re.compile(
            r"blake3::|murmur|ed25519(?!_(generate_keypair|public_from_secret|sign|verify)\b)|hashlib|createHash|crypto/(sha|ed)"
        ),
        "hash or signature",
    ),
    (re.compile(r"struct\.(un)?pack|readUInt32LE|writeUInt32LE|from_le_bytes|to_le_bytes"), "frame parsing"),
]
OUTSIDE = ["bindings-python/src", "bindings-node/src", "bindings-c/src", "bindings-c/go", "python/aster", "ts/src"]


def tracked(*patterns: str) -> list[Path]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\n")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def rank_of(module: str) -> int | None:
    return next((rank for rank, names in enumerate(RANKS) if module in names), None)


def without_tests(text: str) -> str:
    """Cuts unit tests and comments: they may name anything."""
    text = text.split("#[cfg(test)]\nmod tests", 1)[0]
    return re.sub(r"//[^\n]*", "", text)


def check_core(problems: list[str]) -> None:
    for path in tracked("core/src/*.rs", "core/src/**/*.rs"):
        module = path.relative_to(ROOT / "core/src").parts[0].removesuffix(".rs")
        if module == "lib":
            continue
        rank = rank_of(module)
        if rank is None:
            problems.append(f"{path.relative_to(ROOT)}: module '{module}' has no layer in scripts/layers.py")
            continue
        text = without_tests(path.read_text())
        for used in sorted(set(re.findall(r"\bcrate::(\w+)", text)) | imported(text)):
            other = rank_of(used)
            if other is None or used == module or (module, used) in ALLOWED:
                continue
            if other > rank or (other == rank and rank >= 2):
                problems.append(f"{path.relative_to(ROOT)}: '{module}' must not use '{used}'")
        for pattern, name in ((L0_FORBIDDEN, "L0"), (PURE_FORBIDDEN, "a pure layer")):
            applies = rank == 0 if name == "L0" else rank <= 3
            if applies and (found := pattern.search(text)):
                problems.append(f"{path.relative_to(ROOT)}: {found.group(0)} in {name}")
        if module != "node" and (found := IROH.search(text)):
            problems.append(f"{path.relative_to(ROOT)}: {found.group(0)} outside node/")
        is_at_host = path.relative_to(ROOT / "core/src").as_posix() in AT_HOST
        if not is_at_host and (found := HOST.search(text)):
            problems.append(f"{path.relative_to(ROOT)}: core must not touch {found.group(0)}")


def imported(text: str) -> set[str]:
    """Names in `use crate::{a, b::c}` groups."""
    names: set[str] = set()
    for group in re.findall(r"use crate::\{([^;]*)\};", text):
        depth = 0
        current = ""
        for char in group + ",":
            depth += (char == "{") - (char == "}")
            if char == "," and depth == 0:
                names.add(current.strip().split("::")[0])
                current = ""
            else:
                current += char
    return names


def check_outside(problems: list[str]) -> None:
    suffixes = {".rs", ".py", ".pyi", ".ts", ".go", ".c", ".h"}
    for path in tracked(*OUTSIDE):
        if path.suffix not in suffixes or path.name.endswith("_test.go"):
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            for pattern, what in RULES:
                if pattern.search(line):
                    problems.append(f"{path.relative_to(ROOT)}:{number}: {what} outside core: {line.strip()[:80]}")


def main() -> int:
    problems: list[str] = []
    check_core(problems)
    check_outside(problems)
    for problem in problems:
        print(problem)
    print(f"layers: {len(problems)} problem(s)")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
