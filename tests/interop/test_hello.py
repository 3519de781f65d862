"""Every language's Hello server answers every language's Hello client, each in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from aster.trust import (
    ConsumerEnrollmentCredential,
    consumer_cred_to_json,
    generate_root_keypair,
    sign_credential,
)

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


def environment(**settings: object) -> dict[str, str]:
    """The environment of a program, with `ASTER_*` settings."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("ASTER_")}
    env |= {"ASTER_RELAY_MODE": "disabled", "ASTER_LOG_LEVEL": "error"}
    return env | {f"ASTER_{name.upper()}": str(value) for name, value in settings.items()}


@contextmanager
def serving(command: list[str], cwd: Path, **settings: object) -> Iterator[str]:
    """Runs a server until its stdin is closed; yields its address."""
    server = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(**settings), cwd=cwd
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


def run(command: list[str], cwd: Path, **settings: object) -> subprocess.CompletedProcess[str]:
    env = environment(**settings)
    return subprocess.run(command, capture_output=True, text=True, env=env, cwd=cwd, timeout=60, check=False)


@pytest.mark.parametrize("server", SERVERS)
def test_every_client_gets_its_answer(server: str, programs: dict[tuple[str, str], list[str]], tmp_path: Path) -> None:
    with serving(programs[server, "server"], tmp_path) as address:
        for client in CLIENTS:
            ran = run([*programs[client, "client"], address], tmp_path)
            assert (ran.returncode, ran.stdout) == (0, "Hello, World!\n"), f"{client} -> {server}: {ran.stderr}"


@dataclass(frozen=True)
class Deployment:
    """A root key, and what it has signed."""

    public: bytes
    policy: Path  # of whoever has it
    identity: Path  # of one node
    stranger: Path  # signed by another root key


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    folder = tmp_path_factory.mktemp("deployment")

    def policy(name: str, seed: bytes, public: bytes) -> Path:
        made = ConsumerEnrollmentCredential("policy", public, int(time.time()) + 3600, {"aster.name": name})
        made.signature = sign_credential(made, seed)
        path = folder / f"{name}.cred"
        path.write_text(consumer_cred_to_json(made))
        path.chmod(0o600)
        return path

    seed, public = generate_root_keypair()
    key = folder / "root.key"
    key.write_text(json.dumps({"private_key": seed.hex(), "public_key": public.hex()}))
    key.chmod(0o600)
    command = [sys.executable, "-m", "aster", "enroll", "node", "-q", "-r", "consumer", "-n", "ann"]
    enrolled = run([*command, "--root-key", str(key), "-o", "ann.id"], folder)
    assert enrolled.returncode == 0, enrolled.stderr
    stranger = policy("stranger", *generate_root_keypair())
    return Deployment(public, policy("kiosk", seed, public), folder / "ann.id", stranger)


@pytest.mark.parametrize("server", SERVERS)
def test_tr6_a_closed_gate_asks_every_client_for_a_credential(
    server: str, programs: dict[tuple[str, str], list[str]], deployment: Deployment, tmp_path: Path
) -> None:
    with serving(programs[server, "server"], tmp_path, root_pubkey=deployment.public.hex()) as address:
        for client in CLIENTS:
            command = [*programs[client, "client"], address]
            for name, settings in {
                "credential": {"enrollment_credential": deployment.policy},
                "identity": {"identity_file": deployment.identity},
            }.items():
                ran = run(command, tmp_path, **settings)
                outcome = (ran.returncode, ran.stdout)
                assert outcome == (0, "Hello, World!\n"), f"{client} -> {server}, {name}: {ran.stderr}"
            for settings in ({}, {"enrollment_credential": deployment.stranger}):
                ran = run(command, tmp_path, **settings)
                outcome = (ran.returncode, ran.stdout, "admission denied" in ran.stderr)
                assert outcome == (1, "", True), f"{client} -> {server}, {settings}: {ran}"
