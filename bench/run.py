#!/usr/bin/env python3
"""Measures systems against each other: one server and one load process each, interleaved short slices.

Ratios within one run hold on a noisy machine; absolute numbers do not. Prints a table, writes bench/out/results.json.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BENCH = Path(__file__).resolve().parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", Path.home() / ".cache/aster/target"))
RUST = str(TARGET / "release/aster-bench")

# name -> (server command, load command without its address)
SYSTEMS = {
    "iroh bare (Rust)": ([RUST, "serve", "bare"], [RUST, "load", "bare"]),
    "aster (Rust)": ([RUST, "serve", "engine"], [RUST, "load", "engine"]),
    "grpc.aio TLS (Python)": (
        [sys.executable, str(BENCH / "python/grpc_adapter.py"), "serve"],
        [sys.executable, str(BENCH / "python/grpc_adapter.py"), "load"],
    ),
    "aster (Python)": (
        [sys.executable, str(BENCH / "python/aster_adapter.py"), "serve"],
        [sys.executable, str(BENCH / "python/aster_adapter.py"), "load"],
    ),
}
WORKLOADS = ["seq", "inflight-64"]
# (system, baseline, workload, target ratio): calls/s over the baseline's; for "seq" in Rust, p50 under the baseline's.
TARGETS = [
    ("aster (Rust)", "iroh bare (Rust)", "seq", "p50 at most 1.25x"),
    ("aster (Rust)", "iroh bare (Rust)", "inflight-64", "at least 0.5x"),
    ("aster (Python)", "grpc.aio TLS (Python)", "seq", "at least 2x"),
    ("aster (Python)", "grpc.aio TLS (Python)", "inflight-64", "at least 4x"),
]


@dataclass
class Process:
    """A running adapter that speaks lines of JSON."""

    process: subprocess.Popen[str]

    def line(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        text = self.process.stdout.readline()
        if not text:
            raise RuntimeError(f"{self.process.args} ended early")
        return json.loads(text)

    def command(self, text: str) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        return self.line()


@contextlib.contextmanager
def running(command: list[str]) -> Iterator[Process]:
    env = {key: value for key, value in os.environ.items() if not key.startswith("ASTER_")}
    env |= {"ASTER_RELAY_MODE": "disabled", "ASTER_BIND_ADDR": "127.0.0.1:0"}
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
    try:
        yield Process(process)
    finally:
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@dataclass
class Series:
    """The slices of one workload on one system."""

    slices: list[dict[str, float]] = field(default_factory=list)

    def median(self, key: str) -> float:
        return statistics.median(entry[key] for entry in self.slices)

    @property
    def rate(self) -> float:
        return statistics.median(entry["calls"] / entry["seconds"] for entry in self.slices)


def measure(names: list[str], rounds: int, seconds: float) -> dict[tuple[str, str], Series]:
    series = {(name, workload): Series() for name in names for workload in WORKLOADS}
    with contextlib.ExitStack() as stack:
        loads = {}
        for name in names:
            serve, load = SYSTEMS[name]
            address = stack.enter_context(running(serve)).line()["address"]
            loads[name] = stack.enter_context(running([*load, address]))
            loads[name].line()
        for workload in WORKLOADS:
            for name in names:
                loads[name].command(f"{workload} 0.2")  # Warm.
        for turn in range(rounds):
            print(f"round {turn + 1} of {rounds}", file=sys.stderr, flush=True)
            for workload in WORKLOADS:
                for name in names:
                    series[name, workload].slices.append(loads[name].command(f"{workload} {seconds}"))
    return series


def table(series: dict[tuple[str, str], Series]) -> str:
    rows = ["| workload | system | calls/s | p50 µs | p99 µs |", "|---|---|---|---|---|"]
    for workload in WORKLOADS:
        for (name, of), s in series.items():
            if of == workload:
                rows.append(
                    f"| {workload} | {name} | {s.rate:,.0f} | {s.median('p50_us'):.0f} | {s.median('p99_us'):.0f} |"
                )
    rows += ["", "| ratio in this run | value | target |", "|---|---|---|"]
    for name, base, workload, target in TARGETS:
        if (name, workload) in series and (base, workload) in series:
            ours, theirs = series[name, workload], series[base, workload]
            by_p50 = target.startswith("p50")
            ratio = ours.median("p50_us") / theirs.median("p50_us") if by_p50 else ours.rate / theirs.rate
            rows.append(f"| {name} / {base}, {workload} | {ratio:.2f}x | {target} |")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="slices per workload and system")
    parser.add_argument("--seconds", type=float, default=0.6, help="length of a slice")
    parser.add_argument("--systems", default="", help="part of a system's name; all by default")
    options = parser.parse_args()
    names = [name for name in SYSTEMS if options.systems in name]
    series = measure(names, options.rounds, options.seconds)
    print(table(series))
    print(f"\n{platform.platform()}, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}")
    out = BENCH / "out"
    out.mkdir(exist_ok=True)
    results = {f"{name} | {workload}": s.slices for (name, workload), s in series.items()}
    (out / "results.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
