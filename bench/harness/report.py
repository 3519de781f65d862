"""Tables in Markdown, and everything as JSON."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from harness.measure import Results
from harness.systems import BENCH
from harness.workloads import HELD, ONLY, TARGETS, WORKLOADS, Target, Workload

TITLES = {workload.name: workload.title for workload in WORKLOADS} | HELD | {"idle": "idle server"}
_METRICS = {
    "rate": "",
    "p50": ", p50",
    "p99": ", p99",
    "cpu": ", CPU per call",
    "rss": ", RSS",
    "growth": ", added RSS",
    "added_cpu": ", added CPU per call",
}
UNITS = {"rss": " MiB", "growth": " MiB", "added_cpu": " µs"}


def value(results: Results, name: str, workload: Workload) -> str:
    """Returns the main number of a workload."""
    series = results.series.get((name, workload.name))
    if series is None:
        return "-"
    if workload.unit == "ms":
        return f"{series.median('p50') / 1000:.1f}"
    rate = series.median("rate")
    return f"{rate * workload.bytes / 2**20:,.1f}" if workload.unit == "MiB/s" else f"{rate:,.0f}"


def _rows(names: list[str], rows: list[list[str]]) -> list[str]:
    return [
        "| " + " | ".join(["", *names]) + " |",
        "|---" * (len(names) + 1) + "|",
        *("| " + " | ".join(row) + " |" for row in rows),
        "",
    ]


def tables(results: Results) -> str:
    """Returns what was measured, medians of slices."""
    names = [name for name, _ in (*results.series, *results.memory) if name not in ONLY]
    names = list(dict.fromkeys(names))
    measured = [one for one in WORKLOADS if any((name, one.name) in results.series for name in names)]
    lines = _rows(names, [[f"{w.title}, {w.unit}", *(value(results, n, w) for n in names)] for w in measured])
    for metric, title in (("p50", "p50 µs"), ("p99", "p99 µs"), ("cpu", "CPU µs per unit, server and load")):
        rows = []
        for workload in measured:
            if metric != "cpu" and workload.long:
                continue
            series = [results.series.get((name, workload.name)) for name in names]
            cells = [f"{one.median(metric):,.{1 if metric == 'cpu' else 0}f}" if one else "-" for one in series]
            rows.append([workload.title, *cells])
        lines += [f"{title}:", "", *_rows(names, rows)]
    if results.memory:
        rows = []
        for state in ("idle", *HELD):
            cells = [results.memory.get((name, state)) for name in names]
            rows.append([TITLES[state], *("-" if cell is None else f"{cell:,.1f}" for cell in cells)])
        lines += ["RSS of the server in MiB, idle, and what is added:", "", *_rows(names, rows)]
    return "\n".join(lines)


def measured(results: Results, target: Target) -> float | None:
    """Returns the number that a target bounds; None if it was not measured."""
    if not target.baseline:
        return results.memory.get((target.system, target.workload))
    ours = results.series.get((target.system, target.workload))
    theirs = results.series.get((target.baseline, target.workload))
    if not ours or not theirs:
        return None
    if target.metric == "added_cpu":
        return ours.median("cpu") - theirs.median("cpu")
    return ours.ratio(theirs, target.metric)


def targets(results: Results) -> str:
    """Returns the table of targets: met or missed."""
    lines = ["| target | against | value | bound | |", "|---|---|---|---|---|"]
    for target in TARGETS:
        number = measured(results, target)
        if number is None:
            continue
        unit = UNITS.get(target.metric, "x")
        bound = f"{'at least' if target.at_least else 'at most'} {target.bound:.2f}".rstrip("0").rstrip(".") + unit
        met = number >= target.bound if target.at_least else number <= target.bound
        what = f"{target.system}: {TITLES[target.workload]}{_METRICS[target.metric]}"
        lines.append(
            f"| {what} | {target.baseline or '-'} | {number:.2f}{unit} | {bound} | {'met' if met else '**missed**'} |"
        )
    return "\n".join(lines)


def about() -> dict[str, Any]:
    """Returns the machine, the versions and the load."""

    def said(*command: str) -> str:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    model = next((line for line in Path("/proc/cpuinfo").read_text().split("\n") if line.startswith("model name")), "")
    grpc_js = json.loads((BENCH / "node/grpc/package-lock.json").read_text())["packages"]["node_modules/@grpc/grpc-js"]
    lock = (BENCH / "tonic/Cargo.lock").read_text().partition('name = "tonic"\nversion = "')[2].partition('"')[0]
    iroh = (BENCH.parent / "Cargo.lock").read_text().partition('name = "iroh"\nversion = "')[2].partition('"')[0]
    return {
        "command": " ".join(["bench/run.py", *sys.argv[1:]]),
        "commit": said("git", "-C", str(BENCH), "rev-parse", "--short", "HEAD"),
        "machine": f"{os.cpu_count()} cores, {model.partition(':')[2].strip() or platform.machine()}",
        "system": platform.platform(),
        "load": [round(one, 2) for one in os.getloadavg()],
        "versions": {
            "python": platform.python_version(),
            "rust": said("rustc", "--version").split(" ")[1],
            "node": said("node", "--version").removeprefix("v"),
            "iroh": iroh,
            "grpcio": importlib.metadata.version("grpcio"),
            "grpc-js": grpc_js["version"],
            "tonic": lock,
        },
    }


def as_json(results: Results, machine: dict[str, Any]) -> str:
    """Returns all slices."""
    series = [
        {"system": name, "workload": workload, "slices": one.slices} for (name, workload), one in results.series.items()
    ]
    memory = [{"system": name, "state": state, "mib": mib} for (name, state), mib in results.memory.items()]
    checked = [
        {**vars(target), "value": number} for target in TARGETS if (number := measured(results, target)) is not None
    ]
    whole = {**machine, "series": series, "memory": memory, "targets": checked, "failures": results.failures}
    return json.dumps(whole, indent=1) + "\n"
