"""`aster call PEER SERVICE --session`: JSON lines (`cli.md` section 2)."""

from __future__ import annotations

import json
import subprocess

import pytest

from cli_support import SECONDS, aster, command, environment, failed, know_contracts, lines


@pytest.fixture(autouse=True)
def _contracts(home):
    know_contracts()


def session(lab, *requests, status=0):
    stdin = "".join(f"{request if isinstance(request, str) else json.dumps(request)}\n" for request in requests)
    done = aster("call", lab.address, "Counter", "--session", "--json", stdin=stdin, process=True)
    assert done.returncode == status, done.stderr
    return lines(done.stdout), done.stderr


def test_calls_share_the_session_and_run_in_order(lab):
    told, _ = session(
        lab,
        {"id": 1, "method": "add", "request": {"value": 2}},
        {"id": "b", "method": "add", "request": {"value": 3}},
        {"id": 3, "method": "add"},
    )
    assert told == [
        {"id": 1, "result": {"value": 2}},
        {"id": "b", "result": {"value": 5}},
        {"id": 3, "result": {"value": 5}},
    ]


def test_every_pattern(lab):
    told, _ = session(
        lab,
        {"id": 1, "method": "count", "request": {"value": 2}},
        {"id": 2, "method": "collect"},
        {"id": 2, "item": {"value": 10}},
        {"id": 2, "item": {"value": 20}},
        {"id": 2, "end": True},
        {"id": 3, "method": "running"},
        {"id": 3, "item": {"value": 1}},
        {"id": 3, "end": True},
    )
    assert told == [
        {"id": 1, "item": {"value": 1}},
        {"id": 1, "item": {"value": 2}},
        {"id": 1, "end": True},
        {"id": 2, "result": {"value": 32}},
        {"id": 3, "item": {"value": 33}},
        {"id": 3, "end": True},
    ]


def test_items_of_calls_that_wait_are_kept(lab):
    told, _ = session(
        lab,
        {"id": 1, "method": "collect"},
        {"id": 2, "method": "collect"},
        {"id": 2, "item": {"value": 5}},
        {"id": 1, "item": {"value": 1}},
        {"id": 1, "end": True},
    )
    # The end of the input ends what was not ended.
    assert told == [{"id": 1, "result": {"value": 1}}, {"id": 2, "result": {"value": 6}}]


def test_a_failure_is_told_and_the_session_goes_on(lab):
    told, _ = session(
        lab,
        {"id": 1, "method": "refuse"},
        {"id": 2, "method": "nope"},
        {"id": 3, "method": "add", "request": {"valeu": 1}},
        {"id": 4, "item": {}},
        {"id": 5, "method": "collect", "request": {}},
        {"id": 6, "method": "add", "request": {"value": 1}},
        status=1,
    )
    assert told.pop() == {"id": 6, "result": {"value": 1}}
    errors = {line["id"]: line["error"] for line in told}
    assert errors[1] == {"code": "ABORTED", "number": 10, "message": "no", "details": {}}
    assert errors[2]["message"].startswith("service 'Counter' has no method 'nope'. Available: add, ")
    assert errors[3]["code"] == "CONTRACT_VIOLATION"
    assert errors[4]["message"] == "no call has the id 4"
    assert errors[5]["message"] == "'collect' takes a stream: send its messages as items"


def test_cancel_ends_the_running_call_only(lab):
    arguments = command("call", lab.address, "Counter", "--session")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(arguments, env=environment(), **pipes) as process:
        process.stdin.write('{"id":1,"method":"hang"}\n{"id":2,"method":"add","request":{"value":3}}\n')
        process.stdin.flush()
        lab.wait_for("counter hang started")
        process.stdin.write('{"cancel":true}\n')
        process.stdin.flush()
        lab.wait_for("counter hang ended")
        told = [json.loads(process.stdout.readline()) for _ in range(2)]
        process.stdin.close()
        assert process.wait(timeout=SECONDS) == 1
    assert told[0]["id"] == 1
    assert (told[0]["error"]["code"], told[0]["error"]["number"]) == ("CANCELLED", 1)
    assert told[1] == {"id": 2, "result": {"value": 3}}


def test_cancel_of_a_call_that_has_not_begun(lab):
    told, _ = session(
        lab,
        {"id": 1, "method": "add", "request": {"value": 1}},
        {"cancel": True},
        {"id": 2, "method": "add", "request": {"value": 1}},
        status=1,
    )
    # It is the first that is not over, whether it runs already or not.
    assert told[0]["id"] == 1
    assert told[0]["error"]["code"] == "CANCELLED"
    assert told[1]["id"] == 2


def test_results_come_while_the_input_is_open(lab):
    arguments = command("call", lab.address, "Counter", "--session")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(arguments, env=environment(), **pipes) as process:
        for number in range(3):
            process.stdin.write(json.dumps({"id": number, "method": "add", "request": {"value": 1}}) + "\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline()) == {"id": number, "result": {"value": number + 1}}
        process.stdin.close()
        assert process.wait(timeout=SECONDS) == 0


def test_more_items_than_wait_at_once(lab):
    told, _ = session(lab, {"id": 1, "method": "collect"}, *[{"id": 1, "item": {"value": 1}}] * 5000)
    assert told == [{"id": 1, "result": {"value": 5000}}]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "payload is not valid JSON: line 1: "),
        ("[]", "line 1: expected {"),
        ('{"method":"add"}', "line 1: expected {"),
        ('{"id":true,"method":"add"}', "line 1: expected {"),
        ('{"id":1,"end":false}', "line 1: expected {"),
        ('{"id":1,"method":"add","item":{}}', "line 1: expected {"),
    ],
)
def test_lines_that_are_none(lab, line, message):
    told, said = session(lab, line, status=2)
    assert told == []
    assert json.loads(said)["error"]["message"].startswith(message)


def test_shared_services_have_no_sessions(lab):
    assert failed("call", lab.address, "Lab", "--session") == "error: 'Lab' is not session-scoped\n"
    assert failed("call", lab.address, "Nope", "--session").startswith("error: service 'Nope' not found.")
