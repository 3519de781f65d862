"""Interleaved slices, CPU time of both processes of a pair, and the memory of servers."""

from __future__ import annotations

import contextlib
import os
import statistics
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from harness.systems import AdapterError, Pair, pair
from harness.workloads import HELD, ONLY, Workload

_TICK = os.sysconf("SC_CLK_TCK")


def note(text: str) -> None:
    """Says how far it is."""
    print(text, file=sys.stderr, flush=True)


def cpu_seconds(pid: int) -> float:
    """Returns the CPU time of a process and of the threads that it had."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def rss_mib(pid: int) -> float:
    """Returns the resident memory of a process in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


@dataclass
class Series:
    """The slices of one workload on one system."""

    slices: list[dict[str, float]] = field(default_factory=list)

    def values(self, metric: str) -> list[float]:
        """Returns one number for each slice: units per second, µs per unit or of latency."""
        if metric == "rate":
            return [one["units"] / one["seconds"] for one in self.slices]
        if metric == "cpu":
            # Ticks are too coarse for one slice.
            units = sum(one["units"] for one in self.slices)
            return [sum(one["server_cpu_s"] + one["load_cpu_s"] for one in self.slices) / units * 1e6]
        return [one[f"{metric}_us"] for one in self.slices]

    def median(self, metric: str) -> float:
        return statistics.median(self.values(metric))

    def ratio(self, other: Series, metric: str) -> float:
        """Returns the median of the ratios of slices of the same round."""
        return statistics.median(a / b for a, b in zip(self.values(metric), other.values(metric)))


@dataclass
class Results:
    """What was measured: series by system and workload, memory in MiB by system and state."""

    series: dict[tuple[str, str], Series] = field(default_factory=dict)
    memory: dict[tuple[str, str], float] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Plan:
    """How long it takes."""

    rounds: int
    long_rounds: int
    seconds: float
    warm_seconds: float
    pinned: bool


def slices(results: Results, names: list[str], workloads: list[Workload], plan: Plan) -> None:
    """Runs all systems, in turn, for short slices of each workload."""
    with contextlib.ExitStack() as stack:
        pairs: list[Pair] = []
        for name in names:
            with _failing(results, name):
                pairs.append(stack.enter_context(pair(name, pinned=plan.pinned)))
        _warm(results, pairs, workloads, plan)
        for turn in range(plan.rounds):
            for workload in workloads:
                if workload.long and turn >= plan.long_rounds:
                    continue
                note(f"round {turn + 1} of {plan.rounds}: {workload.title}")
                # Each system is as often before its rivals as behind them.
                for one in list(pairs if turn % 2 == 0 else reversed(pairs)):
                    if workload.name in ONLY.get(one.name, [workload.name]):
                        _slice(results, one, workload, plan.seconds, pairs)


def _warm(results: Results, pairs: list[Pair], workloads: list[Workload], plan: Plan) -> None:
    """Compilers in hosts need some seconds of calls, and each workload a first time."""
    for one in list(pairs):
        note(f"warming {one.name}")
        with _failing(results, one.name, pairs, one):
            one.load.work("unary-64", plan.warm_seconds)
            for workload in [] if one.name in ONLY else workloads:
                one.load.work(workload.name.replace("-20000", "-2000"), plan.warm_seconds / 8)


def _slice(results: Results, one: Pair, workload: Workload, seconds: float, pairs: list[Pair]) -> None:
    pids = {"server_cpu_s": one.server.pid, "load_cpu_s": one.load.pid}
    with _failing(results, one.name, pairs, one):
        before = {key: cpu_seconds(pid) for key, pid in pids.items()}
        answer = one.load.work(workload.name, seconds)
        if answer is None:
            return
        answer |= {key: cpu_seconds(pid) - before[key] for key, pid in pids.items()}
        results.series.setdefault((one.name, workload.name), Series()).slices.append(answer)


@contextlib.contextmanager
def _failing(results: Results, name: str, pairs: list[Pair] | None = None, gone: Pair | None = None):
    """Goes on without a system that failed."""
    try:
        yield
    except (AdapterError, OSError) as error:
        note(f"{name} failed: {error}")
        results.failures.append(f"{name}: {error}")
        if pairs is not None and gone in pairs:
            pairs.remove(gone)


def memory(results: Results, names: list[str]) -> None:
    """Measures servers that have done nothing yet, and what each held thing adds to a fresh one."""
    for name in [name for name in names if name not in ONLY]:
        note(f"memory of {name}")
        for workload in HELD:
            with _failing(results, name), pair(name, pinned=False) as one:
                _settled(one.server.pid)
                idle = rss_mib(one.server.pid)
                results.memory.setdefault((name, "idle"), idle)
                if one.load.work(workload, 0) is not None:
                    _settled(one.server.pid)
                    results.memory[name, workload] = rss_mib(one.server.pid) - idle


def _settled(pid: int) -> None:
    """Waits until a process uses no more CPU time, a few seconds at most."""
    last = -1.0
    for _ in range(10):
        used = cpu_seconds(pid)
        if used - last < 0.02:
            return
        last = used
        time.sleep(0.4)
