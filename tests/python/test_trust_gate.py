"""When the gate is open (`trust.md` sections 5 and 7): vectors group `gate` through the public API."""

from __future__ import annotations

import asyncio
import threading
import warnings

import pytest

from aster import AdmissionDeniedError, AsterConfig, AsterServer, create_endpoint, generate_root_keypair
from cli_support import hand_out_earlier_lines
from identities import KEYS, OTHER_ROOT, ROOT, TRUST, consumer, node, producer, write
from support import Echo, asynchronous, raised
from trust_support import Issuer, client, gated, public

GATE = TRUST["gate"]
ALPNS = (b"aster/1", b"/iroh-bytes/4", b"/iroh-sync/1", b"/iroh-gossip/1")


class Places:
    """Collects what each source says."""

    def __init__(self, monkeypatch, folder):
        self.monkeypatch, self.folder = monkeypatch, folder
        self.kwargs, self.inline, self.toml = {}, {}, {}

    def root(self, where):
        key = bytes.fromhex(ROOT)
        if where == "kwarg":
            self.kwargs["root_pubkey"] = key
        elif where == "config":
            self.inline["root_pubkey"] = key
        elif where == "env_hex":
            self.monkeypatch.setenv("ASTER_ROOT_PUBKEY", ROOT)
        elif where == "env_file":
            self.monkeypatch.setenv("ASTER_ROOT_PUBKEY_FILE", str(write(self.folder / "root.pub", ROOT)))
        elif where == "toml_hex":
            self.toml["root_pubkey"] = f"'{ROOT}'"
        elif where == "toml_file":
            self.toml["root_pubkey_file"] = f"'{write(self.folder / 'root.pub', ROOT)}'"
        elif where == "identity_producer_entry":
            self.kwargs["identity"] = str(write(self.folder / "x.id", node(), producer()))
        elif where == "identity_other_entries":
            self.kwargs["identity"] = str(write(self.folder / "x.id", node(), consumer()))
        else:
            assert where == "none", where

    def flag(self, where, value):
        if where == "kwarg":
            self.kwargs["allow_all_consumers"] = value
        elif where == "config":
            self.inline["allow_all_consumers"] = value
        elif where == "env":
            self.monkeypatch.setenv("ASTER_ALLOW_ALL_CONSUMERS", str(value).lower())
        else:
            assert where == "toml", where
            self.toml["allow_all_consumers"] = str(value).lower()

    def server(self):
        if self.toml:
            lines = "\n".join(f"{key} = {value}" for key, value in self.toml.items())
            file = write(self.folder / "aster.toml", f"[trust]\n{lines}\n")
            config = AsterConfig.from_file(file, **self.inline)
        else:
            config = AsterConfig.from_env(**self.inline)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            server = AsterServer([Echo()], config=config, **self.kwargs)
        return server, [str(warning.message) for warning in told]


def gate_of(server):
    return "open" if server._native.is_open else "closed"


@pytest.mark.parametrize(
    "case", GATE["single_source"], ids=lambda case: f"{case['root']}-{case['allow_all_consumers']}"
)
def test_tr1_tr18_gate_of_a_single_source(case, monkeypatch, tmp_path):
    places = Places(monkeypatch, tmp_path)
    places.root(case["root"])
    if case["allow_all_consumers"] != "unset":
        where, value = case["allow_all_consumers"].rsplit("_", 1)
        places.flag(where, value == "true")
    server, told = places.server()
    assert gate_of(server) == case["gate"]
    assert (server.root_pubkey == bytes.fromhex(ROOT)) == (case["root_key"] == "configured")
    assert server.root_pubkey not in {None, bytes(32)}
    assert bool(told) == (case["gate"] == "closed" and case["root_key"] == "ephemeral")
    warned = any(text.startswith("Dev mode: ") for text in server._native.warnings)
    assert warned == case["dev_mode"]


@pytest.mark.parametrize("case", GATE["conflicts"], ids=str)
def test_tr1_gate_of_sources_that_differ(case, monkeypatch, tmp_path):
    places = Places(monkeypatch, tmp_path)
    # By the lowest source, so that nothing but the flags differs.
    if case["root"] == "configured":
        places.root("env_hex")
    for where, value in case["allow_all_consumers"].items():
        places.flag(where, value)
    server, _ = places.server()
    assert gate_of(server) == case["gate"]


def variable(name, value):
    return lambda places: places.monkeypatch.setenv(name, value)


def key_file(text):
    def set_up(places):
        path = places.folder / "key"
        if text is not None:
            write(path, text)
        places.monkeypatch.setenv("ASTER_ROOT_PUBKEY_FILE", str(path))

    return set_up


def identity(*parts, **more):
    return lambda places: places.kwargs.update(identity=str(write(places.folder / "x.id", node(), *parts)), **more)


def closed_above_open(places):
    places.flag("env", True)
    places.flag("kwarg", False)


# What brings about each error of the vectors.
BROKEN = {
    "kwarg allow_all_consumers=False over an explicit true of config, env or TOML, and no root key": closed_above_open,
    "root_pubkey_file names a missing file": key_file(None),
    "root_pubkey_file holds 31 bytes of hex": key_file("ab" * 31),
    "root_pubkey_file JSON without public_key": key_file('{"private_key": ""}'),
    "ASTER_ROOT_PUBKEY is empty": variable("ASTER_ROOT_PUBKEY", ""),
    "ASTER_ROOT_PUBKEY is 63 characters": variable("ASTER_ROOT_PUBKEY", "a" * 63),
    "root_pubkey is a small-order point": lambda places: places.kwargs.update(root_pubkey=bytes([1] + [0] * 31)),
    "ASTER_ALLOW_ALL_CONSUMERS is empty": variable("ASTER_ALLOW_ALL_CONSUMERS", ""),
    "ASTER_ALLOW_ALL_CONSUMERS is maybe": variable("ASTER_ALLOW_ALL_CONSUMERS", "maybe"),
    '[trust] allow_all_consumers is the string "false"': lambda places: places.toml.update(
        allow_all_consumers='"false"'
    ),
    "[trust] has an unknown key": lambda places: places.toml.update(allow_all="true"),
    "ASTER_IDENTITY_FILE names a missing file": variable("ASTER_IDENTITY_FILE", "missing.id"),
    "peer= names no entry of the identity file": identity(producer(), peer="nobody"),
    "identity file without producer entry, entries with two different roots": identity(
        consumer(), consumer(name="b", root_pubkey=OTHER_ROOT)
    ),
}


@pytest.mark.parametrize("case", GATE["errors"], ids=lambda case: case["case"])
def test_tr18_a_bad_source_of_trust_stops_the_server(case, monkeypatch, tmp_path):
    places = Places(monkeypatch, tmp_path)
    BROKEN[case["case"]](places)
    with pytest.raises({"ValueError": ValueError, "FileNotFoundError": FileNotFoundError}[case["error"]]):
        places.server()


def test_tr9_the_root_key_is_no_node_key():
    seed = bytes.fromhex(KEYS["root"]["seed"])
    with pytest.raises(ValueError, match="root key is never a node key"):
        AsterServer([Echo()], root_pubkey=bytes.fromhex(ROOT), config=AsterConfig.from_env(secret_key=seed))


@pytest.mark.parametrize("is_told", [False, True])
@asynchronous
async def test_tr9_a_client_is_warned_if_its_node_key_is_the_root_key(is_told, caplog):
    issuer = Issuer()
    # A client without root key hears from the server which it is.
    root = None if is_told else issuer.root
    await hand_out_earlier_lines()
    caplog.clear()
    async with gated(issuer, allow_all_consumers=True) as server:
        async with client(server, key=generate_root_keypair()[0], root_pubkey=root):
            assert "is the root key" not in warnings_of(caplog)
        async with client(server, key=issuer.seed, root_pubkey=root):
            assert warnings_of(caplog).count("the node key of this client is the root key, which is never one") == 1


def warnings_of(caplog):
    return "\n".join(record.getMessage() for record in caplog.records if record.levelname == "WARNING")


@asynchronous
async def test_tr4_without_keys_a_closed_gate_says_so_and_refuses_identities(caplog, tmp_path):
    issuer, key = Issuer(), bytes([7] * 32)
    text = "no keys for instance identities: credentials that ask for one are refused"
    asking = issuer.file(tmp_path / "a.cred", endpoint_id=public(key), iid_provider="aws", iid_account="1")
    plain = issuer.file(tmp_path / "b.cred", endpoint_id=public(key))
    await hand_out_earlier_lines()
    caplog.clear()
    async with gated(issuer) as server:
        assert warnings_of(caplog).count(text) == 1
        assert isinstance(await raised(client(server, asking, key=key).connect()), AdmissionDeniedError)
        assert server.peer_store.peer_count() == 0
        async with client(server, plain, key=key):
            assert server.peer_store.peer_count() == 1
        assert warnings_of(caplog).count(text) == 1
    caplog.clear()
    async with AsterServer([Echo()]):
        assert text not in warnings_of(caplog), "an open gate asks nobody"


@asynchronous
async def test_tr1_dev_mode_is_logged(caplog):
    async with AsterServer([Echo()]):
        pass
    text = (
        "Dev mode: allow_all_consumers=True (ephemeral root key). Set ASTER_ROOT_PUBKEY_FILE for production admission."
    )
    assert text in caplog.text
    with pytest.warns(UserWarning, match="nobody can be admitted"):
        AsterServer([Echo()], allow_all_consumers=False)


@asynchronous
async def test_tr2_the_gate_is_closed_while_the_loop_of_the_host_is_blocked():
    found = {}

    async def knock(address):
        for alpn in ALPNS:
            end = await create_endpoint(alpn)
            connection = await end.connect_node_addr(address, alpn)
            found[alpn] = await connection.closed()
            await end.close()

    async with gated(Issuer()) as server:
        address = server.node.node_addr_info()
        thread = threading.Thread(target=lambda: asyncio.run(knock(address)))
        thread.start()
        thread.join(20)  # Nothing runs in the loop of the server meanwhile.
        assert not thread.is_alive()
    refusal = {"kind": "application", "code": 403, "reason": b"not admitted"}
    assert {alpn: {**said, "reason": _bytes(said["reason"])} for alpn, said in found.items()} == dict.fromkeys(
        ALPNS, refusal
    )


def _bytes(reason):
    return reason.encode() if isinstance(reason, str) else reason
