"""`aster service` (`cli.md` section 2)."""

from __future__ import annotations

import json
import shutil

import pytest

from aster.cli.failures import CommandError
from aster.cli.shell_arguments import message_of
from aster.contract import ContractManifest
from aster.service import service_info
from cli_services import Counter, Lab
from cli_support import failed, know_contracts, succeeded

TYPES = ContractManifest.from_service(Lab).types
LAB = service_info(Lab).contract_id
FIELDS = TYPES["lab/Sample"]["fields"]


@pytest.fixture(autouse=True)
def _contracts(home):
    know_contracts()


def test_ls(lab):
    assert succeeded("service", "ls", lab.address) == (
        "Service Methods Version Pattern\nCounter 6       v1      session\nLab     12      v2      shared\n"
    )


def test_contracts_come_from_the_peer_and_are_kept(lab, home):
    folder = home / ".aster" / "cache" / "manifests"
    shutil.rmtree(folder)
    told = json.loads(succeeded("service", "describe", lab.address, "Lab", "--json"))
    assert told["contract_id"] == LAB
    [kept] = folder.iterdir()
    assert kept.name == LAB
    assert json.loads(kept.read_text()) == told
    shutil.rmtree(folder)
    assert succeeded("call", lab.address, "Lab.count", '{"value":1}') == '{"value":0}\n'


def test_ls_json(lab):
    told = succeeded("service", "ls", lab.address, "--json")
    assert told.count("\n") == 1
    assert json.loads(told) == [
        {
            "name": cls.__name__,
            "version": version,
            "pattern": pattern,
            "methods": methods,
            "contract_id": service_info(cls).contract_id,
            "serialization_modes": ["fory1", "json"],
        }
        for cls, version, pattern, methods in ((Counter, 1, "session", 6), (Lab, 2, "shared", 12))
    ]


def test_describe(lab):
    told = succeeded("service", "describe", lab.address, "Lab")
    stripped = [line.lstrip("\u2502\u251c\u2514\u2500 \u00a0") for line in told.splitlines()]
    for line in (
        "Lab v2",
        f"contract {service_info(Lab).contract_id}",
        "pattern shared",
        "Everything a command can call.",
        "double (Num) -> Num",
        "timeout 20 s",
        "idempotent",
        "Doubles a number.",
        'join (title: string = "", words: list<string> = [], times: varint64 = 1) -> Text',
        "count (Num) -> stream Num",
        "total (stream Num) -> Num",
        "requires any of (lab.read, lab.admin)",
        "message lab/Sample",
        "at: timestamp? = null",
        'level: Level = "LOW"',
        "num: Num = (computed)",
        "enum lab/Level",
        "HIGH = 1",
    ):
        assert line in stripped, told


def test_describe_json_is_the_manifest(lab):
    told = succeeded("service", "describe", lab.address, "Lab", "--json")
    assert told.count("\n") == 1
    assert json.loads(told) == ContractManifest.from_service(Lab).data


def test_describe_unknown(lab):
    told = failed("service", "describe", lab.address, "Nope")
    assert told == "error: service 'Nope' not found. Available: Counter, Lab\n"


def test_invoke(lab):
    told = succeeded("service", "invoke", lab.address, "Lab.join", "title=42", 'words=["a","b"]', "times=2", "--json")
    assert told == '{"body":"42 a b 42 a b"}\n'
    assert succeeded("service", "invoke", lab.address, "Lab.double", "21", "--json") == '{"value":42}\n'
    assert succeeded("service", "invoke", lab.address, "Lab.double", '{"value":4}', "--json") == '{"value":8}\n'
    assert succeeded("service", "invoke", lab.address, "Lab.total", '[{"value":4},{"value":5}]', "--json") == (
        '{"value":9}\n'
    )
    assert succeeded("service", "invoke", lab.address, "Lab.total", "--json", stdin='{"value":3}\n') == '{"value":3}\n'
    told = succeeded("service", "invoke", lab.address, "Lab.echo", "num.value=7", "labels.a=1", "level=HIGH", "--json")
    assert json.loads(told)["labels"] == {"a": "1"}
    told = failed("service", "invoke", lab.address, "Lab.join", "nonsense", status=2)
    assert told == "error: expected key=value, got 'nonsense'\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], {}),
        (["name=x"], {"name": "x"}),
        (["name=1"], {"name": "1"}),
        (['name="1"'], {"name": "1"}),
        (["name=null"], {"name": None}),
        (["name=a=b"], {"name": "a=b"}),
        (["raw=AAA="], {"raw": "AAA="}),
        (["num.value=1", "name=true"], {"num": {"value": 1}, "name": "true"}),
        (["labels.x=1", "labels.y=z"], {"labels": {"x": "1", "y": "z"}}),
        (['labels={"x":"1"}'], {"labels": {"x": "1"}}),
        (["unknown=1", "name=x"], {"unknown": 1, "name": "x"}),
    ],
)
def test_words_with_a_contract(words, message):
    assert message_of(words, FIELDS, TYPES) == message


@pytest.mark.parametrize(
    ("words", "message"),
    [(["a=1", "b.c=x", "b.d=[1]"], {"a": 1, "b": {"c": "x", "d": [1]}}), (["a="], {"a": ""})],
)
def test_words_without_a_contract(words, message):
    assert message_of(words, None, {}) == message


@pytest.mark.parametrize("words", [["x"], ["name=1", "x"], ["num=1", "num.value=2"], ["name=1", "name=2"], ["=1"]])
def test_words_that_are_no_message(words):
    with pytest.raises(CommandError) as caught:
        message_of(words, FIELDS, TYPES)
    assert caught.value.status == 2


def test_one_bare_value():
    [value] = TYPES["lab/Num"]["fields"]
    assert message_of(["5"], [value], TYPES) == {"value": 5}
    [body] = TYPES["lab/Text"]["fields"]
    assert message_of(["5"], [body], TYPES) == {"body": "5"}
    assert message_of(["a=b"], [body], TYPES) == {"body": "a=b"}
