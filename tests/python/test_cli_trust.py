"""`aster trust sign`, `authorize`, `trust verify`: credentials of the operator, made offline."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path

import pytest

from aster import sign_credential
from aster.cli import expiry
from aster.trust import verify_signature
from aster.trust.credentials import parse_credential
from cli_support import failed
from key_support import EXISTS, mode, root_key, tree

DAY = 86_400
ID = "d0" * 32
SIGN = ("trust", "sign", "--root-key", "root.key")


@pytest.fixture(autouse=True)
def _root_key(tmp_path):
    """A root key in the working directory."""
    return root_key(tmp_path / "root.key")


def read(path):
    return parse_credential(Path(path).read_bytes())


@pytest.mark.parametrize("kind", ["producer", "policy", "ott"])
@pytest.mark.parametrize("is_bound", [True, False])
def test_tr10_every_type(cli, kind, is_bound):
    if kind == "producer" and not is_bound:
        assert "is bound to a node: give --endpoint-id" in cli.failed(*SIGN, "--type", kind, status=2)
        return
    bound = ("--endpoint-id", ID) if is_bound else ()
    attributes = {"aster.role": "a,b", 'quote"\n.key': "caf\u00e9 \u2028"}
    told = cli.json(*SIGN, "--type", kind, *bound, "--attributes", json.dumps(attributes), "--out", "x.cred")
    assert ("warning: the credential is not bound to a node" in cli.warnings) == (not is_bound)
    made = read("x.cred")
    assert made.attributes == attributes
    assert made.endpoint_id == (ID if is_bound else None)
    assert verify_signature(made, bytes.fromhex(json.loads(Path("root.key").read_text())["public_key"]))
    assert 29.9 * DAY < made.expires_at - time.time() <= 30 * DAY
    assert told["type"] == kind == json.loads(Path("x.cred").read_text())["type"]
    assert told["attributes"] == attributes
    if kind == "ott":
        assert len(made.nonce) == 32
        cli.succeeded(*SIGN, "--type", kind, *bound, "--out", "y.cred")
        assert read("y.cred").nonce != made.nonce
        assert made.nonce.hex() not in json.dumps(told)
    if os.name == "posix":
        assert mode("x.cred") == 0o600
    checked = cli.json(
        "trust", "verify", "x.cred", "--root-pubkey", json.loads(Path("root.key").read_text())["public_key"]
    )
    assert (checked["valid"], checked["bound"], checked["type"]) == (True, is_bound, kind)


def test_authorize(cli):
    told = cli.json("authorize", "--root-key", "root.key", "--producer-id", ID)
    assert told["path"] == "enrollment.token"
    assert read("enrollment.token").endpoint_id == ID
    assert EXISTS in cli.failed("authorize", "--root-key", "root.key", "--producer-id", ID)
    assert "Missing option" in cli.failed("authorize", "--root-key", "root.key", status=2)


def test_ids_that_no_node_has_are_signed_with_a_warning(cli):
    cli.succeeded(*SIGN, "--endpoint-id", "desk", "--out", "x.cred")
    assert "warning: the endpoint id is not 64 lower-case hex digits" in cli.warnings
    assert "malformed: endpoint_id" in cli.failed("trust", "verify", "x.cred")


def test_credentials_are_never_overwritten(cli):
    cli.succeeded(*SIGN, "--endpoint-id", ID)
    before = tree(".aster")
    assert cli.failed(*SIGN, "--endpoint-id", ID) == f"error: .aster/credential.json {EXISTS}\n"
    assert tree(".aster") == before


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (("--attributes", "{"), 2, "attributes are not valid JSON"),
        (("--attributes", "[]"), 2, "a JSON object of texts"),
        (("--attributes", '{"a":1}'), 2, "a JSON object of texts"),
        (("--attributes", '{"a":"1","a":"2"}'), 2, "a key is given twice"),
        (("--attributes", json.dumps({str(at): "" for at in range(65)})), 1, "malformed: attributes"),
        (("--attributes", json.dumps({"a": "b" * 4097})), 1, "malformed: attributes"),
        (("--expires", "soon"), 2, "no duration such as 30d"),
        (("--expires", "2020-01-01"), 2, "is not in the future"),
        (("--expires", "0s"), 2, "is not in the future"),
        (("--type", "other"), 2, "other"),
    ],
)
def test_bad_arguments_write_nothing(cli, arguments, status, text):
    assert text in cli.failed(*SIGN, "--endpoint-id", ID, "--out", "x.cred", *arguments, status=status)
    assert not Path("x.cred").exists()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("15m", 900), ("24h", DAY), ("30d", 30 * DAY), ("1h30m", 5400), ("1d1h1m1s", DAY + 3661)],
)
def test_durations(text, seconds):
    found = expiry.Expiry().convert(text, None, None) - time.time()
    assert seconds - 5 < found <= seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2030-01-02T03:04:05Z", 1893553445),
        ("2030-01-02T03:04:05+00:00", 1893553445),
        ("2030-01-02T04:04:05+01:00", 1893553445),
        ("2030-01-02", 1893542400),
    ],
)
def test_dates(text, seconds):
    assert expiry.Expiry().convert(text, None, None) == seconds
    assert expiry.shown(1893553445) == "2030-01-02T03:04:05Z"


def write(path, credential, **changes):
    Path(path).write_text(json.dumps({**json.loads(credential), **changes}))


def test_verify_tells_every_defect(cli, _root_key):
    cli.succeeded(*SIGN, "--type", "policy", "--endpoint-id", ID, "--out", "x.cred")
    text = Path("x.cred").read_text()
    expired = read("x.cred")
    expired.expires_at = 5
    write("old.cred", text, expires_at=5, signature=sign_credential(expired, _root_key[0]).hex())
    write("changed.cred", text, attributes={"aster.role": "admin"})
    _, other = root_key("other.key")
    Path("other.pub").write_text(json.dumps({"public_key": other.hex()}))
    for arguments, why in (
        (("old.cred",), "expired"),
        (("changed.cred",), "the signature is not that of its root key"),
        (("x.cred", "--root-pubkey", other.hex()), "of another root key"),
        (("x.cred", "--root-pubkey", "other.pub"), "of another root key"),
    ):
        status, told, said = cli.run("trust", "verify", *arguments)
        assert (status, said) == (1, f"error: {arguments[0]}: {why}\n")
        assert re.search(r"^valid: +no$", told, re.MULTILINE)
    Path("bad.cred").write_text("{}")
    assert cli.failed("trust", "verify", "bad.cred").startswith("error: bad.cred: not a credential: malformed")
    assert "No such file" in cli.failed("trust", "verify", "missing.cred")
    assert "not a public root key" in cli.failed("trust", "verify", "x.cred", "--root-pubkey", "old.cred")


def signer(cli, *options):
    """Return the root key that signs."""
    cli.succeeded("trust", "sign", "--endpoint-id", ID, "--out", "who.cred", *options)
    found = read("who.cred").root_pubkey.hex()
    Path("who.cred").unlink()
    return found


def test_which_root_key_signs(cli, home, keyring, _root_key):
    told = cli.failed("trust", "sign", "--endpoint-id", ID)
    assert told == "error: no root key found. Use --root-key PATH or create one: aster trust keygen\n"
    in_file = cli.json("trust", "keygen")["public_key"]
    assert signer(cli) == in_file
    in_keyring = cli.json("keygen", "root", "--out", "ring.key")["public_key"]
    assert in_keyring != in_file
    assert signer(cli) == in_keyring
    assert signer(cli, "--root-key", "root.key") == _root_key[1].hex()
    assert "No such file" in cli.failed("trust", "sign", "--endpoint-id", ID, "--root-key", "missing.key")
    prod = cli.json("keygen", "root", "--profile", "prod", "--out", "prod.key")["public_key"]
    assert signer(cli, "--profile", "prod") == prod
    cli.succeeded("profile", "use", "prod")
    assert signer(cli) == prod
    told = cli.failed("trust", "sign", "--endpoint-id", ID, "--root-key", "root.key", "--profile", "prod")
    assert told == "error: the root key of root.key is not that of profile 'prod'\n"
    assert "no profile is named 'x'" in cli.failed("trust", "sign", "--endpoint-id", ID, "--profile", "x")
    keyring.unlink()
    told = cli.failed("trust", "sign", "--endpoint-id", ID)
    assert told == f"error: the root key of {home / '.aster' / 'root.key'} is not that of profile 'prod'\n"


@pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX")
def test_modes_of_root_keys(cli, home):
    key = home / ".aster" / "root.key"
    cli.succeeded("trust", "keygen")
    key.chmod(0o644)
    signer(cli)
    assert f"warning: {key} holds a secret and is readable by others (mode 0644)" in cli.warnings
    key.chmod(0o620)
    told = cli.failed("trust", "sign", "--endpoint-id", ID)
    assert told == f"error: {key} is writable by others (mode 0620)\n"
    signer(cli, "--root-key", str(key))
    assert "is writable by others (mode 0620)" in cli.warnings


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"private_key": 5}', '{"private_key": "00"}', "nonsense"])
def test_what_is_no_root_key(cli, content):
    Path("bad.key").write_text(content)
    assert "bad.key: " in cli.failed("trust", "sign", "--endpoint-id", ID, "--root-key", "bad.key")


def test_halves_that_do_not_belong_together(cli, _root_key):
    halves = {"private_key": _root_key[0].hex(), "public_key": "00" * 32}
    Path("bad.key").write_text(json.dumps(halves))
    told = cli.failed("trust", "sign", "--endpoint-id", ID, "--root-key", "bad.key")
    assert "'public_key' does not belong to 'private_key'" in told
    assert _root_key[0].hex() not in told


def test_failures_as_json():
    told = json.loads(failed("--json", "trust", "sign", "--endpoint-id", ID, "--root-key", "missing.key"))
    assert told["error"]["message"] == "missing.key: No such file or directory"
