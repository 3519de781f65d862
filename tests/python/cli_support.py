"""What the tests of the command need: running it, and a server in another process."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path
from unittest import mock

from aster._native import open_queue
from aster.cli import main, manifests
from aster.contract import ContractManifest
from cli_services import Counter, Lab

HERE = Path(__file__).parent
SECONDS = 30


def environment(**more):
    """Return the environment of a process that finds the modules of the tests."""
    path = os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "error", **more}


def command(*arguments):
    return [sys.executable, "-m", "aster", *map(str, arguments)]


def aster(*arguments, stdin="", process=False, **env):
    """Run the command and return its status and output: here, or in a process of its own."""
    if not process:
        return _run_here([str(argument) for argument in arguments], stdin, env)
    return subprocess.run(
        command(*arguments),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        env=environment(**env),
    )


async def hand_out_earlier_lines():
    """Let core's lines go where they belong: servers that were made without a loop have told nobody yet."""
    queue = open_queue()
    queue.drain()
    queue.close()


def _run_here(arguments, stdin, env):
    asyncio.run(hand_out_earlier_lines())
    given, out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="\n") for _ in range(3))
    given.write(stdin)
    given.seek(0)
    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.dict(os.environ, env))
        stack.enter_context(mock.patch("sys.stdin", given))
        stack.enter_context(contextlib.redirect_stdout(out))
        stack.enter_context(contextlib.redirect_stderr(err))
        status = main(arguments)
    texts = []
    for stream in (out, err):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode())
    return subprocess.CompletedProcess(arguments, status, *texts)


def succeeded(*arguments, **options):
    """Run the command, which must succeed and say nothing beside its result, and return that."""
    done = aster(*arguments, **options)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def failed(*arguments, status=1, **options):
    """Run the command, which must fail without a result, and return what it says."""
    done = aster(*arguments, **options)
    assert (done.returncode, done.stdout) == (status, ""), done.stderr
    return done.stderr


def lines(text):
    """Return JSON lines."""
    return [json.loads(line) for line in text.splitlines()]


class Server:
    """A server in another process, and what it prints."""

    def __init__(self, process):
        self.process = process
        self._printed = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.address = self._next()
        assert self.address.startswith("aster1"), self.address

    def _read(self):
        for line in self.process.stdout:
            self._printed.put(line.strip())
        self._printed.put("(ended)")

    def _next(self):
        return self._printed.get(timeout=SECONDS)

    def wait_for(self, line):
        """Wait until it prints a line."""
        while (printed := self._next()) != line:
            assert printed != "(ended)", f"it never printed {line!r}"


@contextlib.contextmanager
def _running(command_line, env, stop):
    settings = {"ASTER_LOG_LEVEL": "error", "ASTER_RELAY_MODE": "disabled", "ASTER_BIND_ADDR": "127.0.0.1:0", **env}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command_line, env=environment(**settings), **pipes) as process:
        try:
            yield Server(process)
        finally:
            stop(process)
            assert process.wait(timeout=SECONDS) == 0


def server(module="cli_server", **env):
    """Run a server in another process; it ends when its standard input does."""
    return _running([sys.executable, "-m", module], env, lambda process: process.stdin.close())


def program(path, *, interpreter=sys.executable, **env):
    """Run a server that is a program of its own, which ends when it is told to."""
    return _running([interpreter, str(path)], env, subprocess.Popen.terminate)


def know_contracts():
    """Let the command know the contracts of the services of the tests, without asking a registry."""
    folder = manifests.cache_folder()
    folder.mkdir(parents=True)
    for cls in (Lab, Counter):
        manifest = ContractManifest.from_service(cls)
        (folder / manifest.contract_id).write_text(manifest.to_json(), encoding="utf-8")
