"""`aster profile`: deployments that the command knows."""

from __future__ import annotations

import os

import pytest

from key_support import mode


@pytest.fixture
def file(home):
    return home / ".aster" / "config.toml"


def test_from_creation_to_deletion(cli, file):
    assert cli.json("profile", "list") == []
    cli.succeeded("profile", "create", "prod")
    cli.succeeded("profile", "create", 'my lab."1"')
    cli.succeeded("profile", "use", "prod")
    assert cli.json("profile", "list") == [
        {"name": 'my lab."1"', "active": False, "root_pubkey": None, "handle": None},
        {"name": "prod", "active": True, "root_pubkey": None, "handle": None},
    ]
    assert cli.succeeded("profile", "list").splitlines()[2].split() == ["*", "prod", "-", "-"]
    assert cli.json("profile", "show") == {"profile": "prod", "signer": "local"}
    assert cli.json("profile", "show", 'my lab."1"')["profile"] == 'my lab."1"'
    cli.succeeded("profile", "delete", "prod", "-y")
    assert cli.failed("profile", "show") == "error: no profile is active\nhint: aster profile use NAME\n"
    assert [one["name"] for one in cli.json("profile", "list")] == ['my lab."1"']
    if os.name == "posix":
        assert (mode(file), mode(file.parent)) == (0o600, 0o700)


def test_which_one_counts(cli, monkeypatch):
    for name in ("a", "b", "c"):
        cli.succeeded("profile", "create", name)
    cli.succeeded("profile", "use", "a")
    assert cli.json("profile", "show")["profile"] == "a"
    monkeypatch.setenv("ASTER_PROFILE", "b")
    assert cli.json("profile", "show")["profile"] == "b"
    assert cli.json("profile", "show", "--profile", "c")["profile"] == "c"
    monkeypatch.setenv("ASTER_PROFILE", "x")
    assert "no profile is named 'x' (there are: a, b, c)" in cli.failed("profile", "show")


def test_unknown_and_double(cli, file):
    cli.succeeded("profile", "create", "a")
    before = file.read_text()
    assert cli.failed("profile", "create", "a") == "error: profile 'a' already exists\n"
    for arguments in (("use", "b"), ("show", "b"), ("delete", "b", "-y")):
        assert "no profile is named 'b'" in cli.failed("profile", *arguments)
    assert "nobody can be asked: give -y" in cli.failed("profile", "delete", "a", "--json", status=2)
    assert "cannot be the name of a profile" in cli.failed("profile", "create", "a\nb")
    assert file.read_text() == before
    file.write_text(before * 2)
    assert "config.toml: line" in cli.failed("profile", "list")


def test_what_the_file_says_besides_stays(cli, file):
    file.parent.mkdir(mode=0o700)
    file.write_text("# mine\n[aster_service]\nenabled = true # yes\n")
    file.chmod(0o600)
    cli.succeeded("profile", "create", "a")
    cli.succeeded("profile", "use", "a")
    cli.succeeded("profile", "delete", "a", "-y")
    assert "# mine" in file.read_text()
    assert "enabled = true # yes\n" in file.read_text()


@pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX")
def test_a_file_that_others_write_is_not_believed(cli, file):
    cli.succeeded("profile", "create", "a")
    file.chmod(0o620)
    assert "is writable by others (mode 0620)" in cli.failed("profile", "list")
