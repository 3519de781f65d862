"""Generated Python clients: ids, formatting, strict checkers, names, values, live calls, files."""

from __future__ import annotations

import ast
import asyncio
import dataclasses
import json
import os
import random
import sys
from pathlib import Path

import pytest

from aster import (
    AsterClient,
    ContractViolationError,
    DeadlineInterceptor,
    ForyCodec,
    Interceptor,
    MetricsInterceptor,
    RpcError,
    SerializationMode,
    StatusCode,
    _aster,
    rpc,
    service,
    with_options,
)
from aster._identifiers import python_name
from aster.cli.generate import generate, write
from aster.cli.generate._names import camel_case, file_stem
from aster.contract import ContractManifest, contract_id_from_service
from aster.service import service_info
from declared import declare_service
from generated_services import ODD, Everything, EverythingService, Tally
from generated_support import (
    PACKAGE,
    ROOT,
    UNGUARDED,
    every_vector,
    implemented,
    imported,
    make,
    manifests,
    only_client,
    ran,
    without_odd,
)
from support import Num, Text, asynchronous, raised, served

FORMAT = [sys.executable, "-m", "ruff", "format", "--isolated", "--line-length", "120", "--diff"]


@pytest.fixture
def clients(tmp_path, monkeypatch):
    make(tmp_path, "python")
    return imported(tmp_path, monkeypatch)[1]


def test_ids_are_those_of_the_source(clients):
    ids = {only_client(module)._contract_id: only_client(module) for module in clients.values()}
    assert set(ids) == {ContractManifest.from_json(text).contract_id for text in manifests()}
    for contract_id, client in ids.items():
        assert contract_id_from_service(client) == contract_id


@pytest.mark.parametrize("text", every_vector(), ids=lambda text: json.loads(text)["contract_id"][:8])
def test_every_service_of_the_vectors(text, tmp_path, monkeypatch):
    make(tmp_path, "python", [text])
    [module] = imported(tmp_path, monkeypatch)[1].values()
    again = ContractManifest.from_service(only_client(module))
    given = ContractManifest.from_json(text)
    assert again.contract_id == given.contract_id == only_client(module)._contract_id
    assert again.type_hashes == given.type_hashes
    assert (again.description, again.tags, again.deprecated) == (given.description, given.tags, given.deprecated)
    keys = (
        "name",
        "pattern",
        "timeout",
        "idempotent",
        "requires",
        "request_style",
        "description",
        "tags",
        "deprecated",
    )
    assert [[one[key] for key in keys] for one in again.methods] == [
        [one[key] for key in keys] for one in given.methods
    ]


def test_documents_and_defaults_survive(clients):
    client = only_client(clients["everything_service_v2"])
    again, given = ContractManifest.from_service(client), ContractManifest.from_service(EverythingService)
    for tag, entry in given.types.items():
        for mine, theirs in zip(again.types[tag].get("fields", ()), entry.get("fields", ())):
            assert (mine["name"], mine["type"]) == (theirs["name"], theirs["type"])
            assert (mine["description"], mine["tags"]) == (theirs["description"], theirs["tags"])
            if theirs["default_kind"] not in {"factory", "none"}:
                assert mine["default_kind"] in {theirs["default_kind"], "factory"}, mine
                if mine["default_kind"] == "value":
                    assert mine["default_value"] == theirs["default_value"]
    types = sys.modules[client.__module__.replace(".services.", ".types.")]
    ours, mine = ForyCodec(SerializationMode.JSON), ForyCodec(SerializationMode.JSON)
    # What Python computes a contract does not know.
    computed = {"names": [], "list": []}
    assert json.loads(mine.encode(types.Everything())) == {**json.loads(ours.encode(Everything())), **computed}


def test_the_formatter_has_nothing_to_do(tmp_path):
    make(tmp_path, "python")
    ran(*FORMAT, tmp_path)


def test_random_contracts(tmp_path, monkeypatch):
    """Whatever names, texts and defaults: the output is Python, formatted, and has the id."""
    chance = random.Random(7)
    texts = [_aster.manifest_of(json.dumps(random_description(chance, f"Service{at}"))) for at in range(40)]
    make(tmp_path, "python", texts)
    ran(*FORMAT, tmp_path)
    _, modules = imported(tmp_path, monkeypatch)
    made = {contract_id_from_service(only_client(module)) for module in modules.values()}
    assert made == {json.loads(text)["contract_id"] for text in texts}


CHARS = "ab_ \"'\\\n\t\0\u00e9\u202e\u65e5\U0001f600{}%"
NAMES = ["x", "class", "str", "list", "value", "self", "_y", "__z", "1", "a b", "aB", "None", "dt", "field", "datetime"]
SCALARS = {
    "string": lambda chance: text_of(chance, 60),
    "bool": lambda chance: chance.random() < 0.5,
    "int": lambda chance: chance.randint(-(2**63), 2**63 - 1),
    "float": lambda chance: chance.choice([1e300, -1e-7, 0.1, 1e16, "NaN", "Infinity", -0.0]),
    "bytes": lambda chance: chance.choice(["", "AA==", "IiInJyc=", "/////w=="]),
    "timestamp": lambda chance: chance.choice(["2024-01-02T03:04:05Z", "0001-01-01T00:00:00.000001Z"]),
    "date": lambda chance: "2024-02-29",
    "duration": lambda chance: chance.choice(["1.5s", "-0.000001s", "86400s"]),
    "decimal": lambda chance: chance.choice(["1E+30", "-0.00"]),
    "uint8": lambda chance: chance.randint(0, 255),
}


def text_of(chance, most):
    return "".join(chance.choice(CHARS) for _ in range(chance.randint(0, most)))


def random_description(chance, name):
    messages = [f"p{at % 3}/{chance.choice(NAMES[:6])}{at}" for at in range(chance.randint(1, 4))]
    types = {}
    for tag in messages:
        names = chance.sample(NAMES, chance.randint(0, 8))
        # Names that differ on the wire: others are refused.
        wire = {_aster.wire_name(each): each for each in names if _aster.wire_name(each)}
        types[tag] = {"fields": [random_field(chance, each, messages) for each in wire.values()]}
    types["e/E"] = {"enum": [[each, at] for at, each in enumerate(chance.sample(NAMES, 3))]}
    root = messages[0]
    types[root]["fields"].append({"name": "e", "type": "set<e/E>", "default": [types["e/E"]["enum"][0][0]]})
    types[root]["fields"].append({"name": "zz", "type": f"{messages[-1]}?"})
    patterns = ["unary", "server_stream", "client_stream", "bidi_stream"]
    methods = [
        {"name": each, "pattern": chance.choice(patterns), "request": root, "response": root,
         "description": text_of(chance, 30), "request_style": chance.choice(["explicit", "inline"])}
        for each in chance.sample(NAMES, 4)
    ]  # fmt: skip
    return {"service": name, "version": 1, "types": types, "methods": methods, "description": text_of(chance, 40)}


def random_field(chance, name, messages):
    kind = chance.choice([*SCALARS, *SCALARS, *messages])
    form = chance.choice(["{}", "{}", "{}?", "list<{}>", "map<string,{}?>", "list<list<{}>?>"])
    if kind in messages and form == "{}":
        form = "{}?"  # a message that must contain itself has no values
    field = {"name": name, "type": form.format(kind), "description": text_of(chance, 10)}
    if kind in SCALARS and chance.random() < 0.7:
        value = SCALARS[kind](chance)
        wrapped = {"list<{}>": [value, value], "map<string,{}?>": {"k y": value, "n": None}, "list<list<{}>?>": [None]}
        field["default"] = wrapped.get(form, value)
    return field


def test_strict_checkers_have_nothing_to_say(tmp_path):
    make(tmp_path, "python")
    (tmp_path / "use.py").write_text(USE, encoding="utf-8")
    ran(
        sys.executable, "-m", "mypy", "--strict", "--config-file", "/dev/null", "-p", PACKAGE, "-m", "use", cwd=tmp_path
    )


def test_strict_pyright_has_nothing_to_say(tmp_path):
    program = ROOT / "ts/node_modules/.bin/pyright"
    if not program.exists():
        pytest.skip("pyright is not installed: cd ts && npm ci")
    make(tmp_path, "python")
    (tmp_path / "use.py").write_text(USE, encoding="utf-8")
    settings = {
        "include": [PACKAGE, "use.py"],
        "typeCheckingMode": "strict",
        "pythonVersion": "3.11",
        "extraPaths": [str(ROOT / "python"), str(tmp_path)],
    }
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    ran(program, "--warnings", "--pythonpath", sys.executable, "--project", tmp_path, cwd=tmp_path)


USE = f"""
from collections.abc import AsyncIterator
from typing import Optional

from typing_extensions import assert_type

from aster import AsterClient, BidiChannel, with_options
from {PACKAGE}.services.calc_v1 import CalcClient
from {PACKAGE}.services.everything_service_v2 import Everything_ServiceClient
from {PACKAGE}.services.tally_v1 import TallyClient
from {PACKAGE}.types.everything_service_v2 import Author, Book, Everything, Level, Mood, Page_Point, Point


async def use(client: AsterClient) -> None:
    made = await Everything_ServiceClient.from_connection(client)
    assert_type(made, Everything_ServiceClient)
    assert_type(with_options(made, timeout=1.0), Everything_ServiceClient)
    answer = await made.echo(Everything(), timeout=1.0, metadata={{"a": "b"}})
    assert_type(answer, Everything)
    assert_type(answer.maybe, Optional[Mood])
    assert_type(answer.by_level, "dict[Level, Optional[Point]]")
    assert_type(await made.inline("x", 2, [Level.LOW], metadata="m", timeout=2.0), Point)
    assert_type(made.count(1), AsyncIterator[Point])
    assert_type(made.list(Page_Point()), AsyncIterator[Point])
    assert_type(await made.total([Point(1.0)]), Point)
    assert_type(made.negate(), "BidiChannel[Point, Point]")
    assert_type(await made.library(Book(by=Author())), Author)
    async with TallyClient.from_connection(client) as tally:
        assert_type(tally, TallyClient)
        assert_type(tally.session_id, str)
        await tally.add(Point())
    calc = await CalcClient.from_connection(client)
    assert_type(await calc.i(5), int)
    assert_type(await calc.y(b""), bytes)
"""


@asynchronous
async def test_calls_of_all_patterns(clients):
    made = only_client(clients["everything_service_v2"])
    types = sys.modules[made.__module__.replace(".services.", ".types.")]
    async with served(EverythingService()) as (_, client), made.from_connection(client) as everything:
        value = types.Everything(
            text="t",
            maybe=types.Mood.UP,
            by_level={types.Level.HIGH: types.Point(1.0), types.Level.LOW: None},
            page=types.Page_Point([types.Point()], types.Page_Point()),
            author=types.Author("a", [types.Book("b", types.Author("c"))]),
            grid=[[types.Point(2.0)], []],
            names=set(),
        )
        for mode in (None, SerializationMode.JSON):
            answer = await everything.echo(value, serialization=mode)
            assert (type(answer), answer) == (types.Everything, value)
        # The list that the handler starts from is made in Python, so that a client cannot know it.
        assert await everything.inline("abc") == types.Point(6.0, 0.0)
        assert await everything.inline("abc", 1, levels=[], point=types.Point(0.0, 9.0)) == types.Point(3.0, 9.0)
        assert await everything.none() == types.Point(1.0)
        assert [point.x async for point in everything.count(1)] == [1.0, 2.0]
        assert [point.x async for point in everything.list(types.Page_Point([types.Point(5.0)]))] == [5.0]
        assert await everything.total([types.Point(1.0), types.Point(2.0)]) == types.Point(3.0, 2.0)
        async with everything.negate() as channel:
            await channel.send(types.Point(1.0, 2.0))
            assert await channel.recv() == types.Point(-1.0, -2.0)
        assert [point.x async for point in everything.negate([types.Point(4.0)])] == [-4.0]
        denied = await raised(everything.library(types.Book()))
        assert (type(denied).__name__, denied.code) == ("PermissionDeniedError", StatusCode.PERMISSION_DENIED)
        assert isinstance(await raised(everything.echo(types.Everything(small=1000))), ContractViolationError)
        late = await raised(with_options(everything, timeout=0.0).echo(value))
        assert isinstance(late, RpcError)
        assert late.code is StatusCode.DEADLINE_EXCEEDED
        # The class stands for the service, wherever one is taken.
        told = MetricsInterceptor()
        other = await made.from_connection(client, interceptors=[told])
        await other.none()
        assert told.snapshot()["succeeded"] == 1
        raw = await client.client(made, interceptors=[DeadlineInterceptor()])
        assert await raw.inline("ab", count=3) == types.Point(6.0, 0.0)
        await everything.close()
        with pytest.raises(RuntimeError, match="is closed"):
            await everything.none()


async def answers(method, call):
    """Call a method of a generated client, and return the responses."""
    request = method.request_type()
    if method.request_style == "inline":
        arguments = {each.name: getattr(request, each.name) for each in dataclasses.fields(request)}
        made = call(**arguments, **({} if "timeout" in arguments else {"timeout": 20.0}))
    else:
        made = call([request] * 3 if "_stream" in method.pattern and method.pattern != "server_stream" else request)
    if method.pattern in {"unary", "client_stream"}:
        return [await made]
    return [answer async for answer in made]


@pytest.mark.filterwarnings(UNGUARDED)
@asynchronous
async def test_every_client_calls_every_method(tmp_path, monkeypatch):
    texts = without_odd()
    make(tmp_path, "python", texts)
    made = [only_client(module) for module in imported(tmp_path, monkeypatch)[1].values()]
    numbers = {"unary": 1, "server_stream": 2, "client_stream": 1, "bidi_stream": 3}
    called = 0
    async with served(*map(implemented, made)) as (_, client):
        for cls in made:
            info = service_info(cls)
            async with cls.from_connection(client) as stub:
                for method in info.methods.values():
                    answering = answers(method, getattr(stub, method.attribute))
                    if info.requires or method.requires:
                        assert (await raised(answering)).code is StatusCode.PERMISSION_DENIED
                    else:
                        assert await answering == [method.response_type()] * numbers[method.pattern]
                    called += 1
    assert called == sum(json.loads(text)["method_count"] for text in texts)


@asynchronous
async def test_versions_of_a_contract_may_meet(tmp_path, monkeypatch, caplog):
    @service("Drift", public=True)
    class Old:
        @rpc
        async def num(self, value: Num) -> Num: ...

        @rpc
        async def gone(self, value: Num) -> Num: ...

    @service("Drift", public=True)
    class New:
        @rpc
        async def num(self, value: Num) -> Num:
            return value

        @rpc
        async def more(self, value: Text) -> Text: ...

    make(tmp_path, "python", [ContractManifest.from_service(Old).to_json()])
    [module] = imported(tmp_path, monkeypatch)[1].values()
    async with served(New()) as (_, client):
        for _ in range(2):
            drift = await only_client(module).from_connection(client)
            types = sys.modules[module.__name__.replace(".services.", ".types.")]
            assert (await drift.num(types.Num(3))).value == 3
            assert (await raised(drift.gone(types.Num()))).code is StatusCode.UNIMPLEMENTED
    told = [each for each in caplog.records if "differs from ours" in each.getMessage()]
    assert [(each.levelname, each.name) for each in told] == [("WARNING", told[0].name)]
    assert "Drift" in told[0].getMessage()


@asynchronous
async def test_sessions(clients):
    made = only_client(clients["tally_v1"])
    types = sys.modules[made.__module__.replace(".services.", ".types.")]
    async with served(Tally) as (server, client):
        async with made.from_connection(client) as one, await made.from_connection(client) as two:
            assert one.session_id != two.session_id
            await one.add(types.Point(2.0))
            assert (await one.add(types.Point(3.0))).x == 5.0
            assert (await two.add(types.Point(1.0))).x == 1.0
            async with one.cancel_() as channel:
                await channel.send(types.Point(10.0))
                assert (await channel.recv()).x == 15.0
            await one.cancel()
        with pytest.raises(RuntimeError, match="session is closed"):
            await one.add(types.Point())
        async with client.open_session() as session:
            mine = await made.from_connection(session)
            assert (await mine.add(types.Point(7.0))).x == 7.0
        with pytest.raises(RuntimeError, match="session is closed"):
            await mine.add(types.Point())
        absent = only_client(clients["calc_v1"])
        with pytest.raises(LookupError, match="service 'Calc' v1 not offered by producer"):
            await absent.from_connection(client)
        async with AsterClient(address=server.address) as other:
            assert (await (await made.from_connection(other)).add(types.Point(1.0))).x == 1.0


class Late(Interceptor):
    """Keeps calls that have little time until it has run out."""

    async def on_request(self, ctx, request):
        if ctx.remaining_seconds is not None and ctx.remaining_seconds < 1:
            await asyncio.Event().wait()
        return request


@asynchronous
async def test_names_that_python_cannot_spell(clients):
    made = only_client(clients["_1_odd_service_v0"])
    types = sys.modules[made.__module__.replace(".services.", ".types.")]
    service, _ = declare_service(ODD)
    async with served(service(), interceptors=[Late()]) as (_, client), made.from_connection(client) as odd:
        value = types.class_(_2nd=5, default=types.str__2("v", {types.Color.x_y: 1}), set={types.Enum.title_})
        value.aster_ += 2
        answer = await odd.then(value)
        # NaN is the default of a field.
        answer.float = value.float = 0.0
        assert answer == value
        assert await odd.close_(types.str__2("c")) == types.str__2("c")
        assert (await raised(odd.x__class__(types.str__2()))).code is StatusCode.PERMISSION_DENIED
        assert await odd.x_2_words_2(types.Inner()) == types.Inner()
        texts = {"x__init__": "i", "str": "s", "int": [1], "x__proto__": "p", "constructor": "c"}
        given = {"_2nd": 1, "self_": types.str__2(), "a_b_2": value.a_b_2, "aster_": value.aster_}
        # The timeout of the contract is a ten millionth of a second.
        assert (await raised(odd.inlined(**given, **texts))).code is StatusCode.DEADLINE_EXCEEDED
        inlined = await odd.inlined(**given, **texts, timeout=20.0)
        assert (inlined._2nd, inlined.int, inlined.x__proto__) == (1, [1], "p")
        assert inlined.list == {"a b": ["c", None]}
        assert inlined.bytes == b"\"\"'''\0\xff"
        assert [each.x async for each in odd.int(types.str__2("i"))] == ["i"]


# -- files -----------------------------------------------------------------------------------------------------------


def test_one_contract_one_text(tmp_path):
    program = (
        "import json, sys; from generated_support import manifests; from aster.cli.generate import generate; "
        "texts = manifests()[:: int(sys.argv[1])]; "
        "print(json.dumps([generate(texts, language=one, package='p') for one in ('python', 'typescript')]))"
    )
    texts = set()
    for seed, step in (("1", "1"), ("2", "-1")):
        env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.path.dirname(__file__), "TZ": f"X{seed}"}
        texts.add(ran(sys.executable, "-c", program, step, env=env))
    [text] = texts
    for files in json.loads(text):
        assert list(files) == sorted(files)
        for path, content in files.items():
            assert content.endswith("\n"), path
            assert "\r" not in content
            assert str(ROOT) not in content


def test_headers_name_the_contract():
    [text] = [one for one in manifests() if json.loads(one)["service"] == "Shop"]
    contract_id = json.loads(text)["contract_id"]
    for language in ("python", "typescript"):
        for path, content in generate([text], language=language, package="shop").items():
            assert contract_id in content.splitlines()[0], path
        # The same service twice is one; an exported contract is as good as a manifest, but for the order of fields.
        assert generate([text, text], language=language, package="shop").keys()
        exported = ContractManifest.from_json(text).to_export()
        assert contract_id in next(iter(generate([exported], language=language, package="shop").values()))


def test_layout():
    texts = [
        text for text in manifests() if json.loads(text)["service"] in {"EchoService", "Everything-Service", "Tally"}
    ]
    python = generate(texts, language="python", package="pkg")
    assert list(python) == [
        "pkg/__init__.py",
        "pkg/services/__init__.py",
        "pkg/services/echo_service_v1.py",
        "pkg/services/echo_service_v3.py",
        "pkg/services/everything_service_v2.py",
        "pkg/services/tally_v1.py",
        "pkg/types/__init__.py",
        "pkg/types/echo_service_v1.py",
        "pkg/types/echo_service_v3.py",
        "pkg/types/everything_service_v2.py",
        "pkg/types/shared.py",
        "pkg/types/tally_v1.py",
    ]
    shared = ast.parse(python["pkg/types/shared.py"])
    classes = [node.name for node in shared.body if isinstance(node, ast.ClassDef)]
    assert classes == ["EchoRequest", "EchoResponse", "Point"]
    # Of two versions the package offers the last one.
    assert "from .services.echo_service_v3 import EchoServiceClient" in python["pkg/__init__.py"]
    assert "echo_service_v1" not in python["pkg/__init__.py"]
    typescript = generate(texts, language="typescript", package="pkg")
    assert set(typescript) == {
        "pkg/index.ts",
        *(f"pkg/{folder}/{name}.ts" for folder in ("services", "types") for name in (
            "echo-service-v1", "echo-service-v3", "everything-service-v2", "tally-v1",
        )),
        "pkg/types/shared.ts",
    }  # fmt: skip


def test_types_that_differ_are_not_shared():
    def manifest(service, inner):
        types = {
            "t/Outer": {"fields": [{"name": "inner", "type": "t/Inner?"}]},
            "t/Inner": {"fields": [{"name": inner, "type": "int"}]},
            "t/Same": {"fields": []},
        }
        roots = ["t/Outer", "t/Same"]
        methods = [
            {"name": f"m{at}", "pattern": "unary", "request": root, "response": root} for at, root in enumerate(roots)
        ]
        return _aster.manifest_of(json.dumps({"service": service, "version": 1, "types": types, "methods": methods}))

    files = generate([manifest("A", "x"), manifest("B", "y")], language="python", package="p")
    assert "class Same" in files["p/types/shared.py"]
    for name in ("a_v1", "b_v1"):
        # What refers to a type that differs differs as well.
        assert "class Outer" in files[f"p/types/{name}.py"]
        assert "class Inner" in files[f"p/types/{name}.py"]
        assert "from .shared import Same" in files[f"p/types/{name}.py"]


def test_what_is_refused():
    text = manifests()[0]
    data = json.loads(text)
    legacy = {key: value for key, value in data.items() if key != "types"}
    for package in ("a-b", "class", "1a", "", "a.b", "../a", "aster", "enum"):
        with pytest.raises(ValueError, match="package name"):
            generate([text], language="python", package=package)
    for package in ("../a", "", ".", "a/b"):
        with pytest.raises(ValueError, match="package name"):
            generate([text], language="typescript", package=package)
    with pytest.raises(ValueError, match="unknown language 'go'"):
        generate([text], language="go", package="p")
    with pytest.raises(ValueError, match="legacy"):
        generate([json.dumps(legacy)], language="python", package="p")
    with pytest.raises(TypeError, match="contract id"):
        generate([json.dumps({**data, "contract_id": "0" * 64})], language="python", package="p")
    [one, *_, two] = [text for text in every_vector() if json.loads(text)["service"] == "EchoService"]
    with pytest.raises(ValueError, match="two contracts of 'EchoService' v1"):
        generate([one, two], language="python", package="p")


def test_files_are_written_whole(tmp_path):
    files = {"p/a.py": "# Generated by aster 1\nx = 1\n", "p/q/b.ts": "// Generated by aster 1\n"}
    assert write(files, tmp_path) == [tmp_path / "p/a.py", tmp_path / "p/q/b.ts"]
    assert (tmp_path / "p/a.py").read_bytes() == files["p/a.py"].encode()
    write({**files, "p/a.py": "# Generated by aster 2\n"}, tmp_path)
    assert (tmp_path / "p/a.py").read_text() == "# Generated by aster 2\n"
    assert sorted(os.listdir(tmp_path / "p")) == ["a.py", "q"]


def test_what_was_written_can_be_imported_at_once(tmp_path):
    # The folder is known as one that is not there, until somebody says otherwise.
    program = (
        "import sys; sys.path.insert(0, 'late'); from generated_support import make\n"
        "try: import made\n"
        "except ImportError: pass\n"
        "make('late', 'python'); import made; print(made.TallyClient._service_name)"
    )
    env = {**os.environ, "PYTHONPATH": os.path.dirname(__file__)}
    assert ran(sys.executable, "-c", program, env=env, cwd=tmp_path) == "Tally\n"


@pytest.mark.parametrize("content", ["x = 1\n", "", "\n# Generated by aster 1\n", None])
def test_what_was_not_generated_is_never_overwritten(content, tmp_path):
    mine = tmp_path / "p" / "b.py"
    mine.parent.mkdir()
    if content is None:
        mine.symlink_to(tmp_path / "elsewhere.py")
    else:
        mine.write_text(content)
    with pytest.raises(FileExistsError, match=str(mine)):
        write({"p/a.py": "# Generated by aster\n", "p/b.py": "# Generated by aster\n"}, tmp_path)
    assert os.listdir(mine.parent) == ["b.py"]
    assert not (tmp_path / "elsewhere.py").exists()


@pytest.mark.parametrize(
    ("text", "name"),
    [("a", "a"), ("class", "class_"), ("1a", "_1a"), ("a b", "a_b"), ("", "_"), ("\ufb01", "fi"), ("None", "None_")],
)
def test_python_names(text, name):
    assert python_name(text) == name


def test_other_names():
    assert python_name("x", {"x", "x_"}) == "x__"
    assert [camel_case(text) for text in ("uptime_s", "a", "A_B", "_x_y", "userName", "a__b")] == [
        "uptimeS", "a", "A_B", "xY", "userName", "aB",
    ]  # fmt: skip
    stems = [file_stem(name, 1, "_") for name in ("MissionControl", "HTTPServer", "a/b", "1", "\u65e5", "x" * 200)]
    assert stems == ["mission_control_v1", "http_server_v1", "a_b_v1", "_1_v1", "service_v1", f"{'x' * 100}_v1"]
    assert file_stem("AgentLink", 2, "-") == "agent-link-v2"


def test_two_services_of_one_stem(tmp_path, monkeypatch):
    described = [
        {"service": name, "version": 1, "types": {}, "methods": []} for name in ("a b", "a_b", "a-b", "__init__")
    ]
    paths = make(tmp_path, "python", [_aster.manifest_of(json.dumps(each)) for each in described])
    assert sum(path.parent.name == "services" and path.stem != "__init__" for path in paths) == 4
    _, modules = imported(tmp_path, monkeypatch)
    assert {only_client(module)._service_name for module in modules.values()} == {"a b", "a_b", "a-b", "__init__"}
    assert Path(tmp_path, PACKAGE, "services", "init_v1.py").exists()
