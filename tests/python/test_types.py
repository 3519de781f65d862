"""Every annotation that declares a contract type, what is refused, and the values of each type."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import importlib
import sys
import typing
import uuid
from dataclasses import dataclass, field
from typing import Dict, FrozenSet, Generic, List, NewType, Optional, Set, Tuple, TypeVar, Union

import pytest

from aster import ContractViolationError, ForyCodec, RpcError, SerializationMode, StatusCode, rpc, service, wire_type
from aster.types import (
    FixedInt32,
    FixedInt64,
    FixedUInt32,
    FixedUInt64,
    Float32,
    Int8,
    Int16,
    Int32,
    UInt8,
    UInt16,
    UInt32,
    UInt64,
)
from support import Num, asynchronous, raised, served
from test_declarations import declare, field_types

UTC = dt.timezone.utc
T = TypeVar("T")
K = TypeVar("K")
OrderId = NewType("OrderId", UInt32)


@wire_type("types/Color")
class Color(enum.Enum):
    RED = 0
    GREEN = 1
    ROUGE = 0  # an alias is no member


@wire_type("types/Level")
class Level(enum.IntEnum):
    LOW = 10
    HIGH = -20


@wire_type("types/Mood")
class Mood(str, enum.Enum):
    UP = "going up"
    DOWN = "going down"


@wire_type("types/Point")
@dataclass(frozen=True)
class Point:
    x: float = 0.0
    y: float = 0.0


class Slotted:
    """Slots by hand: `slots=True` needs Python 3.10."""

    __slots__ = ("a", "b")
    __annotations__ = {"a": int, "b": str}

    def __init__(self, a=1, b="b"):
        self.a, self.b = a, b

    def __eq__(self, other):
        return (self.a, self.b) == (other.a, other.b)


@wire_type("types/Base")
@dataclass
class Base:
    first: int = 1


@wire_type("types/Derived")
@dataclass
class Derived(Base):
    second: Optional[Point] = None


@wire_type("types/Page")
@dataclass
class Page(Generic[T]):
    items: List[T] = field(default_factory=list)
    following: Optional[Page[T]] = None


@wire_type("types/Pair")
@dataclass
class Pair(Generic[K, T]):
    key: Optional[K] = None
    entries: Dict[K, List[T]] = field(default_factory=dict)


@wire_type("types/PointPage")
@dataclass
class PointPage(Page[Point]):
    total: UInt32 = 0


@wire_type("types/All")
@dataclass
class All:
    text: str = "t"
    yes: bool = True
    number: int = -5
    ratio: float = 0.5
    raw: bytes = b"\x00\xff"
    int8: Int8 = -128
    int16: Int16 = -(2**15)
    int32: Int32 = -(2**31)
    uint8: UInt8 = 255
    uint16: UInt16 = 2**16 - 1
    uint32: UInt32 = 2**32 - 1
    uint64: UInt64 = 2**64 - 1
    fixed32: FixedInt32 = 2**31 - 1
    fixed64: FixedInt64 = 2**63 - 1
    fixed_u32: FixedUInt32 = 7
    fixed_u64: FixedUInt64 = 2**64 - 1
    single: Float32 = 1.5
    order: OrderId = OrderId(3)
    when: dt.datetime = dt.datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
    day: dt.date = dt.date(2024, 2, 29)
    span: dt.timedelta = dt.timedelta(seconds=-1, microseconds=500)
    price: decimal.Decimal = decimal.Decimal("123.4500")
    key: uuid.UUID = uuid.UUID("00112233-4455-6677-8899-aabbccddeeff")
    color: Color = Color.GREEN
    level: Level = Level.HIGH
    mood: Mood = Mood.DOWN
    point: Point = Point(1.0, 2.0)
    maybe: Optional[dt.date] = None
    numbers: List[int] = field(default_factory=lambda: [1, 2])
    pair: Tuple[int, ...] = (1, 2)
    names: Set[str] = field(default_factory=lambda: {"a"})
    frozen: FrozenSet[Color] = frozenset({Color.RED})
    by_color: Dict[Color, Optional[Mood]] = field(default_factory=lambda: {Color.RED: None, Color.GREEN: Mood.UP})
    by_byte: Dict[UInt8, bytes] = field(default_factory=lambda: {3: b"x"})
    grid: Tuple[Tuple[Point, ...], ...] = ((Point(),), ())
    page: Optional[Page[List[int]]] = None
    keys: Set[uuid.UUID] = field(default_factory=lambda: {uuid.UUID(int=1)})
    by_key: Dict[uuid.UUID, int] = field(default_factory=lambda: {uuid.UUID(int=2): 3})


def test_type_texts():
    assert field_types(All) == {
        "text": "string",
        "yes": "bool",
        "number": "int",
        "ratio": "float",
        "raw": "bytes",
        "int8": "int8",
        "int16": "int16",
        "int32": "varint32",
        "uint8": "uint8",
        "uint16": "uint16",
        "uint32": "var_uint32",
        "uint64": "var_uint64",
        "fixed32": "int32",
        "fixed64": "int64",
        "fixed_u32": "uint32",
        "fixed_u64": "uint64",
        "single": "float32",
        "order": "var_uint32",
        "when": "timestamp",
        "day": "date",
        "span": "duration",
        "price": "decimal",
        "key": "uuid",
        "color": "types/Color",
        "level": "types/Level",
        "mood": "types/Mood",
        "point": "types/Point",
        "maybe": "date?",
        "numbers": "list<int>",
        "pair": "list<int>",
        "names": "set<string>",
        "frozen": "set<types/Color>",
        "by_color": "map<types/Color,types/Mood?>",
        "by_byte": "map<uint8,bytes>",
        "grid": "list<list<types/Point>>",
        "page": "types/Page_list_varint64?",
        "keys": "set<uuid>",
        "by_key": "map<uuid,int>",
    }


@pytest.mark.parametrize("mode", [SerializationMode.XLANG, SerializationMode.JSON, SerializationMode.ROW])
def test_values_come_back_as_they_are_annotated(mode):
    codec = ForyCodec(mode, types=[All])
    value = All(page=Page([[1], [2, 3]], Page()), maybe=dt.date(1, 1, 1))
    back = codec.decode(codec.encode(value), All)
    assert back == value
    for name in value.__dataclass_fields__:
        assert type(getattr(back, name)) is type(getattr(value, name)), name
    assert type(back.grid[0]) is tuple
    assert type(back.page.items[0]) is list


@pytest.mark.parametrize("mode", [None, SerializationMode.JSON])
@asynchronous
async def test_values_travel(mode):
    @service(public=True)
    class Types:
        @rpc
        async def all(self, value: All) -> All:
            return value

        @rpc
        async def page(self, value: Page[Point]) -> Pair[Color, Page[int]]:
            return Pair(Color.RED, {Color.GREEN: [Page([len(value.items)])]})

        @rpc
        async def given(
            self,
            day: dt.date,
            color: Color,
            tags: Set[str],
            size: UInt8,
            key: uuid.UUID,
            pair: Tuple[int, ...] = (1,),
        ) -> All:
            return All(day=day, color=color, names=tags, uint8=size, key=key, pair=pair)

    async with served(Types()) as (_, client):
        types = await client.client(Types)
        assert await types.all(All(), serialization=mode) == All()
        answer = await types.page(Page([Point(), Point()]), serialization=mode)
        assert answer == Pair(Color.RED, {Color.GREEN: [Page([2])]})
        zero = await types.given()
        assert (zero.day, zero.color, zero.names, zero.uint8) == (dt.date(1970, 1, 1), Color.RED, set(), 0)
        assert (zero.key, zero.pair) == (uuid.UUID(int=0), (1,))
        some = await types.given(dt.date(2000, 1, 1), Color.GREEN, {"x"}, 9, pair=(2, 3), serialization=mode)
        assert (some.day, some.color, some.names, some.uint8, some.pair) == (
            dt.date(2000, 1, 1), Color.GREEN, {"x"}, 9, (2, 3),
        )  # fmt: skip
        assert isinstance(await raised(types.given(size=256)), ContractViolationError)


def test_flavours_of_classes():
    slotted = wire_type("types/Slotted")(dataclass(init=False, repr=False, eq=False)(type("Slotted", (Base,), {})))
    flavours = [Derived(5, Point(1.0)), PointPage([Point(2.0)], None, 7), slotted()]
    if sys.version_info >= (3, 10):
        keyword_only = dataclasses.make_dataclass("KeywordOnly", [("a", int, 4)], kw_only=True, slots=True, frozen=True)
        flavours.append(wire_type("types/KeywordOnly")(keyword_only)(a=9))
    for value in flavours:
        codec = ForyCodec(types=[type(value)])
        back = codec.decode(codec.encode(value))
        assert type(back) is type(value)
        assert all(getattr(back, name) == getattr(value, name) for name in type(value).__dataclass_fields__)
    assert field_types(PointPage) == {
        "items": "list<types/Point>",
        "following": "types/Page_Point?",
        "total": "var_uint32",
    }


def test_generics_flatten():
    assert ForyCodec(types=[Page[Point], Page[int], Page[Optional[str]], Pair[str, Page[Color]]]) is not None

    @service("Generic")
    class Flat:
        @rpc
        async def m(self, value: Page[Point]) -> Pair[str, Page[Color]]: ...

    @wire_type("types/Page_Point")
    @dataclass
    class PagePoint:
        items: List[Point] = field(default_factory=list)
        following: Optional[PagePoint] = None

    @wire_type("types/Page_Color")
    @dataclass
    class PageColor:
        items: List[Color] = field(default_factory=list)
        following: Optional[PageColor] = None

    @wire_type("types/Pair_string_Page_Color")
    @dataclass
    class PairPage:
        key: Optional[str] = None
        entries: Dict[str, List[PageColor]] = field(default_factory=dict)

    @service("Generic")
    class Handwritten:
        @rpc
        async def m(self, value: PagePoint) -> PairPage: ...

    assert Flat.__aster_service_info__.contract_id == Handwritten.__aster_service_info__.contract_id


@wire_type("types/Growing")
@dataclass
class Growing(Generic[T]):
    inner: Optional[Growing[Growing[T]]] = None


def test_a_generic_that_never_ends_is_refused():
    with pytest.raises(TypeError, match="255 bytes"):
        ForyCodec(types=[Growing[int]])


PEP_695 = """
from dataclasses import dataclass, field
from aster import wire_type

type Many[X] = list[X]

@wire_type("types/New")
@dataclass
class New[X]:
    items: Many[X] = field(default_factory=list)
    next: "New[X] | None" = None
"""


@pytest.mark.skipif(sys.version_info < (3, 12), reason="PEP 695 needs Python 3.12")
@pytest.mark.parametrize("future", ["", "from __future__ import annotations"])
def test_type_parameters_of_pep_695(future, tmp_path, monkeypatch):
    name = f"pep_695_{len(future)}"
    (tmp_path / f"{name}.py").write_text(future + PEP_695, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module(name)
    codec = ForyCodec(types=[module.New[int]])
    value = module.New([1], module.New([2]))
    assert codec.decode(codec.encode(value)) == value


@pytest.mark.parametrize(
    ("annotation", "shown"),
    [
        (Page, "Page"),
        (Set[Point], "Set[test_types.Point]"),
        (Set[Optional[int]], "Set[Optional[int]]"),
        (Set[List[int]], "Set[List[int]]"),
        (Dict[float, str], "Dict[float, str]"),
        (Dict[bytes, str], "Dict[bytes, str]"),
        (Dict[dt.date, str], "Dict[datetime.date, str]"),
        (Dict[Float32, str], None),
        (Tuple[int, str], "Tuple[int, str]"),
        (Tuple[()], None),
        (set, "set"),
        (tuple, "tuple"),
        (dt.time, "time"),
        (enum.Enum("Mixed", {"A": 1, "B": "b"}), "Mixed"),
        (enum.Enum("Truth", {"A": True}), "Truth"),
        (enum.Enum("Parts", {"A": 1.5}), "Parts"),
        (enum.Flag("Bits", "A B"), "Bits"),
        (enum.IntFlag("IntBits", "A B"), "IntBits"),
        (enum.Enum("Empty", {}), "Empty"),
        (typing.Callable[[int], int], None),
        (Union[int, str, None], None),
        (Point(), None),
    ],
)
def test_what_is_refused(annotation, shown):
    with pytest.raises(TypeError) as caught:
        declare(x=annotation)
    message = str(caught.value)
    assert message.startswith("Unsupported type in ")
    owner = "Page.items: " if annotation is Page else "Made.x: "
    assert owner in message
    if shown is not None and annotation is not Page:
        assert message == f"Unsupported type in Made.x: {shown}"


@pytest.mark.parametrize("annotation", [typing.Any, typing.Literal["a"], Tuple[int, str], Union[int, str], "Any"])
@pytest.mark.parametrize("mode", [SerializationMode.XLANG, SerializationMode.JSON, SerializationMode.ROW])
def test_codecs_refuse_the_same(annotation, mode):
    made = dataclasses.make_dataclass("Made", [("x", annotation, None)], namespace={"Any": typing.Any})
    wire_type("types/Made")(made)
    with pytest.raises(TypeError, match=r"Made\.x: "):
        ForyCodec(mode, types=[made])


def test_bare_containers_hold_texts():
    found = field_types(dataclasses.make_dataclass("Bare", [("a", List, None), ("b", Dict, None), ("c", list, None)]))
    assert found == {"a": "list<string>", "b": "map<string,string>", "c": "list<string>"}


def test_enums_whose_values_are_beyond_32_bits_are_refused():
    with pytest.raises(TypeError, match="32-bit"):
        declare(x=enum.Enum("Wide", {"A": 2**31}))


def test_defaults_that_do_not_fit_are_refused():
    @wire_type("types/Odd")
    @dataclass
    class Odd:
        point: Point = dt.timedelta(1)

    with pytest.raises(TypeError, match=r"^Default of Odd.point does not fit types/Point"):
        ForyCodec(types=[Odd])


EAST = dt.timezone(dt.timedelta(hours=5, minutes=30))


@pytest.mark.parametrize(
    ("value", "back"),
    [
        (dt.datetime(2024, 1, 1, 12), dt.datetime(2024, 1, 1, 12, tzinfo=UTC)),
        (dt.datetime(2024, 1, 1, 12, tzinfo=EAST), dt.datetime(2024, 1, 1, 6, 30, tzinfo=UTC)),
        (dt.datetime.min, dt.datetime.min.replace(tzinfo=UTC)),
        (dt.datetime.max, dt.datetime.max.replace(tzinfo=UTC)),
    ],
)
def test_times_are_in_utc(value, back):
    codec = ForyCodec(types=[All])
    got = codec.decode(codec.encode(All(when=value))).when
    assert got == back
    assert got.utcoffset() == dt.timedelta(0)


class Zone(dt.tzinfo):
    """A zone whose code fails."""

    def utcoffset(self, _):
        raise KeyError("no such zone")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("when", dt.date(2024, 1, 1)),
        ("when", dt.datetime.min.replace(tzinfo=EAST)),
        ("when", 0),
        ("day", dt.datetime(2024, 1, 1)),
        ("span", 1.0),
        ("span", dt.timedelta.max),
        ("price", 1.5),
        ("price", decimal.Decimal("NaN")),
        ("price", decimal.Decimal("Infinity")),
        ("price", decimal.Decimal("1E+10001")),
        ("key", str(uuid.UUID(int=1))),
        ("color", Level.LOW),
        ("color", 2),
        ("color", "RED"),
        ("color", True),
        ("mood", "UP"),
        ("mood", None),
        ("numbers", {1}),
        ("names", ["a"]),
        ("names", {1}),
        ("frozen", frozenset({Mood.UP})),
        ("uint8", 256),
        ("uint64", -1),
        ("int8", True),
        ("single", 0.1),
        ("point", Base()),
        ("by_byte", {256: b""}),
    ],
)
def test_values_that_do_not_fit(name, value):
    codec = ForyCodec(types=[All])
    with pytest.raises(ContractViolationError) as caught:
        codec.encode(dataclasses.replace(All(), **{name: value}))
    assert caught.value.details["location"].startswith(f"All.{name}")


@pytest.mark.parametrize(
    ("name", "value", "back"),
    [
        ("color", 1, Color.GREEN),
        ("level", 10, Level.LOW),
        ("mood", "going up", Mood.UP),
        ("numbers", (1, 2), [1, 2]),
        ("pair", [3], (3,)),
        ("names", frozenset({"z"}), {"z"}),
        ("frozen", {Color.GREEN}, frozenset({Color.GREEN})),
        ("raw", bytearray(b"abc"), b"abc"),
        ("raw", memoryview(b"abcd")[::2], b"ac"),
        ("ratio", 3, 3.0),
        ("price", decimal.Decimal("-0"), decimal.Decimal(0)),
        ("price", decimal.Decimal("5E+3"), decimal.Decimal("5E+3")),
    ],
)
def test_other_values_that_fit(name, value, back):
    codec = ForyCodec(types=[All])
    got = getattr(codec.decode(codec.encode(dataclasses.replace(All(), **{name: value}))), name)
    assert (got, type(got), str(got)) == (back, type(back), str(back))


def test_host_code_that_fails_is_the_cause():
    codec = ForyCodec(types=[All])
    with pytest.raises(RpcError) as caught:
        codec.encode(All(when=dt.datetime(2024, 1, 1, tzinfo=Zone())))
    assert caught.value.code is StatusCode.INVALID_ARGUMENT
    assert isinstance(caught.value.__cause__, KeyError)


def test_equal_elements_are_not_lost():
    @wire_type("types/Floats")
    @dataclass
    class Floats:
        values: Set[float] = field(default_factory=set)

    codec = ForyCodec(SerializationMode.JSON, types=[Floats])
    assert codec.decode(b'{"values":[0.0,1.0]}', Floats) == Floats({0.0, 1.0})
    with pytest.raises(ContractViolationError):
        codec.decode(b'{"values":[0.0,-0.0]}', Floats)


def test_uuids_are_lower_case_text():
    codec = ForyCodec(SerializationMode.JSON, types=[All])
    text = codec.encode(All()).decode()
    for bad in ("00112233-4455-6677-8899-AABBCCDDEEFF", "{00112233-4455-6677-8899-aabbccddeeff}", "no"):
        with pytest.raises(ContractViolationError, match="UUID"):
            codec.decode(text.replace("00112233-4455-6677-8899-aabbccddeeff", bad).encode(), All)


def test_declared_defaults_are_in_the_contract_document():
    @service("Documented")
    class Documented:
        @rpc
        async def m(self, value: All) -> Num: ...

    fields = ForyCodec(SerializationMode.JSON, types=[All])
    # What a reader gives fields that are not there equals what the class starts from.
    assert fields.decode(b"{}", All) == All()
