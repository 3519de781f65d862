"""What is measured, and what the results must be."""

from __future__ import annotations

from dataclasses import dataclass

from harness.systems import AIO_TLS, ASTER_CHAIN, ASTER_NODE, ASTER_PYTHON, ASTER_RUST, BARE, GRPC_JS

STREAM = 20_000


@dataclass(frozen=True)
class Workload:
    """One kind of work: `name` is what adapters are told."""

    name: str
    title: str
    unit: str = "calls/s"
    # Streams of slow systems take seconds: the short form has fewer of them.
    long: bool = False

    @property
    def bytes(self) -> int:
        """Returns the size of the body that is echoed; 0 if size does not matter."""
        return int(self.name.partition("-")[2]) if self.name.startswith("echo") else 0


WORKLOADS = [
    Workload("unary-1", "unary, one after the other"),
    Workload("unary-16", "unary, 16 in flight"),
    Workload("unary-64", "unary, 64 in flight"),
    Workload("unary-256", "unary, 256 in flight"),
    Workload("echo-1024", "echo of 1 KiB", "MiB/s"),
    Workload("echo-65536", "echo of 64 KiB", "MiB/s"),
    Workload("echo-1048576", "echo of 1 MiB", "MiB/s"),
    Workload(f"server-stream-{STREAM}", "server stream", "messages/s", long=True),
    Workload(f"client-stream-{STREAM}", "client stream", "messages/s", long=True),
    Workload(f"bidi-{STREAM}", "bidi, pipelined", "messages/s", long=True),
    Workload("pingpong", "bidi, ping-pong", "round trips/s"),
    Workload("session", "session, one after the other"),
    Workload("connect", "connect to first reply", "ms"),
]
# Opened and kept in a pair of fresh processes: the growth of the server is what counts.
HELD = {"clients-100": "with 100 idle clients", "sessions-1000": "with 1,000 sessions"}


# Variants of a system are measured where they may differ.
ONLY = {ASTER_CHAIN: ["unary-64"]}


@dataclass(frozen=True)
class Target:
    """A bound on a ratio to a baseline, or on a number if there is none."""

    workload: str
    # One of: rate, p50, p99, cpu; added_cpu in µs; rss of a server that idles, growth of one that holds something.
    metric: str
    bound: float
    at_least: bool
    system: str = ASTER_PYTHON
    baseline: str = AIO_TLS


STREAMS = [f"{kind}-{STREAM}" for kind in ("server-stream", "client-stream", "bidi")]
TARGETS = [
    Target("unary-1", "rate", 4, at_least=True),
    Target("unary-1", "p50", 0.3, at_least=False),
    Target("unary-1", "p99", 1, at_least=False),
    Target("unary-64", "rate", 8, at_least=True),
    Target("unary-256", "rate", 8, at_least=True),
    Target("echo-65536", "rate", 3, at_least=True),
    Target("echo-1048576", "rate", 2, at_least=True),
    *(Target(name, "rate", 20, at_least=True) for name in STREAMS),
    Target("pingpong", "rate", 4, at_least=True),
    # 1.5 times faster.
    Target("connect", "p50", 1 / 1.5, at_least=False),
    Target("unary-1", "cpu", 0.3, at_least=False),
    Target("unary-64", "cpu", 0.3, at_least=False),
    Target("unary-64", "added_cpu", 3, at_least=False, system=ASTER_CHAIN, baseline=ASTER_PYTHON),
    Target("idle", "rss", 60, at_least=False, baseline=""),
    Target("clients-100", "growth", 8, at_least=False, baseline=""),
    Target("unary-1", "p50", 1.15, at_least=False, system=ASTER_RUST, baseline=BARE),
    Target("unary-64", "rate", 0.7, at_least=True, system=ASTER_RUST, baseline=BARE),
    *(Target(name, "rate", 0.5, at_least=True, system=ASTER_RUST, baseline=BARE) for name in STREAMS),
    Target("unary-1", "rate", 1.5, at_least=True, system=ASTER_NODE, baseline=GRPC_JS),
    Target("unary-64", "rate", 3, at_least=True, system=ASTER_NODE, baseline=GRPC_JS),
    *(Target(name, "rate", 5, at_least=True, system=ASTER_NODE, baseline=GRPC_JS) for name in STREAMS),
]
