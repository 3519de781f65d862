"""Identity files, credentials, and what is printed of them."""

from __future__ import annotations

import json
import os

import pytest

import identities
from aster import AsterClient, AsterConfig, AsterServer, _aster
from aster.config import settle
from identities import NODE, OTHER_ROOT, ROOT, consumer, node, producer, write
from support import Echo, Num, asynchronous, raised

SEED = bytes.fromhex(NODE["seed"])


@asynchronous
async def test_a_server_takes_key_and_root_of_its_entry(tmp_path, caplog, monkeypatch):
    caplog.set_level("INFO", logger="aster.config")
    monkeypatch.setenv("ASTER_SECRET_KEY", bytes(32).hex())
    write(tmp_path / ".aster-identity", node(), consumer(), producer())
    async with AsterServer([Echo()]) as server:
        assert server.endpoint_id == NODE["public"]
        assert server.root_pubkey == bytes.fromhex(ROOT)
        assert not server._native.is_open
    told = [record.getMessage() for record in caplog.records]
    assert "identity file .aster-identity of the working directory is used" in told
    assert "identity file .aster-identity overrides ASTER_SECRET_KEY" in told


def test_where_it_is_looked_for(tmp_path):
    write(tmp_path / ".aster-identity", node(), producer())
    write(tmp_path / "other.id", node(), producer("p", root_pubkey=ROOT))
    assert AsterServer([Echo()], identity="").root_pubkey != bytes.fromhex(ROOT)
    assert AsterServer([Echo()], config=AsterConfig(identity_file="")).root_pubkey != bytes.fromhex(ROOT)
    named = AsterConfig(identity_file="other.id")
    assert settle(named, {}, role="producer", peer="p").get("secret_key")[1] == "other.id"
    with pytest.raises(ValueError, match=r"other.id: no entry is named 'billing' \(there are: p\)"):
        AsterServer([Echo()], config=named, peer="billing")
    with pytest.raises(FileNotFoundError, match="missing.id") as caught:
        AsterServer([Echo()], identity="missing.id")
    assert caught.value.filename == "missing.id"
    with pytest.raises(FileNotFoundError):
        AsterClient(address=ROOT, config=AsterConfig(identity_file="missing.id"))
    with pytest.raises(ValueError, match="peer 'x': there is no identity file"):
        AsterServer([Echo()], identity="", peer="x")


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ((node(), producer(attributes={"aster.name": "other"})), "the signature does not verify under its root key"),
        ((node(), producer(root_pubkey=OTHER_ROOT)), "the signature does not verify under its root key"),
        ((node(), producer(root_pubkey=None)), "entry 'billing': malformed: root_pubkey"),
        ((node(), producer(expires_at="soon")), "entry 'billing': malformed: expires_at"),
        ((node(secret_key=bytes(32).hex()), producer()), "'endpoint_id': does not belong to the secret key"),
        ((node(secret_key=bytes(32).hex(), endpoint_id=None), producer()), "is not that of the node key"),
        ((producer(),), "is bound to a node key, and there is none"),
        ((node(), producer(), producer()), "two entries are named 'billing'"),
        ((node(), consumer(), consumer(name="b", root_pubkey=OTHER_ROOT)), "different root keys; name one with peer="),
        (("[node]\nsecret_key = s3cret",), "line 2, column 14"),
    ],
)
def test_a_defect_stops_the_server(tmp_path, parts, text):
    write(tmp_path / "x.id", *parts)
    with pytest.raises(ValueError) as caught:
        AsterServer([Echo()], identity="x.id")
    assert text in str(caught.value)
    assert str(caught.value).startswith("x.id: ")
    assert "s3cret" not in str(caught.value)
    assert NODE["seed"] not in str(caught.value)


@pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX")
def test_files_of_others(tmp_path, caplog):
    path = write(tmp_path / ".aster-identity", node(), producer(), mode=0o620)
    for make in (lambda: AsterServer([Echo()]), lambda: AsterClient(address=ROOT), AsterConfig().load_identity):
        with pytest.raises(PermissionError, match="is writable by others"):
            make()
    settled = settle(AsterConfig(), {"identity_file": str(path)}, role="producer")
    assert settled.warnings == [f"{path} holds a secret and is writable by others (mode 0620)"]
    path.chmod(0o644)
    assert settle(AsterConfig(), {}, role="producer").warnings == [
        ".aster-identity holds a secret and is readable by others (mode 0644)"
    ]


@pytest.mark.skipif(os.name != "posix", reason="pipes with names are of POSIX")
def test_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / ".aster-identity")
    with pytest.raises(ValueError, match="not a regular file"):
        AsterServer([Echo()])
    (tmp_path / "binary.id").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="binary.id: cannot be read: not UTF-8"):
        AsterServer([Echo()], identity="binary.id")


def test_load_identity(tmp_path):
    config = AsterConfig()
    assert config.load_identity() == (None, None)
    assert config.load_identity_from_path("missing.id") == (None, None)
    published = '[published_services."Billing"]\ncontract_id = "abc"\n'
    write(tmp_path / "x.id", node(), producer(), consumer(), published)
    secret, entry = config.load_identity_from_path(tmp_path / "x.id")
    assert (secret, entry["name"]) == (SEED, "billing")
    assert entry["published_services"] == {"Billing": {"contract_id": "abc"}}
    assert config.load_identity_from_path("x.id", role="consumer")[1]["name"] == "edge-1"
    assert config.load_identity_from_path("x.id", "edge-1")[1]["role"] == "consumer"
    assert config.load_identity_from_path("x.id", peer_name="nobody") == (SEED, None)
    with pytest.raises(ValueError, match="role: expected producer or consumer, got 'x'"):
        config.load_identity(role="x")
    assert AsterConfig(identity_file="x.id").load_identity()[0] == SEED


@pytest.mark.parametrize("case", identities.TRUST["identity_restore"], ids=lambda case: case["name"])
def test_legacy_attributes(tmp_path, case):
    write(tmp_path / "x.id", node(), consumer(case["name"]))
    entry = AsterConfig().load_identity_from_path("x.id", role="consumer")[1]
    restored = case["restored_attributes"]
    assert entry["attributes"] == (case["stored_attributes"] if restored is None else restored)
    if restored is None:
        with pytest.raises(ValueError, match="entry 'edge-1': the signature does not verify"):
            AsterClient(address=ROOT, identity="x.id")
    else:
        label, document = settle(AsterConfig(identity_file="x.id"), {}, role="consumer").credential
        assert label == "<inline .aster-identity peer entry>"
        assert json.loads(document)["attributes"] == restored


@asynchronous
async def test_credentials_of_clients(tmp_path):
    write(tmp_path / "me.id", node(), consumer())
    write(tmp_path / "my.cred", identities.credential("policy-unbound")["credential_json"])
    async with (
        AsterServer([Echo()], root_pubkey=bytes.fromhex(ROOT)) as server,
        AsterClient(address=server.address, identity="me.id") as client,
    ):
        assert (client.endpoint_id, client.open_gate) == (NODE["public"], False)
        assert client.attributes == {"aster.role": "consumer", "aster.name": "edge-1"}
        assert (await (await client.client(Echo)).num(Num(3))).value == 3
    # A server that trusts another root key.
    async with AsterServer([Echo()], root_pubkey=_aster.ed25519_generate_keypair()[1]) as server:

        async def denied(**options):
            return await raised(AsterClient(address=server.address, **options).connect())

        assert (await denied()).had_credential is False
        error = await denied(identity="me.id")
        assert (error.credential_file, error.our_endpoint_id) == ("<inline .aster-identity peer entry>", NODE["public"])
        error = await denied(enrollment_credential_file="me.id")
        assert (error.credential_file, error.our_endpoint_id) == ("me.id", NODE["public"])
        error = await denied(identity="me.id", enrollment_credential_file="my.cred")
        assert (error.credential_file, error.our_endpoint_id) == ("my.cred", NODE["public"])
        (tmp_path / "bad.cred").write_text("{}")
        (tmp_path / "no.cred").write_text("hello")
        for file, kind, text in (
            ("missing.cred", FileNotFoundError, "missing.cred"),
            ("bad.cred", ValueError, "bad.cred: not a credential: malformed: root_pubkey"),
            ("no.cred", ValueError, "no.cred: neither a credential nor an identity file"),
        ):
            error = await denied(enrollment_credential_file=file)
            assert isinstance(error, kind)
            assert text in str(error)


def test_print_config(tmp_path, monkeypatch, capsys):
    write(tmp_path / ".aster-identity", node(), producer())
    (tmp_path / "aster.toml").write_text("[trust]\nallow_all_consumers = false\n[storage]\npath = 'state'\n")
    monkeypatch.delenv("ASTER_RELAY_MODE")
    monkeypatch.setenv("ASTER_ENROLLMENT_CREDENTIAL", "/srv/my-agent.cred")
    monkeypatch.setenv("ASTER_ENROLLMENT_CREDENTIAL_IID", "eyJhbGciOiJSUzI1NiJ9")
    monkeypatch.setenv("ASTER_PROXY_URL", "http://ann:passw0rd-of-ann@proxy:3128")
    config = AsterConfig.from_file("aster.toml", secret_key=SEED)
    lines = config.print_config()
    assert capsys.readouterr().out == lines + "\n"
    assert lines.splitlines()[:6] == [
        "  [trust]",
        f"    root_pubkey                 : {ROOT} (.aster-identity)",
        "    root_pubkey_file            : <not set>                            (default)",
        "    enrollment_credential_file  : ****...y-agent.cred                  (ASTER_ENROLLMENT_CREDENTIAL)",
        "    enrollment_credential_iid   : ****                                 (ASTER_ENROLLMENT_CREDENTIAL_IID)",
        "    allow_all_consumers         : False                                (aster.toml [trust])",
    ]
    for line in (
        "    secret_key                  : ****...c9778737                      (inline)",
        "    bind_addr                   : 127.0.0.1:0                          (ASTER_BIND_ADDR)",
        "    relay_mode                  : <default>                            (default)",
        "    proxy_url                   : http://***@proxy:3128                (ASTER_PROXY_URL)",
        "    path                        : state                                (aster.toml [storage])",
        "    expose_errors               : <gate>                               (default)",
    ):
        assert line in lines.splitlines()
    shown = config.print_config(json=True)
    assert capsys.readouterr().out == shown + "\n"
    values = json.loads(shown)
    assert list(values) == ["trust", "connect", "network", "storage", "mesh", "server", "logging", "health"]
    assert values["trust"]["allow_all_consumers"] == {"value": False, "source": "aster.toml [trust]"}
    assert values["mesh"]["bootstrap"] == {"value": [], "source": "default"}
    for secret in (
        NODE["seed"],
        "eyJhbGciOiJSUzI1NiJ9",
        "passw0rd-of-ann",
        identities.credential("producer-billing")["signature"],
    ):
        for at in range(len(secret) - 7):
            assert secret[at : at + 8] not in lines + shown


def test_the_key_that_the_storage_keeps(tmp_path, capsys):
    (tmp_path / "state").mkdir()
    write(tmp_path / "state" / "node.key", json.dumps({"secret_key": NODE["seed"], "node_id": NODE["public"]}))
    shown = json.loads(AsterConfig(storage_path="state").print_config(json=True))
    assert shown["network"]["secret_key"] == {"value": "****...c9778737", "source": "storage"}
