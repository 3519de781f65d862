"""The systems under test: how their adapters are started, and lines to and from them."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BENCH = Path(__file__).resolve().parent.parent
OUT = BENCH / "out"
# Seconds that an adapter may take for one command.
PATIENCE = 180
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", Path.home() / ".cache/aster/target"))

BARE = "iroh bare (Rust)"
ASTER_RUST = "aster (Rust)"
ASTER_PYTHON = "aster (Python)"
ASTER_CHAIN = "aster, interceptor (Python)"
ASTER_NODE = "aster (Node)"
TONIC = "tonic TLS (Rust)"
AIO_TLS = "grpc.aio TLS (Python)"
AIO = "grpc.aio (Python)"
GRPC_JS = "grpc-js TLS (Node)"

_RUST = str(TARGET / "release/aster-bench")
_TONIC = str(TARGET / "tonic/release/aster-bench-tonic")
_PYTHON = str(BENCH / "python/aster_adapter.py")
_AIO = str(BENCH / "python/grpc_adapter.py")
_NODE = str(BENCH / "node/aster_adapter.mjs")
_GRPC_JS = str(BENCH / "node/grpc/adapter.mjs")
# Name -> command of the adapter; VERB is `serve` or `load`, the load's last argument is the server's address.
SYSTEMS: dict[str, list[str]] = {
    BARE: [_RUST, "VERB", "bare"],
    ASTER_RUST: [_RUST, "VERB", "engine"],
    TONIC: [_TONIC, "VERB"],
    ASTER_PYTHON: [sys.executable, _PYTHON, "VERB"],
    ASTER_CHAIN: [sys.executable, _PYTHON, "VERB", "chain"],
    AIO_TLS: [sys.executable, _AIO, "VERB", "tls"],
    AIO: [sys.executable, _AIO, "VERB", "plain"],
    ASTER_NODE: ["node", _NODE, "VERB"],
    GRPC_JS: ["node", _GRPC_JS, "VERB"],
}


class AdapterError(Exception):
    """An adapter cannot start, or ended before its time."""


@dataclass
class Process:
    """A running adapter."""

    arguments: list[str]
    process: subprocess.Popen[str]

    @property
    def pid(self) -> int:
        return self.process.pid

    def line(self) -> dict[str, Any]:
        """Reads a line of JSON."""
        assert self.process.stdout is not None
        # One line answers one command: nothing can wait in the buffer.
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
        text = self.process.stdout.readline() if ready else ""
        if not text:
            raise AdapterError(f"{' '.join(self.arguments)}: {'ended early' if ready else 'no answer'}")
        return json.loads(text)

    def work(self, workload: str, seconds: float) -> dict[str, Any] | None:
        """Has a slice done; None if the adapter does not support the workload."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{workload} {seconds}\n")
        self.process.stdin.flush()
        answer = self.line()
        return None if "unsupported" in answer else answer


@dataclass
class Pair:
    """A server and its load."""

    name: str
    server: Process
    load: Process


@contextlib.contextmanager
def pair(name: str, *, pinned: bool) -> Iterator[Pair]:
    """Runs a server and a load, pinned to one core each if wanted; raises `AdapterError` if they cannot start."""
    first, *_, last = sorted(os.sched_getaffinity(0))
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(running(command(name, "serve"), first if pinned else None))
        address = server.line()["address"]
        load = stack.enter_context(running([*command(name, "load"), address], last if pinned else None))
        load.line()
        yield Pair(name, server, load)


def command(name: str, verb: str) -> list[str]:
    """Returns how the server or the load of a system is started."""
    return [verb if part == "VERB" else part for part in SYSTEMS[name]]


@contextlib.contextmanager
def running(arguments: list[str], core: int | None) -> Iterator[Process]:
    """Runs an adapter until its stdin is closed, on one core or on all."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("ASTER_", "GRPC_"))}
    env |= {"ASTER_RELAY_MODE": "disabled", "ASTER_BIND_ADDR": "127.0.0.1:0", "BENCH_TLS": str(OUT / "tls")}
    env |= {"ASTER_ALLOW_ALL_CONSUMERS": "true", "ASTER_LOG_LEVEL": "error"}
    try:
        process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
    except OSError as error:
        raise AdapterError(f"{arguments[0]}: {error}") from error
    if core is not None:
        os.sched_setaffinity(process.pid, {core})
    try:
        yield Process(arguments, process)
    finally:
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
