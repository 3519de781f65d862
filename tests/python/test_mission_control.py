"""The dev mode of Mission Control, as `cli.md` section 8 shows it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli_support import SECONDS, command, environment, program, succeeded

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "python" / "mission_control"


pytestmark = pytest.mark.usefixtures("home")
PACKAGE = FOLDER.parents[2] / "python"


@pytest.fixture(scope="module")
def control(tmp_path_factory):
    """The server, in a home of its own."""
    with program(FOLDER / "server.py", HOME=str(tmp_path_factory.mktemp("control"))) as running:
        yield running


def test_service_ls(control):
    assert succeeded("service", "ls", control.address) == (
        "Service        Methods Version Pattern\n"
        "AgentLink      2       v1      session\n"
        "MissionControl 4       v1      shared\n"
    )


def test_status(control):
    told = succeeded("call", control.address, "MissionControl.status", '{"agent":"edge-7"}', "--json")
    assert told == '{"agent":"edge-7","state":"running","uptime_s":3600}\n'


def test_tail_shows_what_is_logged_later(control):
    call = command("call", control.address, "MissionControl.tail", '{"level":"warn"}', "--max-items", "1", "--json")
    line = {"level": "error", "text": "disk full", "agent": "edge-7"}
    with subprocess.Popen(call, env=environment(), stdout=subprocess.PIPE, text=True) as tail:
        # Nobody knows when the tail has begun, so lines are logged until it shows one.
        while tail.poll() is None:
            quiet = json.dumps({**line, "level": "info"})
            assert succeeded("call", control.address, "MissionControl.log", quiet, "--json") == '{"accepted":true}\n'
            assert succeeded("call", control.address, "MissionControl.log", json.dumps(line), "--json")
        assert tail.returncode == 0
        assert tail.stdout.read() == '{"at":0.0,"level":"error","text":"disk full","agent":"edge-7"}\n'


def test_ingest(control):
    stdin = '{"name":"cpu","value":0.5}\n' * 10_000
    told = succeeded("call", control.address, "MissionControl.ingest", "--json", stdin=stdin)
    assert told == '{"accepted":10000,"dropped":0}\n'
    told = succeeded("call", control.address, "MissionControl.ingest", '[{"name":""},{"name":"cpu"}]', "--json")
    assert told == '{"accepted":1,"dropped":1}\n'


def test_session(control):
    requests = [
        '{"id":1,"method":"register","request":{"agent":"n1","capabilities":["gpu"]}}',
        '{"id":2,"method":"run"}',
        '{"id":2,"item":{"line":"whoami"}}',
        '{"id":2,"end":true}',
    ]
    told = succeeded(
        "call", control.address, "AgentLink", "--session", "--json", stdin="".join(f"{one}\n" for one in requests)
    )
    assert told.splitlines() == [
        '{"id":1,"result":{"id":"train-42","command":"python train.py"}}',
        '{"id":2,"item":{"stdout":"n1","stderr":"","exit_code":0}}',
        '{"id":2,"end":true}',
    ]


def test_typed_client_is_generated_from_the_peer(control, tmp_path):
    told = succeeded("contract", "gen-client", control.address, "--out", "gen", "--lang", "python", "--package", "mc")
    assert told.splitlines()[0] == "Generated 7 files"
    done = subprocess.run(
        [sys.executable, str(FOLDER / "typed_agent.py"), control.address],
        env={**environment(), "PYTHONPATH": str(tmp_path / "gen")},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "running train-42 10000\n"), done.stderr
    # The checkers of this repository leave the program out: what it imports is there now.
    checked = [sys.executable, "-m", "mypy", "--strict", str(FOLDER / "typed_agent.py")]
    env = {**environment(), "MYPYPATH": f"{tmp_path / 'gen'}{os.pathsep}{PACKAGE}"}
    done = subprocess.run(checked, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout
