"""contract.json: every group, and the ids of what decorators declare."""

from __future__ import annotations

import json

import pytest

from aster import _aster
from conftest import VECTORS
from declared import NotDeclarable, declare_service

CONTRACT = json.loads((VECTORS / "contract.json").read_text(encoding="utf-8"))
ZERO = {"zigzag32": "zigzag", "zigzag64": "zigzag"}


def identified(group):
    return [pytest.param(case, id=case["id"]) for case in CONTRACT[group]]


def test_every_group_is_known():
    known = {"primitives", "type_defs", "methods", "contracts", "graphs", "services", "manifests", "negative"}
    assert set(CONTRACT) == known | {"format", "canonical_encoding"}


@pytest.mark.parametrize("case", identified("primitives"))
def test_primitives(case):
    kind = case["id"].partition("/")[0]
    assert _aster.canonical_bytes(ZERO.get(kind, kind), json.dumps(case["value"])).hex() == case["hex"]


@pytest.mark.parametrize("case", identified("type_defs"))
def test_type_definitions(case):
    canonical = _aster.canonical_bytes("type_def", json.dumps(case["json"]))
    assert canonical.hex() == case["hex"]
    assert json.loads(_aster.read_canonical("type_def", canonical)) == case["decoded"]


@pytest.mark.parametrize("case", identified("methods"))
def test_methods(case):
    assert _aster.canonical_bytes("method", json.dumps(case["json"])).hex() == case["hex"]


@pytest.mark.parametrize("case", identified("contracts"))
def test_contracts(case):
    canonical = _aster.canonical_bytes("service_contract", json.dumps(case["json"]))
    assert canonical.hex() == case["hex"]
    assert json.loads(_aster.read_canonical("service_contract", canonical)) == case["decoded"]


@pytest.mark.parametrize("case", identified("graphs"))
def test_graphs(case):
    graph = json.loads(_aster.type_graph(json.dumps(case["types"])))
    expected = {
        name: {"canonical": of["hex"], "hash": of["hash"], "entering_ref": of.get("entering_ref", of["hash"])}
        for name, of in case["type_defs"].items()
    }
    assert graph["types"] == expected
    assert sorted(graph["cycles"]) == sorted(case["cyclic_components"])


@pytest.mark.parametrize("case", identified("services"))
def test_services(case):
    assert json.loads(_aster.contract_identity(json.dumps(case["description"]))) == {
        "contract": case["contract"],
        "canonical": case["hex"],
        "contract_id": case["contract_id"],
        "type_hashes": case["type_hashes"],
    }


@pytest.mark.parametrize("case", identified("manifests"))
def test_manifests(case):
    text = _aster.manifest_of(json.dumps(case["description"]))
    # As text, since the order of keys is fixed.
    assert text == json.dumps(case["manifest"], indent=2, ensure_ascii=False) + "\n"
    assert _aster.read_manifest(text) == (text, True)


def refuse(case):
    if "types" in case:
        _aster.type_graph(json.dumps(case["types"]))
    elif "json" in case:
        _aster.canonical_bytes(case["kind"], json.dumps(case["json"]))
    else:
        _aster.read_canonical(case["kind"], bytes.fromhex(case["hex"]))


@pytest.mark.parametrize("case", identified("negative"))
def test_negative(case):
    with pytest.raises(TypeError):
        refuse(case)


# -- declared in Python --------------------------------------------------------------------------------------------


def declarable(cases, describe):
    """Return the cases that this version declares with decorators, with the declared class."""
    found = []
    for case in cases:
        try:
            cls, _ = declare_service(describe(case))
        except NotDeclarable:
            continue
        found.append(pytest.param(case, cls, id=case["id"]))
    return found


def graph_service(case):
    tags = [tag for tag, entry in case["types"].items() if "fields" in entry]
    methods = [{"name": f"m{n}", "pattern": "unary", "request": tag, "response": tag} for n, tag in enumerate(tags)]
    return {"service": "Graph", "version": 1, "types": case["types"], "methods": methods}


DECLARED = declarable(CONTRACT["services"] + CONTRACT["manifests"], lambda case: case["description"])
GRAPHS = declarable(CONTRACT["graphs"], graph_service)


def test_what_is_declared():
    # All but bare scalars, which Python methods neither take nor give.
    declared = {param.id for param in DECLARED}
    assert {case["id"] for case in CONTRACT["services"] + CONTRACT["manifests"]} - declared == {"bare_scalars", "shop"}
    assert len(GRAPHS) == len(CONTRACT["graphs"])


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
        if definition.get("entering_ref", definition["hash"]) not in canonical:
            # Only what methods name is referred to: neither enums nor container types.
            assert name.startswith("_aster.") or definition["hex"].startswith("01"), name


def test_the_echo_contract():
    case = next(case for case in CONTRACT["services"] if case["id"] == "echo")
    cls, _ = declare_service(case["description"])
    echo = "12d2f2990f4dd71dfd59f5db470d186f1fcc7dbafdac0ea7fdf838ab263c0578"
    assert cls.__aster_service_info__.contract_id == echo
