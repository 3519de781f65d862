"""The shared vectors, as far as the Python API reaches them."""

from __future__ import annotations

import base64
import builtins
import json
import warnings
from pathlib import Path

import pytest

import aster.status
from aster import AsterClient, AsterConfig, AsterServer, RpcError, StatusCode, _aster
from conftest import VECTORS
from identities import OTHER_ROOT, consumer, node, producer, write
from support import Echo, Num, asynchronous, raised, served

WIRE = json.loads((VECTORS / "wire.json").read_text(encoding="utf-8"))
TRUST = json.loads((VECTORS / "trust.json").read_text(encoding="utf-8"))
ROOT = bytes.fromhex("03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8")


def named(cases):
    return [pytest.param(case, id=str(case.get("name") or case.get("id"))) for case in cases]


# -- wire.json -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", named(WIRE["status_codes"]))
def test_status_codes(row):
    code = StatusCode(row["code"])
    assert code.name == row["name"]
    assert getattr(StatusCode, row["name"]) == row["code"]
    error = RpcError.from_status(row["code"], "text", {"k": "v"})
    assert type(error).__name__ == (row["class"] or "RpcError")
    if row["class"]:
        made = getattr(aster.status, row["class"])("text", {"k": "v"})
        assert (made.code, str(made), made.details) == (code, f"[{row['name']}] text", {"k": "v"})


def test_every_status_is_in_the_vectors():
    assert {row["code"] for row in WIRE["status_codes"]} == {int(code) for code in StatusCode}
    assert [(number, name) for number, name, _ in _aster.STATUS_TABLE] == [(int(c), c.name) for c in StatusCode]


@pytest.mark.parametrize("case", named(WIRE["addresses"]))
def test_addresses(case):
    if "ok" in case:
        assert AsterClient(address=case["input"]) is not None
        return
    with pytest.raises(ValueError, match="^invalid address: "):
        AsterClient(address=case["input"])


TICKETS = WIRE["tickets"]


@pytest.mark.parametrize("case", named(TICKETS["encode"] + TICKETS["encode_trimmed"] + TICKETS["decode"]))
def test_tickets(case):
    AsterClient(address=case["string"])


@pytest.mark.parametrize("case", named(TICKETS["decode_error"] + TICKETS["string_error"]))
def test_tickets_that_are_none(case):
    with pytest.raises(ValueError, match="^invalid address: ") as caught:
        AsterClient(address=case["string"])
    if case["string"].startswith("aster1") and "message" in case:
        assert str(caught.value) == f"invalid address: {case['message']}"


@pytest.mark.parametrize("case", named(WIRE["node_addr"]["encode"]))
def test_node_addresses(case):
    AsterClient(endpoint_addr=base64.b64encode(bytes.fromhex(case["bytes_hex"])).decode())


@asynchronous
async def test_metadata():
    echo = Echo()
    async with served(echo) as (_, client):
        stub = await client.client(Echo)
        for case in WIRE["metadata"]:
            metadata = dict(case["pairs"])
            reserved = [key for key in metadata if key.startswith(("aster-", "_aster_"))]
            if len(metadata) != len(case["pairs"]) or reserved:
                continue  # Only other writers send these.
            echo.context = None
            if case["code"] == 0:
                await stub.inspect(aster_text(), metadata=metadata)
                assert echo.context.metadata == metadata
            else:
                error = await raised(stub.inspect(aster_text(), metadata=metadata))
                assert (error.code, error.message) == (case["code"], case["message"])
                assert echo.context is None
        for key in ("aster-timeout-ms", "aster-anything"):
            error = await raised(stub.inspect(aster_text(), metadata={key: "1"}))
            assert error.code is StatusCode.INVALID_ARGUMENT
        await stub.inspect(aster_text(), metadata={"_aster_note": "x", "k": "v"})
        assert echo.context.metadata == {"k": "v"}
        assert isinstance(await raised(stub.num(Num(1), metadata={"k": 1})), TypeError)


def aster_text():
    return Echo.__aster_service_info__.get_method("inspect").request_type("x")


@asynchronous
async def test_status_messages():
    async with served(Echo()) as (_, client):
        stub = await client.client(Echo)
        for case in WIRE["status_message"]:
            error = await raised(stub.refuse(3, "\u65e5" * case["length"], {}))
            assert len(error.message) == case["kept"]
            assert error.message.endswith("...") == case["ends_with_dots"]


# -- trust.json ----------------------------------------------------------------------------------------------------


def give(name, value, source, monkeypatch):
    """Put a value into a source; return arguments, inline values and lines of section [trust]."""
    text = value.hex() if isinstance(value, bytes) else value
    if source == "kwarg":
        return {name: value}, {}, ""
    if source == "config":
        return {}, {name: value}, ""
    if source.endswith("_file"):
        write(Path("root.pub"), json.dumps({"public_key": text}))
        name, text, source = f"{name}_file", "root.pub", source.partition("_")[0]
    if source in {"env", "env_hex"}:
        monkeypatch.setenv(f"ASTER_{name.upper()}", str(text))
    elif source in {"toml", "toml_hex"}:
        return {}, {}, f"{name} = {json.dumps(text)}\n"
    elif source == "identity_producer_entry":
        write(Path(".aster-identity"), node(), consumer(root_pubkey=OTHER_ROOT), producer())
    elif source == "identity_other_entries":
        write(Path(".aster-identity"), node(), consumer(), consumer(name="other"))
    else:
        assert source in {"none", "unset"}, source
    return {}, {}, ""


def gate_sources(root, flags, monkeypatch):
    given = [give("root_pubkey", ROOT, "kwarg" if root == "configured" else root, monkeypatch)]
    given += [give("allow_all_consumers", value, source, monkeypatch) for source, value in flags.items()]
    arguments = {name: value for found, _, _ in given for name, value in found.items()}
    inline = {name: value for _, found, _ in given for name, value in found.items()}
    Path("a.toml").write_text("[trust]\n" + "".join(lines for _, _, lines in given))
    return arguments, AsterConfig.from_file("a.toml", **inline)


GATES = [
    pytest.param(case, id=f"{case['root']}-{case['allow_all_consumers']}") for case in TRUST["gate"]["single_source"]
]


@pytest.mark.parametrize("case", GATES)
def test_gate(case, monkeypatch):
    source, _, value = case["allow_all_consumers"].partition("_")
    arguments, config = gate_sources(case["root"], {source: value == "true"}, monkeypatch)
    closed_without_key = case["gate"] == "closed" and case["root_key"] == "ephemeral"
    if closed_without_key:
        with pytest.warns(UserWarning, match="nobody"):
            server = AsterServer([Echo()], config=config, **arguments)
    else:
        server = AsterServer([Echo()], config=config, **arguments)
    assert server._native.is_open == (case["gate"] == "open")
    assert (server.root_pubkey == ROOT) == (case["root_key"] == "configured")
    assert (config._ephemeral_privkey is not None) == (case["root_key"] == "ephemeral")


@pytest.mark.parametrize("case", TRUST["gate"]["conflicts"], ids=str)
def test_gate_conflicts(case, monkeypatch):
    arguments, config = gate_sources(case["root"], case["allow_all_consumers"], monkeypatch)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        server = AsterServer([Echo()], config=config, **arguments)
    assert server._native.is_open == (case["gate"] == "open")


def _key_file(content):
    write(Path("root.pub"), content)
    return lambda: AsterServer([Echo()], config=AsterConfig(root_pubkey_file="root.pub"))


def _variable(name, value):
    def make():
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(name, value)
            return AsterServer([Echo()])

    return make


def _toml(text):
    write(Path("a.toml"), f"[trust]\n{text}\n")
    return lambda: AsterServer([Echo()], config=AsterConfig.from_file("a.toml"))


def _closed_over(config):
    return lambda: AsterServer([Echo()], config=config(), allow_all_consumers=False)


def _identity(*parts, **options):
    write(Path(".aster-identity"), node(), *parts)
    return lambda: AsterServer([Echo()], **options)


def _opened_by_variable():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASTER_ALLOW_ALL_CONSUMERS", "1")
        return AsterConfig.from_env()


def _opened_by_file():
    write(Path("a.toml"), "[trust]\nallow_all_consumers = true\n")
    return AsterConfig.from_file("a.toml")


ROOT_HEX = ROOT.hex()
GATE_ERRORS = {
    "kwarg allow_all_consumers=False over an explicit true of config, env or TOML, and no root key": [
        lambda: _closed_over(lambda: AsterConfig(allow_all_consumers=True)),
        lambda: _closed_over(_opened_by_variable),
        lambda: _closed_over(_opened_by_file),
    ],
    "root_pubkey_file names a missing file": [
        lambda: lambda: AsterServer([Echo()], config=AsterConfig(root_pubkey_file="missing.pub"))
    ],
    "root_pubkey_file holds 31 bytes of hex": [lambda: _key_file(ROOT_HEX[:62])],
    "root_pubkey_file JSON without public_key": [lambda: _key_file("{}")],
    "ASTER_ROOT_PUBKEY is empty": [lambda: _variable("ASTER_ROOT_PUBKEY", "")],
    "ASTER_ROOT_PUBKEY is 63 characters": [lambda: _variable("ASTER_ROOT_PUBKEY", ROOT_HEX[1:])],
    "root_pubkey is a small-order point": [lambda: _variable("ASTER_ROOT_PUBKEY", "01" + "00" * 31)],
    "ASTER_ALLOW_ALL_CONSUMERS is empty": [lambda: _variable("ASTER_ALLOW_ALL_CONSUMERS", "")],
    "ASTER_ALLOW_ALL_CONSUMERS is maybe": [lambda: _variable("ASTER_ALLOW_ALL_CONSUMERS", "maybe")],
    '[trust] allow_all_consumers is the string "false"': [lambda: _toml('allow_all_consumers = "false"')],
    "[trust] has an unknown key": [lambda: _toml("allow_all = true")],
    "ASTER_IDENTITY_FILE names a missing file": [lambda: _variable("ASTER_IDENTITY_FILE", "missing.id")],
    "peer= names no entry of the identity file": [lambda: _identity(producer(), peer="nobody")],
    "identity file without producer entry, entries with two different roots": [
        lambda: _identity(consumer(), consumer(name="other", root_pubkey=OTHER_ROOT))
    ],
}


@pytest.mark.parametrize("case", TRUST["gate"]["errors"], ids=lambda case: case["case"])
def test_gate_errors(case):
    for prepare in GATE_ERRORS[case["case"]]:
        make = prepare()
        with pytest.raises(getattr(builtins, case["error"])):
            make()
