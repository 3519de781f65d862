"""How peers are dialled: addresses, credentials, node keys, refusals (`cli.md` section 1)."""

from __future__ import annotations

import base64
import json

import pytest

import identities
from aster import _aster
from cli_support import aster, failed, know_contracts, server, succeeded

UNREACHABLE = identities.ROOT
SEED = bytes.fromhex(identities.NODE["seed"])
OURS = identities.NODE["public"]


@pytest.fixture(autouse=True)
def _contracts(home):
    know_contracts()


@pytest.fixture(scope="module")
def gated(tmp_path_factory):
    """A server that trusts another root key than the credentials of these tests have, so that it says who asked."""
    with server(HOME=str(tmp_path_factory.mktemp("gated")), ASTER_ROOT_PUBKEY=identities.OTHER_ROOT) as running:
        yield running


def whoami(lab, *options, **env):
    """Return the node id that the server sees."""
    return json.loads(succeeded("call", lab.address, "Lab.whoami", *options, **env))["body"]


def node_key(folder, text, mode=0o600):
    folder.mkdir(exist_ok=True)
    path = folder / "node.key"
    path.write_text(text if isinstance(text, str) else json.dumps(text))
    path.chmod(mode)
    return path


def test_unreachable():
    told = failed("service", "ls", UNREACHABLE)
    assert told.startswith(f"error: could not reach {UNREACHABLE}: ")
    told = json.loads(failed("service", "ls", UNREACHABLE, "--json"))
    assert told["error"]["message"].startswith(f"could not reach {UNREACHABLE}: ")


def test_timeout():
    # An address where nobody listens, documented as such by RFC 5737.
    _, public = _aster.ed25519_generate_keypair()
    peer = _aster.addr_text((public.hex(), None, ["192.0.2.1:9"]))
    told = failed("service", "ls", peer, "--timeout", "0.3")
    assert told == f"error: could not reach {peer}: no answer within 0.3 s\n"


def test_credentials_in_tickets_are_not_shown():
    _, public = _aster.ed25519_generate_keypair()
    ticket = _aster.ticket_text(public.hex(), None, ["192.0.2.1:9"], ("consumer_rcan", b"secret"))
    told = failed("service", "ls", ticket, "--timeout", "0.3")
    assert told.startswith(f"error: could not reach {ticket[:14]}...: ")


def test_no_directory():
    told = failed("service", "ls", "@alice/Vault")
    assert told == "error: no @aster directory configured. Set ASTER_SERVICE_ADDRESS or pass --aster ADDR\n"


def test_every_form_of_address(lab):
    parts = _aster.parse_addr(lab.address)
    base64_address = _aster.addr_text(parts)
    assert succeeded("call", base64_address, "Lab.double", "--json") == '{"value":0}\n'


def test_fresh_node_key_without_any(lab):
    first, second = whoami(lab), whoami(lab)
    assert len(first) == 64
    assert first != second


@pytest.mark.parametrize("spelling", [SEED.hex(), base64.b64encode(SEED).decode()])
def test_node_key_of_the_user(lab, home, spelling):
    node_key(home / ".aster", {"secret_key": spelling, "node_id": OURS})
    assert whoami(lab) == OURS


def test_the_root_key_is_never_used(lab, home):
    (home / ".aster" / "root.key").write_text(
        json.dumps({"private_key": SEED.hex(), "secret_key": SEED.hex(), "public_key": OURS})
    )
    assert whoami(lab) != OURS


def test_configured_keys_beat_that_of_the_user(lab, home, tmp_path):
    _, public = other = _aster.ed25519_generate_keypair()
    node_key(home / ".aster", {"secret_key": other[0].hex()})
    assert whoami(lab) == public.hex()
    identities.write(tmp_path / "me.id", identities.node())
    assert whoami(lab, "--identity", "me.id") == OURS
    assert whoami(lab, ASTER_IDENTITY_FILE="me.id") == OURS
    assert whoami(lab, ASTER_SECRET_KEY=base64.b64encode(SEED).decode()) == OURS
    identities.write(tmp_path / ".aster-identity", identities.node())
    assert whoami(lab) == OURS
    # Which file it was is told to those who ask.
    assert ".aster-identity" in aster("call", lab.address, "Lab.whoami", "-v", process=True).stderr


def test_missing_files(lab):
    for option in ("--rcan", "--identity"):
        assert failed("service", "ls", lab.address, option, "nope").startswith("error: nope: no such file")


def test_credential_of_an_identity_file(gated, tmp_path):
    """It brings its node key; an identity that lies around does not count."""
    identities.write(tmp_path / "edge.cred", identities.node(), identities.consumer())
    identities.write(tmp_path / ".aster-identity", "[node]\n")
    for options in ([], ["--peer", "edge-1"]):
        assert denied_node(gated.address, "--rcan", "edge.cred", *options) == ["edge.cred", f"{OURS[:16]}..."]
    told = failed("service", "ls", gated.address, "--rcan", "edge.cred", "--peer", "nobody")
    assert "nobody" in told


def test_bad_node_keys(lab, home):
    path = node_key(home / ".aster", "{}")
    assert failed("service", "ls", lab.address) == f"error: {path}: not a node key\n"
    node_key(home / ".aster", {"secret_key": "abc"})
    assert failed("service", "ls", lab.address) == f"error: {path}: field 'secret_key' is no key\n"
    node_key(home / ".aster", {"secret_key": SEED.hex()}, 0o620)
    assert failed("service", "ls", lab.address) == f"error: {path}: mode 620 lets others write to it\n"
    node_key(home / ".aster", {"secret_key": SEED.hex()}, 0o644)
    done = aster("service", "ls", lab.address)
    assert (done.returncode, done.stderr) == (0, f"warning: {path}: mode 644 lets others read it\n")


def test_denied_without_credential(gated):
    told = failed("service", "ls", gated.address).splitlines()
    assert told[0] == "error: consumer admission denied -- this server requires a credential."
    assert told[2] == "  - Then retry with: --rcan <path/to/file.cred>"
    told = json.loads(failed("service", "ls", gated.address, "--json"))["error"]
    assert (told["code"], told["number"]) == (None, None)
    assert told["message"].startswith("consumer admission denied -- this server requires a credential.\n")


def denied_node(*arguments):
    """Return the credential file and the node id of a denial."""
    told = failed("service", "ls", *arguments).splitlines()
    assert told[0] == "error: consumer admission denied -- the server rejected your credential."
    return [line.partition(":")[2].strip() for line in told[1:3]]


def test_node_key_that_goes_with_a_credential(gated, home, tmp_path):
    folder = tmp_path / "credentials"
    folder.mkdir()
    identities.write(folder / "mine.cred", identities.credential("policy-unbound")["credential_json"])
    users, public = _aster.ed25519_generate_keypair()
    node_key(home / ".aster", {"secret_key": users.hex()})
    given = [gated.address, "--rcan", "credentials/mine.cred"]
    assert denied_node(*given) == ["credentials/mine.cred", f"{public.hex()[:16]}..."]
    identities.write(folder / ".aster-identity", identities.node())
    assert denied_node(*given) == ["credentials/mine.cred", f"{OURS[:16]}..."]
