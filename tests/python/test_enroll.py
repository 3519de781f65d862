"""`aster enroll`: whatever it writes, servers and clients accept. The commands of docs/trust.md run as they stand."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import identities
from aster import (
    AdmissionDeniedError,
    AsterClient,
    AsterConfig,
    AsterServer,
    CallContext,
    _aster,
    rpc,
    service,
    sign_credential,
    wire_type,
)
from aster.cli import private_files
from aster.trust.credentials import parse_credential, parts
from cli_support import SECONDS, environment, program
from key_support import mode, root_key, tree
from support import asynchronous, raised

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "trust.md").read_text(encoding="utf-8")
ENROLL = ("enroll", "node", "-q", "--root-key", "root.key", "--role")
HOSTILE = 'a"""\n[[peers]]\nname = "x" # \\ \u007f \u2028 \u00e9 .]='


@wire_type("test/Held")
@dataclass
class Held:
    attributes: dict[str, str] = field(default_factory=dict)


@service("Who", public=True)
class Who:
    @rpc
    async def attributes(self, ctx: CallContext) -> Held:
        return Held(dict(ctx.attributes))


@pytest.fixture(autouse=True)
def _root_key(tmp_path):
    """A root key in the working directory."""
    return root_key(tmp_path / "root.key")


@pytest.fixture
def desk(cli):
    """The identity file of a server."""
    cli.succeeded(*ENROLL, "producer", "--name", "desk", "--out", "desk.id")
    return "desk.id"


def entry(path, name=None, role=None):
    return AsterConfig().load_identity_from_path(path, name, role)[1]


def credential_of(path, name=None):
    """Return the credential that an entry is."""
    found = entry(path, name)
    kind = "producer" if found["role"] == "producer" else found["type"]
    return parse_credential(json.dumps({**found, "type": kind}))


async def admitted(address, **options):
    """Return the attributes that a server gives a client."""
    async with AsterClient(address=address, **options) as client:
        return (await (await client.client(Who)).attributes()).attributes


CONSUMERS = {
    "policy": ([], {"aster.role": "consumer"}),
    "ott": (["--type", "ott"], {"aster.role": "consumer"}),
    "policy-unbound": (["--unbound"], {"aster.role": "consumer"}),
    "ott-unbound": (["-t", "ott", "--unbound"], {"aster.role": "consumer"}),
    "capabilities": (["--capabilities", "ops.status, ops.logs,,"], {"aster.role": "ops.status,ops.logs"}),
    "attributes": (
        ["--attributes", "team=blue, desk = 4=5"],
        {"aster.role": "consumer", "team": "blue", "desk": "4=5"},
    ),
    "hostile": (["-a", json.dumps({HOSTILE: HOSTILE})], {"aster.role": "consumer", HOSTILE: HOSTILE}),
    "expires": (["--expires", "2030-01-01"], {"aster.role": "consumer"}),
    "short": (["-c", "a", "-t", "policy", "-e", "1h30m", "-a", "k=v"], {"aster.role": "a", "k": "v"}),
}


@pytest.mark.parametrize("options", CONSUMERS.values(), ids=CONSUMERS.keys())
def test_tr6_consumers_of_every_type_and_option_are_admitted(cli, desk, options):
    arguments, attributes = options
    name = HOSTILE if "-a" in arguments else "edge"
    told = cli.succeeded(*ENROLL, "consumer", "--name", name, "--out", "edge.id", *arguments)

    @asynchronous
    async def connect():
        async with AsterServer([Who()], identity=desk) as server:
            expected = {**attributes, "aster.name": name}
            assert await admitted(server.address, identity="edge.id") == expected
            assert await admitted(server.address, identity="edge.id", peer=name) == expected
            assert await admitted(server.address, enrollment_credential_file="edge.id") == expected
            assert (await raised(AsterClient(address=server.address).connect())).had_credential is False

    connect()
    path, endpoint_id, expires = told.split()
    seed, found = AsterConfig().load_identity_from_path("edge.id")
    assert (path, endpoint_id) == ("edge.id", _aster.ed25519_public_from_secret(seed).hex())
    assert found["attributes"] == {**attributes, "aster.name": name}
    assert (found.get("endpoint_id") is None) == ("--unbound" in arguments)
    if "--expires" in arguments:
        assert (expires, found["expires_at"]) == ("2030-01-01T00:00:00Z", 1893456000)


@pytest.mark.parametrize(
    "arguments", [[], ["-c", "producer,aster.operator"], ["-a", json.dumps({HOSTILE: HOSTILE})], ["-e", "90s"]]
)
@pytest.mark.parametrize("name", ["desk", HOSTILE])
def test_tr6_producers_of_every_option_serve_gated(cli, _root_key, name, arguments):
    cli.succeeded(*ENROLL, "producer", "--name", name, "--out", "desk.id", *arguments)
    cli.succeeded(*ENROLL, "consumer", "--name", "ann", "--out", "ann.id")

    @asynchronous
    async def connect():
        async with AsterServer([Who()], identity="desk.id", peer=name) as server:
            assert server.root_pubkey == _root_key[1]
            assert (await admitted(server.address, identity="ann.id"))["aster.name"] == "ann"

    connect()


@pytest.mark.parametrize("is_bound", [True, False])
def test_tr6_signed_files_are_admitted(cli, desk, is_bound):
    made = cli.json("keygen", "producer", "--out", "node.key")
    key = bytes.fromhex(json.loads(Path("node.key").read_text())["secret_key"])
    bound = ("--endpoint-id", made["node_id"]) if is_bound else ()
    for kind in ("policy", "ott"):
        role = json.dumps({"aster.role": kind})
        signing = ("trust", "sign", "--root-key", "root.key", "--type", kind, *bound)
        cli.succeeded(*signing, "--attributes", role, "--out", f"{kind}.cred")

    @asynchronous
    async def connect():
        async with AsterServer([Who()], identity=desk) as server:
            for kind in ("policy", "ott"):
                file = f"{kind}.cred"
                config = AsterConfig(secret_key=key, relay_mode="disabled", bind_addr="127.0.0.1:0")
                found = await admitted(server.address, config=config, enrollment_credential_file=file, identity="")
                assert found == {"aster.role": kind}

    connect()


def test_tr7_a_token_is_spent_once_and_its_node_resumes(cli, desk):
    cli.succeeded(*ENROLL, "consumer", "--name", "one", "--type", "ott", "--unbound", "--out", "one.id")
    stolen = {"secret_key": _aster.ed25519_generate_keypair()[0], "relay_mode": "disabled", "bind_addr": "127.0.0.1:0"}
    Path("stolen.cred").write_text(json.dumps({**entry("one.id"), "type": "ott"}))

    @asynchronous
    async def connect():
        async with AsterServer([Who()], identity=desk) as server:
            for _ in range(2):
                assert (await admitted(server.address, identity="one.id"))["aster.name"] == "one"
            thief = AsterClient(
                address=server.address,
                config=AsterConfig(**stolen),
                identity="",
                enrollment_credential_file="stolen.cred",
            )
            assert isinstance(await raised(thief.connect()), AdmissionDeniedError)

    connect()


def test_tr10_credentials_are_bound_unless_asked_and_that_is_told(cli, desk):
    cli.succeeded(*ENROLL, "consumer", "--name", "a", "--out", "a.id")
    assert cli.warnings == ""
    assert (
        entry("a.id")["endpoint_id"]
        == _aster.ed25519_public_from_secret(AsterConfig().load_identity_from_path("a.id")[0]).hex()
    )
    cli.succeeded(*ENROLL, "consumer", "--name", "b", "--unbound", "--out", "b.id")
    assert cli.warnings == "warning: the credential is not bound to a node: whoever holds the file is admitted\n"

    @asynchronous
    async def connect():
        config = AsterConfig(require_bound_credentials=True, relay_mode="disabled", bind_addr="127.0.0.1:0")
        async with AsterServer([Who()], identity=desk, config=config) as server:
            assert (await admitted(server.address, identity="a.id"))["aster.name"] == "a"
            denied = await raised(AsterClient(address=server.address, identity="b.id").connect())
            assert isinstance(denied, AdmissionDeniedError)

    connect()


def _expired(credential, seed):
    credential.expires_at = int(time.time()) - 1
    return sign_credential(credential, seed)


def test_tr10_every_bad_credential_is_denied_alike(cli, desk, _root_key):
    cli.succeeded(*ENROLL, "consumer", "--name", "a", "--out", "a.id")
    own = AsterConfig().load_identity_from_path("a.id")[0]
    good = credential_of("a.id")
    other_seed, other_public = root_key("other.key")
    changed = parse_credential(_aster.enrollment_to_json(parts(good)))
    changed.attributes = {**changed.attributes, "aster.role": "admin"}
    expired = credential_of("a.id")
    expired.signature = _expired(expired, _root_key[0])
    foreign = credential_of("a.id")
    foreign.root_pubkey = other_public
    foreign.signature = sign_credential(foreign, other_seed)
    cases = [(good, bytes(32)), (changed, own), (expired, own), (foreign, own)]

    @asynchronous
    async def connect():
        told = set()
        async with AsterServer([Who()], identity=desk) as server:
            for credential, key in cases:
                Path("x.cred").write_text(_aster.enrollment_to_json(parts(credential)))
                config = AsterConfig(secret_key=key, relay_mode="disabled", bind_addr="127.0.0.1:0")
                client = AsterClient(
                    address=server.address, config=config, identity="", enrollment_credential_file="x.cred"
                )
                error = await raised(client.connect())
                assert isinstance(error, AdmissionDeniedError)
                told.add(re.sub(r"your node: .*", "", str(error)))
        assert len(told) == 1
        assert "the server rejected your credential" in told.pop()

    connect()


def test_tr9_the_root_key_is_no_node_key(cli, _root_key):
    Path("node.key").write_text(json.dumps({"secret_key": _root_key[0].hex(), "node_id": _root_key[1].hex()}))
    told = cli.failed(*ENROLL, "producer", "--name", "a", "--identity", "node.key")
    assert "the root key is no node key" in told
    assert not Path(".aster-identity").exists()


def test_tr20_other_content_stays_and_the_same_name_replaces(cli):
    Path("x.id").write_text('# mine\nfuture = 1 # one\n[other."a.b"]\nx = [1, 2]\n')
    Path("x.id").chmod(0o600)
    for name in ("a", HOSTILE, "a"):
        cli.succeeded(*ENROLL, "consumer", "--name", name, "--out", "x.id")
    key = AsterConfig().load_identity_from_path("x.id")[0]
    cli.succeeded(*ENROLL, "producer", "--name", "a", "--out", "x.id")
    text = Path("x.id").read_text()
    assert text.startswith("# mine\nfuture = 1 # one\n")
    assert '[other."a.b"]\nx = [1, 2]\n' in text
    assert text.count("\n[[peers]]\n") == 2
    assert AsterConfig().load_identity_from_path("x.id", "a", "consumer") == (key, None)
    assert entry("x.id", "a", "producer")["attributes"]["aster.role"] == "producer"
    assert entry("x.id", HOSTILE, "consumer")["name"] == HOSTILE


@pytest.mark.parametrize("case", identities.TRUST["identity_restore"], ids=lambda case: case["name"])
def test_tr20_entries_of_older_versions_stay_as_they_are(cli, case):
    identities.write(Path("x.id"), identities.node(), identities.consumer(case["name"]))
    before = Path("x.id").read_text()
    old = entry("x.id", case["peer_name"])
    cli.succeeded(*ENROLL, "producer", "--name", "new", "--out", "x.id")
    assert Path("x.id").read_text().startswith(before)
    assert entry("x.id", case["peer_name"]) == old
    assert entry("x.id", "new")["endpoint_id"] == identities.NODE["public"]


@pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX")
def test_tr20_files_are_private_whatever_the_mask(cli):
    before = os.umask(0)
    try:
        cli.succeeded(*ENROLL, "producer", "--name", "a")
        assert mode(".aster-identity") == 0o600
        Path(".aster-identity").chmod(0o644)
        cli.succeeded(*ENROLL, "producer", "--name", "b")
    finally:
        os.umask(before)
    assert "readable by others (mode 0644)" in cli.warnings
    assert mode(".aster-identity") == 0o600


@pytest.mark.skipif(os.name != "posix", reason="processes end by signals of POSIX")
@pytest.mark.parametrize("step", ["os.fsync", "pathlib.Path.replace"])
def test_tr20_a_kill_between_steps_leaves_the_old_file(cli, home, step):
    cli.succeeded(*ENROLL, "producer", "--name", "a", "--out", "x.id")
    before = Path("x.id").read_bytes()
    source = (
        "import os, pathlib, signal\n"
        "from aster.cli import main\n"
        f"{step} = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"main({[*ENROLL, 'producer', '--name', 'b', '--out', 'x.id']!r})\n"
    )
    done = subprocess.run([sys.executable, "-c", source], timeout=SECONDS, check=False, env=environment(HOME=str(home)))
    assert done.returncode == -9
    assert Path("x.id").read_bytes() == before
    assert {mode(path) for path in Path().glob(".x.id.*")} <= {0o600}


def test_tr20_commands_at_once_lose_nothing(cli, home):
    names = [f"n{number}" for number in range(6)]
    source = "import sys; from aster.cli import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", source, *ENROLL, "producer", "--out", "x.id", "--name"]
    running = [subprocess.Popen([*command, name], env=environment(HOME=str(home))) for name in names]
    assert [process.wait(SECONDS) for process in running] == [0] * len(names)
    written = [entry("x.id", name) for name in names]
    assert {one["endpoint_id"] for one in written} == {written[0]["endpoint_id"]}, "one node key for all"


@pytest.mark.skipif(os.name != "posix", reason="locks are of POSIX")
def test_who_holds_the_file_too_long_is_told_of(cli, monkeypatch):
    monkeypatch.setattr(private_files, "_LOCK_SECONDS", 0.0)
    with private_files.changing(Path("x.id")):
        assert "another command is changing files" in cli.failed(*ENROLL, "producer", "--name", "b", "--out", "x.id")
    assert not Path("x.id").exists()


def test_tr20_a_failure_leaves_the_old_file(cli, monkeypatch):
    cli.succeeded(*ENROLL, "producer", "--name", "a", "--out", "x.id")
    before = tree(".")

    def fails(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(private_files.os, "fsync", fails)
    assert "No space left" in cli.failed(*ENROLL, "producer", "--name", "b", "--out", "x.id")
    assert tree(".") == before


def test_where_the_node_key_comes_from(cli):
    cli.succeeded(*ENROLL, "producer", "--name", "a", "--out", "x.id")
    made = cli.json("keygen", "producer", "--out", "node.key")
    told = cli.succeeded(*ENROLL, "consumer", "--name", "b", "--identity", "x.id", "--out", "y.id")
    assert told.split()[1] == entry("x.id")["endpoint_id"] == entry("y.id")["endpoint_id"]
    told = cli.succeeded(*ENROLL, "consumer", "--name", "c", "-i", "node.key", "-o", "z.id")
    assert told.split()[1] == made["node_id"]
    before = tree(".")
    told = cli.failed(*ENROLL, "consumer", "--name", "d", "-i", "node.key", "-o", "x.id")
    assert told == "error: x.id: it holds another node key\n"
    assert "No such file" in cli.failed(*ENROLL, "consumer", "--name", "d", "-i", "missing.id", "-o", "w.id")
    Path("empty.id").write_text("")
    assert "it has no node key" in cli.failed(*ENROLL, "consumer", "--name", "d", "-i", "empty.id", "-o", "w.id")
    Path("empty.id").unlink()
    assert tree(".") == before


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (("producer", "--name", "a", "--unbound"), 2, "always bound"),
        (("producer", "--name", "a", "--type", "ott"), 2, "--type is for consumers"),
        (("consumer", "--name", ""), 2, "needs a name"),
        (("consumer",), 2, "Missing option"),
        (("other", "--name", "a"), 2, "other"),
        (("consumer", "--name", "a", "--capabilities", " , "), 2, "names none"),
        (("consumer", "--name", "a", "--attributes", "x"), 2, "are written k=v"),
        (("consumer", "--name", "a", "--attributes", "x=1,x=2"), 2, "'x' is given twice"),
        (("consumer", "--name", "a", "--attributes", "aster.role=admin"), 2, "'aster.role' is given twice"),
        (("consumer", "--name", "a", "--attributes", '{"a":1}'), 2, "a JSON object of texts"),
        (("consumer", "--name", "a", "--attributes", f"x={'y' * 4097}"), 1, "malformed: attributes"),
        (("consumer", "--name", "n" * 4097), 1, "malformed: attributes"),
        (("consumer", "--name", "a", "--expires", "2020-01-01"), 2, "is not in the future"),
        (("consumer", "--name", "a", "--root-key", "missing.key"), 1, "missing.key: No such file"),
    ],
)
def test_what_cannot_be_enrolled_writes_nothing(cli, arguments, status, text):
    before = tree(".")
    assert text in cli.failed(*ENROLL, *arguments, status=status)
    assert tree(".") == before


def test_what_is_said(cli):
    told = cli.json("enroll", "node", "-r", "consumer", "-n", "ann", "-c", "a,b", "--root-key", "root.key")
    found = entry(".aster-identity")
    assert told == {
        "path": ".aster-identity",
        "name": "ann",
        "type": "policy",
        "endpoint_id": found["endpoint_id"],
        "root_public_key": found["root_pubkey"],
        "expires_at": told["expires_at"],
        "attributes": {"aster.role": "a,b", "aster.name": "ann"},
        "bound": True,
    }
    lines = cli.succeeded("enroll", "node", "-r", "consumer", "-n", "ann", "--root-key", "root.key")
    seed = AsterConfig().load_identity_from_path(".aster-identity")[0]
    for secret in (seed.hex(), found["signature"], json.loads(Path("root.key").read_text())["private_key"]):
        for at in range(len(secret) - 7):
            assert secret[at : at + 8] not in lines + json.dumps(told)


@pytest.mark.parametrize("named", ["--profile", "-p"])
def test_profiles(cli, keyring, named):
    made = cli.json("keygen", "root", "--profile", "prod", "--out", "prod.key")
    cli.succeeded("enroll", "node", "-q", "-r", "producer", "-n", "a", named, "prod")
    assert entry(".aster-identity")["root_pubkey"] == made["public_key"]
    assert keyring.exists()


def test_git_ignores_identity_files_once(cli, tmp_path):
    cli.succeeded(*ENROLL, "producer", "--name", "a")
    assert not Path(".gitignore").exists()
    subprocess.run(["git", "init", "-q", "."], check=True, timeout=SECONDS, cwd=tmp_path)
    (tmp_path / "deep").mkdir()
    Path(".gitignore").write_text("target")
    names = [".aster-identity", "deep/#odd [x]*.id", "deep/!a.id "]
    for name in [*names, *names]:
        cli.succeeded(*ENROLL, "producer", "--name", "a", "--out", name)
    assert Path(".gitignore").read_text() == "target\n.aster-identity\n"
    done = subprocess.run(
        ["git", "check-ignore", *names], check=True, timeout=SECONDS, cwd=tmp_path, capture_output=True, text=True
    )
    assert len(done.stdout.splitlines()) == len(names)
    assert len(Path("deep/.gitignore").read_text().splitlines()) == 2


def _blocks(language):
    found = re.findall(r"^```(\w*)\n(.*?)^```$", DOCUMENT, re.DOTALL | re.MULTILINE)
    return [text for name, text in found if name == language]


def _commands():
    """Return the commands of the document, each with lines that it prints."""
    found = []
    for line in "".join(_blocks("")).splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return found


@pytest.mark.skipif(os.name != "posix", reason="the document is for shells of POSIX")
def test_tr6_the_document_runs(home, tmp_path):
    Path("root.key").unlink()
    for name, text in zip(("vault.py", "library.py"), _blocks("python")):
        Path(name).write_text(text)
    subprocess.run([sys.executable, "library.py"], check=True, timeout=SECONDS)
    commands = _commands()
    start = next(at for at, (line, _) in enumerate(commands) if "python vault.py" in line)
    shell = f'aster() {{ "{sys.executable}" -m aster "$@"; }}; python() {{ "{sys.executable}" "$@"; }}\n'

    def run(lines, **env):
        for line, printed in lines:
            # Variables that a line sets are for those that follow.
            name, _, value = line.partition("=")
            if re.fullmatch(r"[A-Z]+", name):
                done = subprocess.run(
                    ["bash", "-c", f"{shell} echo {value}"], capture_output=True, text=True, timeout=SECONDS, check=True
                )
                env[name] = done.stdout.strip()
                continue
            done = subprocess.run(
                ["bash", "-c", shell + line],
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
                env=environment(HOME=str(home), **env),
            )
            said = (done.stdout + done.stderr).splitlines()
            assert [one for one in printed if one not in said] == [], (line, said)
            assert (done.returncode == 1) == any(one.startswith("error: ") for one in printed), (line, said)

    run(commands[:start])
    assert commands[start] == ("ASTER_IDENTITY_FILE=desk.id python vault.py", ["aster1..."])
    with program(tmp_path / "vault.py", ASTER_IDENTITY_FILE="desk.id") as server:
        run(commands[start + 1 :], A=server.address)
