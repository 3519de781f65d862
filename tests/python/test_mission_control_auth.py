"""The auth mode of Mission Control, as `cli.md` section 8 shows it."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace

import pytest

from aster import AsterConfig, _aster, sign_credential
from aster.trust.credentials import parse_credential, parts
from cli_support import aster, program, succeeded
from key_support import root_key
from test_mission_control import FOLDER

CAPABILITIES = {"edge": "ops.status,ops.ingest", "ops": "ops.status,ops.logs,ops.ingest,ops.admin"}
NO_CREDENTIAL = "error: consumer admission denied -- this server requires a credential.\n"
REJECTED = "error: consumer admission denied -- the server rejected your credential.\n"
REGISTER = '{"id":1,"method":"register","request":{"agent":"n1","capabilities":["gpu"]}}\n'
RUN = '{"id":2,"method":"run"}\n{"id":2,"item":{"line":"whoami"}}\n{"id":2,"end":true}\n'

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The files of the deployment."""
    path = tmp_path_factory.mktemp("deployment")
    home = str(tmp_path_factory.mktemp("operator"))
    succeeded("trust", "keygen", "--out-key", path / "root.key", HOME=home)
    enroll = ("enroll", "node", "-q", "--root-key", path / "root.key")
    succeeded(*enroll, "--role", "producer", "--name", "control", "--out", path / "control.id", HOME=home)
    for name, held in CAPABILITIES.items():
        options = ("--name", name, "--capabilities", held, "--out", path / f"{name}.cred")
        succeeded(*enroll, "--role", "consumer", *options, HOME=home)
    return path


@pytest.fixture(scope="module")
def control(folder):
    """The server, gated."""
    env = {"HOME": str(folder), "ASTER_IDENTITY_FILE": str(folder / "control.id")}
    with program(FOLDER / "server.py", **env) as running:
        yield running


@pytest.fixture
def call(control, folder):
    """Call with somebody's credential; returns status, results and what else is said."""

    def run(who, *arguments, stdin=""):
        done = aster("call", control.address, *arguments, "--json", "--rcan", folder / f"{who}.cred", stdin=stdin)
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.mark.parametrize(
    "arguments",
    [
        ("call", "MissionControl.status"),
        ("service", "ls"),
        ("blob", "ls"),
        ("docs", "ls"),
        ("gossip", "tail"),
    ],
)
def test_without_a_credential(control, arguments):
    command, *rest = arguments
    options = [control.address, *rest] if command == "call" else [rest[0], control.address]
    done = aster(command, *options)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(NO_CREDENTIAL)
    assert "--rcan <path/to/file.cred>" in done.stderr


@pytest.mark.parametrize("who", ["edge", "ops"])
def test_what_both_may(call, who):
    status = '{"agent":"edge-7","state":"running","uptime_s":3600}\n'
    assert call(who, "MissionControl.status", '{"agent":"edge-7"}') == (0, status, "")
    ingested = call(who, "MissionControl.ingest", '[{"name":"cpu"},{"name":""}]')
    assert ingested == (0, '{"accepted":1,"dropped":1}\n', "")
    registered = call(who, "AgentLink", "--session", stdin=REGISTER)
    assert registered == (0, '{"id":1,"result":{"id":"train-42","command":"python train.py"}}\n', "")


def test_what_edge_may_not(call):
    for method, request in (("log", '{"text":"disk full"}'), ("tail", "{}")):
        status, told, said = call("edge", f"MissionControl.{method}", request)
        assert (status, told) == (1, "")
        error = json.loads(said)["error"]
        assert error["code"] == "PERMISSION_DENIED"
        assert error["message"] == f"capability check failed for method 'MissionControl.{method}'"
    status, told, _ = call("edge", "AgentLink", "--session", stdin=REGISTER + RUN)
    assert status == 1
    error = json.loads(told.splitlines()[1])["error"]
    assert (error["code"], error["message"]) == (
        "PERMISSION_DENIED",
        "capability check failed for method 'AgentLink.run'",
    )
    assert "n1" not in told


def test_the_hint_says_what_is_missing(control, folder):
    done = aster("call", control.address, "MissionControl.log", "--rcan", folder / "edge.cred")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: PERMISSION_DENIED: capability check failed for method 'MissionControl.log'\n")


def test_what_ops_may(call, control, folder):
    assert call("ops", "MissionControl.log", '{"text":"disk full"}') == (0, '{"accepted":true}\n', "")
    status, told, _ = call("ops", "AgentLink", "--session", stdin=REGISTER + RUN)
    assert (status, told.splitlines()) == (
        0,
        [
            '{"id":1,"result":{"id":"train-42","command":"python train.py"}}',
            '{"id":2,"item":{"stdout":"n1","stderr":"","exit_code":0}}',
            '{"id":2,"end":true}',
        ],
    )
    told = succeeded("service", "ls", control.address, "--rcan", folder / "ops.cred")
    assert told.splitlines()[1].split() == ["AgentLink", "2", "v1", "session"]


def test_bad_credentials_are_denied_alike(control, folder, home, tmp_path):
    root = bytes.fromhex(json.loads((folder / "root.key").read_text())["private_key"])
    seed, entry = AsterConfig().load_identity_from_path(folder / "edge.cred")
    good = parse_credential(json.dumps(entry))
    other_seed, other_public = root_key(tmp_path / "other.key")

    def signed(key, **changes):
        made = replace(good, **changes)
        made.signature = sign_credential(made, key)
        return made

    other_node = _aster.ed25519_generate_keypair()[0]
    cases = {
        "expired": (signed(root, expires_at=int(time.time()) - 1), seed),
        "tampered": (replace(good, attributes={**good.attributes, "aster.role": "ops.admin"}), seed),
        "foreign root": (signed(other_seed, root_pubkey=other_public), seed),
        "another node": (good, other_node),
    }
    told = set()
    for credential, node_key in cases.values():
        key_file = home / ".aster" / "node.key"
        key_file.parent.mkdir(mode=0o700, exist_ok=True)
        key_file.touch(0o600)
        key_file.write_text(json.dumps({"secret_key": node_key.hex()}))
        (tmp_path / "x.cred").write_text(_aster.enrollment_to_json(parts(credential)))
        (tmp_path / "x.cred").chmod(0o600)
        done = aster("call", control.address, "MissionControl.status", "--rcan", tmp_path / "x.cred")
        assert (done.returncode, done.stdout) == (1, "")
        told.add(re.sub(r"your node: .*", "", done.stderr))
    assert len(told) == 1
    assert told.pop().startswith(REJECTED)
