"""Whether a test leaves something behind: tasks, descriptors, threads, and what servers count."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import subprocess
import sys
import threading
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from aster._native import loop_queue

HERE = Path(__file__).parent
COUNTED = ("running_calls", "sessions", "connections")
# Of the runtime, which starts helpers when it needs them and ends them later.
SPARE_THREADS = 8


async def poll(condition, within=10.0, what=None):
    """Wait until a condition holds, or fail with what it returned last."""
    loop = asyncio.get_running_loop()
    end = loop.time() + within
    while not (seen := condition()):
        if loop.time() > end:
            raise AssertionError(what() if what is not None else seen)
        await asyncio.sleep(0.01)
    return seen


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def native_threads():
    return len(os.listdir("/proc/self/task"))


def resident_mib():
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024 / 1024


def _now(server):
    tasks = {task for task in asyncio.all_tasks() if not task.done()}
    counts = {name: server._health()[name] for name in COUNTED} if server is not None else {}
    return tasks, descriptors(), threading.active_count(), native_threads(), counts


@asynccontextmanager
async def level(server=None, within=10.0):
    """Check that tasks, descriptors, threads and counts of a server are back to what they were."""
    loop_queue()  # Whoever is the first to use nodes opens it; it stays as long as the loop.
    gc.collect()
    tasks, files, threads, natives, counts = _now(server)
    yield
    gc.collect()
    last = []

    def back():
        now = _now(server)
        last[:] = [
            *(repr(task) for task in now[0] - tasks),
            *([f"descriptors: {files} -> {now[1]}"] if now[1] > files else []),
            *([f"threads: {threads} -> {now[2]}"] if now[2] > threads else []),
            *([f"native threads: {natives} -> {now[3]}"] if now[3] > natives + SPARE_THREADS else []),
            *([f"counts: {counts} -> {now[4]}"] if any(now[4][name] > counts[name] for name in counts) else []),
        ]
        return not last

    await poll(back, within, lambda: f"left behind: {last}")


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextmanager
def program(*arguments, **environment):
    """Run one of the test programs; it is killed at the end, if it has not ended."""
    path = os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")]))
    env = {**os.environ, "PYTHONPATH": path, **environment}
    command = [sys.executable, *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env) as process:
        try:
            yield process
        finally:
            process.kill()


async def line(process, within=30.0):
    """Return the next line that a program prints."""
    reading = asyncio.get_running_loop().run_in_executor(None, process.stdout.readline)
    return (await asyncio.wait_for(reading, within)).strip()
