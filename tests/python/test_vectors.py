"""The shared vectors, as far as the Python API reaches them."""

from __future__ import annotations

import base64
import json

import pytest

import aster.status
from aster import AsterClient, AsterConfig, AsterServer, RpcError, SerializationMode, StatusCode, _aster
from conftest import VECTORS
from declared import NotDeclarable, declare_service
from support import Echo, Num, asynchronous, raised, served

WIRE = json.loads((VECTORS / "wire.json").read_text(encoding="utf-8"))
CONTRACT = json.loads((VECTORS / "contract.json").read_text(encoding="utf-8"))
CODEC = json.loads((VECTORS / "codec.json").read_text(encoding="utf-8"))
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


# -- contract.json -------------------------------------------------------------------------------------------------


def declarable(cases, describe):
    """Return the cases that this version declares in Python, with the declared class."""
    found = []
    for case in cases:
        try:
            cls, _ = declare_service(describe(case))
        except NotDeclarable:
            continue
        found.append(pytest.param(case, cls, id=case["id"]))
    return found


def graph_service(case):
    tags = list(case["types"])
    methods = [{"name": f"m{n}", "pattern": "unary", "request": tag, "response": tag} for n, tag in enumerate(tags)]
    return {"service": "Graph", "version": 1, "types": case["types"], "methods": methods}


DECLARED = declarable(CONTRACT["services"] + CONTRACT["manifests"], lambda case: case["description"])
GRAPHS = declarable(CONTRACT["graphs"], graph_service)


def test_what_is_declared():
    assert len(DECLARED) >= 10
    assert len(GRAPHS) >= 10


@pytest.mark.parametrize(("case", "cls"), DECLARED)
def test_contract_ids(case, cls):
    plan = cls.__aster_service_info__.plan
    assert plan.contract_id == (case.get("contract_id") or case["manifest"]["contract_id"])
    if "hex" in case:
        assert plan.canonical.hex() == case["hex"]


@pytest.mark.parametrize(("case", "cls"), GRAPHS)
def test_type_graphs(case, cls):
    canonical = cls.__aster_service_info__.plan.canonical.hex()
    for name, definition in case["type_defs"].items():
        if not name.startswith("_aster."):
            assert definition.get("entering_ref", definition["hash"]) in canonical


def test_the_echo_contract():
    case = next(case for case in CONTRACT["services"] if case["id"] == "echo")
    cls, _ = declare_service(case["description"])
    echo = "12d2f2990f4dd71dfd59f5db470d186f1fcc7dbafdac0ea7fdf838ab263c0578"
    assert cls.__aster_service_info__.contract_id == echo


# -- codec.json ----------------------------------------------------------------------------------------------------


def declared_schemas():
    """Return a served class and its types for each schema that can be declared."""
    made = {}
    for number, (name, schema) in enumerate(CODEC["schemas"].items()):
        root = schema["root"]
        method = {"name": "echo", "pattern": "unary", "request": root, "response": root}
        description = {"service": f"S{number}", "version": 1, "types": schema["types"], "methods": [method]}
        try:
            made[name] = (*declare_service(description), root)
        except (NotDeclarable, KeyError):
            continue
    return made


SCHEMAS = declared_schemas()


def test_schemas_are_declared():
    assert len(SCHEMAS) >= 20


def equal(left, right):
    """Compare values; NaN equals itself."""
    return left == right or repr(left) == repr(right)


@pytest.mark.parametrize("mode", [None, SerializationMode.JSON])
@asynchronous
async def test_values_of_the_codec_vectors(mode):
    checked = 0
    async with served(*(cls() for cls, _, _ in SCHEMAS.values())) as (_, client):
        stubs = {name: await client.client(cls) for name, (cls, _, _) in SCHEMAS.items()}
        for case in CODEC["cases"]:
            if case["schema"] not in SCHEMAS:
                continue
            _, types, root = SCHEMAS[case["schema"]]
            value = types.value(root, case["value"])
            back = await stubs[case["schema"]].echo(value, serialization=mode)
            assert equal(back, value), case["id"]
            checked += 1
    assert checked >= 40


@asynchronous
async def test_values_that_the_codec_vectors_refuse():
    checked = 0
    async with served(*(cls() for cls, _, _ in SCHEMAS.values())) as (_, client):
        stubs = {name: await client.client(cls) for name, (cls, _, _) in SCHEMAS.items()}
        for case in CODEC["encode_refused"]:
            if case["schema"] not in SCHEMAS:
                continue
            _, types, root = SCHEMAS[case["schema"]]
            try:
                value = types.value(root, case["value"])
            except (NotDeclarable, ValueError):
                continue  # No Python value says this.
            if isinstance(case["value"], dict) and missing(types, root, case["value"]):
                continue  # A Python instance has all its fields.
            expect = case["expect"]
            error = await raised(stubs[case["schema"]].echo(value))
            assert error.code.name == expect["error"], case["id"]
            assert error.details == expect.get("details", {}), case["id"]
            checked += 1
    assert checked >= 8


def missing(types, root, plain):
    return set(vars(types.classes[root]()) if root in types.classes else ()) - set(plain)


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
