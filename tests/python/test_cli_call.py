"""`aster call` (`cli.md` section 2): every pattern, payloads, options, failures."""

from __future__ import annotations

import json

import pytest

from aster.cli import main
from aster.proxies import ProxyCalls
from cli_support import failed, know_contracts, lines, succeeded


@pytest.fixture(autouse=True)
def _contracts(home):
    know_contracts()


def test_unary(lab):
    assert succeeded("call", lab.address, "Lab.double", '{"value":21}') == '{\n  "value": 42\n}\n'
    assert succeeded("call", lab.address, "Lab.double", '{"value":21}', "--json") == '{"value":42}\n'
    assert succeeded("--json", "call", lab.address, "Lab.double") == '{"value":0}\n'


def test_payload_from_file_and_standard_input(lab, tmp_path):
    (tmp_path / "n.json").write_text('{"value": 4}')
    assert succeeded("call", lab.address, "Lab.double", "@n.json", "--json") == '{"value":8}\n'
    assert succeeded("call", lab.address, "Lab.double", "-", "--json", stdin='{\n"value":\n5}\n') == '{"value":10}\n'
    told = failed("call", lab.address, "Lab.double", "@nope.json")
    assert told == "error: nope.json: No such file or directory\n"


def test_json_forms_of_values(lab):
    sample = {"name": "\u00e9", "at": "2024-05-06T07:08:09Z", "raw": "AAE=", "level": "HIGH", "labels": {"a": "b"}}
    told = json.loads(succeeded("call", lab.address, "Lab.echo", json.dumps(sample)))
    assert told == {**sample, "num": {"value": 0}}


def test_server_stream(lab):
    told = succeeded("call", lab.address, "Lab.count", '{"value":3}')
    assert told == '{"value":0}\n{"value":1}\n{"value":2}\n'
    assert succeeded("call", lab.address, "Lab.count", '{"value":3}', "--json") == told


def test_max_items_ends_an_endless_stream_well(lab):
    told = succeeded("call", lab.address, "Lab.forever", '{"value":7}', "--max-items", "2")
    assert lines(told) == [{"value": 7}, {"value": 8}]
    lab.wait_for("forever ended")


def test_client_stream(lab, tmp_path):
    one_per_line = '{"value":1}\n\n{"value":2}\n{"value":3}'
    assert succeeded("call", lab.address, "Lab.total", "--json", stdin=one_per_line) == '{"value":6}\n'
    assert succeeded("call", lab.address, "Lab.total", "-", "--json", stdin=one_per_line) == '{"value":6}\n'
    assert succeeded("call", lab.address, "Lab.total", '[{"value":4},{"value":5}]') == '{\n  "value": 9\n}\n'
    assert succeeded("call", lab.address, "Lab.total", "--json", stdin="") == '{"value":0}\n'
    (tmp_path / "lines").write_text(one_per_line)
    assert succeeded("call", lab.address, "Lab.total", "@lines", "--json") == '{"value":6}\n'


def test_many_items(lab):
    assert succeeded("call", lab.address, "Lab.total", "--json", stdin='{"value":1}\n' * 10_000) == '{"value":10000}\n'


def test_bidi(lab):
    told = succeeded("call", lab.address, "Lab.negate", stdin='{"value":1}\n{"value":2}\n')
    assert told == '{"value":-1}\n{"value":-2}\n'
    assert succeeded("call", lab.address, "Lab.negate", '[{"value":3}]') == '{"value":-3}\n'


def test_one_shot_session(lab):
    for _ in range(2):
        assert succeeded("call", lab.address, "Counter.add", '{"value":4}', "--json") == '{"value":4}\n'
    told = succeeded("call", lab.address, "Counter.running", stdin='{"value":4}\n{"value":5}\n')
    assert lines(told) == [{"value": 4}, {"value": 9}]


def test_metadata(lab):
    given = ["--metadata", "a=1", "--metadata", "b=x=y", "--json"]
    assert succeeded("call", lab.address, "Lab.metadata", '{"key":"b"}', *given) == '{"body":"x=y"}\n'
    told = json.loads(failed("call", lab.address, "Lab.metadata", "--metadata", "aster-x=1", "--json"))
    assert told["error"]["code"] == "INVALID_ARGUMENT"


def test_deadline(lab):
    told = failed("call", lab.address, "Lab.hang", "--deadline", "0.2")
    assert told == "error: DEADLINE_EXCEEDED: deadline exceeded\n"


def test_peer_of_the_environment(lab):
    told = succeeded("call", "Lab.double", '{"value":1}', "--json", ASTER_ENDPOINT_ADDR=lab.address)
    assert told == '{"value":2}\n'


LAB_METHODS = "count, double, echo, forever, guarded, hang, join, metadata, negate, refuse, total, whoami"


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("Nope.x", "service 'Nope' not found. Available: Counter, Lab"),
        ("Lab.nope", f"service 'Lab' has no method 'nope'. Available: {LAB_METHODS}"),
        (
            "Counter.nope",
            "service 'Counter' has no method 'nope'. Available: add, collect, count, hang, refuse, running",
        ),
    ],
)
def test_unknown_targets(lab, target, message):
    assert failed("call", lab.address, target) == f"error: {message}\n"
    told = json.loads(failed("call", lab.address, target, "--json"))
    assert told == {"error": {"code": None, "number": None, "message": message, "details": {}}}


def test_failure_of_a_call(lab):
    told = failed("call", lab.address, "Lab.refuse", '{"message":"not yet"}')
    assert told == "error: FAILED_PRECONDITION: not yet\n  field: message\n"
    told = failed("call", lab.address, "Lab.refuse", '{"message":"not yet"}', "--json")
    expected = {"code": "FAILED_PRECONDITION", "number": 9, "message": "not yet", "details": {"field": "message"}}
    assert json.loads(told) == {"error": expected}
    assert len(told.splitlines()) == 1


def test_permission_denied_says_what_is_needed(lab):
    told = failed("call", lab.address, "Lab.guarded")
    assert told.splitlines() == [
        "error: PERMISSION_DENIED: capability check failed for method 'Lab.guarded'",
        "hint: requires any of (lab.read, lab.admin); you have no roles",
    ]


@pytest.mark.parametrize("method", ["double", "count"])
def test_shape_errors_are_not_sent(lab, monkeypatch, capsys, method):
    monkeypatch.setattr(ProxyCalls, "method", None)
    assert main(["call", lab.address, f"Lab.{method}", '{"valeu":1}']) == 1
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "error: CONTRACT_VIOLATION: contract violation at Num: unexpected field(s) 'valeu'"


def test_shape_errors_say_where(lab):
    told = json.loads(failed("call", lab.address, "Lab.echo", '{"num":{"value":"x"}}', "--json"))
    assert (told["error"]["number"], told["error"]["details"]["location"]) == (101, "Sample.num.value")
    # In a stream, too: what came before was sent, the call is cancelled.
    told = failed("call", lab.address, "Lab.total", stdin='{"value":1}\n{"x":1}\n')
    assert told.startswith("error: CONTRACT_VIOLATION: ")


def test_bad_json_in_a_stream(lab):
    told = failed("call", lab.address, "Lab.total", stdin='{"value":1}\n{"value"\n', status=2)
    assert told.startswith("error: payload is not valid JSON: line 2: ")
    told = failed("call", lab.address, "Lab.double", "-", stdin="", status=2)
    assert told.startswith("error: payload is not valid JSON: ")
