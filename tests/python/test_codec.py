"""ForyCodec, the JSON helpers and dynamic types."""

from __future__ import annotations

import dataclasses
import enum
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from aster import (
    DEFAULT_COMPRESSION_THRESHOLD,
    ContractViolationError,
    ForyCodec,
    ForyConfig,
    LimitExceeded,
    RpcError,
    SerializationMode,
    StatusCode,
    _aster,
    wire_type,
)
from aster.dynamic import DynamicTypeFactory
from aster.json_codec import JsonProxyCodec, json_decode, json_encode, safe_decompress
from conftest import VECTORS
from test_types import All, Page

ROW = SerializationMode.ROW


@wire_type("codec/Item")
@dataclass
class Item:
    name: str = ""
    qty: int = 0


@wire_type("codec/Cart")
@dataclass
class Cart:
    items: list[Item] = field(default_factory=list)
    note: str | None = None


LINE = {"sku": "x", "color": "RED", "next": None}
CART = Cart([Item("tea", 2), Item("\u4f60", -1)])


def test_bodies_tell_their_type():
    codec = ForyCodec(types=[Cart, Item])
    for value in (CART, Item("x"), "text", -1, 1.5, True, b"raw"):
        assert codec.decode(codec.encode(value)) == value
        assert codec.decode(memoryview(codec.encode(value))) == value
        assert codec.decode(codec.encode(value), type(value)) == value
    assert codec.registered_types == {Cart, Item}
    with pytest.raises(TypeError, match="^Expected Item, got Cart$"):
        codec.decode(codec.encode(CART), Item)
    with pytest.raises(TypeError, match="^'types/All' is not a registered type"):
        codec.decode(ForyCodec().encode(All()))


def test_types_are_compiled_when_they_are_used():
    codec = ForyCodec()
    assert codec.registered_types == set()
    assert codec.decode(codec.encode(CART), Cart) == CART
    assert codec.registered_types == {Cart}


def test_a_subclass_without_fields_is_its_base():
    class Special(Item):
        pass

    @wire_type("codec/Own")
    @dataclass
    class Own(Item):
        more: int = 0

    codec = ForyCodec(types=[Item])
    assert codec.decode(codec.encode(Special("s", 1))) == Item("s", 1)
    assert codec.decode(codec.encode(Own("o", 1, 2))) == Own("o", 1, 2)


def test_what_is_no_wire_type():
    @dataclass
    class Untagged:
        x: int = 0

    codec = ForyCodec()
    with pytest.raises(TypeError, match=r"Untagged has no tag; decorate it with @wire_type\("):
        codec.encode(Untagged())
    with pytest.raises(TypeError, match="is not a message"):
        codec.encode(object())
    with pytest.raises(TypeError, match="is not a message"):
        ForyCodec(types=[list[int]])
    with pytest.raises(TypeError, match="several type arguments"):
        ForyCodec(types=[Page[int], Page[str]]).encode(Page([1]))

    @wire_type("codec/Item")
    @dataclass
    class Other:
        x: int = 0

    with pytest.raises(ValueError, match=r"^Duplicate wire_type tag 'codec/Item'"):
        ForyCodec(types=[Item, Other])
    with pytest.raises(ValueError, match=r"^Duplicate wire_type tag 'codec/Item'"):
        ForyCodec(types=[Item]).encode(Other())


def test_malformed_bodies():
    codec = ForyCodec(types=[Cart])
    body = codec.encode(CART)
    for bad in (b"", b"\x02", b"{", body[:-1], body[:20]):
        for expected in (Cart, None):
            with pytest.raises(RpcError) as caught:
                codec.decode(bad, expected)
            assert caught.value.code is StatusCode.INVALID_ARGUMENT
    with pytest.raises(ContractViolationError, match="1 bytes after the value"):
        codec.decode(body + b"\x00")
    with pytest.raises(TypeError):
        codec.decode("text")
    with pytest.raises(TypeError):
        codec.decode(5)


def test_native_is_xlang():
    assert ForyCodec(SerializationMode.NATIVE).encode(CART) == ForyCodec().encode(CART)
    assert ForyCodec(fory_config=ForyConfig(xlang=True, extra_kwargs={"a": 1})).encode(CART)[:2] == b"\x01\xff"


def test_compression():
    codec = ForyCodec(types=[Cart])
    large = Cart([Item("same name", n % 3) for n in range(2000)])
    small_body, small_flag = codec.encode_compressed(CART)
    assert (small_body, small_flag) == (codec.encode(CART), False)
    body, compressed = codec.encode_compressed(large)
    assert compressed
    assert len(body) < len(codec.encode(large)) / 2
    assert codec.decode_compressed(body, compressed) == large
    assert codec.decode_compressed(small_body, False, Cart) == CART
    assert ForyCodec(compression_threshold=-1).encode_compressed(large)[1] is False
    assert ForyCodec(compression_threshold=10**6).encode_compressed(large)[1] is False
    assert ForyCodec(SerializationMode.JSON).encode_compressed(large)[1] is False
    assert DEFAULT_COMPRESSION_THRESHOLD == codec.compression_threshold == 4096
    assert codec.decompress(codec.compress(b"x" * 50)) == b"x" * 50
    assert codec.decompress(codec.compress(b"")) == b""


def test_bombs_are_refused_while_they_expand():
    bomb = ForyCodec.compress(bytes(16 * 1024 * 1024 + 1))
    assert len(bomb) < 4096
    for expand in (ForyCodec.decompress, safe_decompress):
        with pytest.raises(LimitExceeded) as caught:
            expand(bomb)
        assert caught.value.limit == 16 * 1024 * 1024
    assert len(safe_decompress(ForyCodec.compress(bytes(16 * 1024 * 1024)))) == 16 * 1024 * 1024
    for bad in (b"", b"no frame", ForyCodec.compress(b"x" * 100)[:-3]):
        with pytest.raises(RpcError) as refused:
            safe_decompress(bad)
        assert refused.value.code is StatusCode.INVALID_ARGUMENT


def test_rows():
    codec = ForyCodec(ROW, types=[Cart])
    schema, row = codec.encode_row_schema(), codec.encode(CART)
    assert codec.decode_row_data(row, schema) == codec.decode_row_data(row) == codec.decode(row, Cart) == CART
    # Another version: the field with a default is missing.
    older = wire_type("codec/Cart")(
        dataclasses.make_dataclass("Cart", [("items", list[Item], field(default_factory=list))])
    )
    written = ForyCodec(ROW, types=[older])
    assert codec.decode_row_data(written.encode(older([Item("a")])), written.encode_row_schema()) == Cart([Item("a")])
    with pytest.raises(RpcError):
        codec.decode_row_data(row[:-8], schema)
    with pytest.raises(RpcError):
        codec.decode_row_data(row, schema[:-1])
    for types in (None, [], [Cart, Item], [str]):
        with pytest.raises(ValueError, match="exactly one dataclass"):
            ForyCodec(ROW, types=types)
    with pytest.raises(ValueError, match="ROW"):
        ForyCodec(types=[Cart]).encode_row_schema()
    with pytest.raises(ValueError, match="ROW"):
        ForyCodec(types=[Cart]).decode_row_data(row)


# -- JSON ----------------------------------------------------------------------------------------------------------


def test_json_of_wire_types_is_strict():
    text = '{"items":[{"name":"tea","qty":2},{"name":"\u4f60","qty":-1}],"note":null}'.encode()
    assert json_encode(CART) == JsonProxyCodec([Cart]).encode(CART) == text
    assert json_decode(text, Cart) == JsonProxyCodec().decode(text, Cart) == CART
    with pytest.raises(ContractViolationError) as caught:
        json_decode(b'{"items":[{"name":"a","qty":1,"color":"x","it\'s":2}]}', Cart)
    assert caught.value.details == {
        "unexpected_fields": "'color','it\\'s'",
        "location": "Cart.items[0]",
        "expected_class": "Item",
    }
    many = {f"field{n}": 1 for n in range(8)} | {"x" * 100: 1} if hasattr(dict, "__or__") else {}
    with pytest.raises(ContractViolationError) as caught:
        json_decode(json.dumps({"items": [many]}).encode(), Cart)
    assert caught.value.details["unexpected_fields"].endswith("...(+4 more)")
    for bad in (b'{"items":[{"qty":1.0}]}', b'{"items":[{"qty":"1"}]}', b'{"items":null}'):
        with pytest.raises(ContractViolationError):
            json_decode(bad, Cart)


def test_json_without_a_type_stays_as_it_is():
    plain = {"a": [1, 2.5, None, {"b": "\u4f60"}], "big": 2**70}
    assert json_decode(json_encode(plain)) == plain
    assert json_decode(json_encode(plain), dict) == plain
    assert json_decode(b"[1]", list) == [1]
    assert json_encode({"cart": CART, "all": [All()]}).startswith(b'{"cart":{"items":[')
    for bad in (b'{"a":1,"a":2}', b"NaN", b"[Infinity]", b"[1", b"\xff", b"", b"[" * 100_000):
        with pytest.raises(RpcError) as caught:
            json_decode(bad)
        assert caught.value.code is StatusCode.INVALID_ARGUMENT
    for bad in ({"a": object()}, [float("nan")], {"a": {1}}):
        with pytest.raises(RpcError):
            json_encode(bad)
    for scalar in ("text", 1, 1.5, True, None):
        assert json_decode(json_encode(scalar)) == scalar


def test_json_bodies_may_come_compressed():
    codec = JsonProxyCodec([Cart])
    body, compressed = codec.encode_compressed(CART)
    assert not compressed
    assert codec.decode_compressed(body, False, Cart) == CART
    assert codec.decode_compressed(ForyCodec.compress(body), True, Cart) == CART


# -- dynamic types -------------------------------------------------------------------------------------------------


def test_dynamic_types():
    factory = DynamicTypeFactory(
        {
            "shop/Order": {
                "fields": [
                    {"name": "id", "type": "uuid"},
                    {"name": "class", "type": "string", "default": "standard"},
                    {"name": "2nd-name", "type": "string?"},
                    {
                        "name": "lines",
                        "type": "list<shop/Line>",
                        "default": [{"sku": "x", "color": "RED", "next": None}],
                    },
                    {"name": "limits", "type": "map<shop/Color,uint8>"},
                ]
            },
            "shop/Line": {
                "fields": [
                    {"name": "sku", "type": "string"},
                    {"name": "color", "type": "shop/Color", "default": "GREEN"},
                    {"name": "next", "type": "shop/Line?"},
                ]
            },
            "shop/Color": {"enum": [["RED", 0], ["GREEN", 1]]},
            "shop/Mood": {"enum": ["UP"], "texts": {"UP": "going up"}},
        }
    )
    order, line, color = factory.get("shop/Order"), factory.get("shop.Line"), factory.get("shop/Color")
    made = order()
    assert made.class_ == "standard"
    assert made._2nd_name is None
    assert made.lines == [line("x", color.RED)]
    assert made.lines is not order().lines
    assert line().color is color.GREEN
    assert factory.get("shop/Mood").UP == "going up"
    made.limits = {color.RED: 5}
    codec = ForyCodec(types=[order])
    assert codec.decode(codec.encode(made)) == made
    assert json.loads(json_encode(made))["2nd-name"] is None
    assert issubclass(color, enum.IntEnum)
    assert set(factory.classes) == {"shop/Order", "shop/Line", "shop/Color", "shop/Mood"}
    with pytest.raises(LookupError, match="no type 'shop/None'"):
        factory.get("shop/None")
    with pytest.raises(TypeError, match="unknown type"):
        DynamicTypeFactory({"a/B": {"fields": [{"name": "x", "type": "a/C"}]}})


def test_dynamic_types_of_manifests():
    cases = json.loads((VECTORS / "contract.json").read_text(encoding="utf-8"))["manifests"]
    for case in cases:
        factory = DynamicTypeFactory.from_manifest(json.dumps(case["manifest"]))
        assert set(factory.classes) == set(case["manifest"]["types"])
        for cls in factory.classes.values():
            if dataclasses.is_dataclass(cls):
                codec = ForyCodec(types=[cls])
                assert codec.decode(codec.encode(cls())) == cls()
        with pytest.raises(TypeError, match="contract id"):
            DynamicTypeFactory.from_manifest(json.dumps({**case["manifest"], "version": 99}))


def test_dicts_are_records_where_there_are_no_classes():
    types = {
        "a/Node": {"fields": [{"name": "v", "type": "set<a/E>"}, {"name": "next", "type": "a/Node?"}]},
        "a/E": {"enum": [["X", 0]]},
    }
    root = _aster.Codec(json.dumps(types), {}, {}).root("a/Node")
    value = {"v": {"X"}, "next": {"v": set(), "next": None}}
    assert root.decode(root.encode(value)) == value
    assert root.decode(root.encode({"v": set()})) == {"v": set(), "next": None}
    for bad, location in (({"v": {"Y"}}, "Node.v[0]"), ({"v": set(), "next": {"w": 1}}, "Node.next"), ([], "Node")):
        with pytest.raises(ContractViolationError) as caught:
            root.encode(bad)
        assert caught.value.details["location"] == location


def test_one_codec_serves_many_threads():
    codec = ForyCodec()
    start = threading.Barrier(8)

    def use():
        start.wait()
        return codec.decode(codec.encode(CART), Cart)

    with ThreadPoolExecutor(8) as pool:
        assert all(value == CART for value in [future.result() for future in [pool.submit(use) for _ in range(8)]])
    assert codec.registered_types == {Cart}
