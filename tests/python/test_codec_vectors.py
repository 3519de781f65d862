"""codec.json: every case through the dataclass front end, the dict front end, and a live service."""

from __future__ import annotations

import functools
import json

import pytest

from aster import ContractViolationError, ForyCodec, RpcError, SerializationMode, _aster
from aster.json_codec import JsonProxyCodec
from conftest import VECTORS
from declared import NotDeclarable, Types, declare_service
from support import asynchronous, raised, served

CODEC = json.loads((VECTORS / "codec.json").read_text(encoding="utf-8"))


def identified(group):
    return [pytest.param(case, id=case["id"]) for case in CODEC[group]]


def equal(left, right):
    """Compare values; NaN equals itself."""
    return left == right or repr(left) == repr(right)


def text(plain):
    return json.dumps(plain, ensure_ascii=False).encode()


class Instances:
    """Dataclasses through the public codecs."""

    def __init__(self, schema):
        self.types = Types(schema["types"])
        self.root = self.types.annotation(schema["root"])
        self.xlang, self.json = ForyCodec(types=self.given), JsonProxyCodec(self.given)

    @property
    def given(self):
        return [] if self.root in {str, int, float, bool, bytes} else [self.root]

    def encode(self, value):
        return self.xlang.encode(value)

    def decode(self, data):
        return self.xlang.decode(data, self.root)

    def encode_json(self, value):
        return self.json.encode(value)

    def decode_json(self, data):
        return self.json.decode(data, self.root)


class Dicts:
    """Dicts and names, as dynamic clients use them."""

    def __init__(self, schema):
        self.types = Types(schema["types"], dicts=True)
        root = _aster.Codec(json.dumps(schema["types"]), {}, {}).root(schema["root"])
        self.encode, self.decode = root.encode, root.decode
        self.encode_json, self.decode_json = root.encode_json, root.decode_json


FRONT_ENDS = {"instances": Instances, "dicts": Dicts}


@functools.cache
def front_end(kind, name):
    return FRONT_ENDS[kind](CODEC["schemas"][name])


@pytest.fixture(params=FRONT_ENDS)
def kind(request):
    return request.param


def refused(expect, call, *arguments):
    with pytest.raises(RpcError) as caught:
        call(*arguments)
    assert caught.value.code.name == expect["error"], caught.value
    assert caught.value.details == expect.get("details", {}), caught.value


@pytest.mark.parametrize(("contract_name", "wire_name"), CODEC["wire_names"].items())
def test_wire_names(contract_name, wire_name):
    assert _aster.wire_name(contract_name) == wire_name


@pytest.mark.parametrize("case", identified("cases"))
def test_cases(case, kind):
    schema = front_end(kind, case["schema"])
    value = schema.types.value(CODEC["schemas"][case["schema"]]["root"], case["value"])
    assert schema.encode(value).hex() == case["hex"]
    assert equal(schema.decode(bytes.fromhex(case["hex"])), value)
    if "hex" in case.get("fory_rs", {}):
        assert equal(schema.decode(bytes.fromhex(case["fory_rs"]["hex"])), value)
    written = schema.encode_json(value)
    assert equal(schema.decode_json(written), value)
    assert equal(schema.decode_json(text(case["value"])), value)
    # Spelling of numbers aside.
    assert json.loads(written, parse_float=float) == json.loads(text(case["value"]), parse_float=float)


@pytest.mark.parametrize("case", identified("evolution"))
def test_evolution(case, kind):
    reader, expect = case["reader"], case["expect"]
    if kind == "instances" and "missing field" in expect.get("reason", ""):
        # A Python class has a default for every field, so that nothing is missing.
        assert FRONT_ENDS[kind](reader).decode(bytes.fromhex(case["hex"])) is not None
        return
    schema = FRONT_ENDS[kind](reader)
    data = bytes.fromhex(case["hex"])
    if "error" in expect:
        refused(expect, schema.decode, data)
        return
    got = schema.decode(data)
    assert equal(got, schema.decode_json(text(expect["value"])))


@pytest.mark.parametrize("case", identified("decode"))
def test_foreign_bytes(case, kind):
    schema, expect = front_end(kind, case["schema"]), case["expect"]
    data = bytes.fromhex(case["hex"])
    if "error" in expect:
        refused(expect, schema.decode, data)
    else:
        assert equal(schema.decode(data), schema.decode_json(text(expect["value"])))


@pytest.mark.parametrize("case", identified("json"))
def test_json(case, kind):
    schema, expect = front_end(kind, case["schema"]), case["expect"]
    data = bytes.fromhex(case["hex"]) if "hex" in case else case["text"].encode()
    if kind == "instances" and "missing field" in expect.get("reason", ""):
        assert schema.decode_json(data) is not None  # As above.
    elif "error" in expect:
        refused(expect, schema.decode_json, data)
    else:
        assert equal(schema.decode_json(data), schema.decode_json(text(expect["value"])))


@pytest.mark.parametrize("case", identified("encode_refused"))
def test_values_that_are_refused(case, kind):
    schema = front_end(kind, case["schema"])
    try:
        value = schema.types.value(CODEC["schemas"][case["schema"]]["root"], case["value"])
    except NotDeclarable as reason:
        # What Python cannot express is the same in both front ends but for records.
        assert str(reason) in {"a set has no element twice", "an instance has exactly its fields"}
        return
    if kind == "instances" and case["id"] == "not_a_record":
        return  # The codec tells the type by the class of the value.
    refused(case["expect"], schema.encode, value)
    refused(case["expect"], schema.encode_json, value)


SERVED = [name for name, schema in CODEC["schemas"].items() if not name.startswith("root_")]


@pytest.mark.parametrize("mode", [None, SerializationMode.JSON])
@asynchronous
async def test_values_travel(mode):
    made = {}
    for number, name in enumerate(SERVED):
        root = CODEC["schemas"][name]["root"]
        method = {"name": "echo", "pattern": "unary", "request": root, "response": root}
        description = {"service": f"S{number}", "version": 1, "methods": [method]}
        made[name] = declare_service({**description, "types": CODEC["schemas"][name]["types"]})
    async with served(*(cls() for cls, _ in made.values())) as (_, client):
        stubs = {name: await client.client(cls) for name, (cls, _) in made.items()}
        for case in CODEC["cases"]:
            if case["schema"] not in made:
                continue
            _, types = made[case["schema"]]
            value = types.value(CODEC["schemas"][case["schema"]]["root"], case["value"])
            back = await stubs[case["schema"]].echo(value, serialization=mode)
            assert equal(back, value), case["id"]
        _, types = made["int"]
        value = types.classes[CODEC["schemas"]["int"]["root"]]()
        value.i = "1"
        assert isinstance(await raised(stubs["int"].echo(value)), ContractViolationError)
