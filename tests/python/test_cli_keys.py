"""`aster keygen` and `aster trust keygen`: everything or nothing, private from creation, never over an old key."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from aster import _aster
from aster.cli import main, private_files
from cli_support import environment
from key_support import EXISTS, mode, tree

MAKING = ("trust keygen", "keygen root", "keygen producer")


@pytest.fixture
def aster_home(home):
    return home / ".aster"


def test_root_key_and_its_public_half(cli, aster_home):
    told = cli.succeeded("trust", "keygen")
    key, public = (json.loads((aster_home / name).read_text()) for name in ("root.key", "root.pub"))
    assert list(key) == ["private_key", "public_key"]
    assert (aster_home / "root.key").read_text().startswith('{\n  "private_key": "')
    assert public == {"public_key": key["public_key"]}
    assert _aster.ed25519_public_from_secret(bytes.fromhex(key["private_key"])).hex() == key["public_key"]
    for shown in (aster_home / "root.key", aster_home / "root.pub", key["public_key"]):
        assert str(shown) in told
    assert key["private_key"] not in told + cli.warnings


def test_json(cli, tmp_path):
    made = cli.json("trust", "keygen", "--out-key", "deep/er/my.key")
    assert (made["key_file"], made["public_file"]) == ("deep/er/my.key", "deep/er/my.pub")
    assert json.loads((tmp_path / "deep/er/my.pub").read_text())["public_key"] == made["public_key"]


def test_node_key(cli, aster_home):
    made = cli.json("keygen", "producer")
    key = json.loads((aster_home / "node.key").read_text())
    assert list(key) == ["secret_key", "node_id"]
    assert _aster.ed25519_public_from_secret(bytes.fromhex(key["secret_key"])).hex() == key["node_id"]
    assert made == {
        "key_file": str(aster_home / "node.key"),
        "public_file": None,
        "node_id": key["node_id"],
        "profile": None,
        "keyring": None,
    }


@pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX")
@pytest.mark.parametrize("mask", [0o000, 0o077, 0o777 & ~0o700])
def test_tr20_modes_do_not_depend_on_the_mask(cli, aster_home, mask):
    before = os.umask(mask)
    try:
        cli.succeeded("keygen", "root")
        cli.succeeded("keygen", "producer")
    finally:
        os.umask(before)
    modes = {name: mode(aster_home / name) for name in ("", "root.key", "root.pub", "node.key", "config.toml")}
    assert modes == {"": 0o700, "root.key": 0o600, "root.pub": 0o644, "node.key": 0o600, "config.toml": 0o600}


@pytest.mark.parametrize("making", MAKING)
def test_tr8_no_key_is_replaced(cli, aster_home, keyring, making):
    cli.succeeded(*making.split())
    before = tree(aster_home, keyring.parent)
    told = cli.failed(*making.split())
    assert told.endswith(f"{EXISTS}\n"), told
    assert tree(aster_home, keyring.parent) == before


@pytest.mark.parametrize("remaining", ["root.key", "root.pub", "config.toml", "keyring"])
def test_tr8_each_store_alone_forbids_it_and_is_named(cli, aster_home, keyring, remaining):
    cli.succeeded("keygen", "root")
    for path in (*aster_home.iterdir(), keyring):
        if path.name != remaining and not (remaining == "keyring" and path == keyring):
            path.unlink()
    before = tree(aster_home, keyring.parent)
    told = cli.failed("keygen", "root")
    names = {"config.toml": "profile 'default'", "keyring": "keyring entry aster/root_privkey:default"}
    assert names.get(remaining, remaining) in told
    assert "refusing to overwrite" in told
    assert tree(aster_home, keyring.parent) == before


def test_tr8_links_to_nowhere_are_not_followed(cli, tmp_path):
    (tmp_path / "root.key").symlink_to(tmp_path / "elsewhere")
    assert EXISTS in cli.failed("trust", "keygen", "--out-key", "root.key")
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("broken", ["root.pub", "config.toml", "keyring"])
def test_tr8_a_failure_in_between_leaves_nothing(cli, aster_home, keyring, monkeypatch, broken):
    if broken == "keyring":
        monkeypatch.setenv("STAND_IN_KEYRING_FULL", "1")
    else:
        real = private_files._written

        def fails(path, text, mode):
            if path.name == broken:
                raise OSError(28, "No space left on device", str(path))
            return real(path, text, mode)

        monkeypatch.setattr(private_files, "_written", fails)
    told = cli.failed("keygen", "root")
    assert "No space left" in told or "the keyring failed: PasswordSetError" in told
    assert tree(aster_home) == {}
    assert not keyring.exists() or json.loads(keyring.read_text()) == {}


def test_profile_and_keyring(cli, aster_home, keyring):
    made = cli.json("keygen", "root", "--profile", "prod", "--out", "prod.key")
    key = json.loads(Path("prod.key").read_text())
    assert made["profile"] == "prod"
    assert cli.json("profile", "show", "prod")["root_pubkey"] == key["public_key"] == made["public_key"]
    assert json.loads(keyring.read_text()) == {"aster/root_privkey:prod": key["private_key"]}
    assert key["private_key"] not in (aster_home / "config.toml").read_text()
    second = cli.json("keygen", "root", "--profile", "lab", "--out", "lab.key")
    assert second["public_key"] != made["public_key"]


@pytest.mark.parametrize("state", ["none", "locked"])
def test_without_a_keyring_there_is_the_file(cli, aster_home, monkeypatch, state):
    monkeypatch.setenv("STAND_IN_KEYRING", state)
    assert cli.json("keygen", "root")["keyring"] is None
    assert ("cannot be used: KeyringLocked" in cli.warnings) == (state == "locked")
    assert (aster_home / "root.key").exists()


def test_without_the_library_there_is_the_file(cli, aster_home, monkeypatch):
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert cli.json("keygen", "root")["keyring"] is None
    assert (aster_home / "root.key").exists()


def test_names_of_public_keys_are_no_key_files(cli):
    assert "is the name of a public key" in cli.failed("trust", "keygen", "--out-key", "root.pub", status=2)


@pytest.mark.skipif(os.name != "posix", reason="processes end by signals of POSIX")
@pytest.mark.parametrize("step", ["os.fsync", "os.link"])
def test_tr20_a_kill_between_steps_leaves_all_or_nothing(home, tmp_path, step):
    program = (
        "import os, signal, sys\n"
        "from aster.cli import main\n"
        f"{step} = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)\n"
        "main(['trust', 'keygen', '--out-key', 'root.key'])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], timeout=30, check=False, env=environment(HOME=str(home)))
    assert done.returncode == -9
    assert not (tmp_path / "root.key").exists()
    left = list(tmp_path.glob(".root.key.*"))
    assert len(left) == 1
    assert mode(left[0]) == 0o600
    assert main(["trust", "keygen", "--out-key", "root.key"]) == 0
