#!/usr/bin/env python3
"""Measures systems against each other: a server and a load process each, interleaved short slices.

Ratios within one run hold on a noisy machine; absolute numbers do not. Prints tables and which targets are met; writes
bench/out/results.json, report.md and chart.svg. bench/README.md says what the adapters are told.
"""

from __future__ import annotations

import argparse
import os
import sys

from harness.chart import chart
from harness.measure import Plan, Results, memory, slices
from harness.report import about, as_json, tables, targets
from harness.systems import BENCH, OUT, SYSTEMS
from harness.tls import make_certificate
from harness.workloads import WORKLOADS

SHORT = Plan(rounds=5, long_rounds=2, seconds=0.4, warm_seconds=1.5, pinned=False)
FULL = Plan(rounds=15, long_rounds=7, seconds=1.0, warm_seconds=4.0, pinned=False)


def chosen(names: list[str], parts: str) -> list[str]:
    """Returns the names that contain one of some parts; all if there are none."""
    return [name for name in names if any(part in name for part in parts.split(","))]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="more and longer slices: about half an hour")
    parser.add_argument("--systems", default="", help="parts of names of systems, with commas; all by default")
    parser.add_argument("--workloads", default="", help="parts of names of workloads; `memory` is one")
    parser.add_argument("--rounds", type=int, help="slices per workload and system")
    parser.add_argument("--seconds", type=float, help="length of a slice")
    parser.add_argument("--pinned", action="store_true", help="one core for each server, another one for each load")
    parser.add_argument("--publish", action="store_true", help="writes bench/chart.svg, which the README shows")
    options = parser.parse_args()
    base = FULL if options.full else SHORT
    rounds = options.rounds or base.rounds
    long_rounds = options.rounds or base.long_rounds
    plan = Plan(rounds, long_rounds, options.seconds or base.seconds, base.warm_seconds, options.pinned)
    names = chosen(list(SYSTEMS), options.systems)
    known = [workload.name for workload in WORKLOADS]
    wanted = chosen([*known, "memory"], options.workloads)
    make_certificate(OUT / "tls")
    results, machine = Results(), about()
    if workloads := [workload for workload in WORKLOADS if workload.name in wanted]:
        slices(results, names, workloads, plan)
    if "memory" in wanted:
        memory(results, names)
    machine["load_after"] = [round(one, 2) for one in os.getloadavg()]
    report = f"{targets(results)}\n\n{tables(results)}\n{machine}\n"
    print(report)
    (OUT / "report.md").write_text(report)
    (OUT / "results.json").write_text(as_json(results, machine))
    for path in [OUT / "chart.svg"] + [BENCH / "chart.svg"] * options.publish:
        path.write_text(chart(results))
    for failure in results.failures:
        print(f"failed: {failure}", file=sys.stderr)
    return 1 if results.failures else 0


if __name__ == "__main__":
    sys.exit(main())
