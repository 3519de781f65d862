"""Every language's Hello server answers every language's Hello client, each in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STAGE = Path(os.environ["STAGE_DIR"])  # libaster as `make stage` installs it
SERVERS = ["python", "node", "c", "go"]
CLIENTS = ["python", "node", "c", "go"]


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], list[str]]:
    """The command of each program; C and Go are built here."""
    out = tmp_path_factory.mktemp("interop")
    commands = {
        ("python", "server"): [sys.executable, str(ROOT / "examples/python/hello_server.py")],
        ("python", "client"): [sys.executable, str(ROOT / "examples/python/hello_client.py")],
        ("node", "server"): ["node", str(ROOT / "examples/node/hello-server.js")],
        ("node", "client"): ["node", str(ROOT / "examples/node/hello-client.js")],
    }
    for name in ("server", "client"):
        program = out / f"hello_{name}"
        link = [f"-I{STAGE / 'include'}", f"-L{STAGE / 'lib'}", "-laster", f"-Wl,-rpath,{STAGE / 'lib'}"]
        source = ROOT / f"examples/c/hello_{name}.c"
        subprocess.run(["cc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-o", program, source, *link], check=True)
        commands["c", name] = [str(program)]
    go_env = os.environ | {"PKG_CONFIG_PATH": str(STAGE / "lib/pkgconfig")}
    for name in ("server", "client"):
        program = out / f"go_{name}"
        link = ["-ldflags", f"-r {STAGE / 'lib'}"]
        subprocess.run(
            ["go", "build", *link, "-o", program, f"./hello_{name}"], cwd=ROOT / "examples/go", env=go_env, check=True
        )
        commands["go", name] = [str(program)]
    return commands


def environment() -> dict[str, str]:
    env = {key: value for key, value in os.environ.items() if not key.startswith("ASTER_")}
    return env | {"ASTER_RELAY_MODE": "disabled", "ASTER_LOG_LEVEL": "error"}


@contextmanager
def serving(command: list[str], cwd: Path) -> Iterator[str]:
    """Runs a server until its stdin is closed; yields its address."""
    server = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(), cwd=cwd
    )
    assert server.stdin is not None and server.stdout is not None
    try:
        line = server.stdout.readline()
        assert line.startswith("address aster1"), line
        yield line.split()[1]
    finally:
        server.stdin.close()
        server.terminate()
        try:
            status = server.wait(timeout=30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
            raise
        finally:
            server.stdout.close()
    assert status in (0, -signal.SIGTERM)


@pytest.mark.parametrize("server", SERVERS)
def test_every_client_gets_its_answer(server: str, programs: dict[tuple[str, str], list[str]], tmp_path: Path) -> None:
    with serving(programs[server, "server"], tmp_path) as address:
        for client in CLIENTS:
            ran = subprocess.run(
                [*programs[client, "client"], address],
                capture_output=True,
                text=True,
                env=environment(),
                cwd=tmp_path,
                timeout=60,
                check=False,
            )
            assert (ran.returncode, ran.stdout) == (0, "Hello, World!\n"), f"{client} -> {server}: {ran.stderr}"
