"""The shared vectors, as far as the Python API reaches them."""

from __future__ import annotations

import base64
import json

import pytest

import aster.status
from aster import AsterClient, AsterConfig, AsterServer, RpcError, StatusCode, _aster
from conftest import VECTORS
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


SOURCES = {"none", "unset", "kwarg", "config", "env"}
GATES = [
    pytest.param(case, id=f"{case['root']}-{case['allow_all_consumers']}")
    for case in TRUST["gate"]["single_source"]
    if {case["root"], case["allow_all_consumers"].partition("_")[0]} <= SOURCES
]


@pytest.mark.parametrize("case", GATES)
def test_gate(case, monkeypatch):
    arguments, inline = {}, {}
    for name, value, source in (
        ("root_pubkey", ROOT, case["root"]),
        ("allow_all_consumers", case["allow_all_consumers"].endswith("_true"), case["allow_all_consumers"]),
    ):
        where = source.partition("_")[0]
        if where == "kwarg":
            arguments[name] = value
        elif where == "config":
            inline[name] = value
        elif where == "env":
            monkeypatch.setenv(f"ASTER_{name.upper()}", value.hex() if isinstance(value, bytes) else str(value))
    closed_without_key = case["gate"] == "closed" and case["root_key"] == "ephemeral"
    config = AsterConfig.from_env(**inline)
    if closed_without_key:
        with pytest.warns(UserWarning, match="nobody"):
            server = AsterServer([Echo()], config=config, **arguments)
    else:
        server = AsterServer([Echo()], config=config, **arguments)
    assert server._native.is_open == (case["gate"] == "open")
    assert (server.root_pubkey == ROOT) == (case["root_key"] == "configured")
