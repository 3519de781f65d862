"""`aster init` (`cli.md` section 2)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cli_support import SECONDS, aster, environment, failed, program

TS = Path(__file__).resolve().parents[2] / "ts"
PYTHON_FILES = ["README.md", "client.py", "hello.py", "requirements.txt", "server.py"]

pytestmark = pytest.mark.usefixtures("home")


def called(address, *command_line):
    done = subprocess.run(
        [*map(str, command_line), address],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def init(*options):
    done = aster("init", "--json", *options)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)["files"]


def test_a_project_in_python_runs(tmp_path):
    assert init("--dir", "p") == [f"p/{name}" for name in PYTHON_FILES]
    with program(tmp_path / "p" / "server.py") as server:
        assert called(server.address, sys.executable, tmp_path / "p" / "client.py") == "Hello, World!\n"


@pytest.mark.skipif(not (TS / "dist").exists(), reason="@aster/rpc is not built here: make node")
def test_a_project_in_typescript_runs(tmp_path):
    init("--language", "typescript")
    (tmp_path / "node_modules" / "@aster").mkdir(parents=True)
    (tmp_path / "node_modules" / "@aster" / "rpc").symlink_to(TS)
    (tmp_path / "node_modules" / "@types").symlink_to(TS / "node_modules" / "@types")
    subprocess.run(["node", TS / "node_modules" / "typescript" / "bin" / "tsc"], cwd=tmp_path, check=True, timeout=120)
    with program(tmp_path / "dist" / "server.js", interpreter="node") as server:
        assert called(server.address, "node", tmp_path / "dist" / "client.js") == "Hello, World!\n"


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "server.py").write_text("mine")
    assert failed("init") == "error: server.py already exists; refusing to overwrite\n"
    assert [path.name for path in tmp_path.iterdir()] == ["server.py"]


def test_notes_for_agents(tmp_path):
    agents = tmp_path / "AGENTS.md"
    agents.write_text("# Ours\n")
    assert init("--ai")[-1] == "AGENTS.md"
    linked = agents.read_text()
    assert linked.startswith("# Ours\n\n")
    assert "[AGENTS_aster.md](AGENTS_aster.md)" in linked
    for name in [*PYTHON_FILES, "AGENTS_aster.md"]:
        (tmp_path / name).unlink()
    assert "AGENTS.md" not in init("--ai")
    assert agents.read_text() == linked


def test_hint_for_people():
    done = aster("init")
    assert done.stdout.splitlines() == PYTHON_FILES
    assert done.stderr == "README.md says how to run it\n"
