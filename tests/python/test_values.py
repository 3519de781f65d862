"""Values through real calls: what goes in comes out, and nothing else goes in."""

from __future__ import annotations

import dataclasses
import math
import random
import sys
from dataclasses import dataclass, field

import pytest

from aster import ContractViolationError, RpcError, SerializationMode, StatusCode, rpc, service, wire_type
from support import Echo, Everything, Item, Num, Text, Tree, asynchronous, raised, served

MODES = [None, SerializationMode.JSON]

FULL = Everything(
    text="caf\u00e9 \u65e5\u672c \U0001f600",
    number=-(2**63),
    ratio=0.1,
    flag=True,
    raw=bytes(range(256)),
    maybe="",
    maybe_number=2**63 - 1,
    items=[Item("a", 1.5), Item("b", math.inf)],
    texts=["", "x" * 5000],
    nested=[[], [1], [1, 2, 3]],
    gaps=[None, 1, None],
    by_name={"k": Item("v"), "": Item()},
    by_number={-1: "m", 0: "z"},
    by_flag={True: None, False: 2.0},
    plain={"a": "b"},
    tree=Tree("root", Tree("left"), [Tree("c"), Tree("d", None, [Tree("e")])]),
    item=Item("deep", -0.0),
)


@pytest.mark.parametrize("mode", MODES)
@asynchronous
async def test_round_trips(mode):
    async with served(Echo()) as (_, client):
        echo = await client.client(Echo)
        for value in (Everything(), FULL, Everything(text="\xff", number=1, gaps=[None])):
            assert await echo.everything(value, serialization=mode) == value
        back = await echo.everything(FULL, serialization=mode)
        assert math.copysign(1, back.item.price) == -1
        nan = await echo.everything(Everything(ratio=math.nan), serialization=mode)
        assert math.isnan(nan.ratio)


def random_value(rng, depth=0):
    text = "".join(chr(rng.choice([65, 0xE9, 0x65E5, 0x1F600])) for _ in range(rng.randrange(6)))
    return Everything(
        text=text,
        number=rng.randrange(-(2**63), 2**63),
        ratio=rng.uniform(-1e9, 1e9),
        flag=rng.random() < 0.5,
        raw=rng.randbytes(rng.randrange(20)),
        maybe=rng.choice([None, text]),
        items=[Item(text, rng.random()) for _ in range(rng.randrange(4))],
        nested=[[rng.randrange(9) for _ in range(rng.randrange(3))] for _ in range(rng.randrange(3))],
        gaps=[rng.choice([None, 1]) for _ in range(rng.randrange(5))],
        by_name={str(n): Item(text) for n in range(rng.randrange(4))},
        by_number={n * 300: text for n in range(rng.randrange(4))},
        tree=random_tree(rng, 0),
    )


def random_tree(rng, depth):
    if depth > 4 or rng.random() < 0.3:
        return None
    children = [tree for tree in (random_tree(rng, depth + 1) for _ in range(2)) if tree is not None]
    return Tree(str(depth), random_tree(rng, depth + 1), children)


@asynchronous
async def test_random_values():
    rng = random.Random(1)
    async with served(Echo()) as (_, client):
        echo = await client.client(Echo)
        for _ in range(100):
            value = random_value(rng)
            assert await echo.everything(value) == value
            assert await echo.everything(value, serialization=SerializationMode.JSON) == value


@asynchronous
async def test_welcome_forms():
    async with served(Echo()) as (_, client):
        echo = await client.client(Echo)
        value = Everything(ratio=3, raw=bytearray(b"ab"), items=(Item("t"),), by_flag={True: 1})
        back = await echo.everything(value)
        assert (back.ratio, type(back.ratio)) == (3.0, float)
        assert (back.raw, type(back.raw)) == (b"ab", bytes)
        assert back.items == [Item("t")]
        assert (await echo.everything(Everything(raw=memoryview(b"abc")[::2]))).raw == b"ac"


@pytest.mark.parametrize(
    ("change", "location"),
    [
        ({"text": 1}, "Everything.text"),
        ({"text": None}, "Everything.text"),
        ({"text": "\ud800"}, "Everything.text"),
        ({"number": True}, "Everything.number"),
        ({"number": 1.0}, "Everything.number"),
        ({"number": "1"}, "Everything.number"),
        ({"number": 2**63}, "Everything.number"),
        ({"number": -(2**200)}, "Everything.number"),
        ({"ratio": "1"}, "Everything.ratio"),
        ({"ratio": True}, "Everything.ratio"),
        ({"ratio": 2**53 + 1}, "Everything.ratio"),
        ({"flag": 1}, "Everything.flag"),
        ({"raw": "x"}, "Everything.raw"),
        ({"maybe": 1}, "Everything.maybe"),
        ({"items": [Item(), Num()]}, "Everything.items[1]"),
        ({"items": [Item(), Item("a", None)]}, "Everything.items[1].price"),
        ({"items": {}}, "Everything.items"),
        ({"items": iter([])}, "Everything.items"),
        ({"texts": [1]}, "Everything.texts[0]"),
        ({"nested": [[1], [2, None]]}, "Everything.nested[1][1]"),
        ({"by_name": {1: Item()}}, "Everything.by_name"),
        ({"by_name": {"a": None}}, "Everything.by_name"),
        ({"by_number": {True: "x"}}, "Everything.by_number"),
        ({"plain": []}, "Everything.plain"),
        ({"tree": Tree(children=[Tree(), Tree(left=Num())])}, "Everything.tree.children[1].left"),
        ({"item": {"name": "a"}}, "Everything.item"),
    ],
)
@asynchronous
async def test_values_that_do_not_fit_stay_here(change, location):
    async with served(Echo()) as (_, client):
        echo = await client.client(Echo)
        for mode in MODES:
            error = await raised(echo.everything(Everything(**change), serialization=mode))
            assert type(error) is ContractViolationError
            assert error.code is StatusCode.CONTRACT_VIOLATION
            assert error.details["location"].startswith(location)
            assert error.message.startswith(f"contract violation at {error.details['location']}: ")
        assert (await echo.num(Num(1))).value == 1


@asynchronous
async def test_another_class_is_no_request():
    async with served(Echo()) as (_, client):
        echo = await client.client(Echo)
        for value in (Text("x"), None, {"value": 1}, 5):
            error = await raised(echo.num(value))
            assert type(error) is ContractViolationError
            assert error.details["location"] == "Num"


@asynchronous
async def test_nesting_is_bounded():
    def chain(depth):
        tree = Tree()
        for _ in range(depth - 1):
            tree = Tree(left=tree)
        return tree

    async with served(Echo()) as (_, client):
        echo = await client.client(Echo)
        assert await echo.tree(chain(50)) == chain(50)
        endless = Tree()
        endless.left = endless
        for tree in (chain(51), chain(800), endless):
            error = await raised(echo.tree(tree))
            assert type(error) is not RpcError
            assert error.code is StatusCode.INVALID_ARGUMENT


@wire_type("test/Frozen")
@dataclass(frozen=True)
class Frozen:
    name: str = "f"
    local: int = field(init=False, default=9)
    made: list[int] = field(init=False, default_factory=list, compare=False)


SLOTS = {"slots": True} if sys.version_info >= (3, 10) else {}


@wire_type("test/Slotted")
@dataclass(frozen=True, **SLOTS)
class Slotted:
    name: str = ""
    nested: Frozen | None = None
    local: int = field(init=False, default=9)


@wire_type("test/Checked")
@dataclass
class Checked:
    low: int = 0
    high: int = 1

    def __post_init__(self):
        if self.low > self.high:
            raise ValueError("low is above high")
        self.width = self.high - self.low


@dataclass
class Sub(Checked):
    pass


@dataclass
class Longer(Checked):
    more: int = 0


@wire_type("test/Special")
@dataclass
class Special:
    value: int = 0

    def __new__(cls, *_, **__):
        made = super().__new__(cls)
        made.marked = True
        return made


@wire_type("test/Touchy")
@dataclass
class Touchy:
    value: int = 0

    def __getattribute__(self, name):
        if name == "value" and object.__getattribute__(self, "__dict__").get("value") == 13:
            raise RuntimeError("not today")
        return super().__getattribute__(name)


@service("Classes", public=True)
class Classes:
    @rpc
    async def frozen(self, v: Frozen) -> Frozen:
        return v

    @rpc
    async def slotted(self, v: Slotted) -> Slotted:
        return v

    @rpc
    async def checked(self, v: Checked) -> Checked:
        if v.low == 77:
            v.low, v.high = 2, 1
        return v

    @rpc
    async def special(self, v: Special) -> Special:
        return v

    @rpc
    async def touchy(self, v: Touchy) -> Touchy:
        return v


@asynchronous
async def test_kinds_of_classes():
    async with served(Classes()) as (_, client):
        classes = await client.client(Classes)
        back = await classes.frozen(Frozen("x"))
        assert back == Frozen("x")
        assert (back.local, back.made) == (9, [])
        assert (await classes.frozen(Frozen())).made is not back.made
        slotted = await classes.slotted(Slotted("s", Frozen("in")))
        assert slotted == Slotted("s", Frozen("in"))
        assert slotted.local == 9
        checked = await classes.checked(Checked(1, 4))
        assert checked.width == 3
        assert await classes.checked(Sub(1, 2)) == Checked(1, 2)
        error = await raised(classes.checked(Longer(1, 2, 3)))
        assert error.details["unexpected_fields"] == "'more'"
        assert (await classes.special(Special(5))).value == 5
        assert (await classes.touchy(Touchy(5))).value == 5


@asynchronous
async def test_host_code_that_fails():
    async with served(Classes()) as (_, client):
        classes = await client.client(Classes)
        # At the server: the constructor refuses the request.
        bad = Checked()
        bad.low, bad.high = 5, 1
        error = await raised(classes.checked(bad))
        assert (error.code.name, error.message) == (
            "INVALID_ARGUMENT",
            "cannot decode request: Checked refused its values",
        )
        # At the client: the constructor refuses the response.
        error = await raised(classes.checked(Checked(77, 78)))
        assert (error.code.name, error.message) == ("INTERNAL", "cannot decode response: Checked refused its values")
        assert isinstance(error.__cause__, ValueError)
        # An attribute cannot be read.
        error = await raised(classes.touchy(Touchy(13)))
        assert error.code is StatusCode.INVALID_ARGUMENT
        assert isinstance(error.__cause__, RuntimeError)
        assert (await classes.touchy(Touchy(5))).value == 5


# -- one service in two versions -----------------------------------------------------------------------------------


def version_of(fields, response=None):
    """Return a service whose message has these fields, and the message."""
    message = wire_type("evolve/Message")(dataclasses.make_dataclass("Message", fields))

    @service("Evolving", public=True)
    class Evolving:
        async def call(self, value):
            return value

        call.__annotations__ = {"value": message, "return": response or message}
        call = rpc(call)

    return Evolving, message


@asynchronous
async def test_fields_that_a_peer_does_not_know():
    old, old_message = version_of([("name", str, field(default="old"))])
    new, new_message = version_of(
        [("name", str, field(default="new")), ("extra", list, field(default_factory=lambda: ["made"]))]
    )
    async with served(new()) as (_, client):
        # The reader is newer: it makes its own default. Its answer has a field that the older client refuses.
        error = await raised((await client.client(old)).call(old_message("x")))
        assert type(error) is ContractViolationError
        assert error.details["unexpected_fields"] == "'extra'"
        assert await (await client.client(new)).call(new_message("x", ["y"])) == new_message("x", ["y"])
    async with served(old()) as (_, client):
        error = await raised((await client.client(new)).call(new_message("x")))
        assert type(error) is ContractViolationError
        assert error.message == "contract violation at Message: unexpected field(s) 'extra'"


@asynchronous
async def test_defaults_of_absent_fields_are_fresh():
    fields = [
        ("name", str, field(default="")),
        ("extra", list, field(default_factory=list)),
        ("n", int, field(default=4)),
    ]
    computed = [*fields, ("made", list, field(default_factory=lambda: ["made"]))]
    seen = []
    short, short_message = version_of([("name", str, field(default="s"))], Num)
    long, _ = version_of(computed, Num)

    class Remembers(long):
        async def call(self, value):
            seen.append(value)
            return Num(len(seen))

    async with served(Remembers()) as (_, client):
        stub = await client.client(short)
        for count in (1, 2):
            assert (await stub.call(short_message("x"))).value == count
    assert [(value.name, value.extra, value.n, value.made) for value in seen] == [("x", [], 4, ["made"])] * 2
    assert seen[0].extra is not seen[1].extra
    assert seen[0].made is not seen[1].made
