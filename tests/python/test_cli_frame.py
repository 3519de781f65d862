"""The frame of the command: options, statuses, error texts (`cli.md` section 1)."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

import aster as package
from aster import AdmissionDeniedError, RpcError, StatusCode
from aster.cli import failures, frame, main, output
from aster.cli.failures import CommandError, failure_of
from aster.cli.settings import Settings
from cli_support import command, environment, failed, succeeded

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.usefixtures("home")


def test_importing_the_package_loads_no_library_of_the_command():
    program = """
import sys, aster, aster.cli
print(sorted({"click", "rich", "prompt_toolkit"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("arguments", [["--version"], ["service", "--version"], ["service", "ls", "--version"]])
def test_version(arguments):
    iroh = re.search(r'^iroh = \{ version = "=([^"]+)"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)[1]
    version = package.__version__
    assert succeeded(*arguments, process=True) == f"aster {version} (core {version}, iroh {iroh})\n"


def test_entry_point_of_the_package():
    assert 'aster = "aster.cli:main"' in (ROOT / "pyproject.toml").read_text().split("[project.scripts]")[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing command"),
        (["service"], "Missing command"),
        (["nope"], "No such command 'nope'"),
        (["service", "ls", "--nope"], "No such option"),
        (["service", "ls"], "no peer given, and ASTER_ENDPOINT_ADDR is not set"),
        (["service", "ls", "nonsense"], "'nonsense' is no peer: invalid address: "),
        (["service", "describe", "0" * 64], "missing argument SERVICE"),
        (["service", "ls", "--timeout", "0", "0" * 64], "Invalid value for '--timeout': 0.0 is not in the range x>0"),
        (["call", "0" * 64, "S.m", "{}", "more"], "unexpected argument 'more'"),
        (["call", "0" * 64, "S.m", "{"], "payload is not valid JSON: "),
        (["call", "0" * 64, "S.m", '{"a":1,"a":2}'], "payload is not valid JSON: a key occurs twice"),
        (["call", "0" * 64, "method"], "expected SERVICE.METHOD, got 'method'"),
        (["call", "0" * 64, "S.m", "--metadata", "x"], "--metadata: expected K=V, got 'x'"),
        (["contract", "gen"], "Missing option '--service'"),
    ],
)
def test_wrong_usage_is_status_2(arguments, message, capsys):
    assert main(arguments) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"error: {message}"), told
    assert main([*arguments, "--json"]) == 2
    as_json = json.loads(capsys.readouterr().err)
    assert as_json["error"]["message"].startswith(message)
    assert (as_json["error"]["code"], as_json["error"]["number"], as_json["error"]["details"]) == (None, None, {})


def test_usage_errors_say_where_help_is():
    assert failed("service", "ls", "--nope", status=2).splitlines()[-1] == "hint: try 'aster service ls --help'"


def test_common_options_stand_before_and_after_the_command(tmp_path):
    (tmp_path / "aster.toml").write_text('[logging]\nlevel = "error"\n')
    before = succeeded("--json", "--no-color", "--profile", "p", "config", "show")
    between = succeeded("config", "--json", "show", "--profile", "p")
    after = succeeded("config", "show", "--json", "--no-color", "-v", "--profile=p", process=True)
    assert before == between == after
    assert json.loads(after)["logging"]["level"] == {"value": "error", "source": "aster.toml [logging]"}
    assert "level                       : error" in succeeded("config", "show")


def test_help_lists_every_group_and_each_loads():
    told = succeeded("--help")
    for name in frame.COMMANDS:
        assert f"  {name} " in told
        context = click.Context(frame.root)
        assert frame.root.get_command(context, name).name == name


def test_configuration_file(tmp_path):
    assert failed("config", "show", "--file", "nope.toml") == "error: nope.toml: No such file or directory\n"
    (tmp_path / "other.toml").write_text('[logging]\nlevel = "loud"\n')
    assert failed("config", "show", "--file", "other.toml").startswith("error: other.toml: field 'log_level'")
    # Without one the environment counts.
    shown = json.loads(succeeded("config", "show", "--json"))
    assert shown["network"]["relay_mode"] == {"value": "disabled", "source": "ASTER_RELAY_MODE"}


def test_rpc_failures():
    error = RpcError.from_status(StatusCode.PERMISSION_DENIED, "no access", {"who": "you"})
    failure = failure_of(error)
    assert failure.to_text() == "error: PERMISSION_DENIED: no access\n  who: you"
    assert failure.to_dict() == {
        "code": "PERMISSION_DENIED",
        "number": 7,
        "message": "no access",
        "details": {"who": "you"},
    }
    assert failure_of(RpcError(250, "x")).to_dict()["code"] == "CODE_250"
    hinted = failure_of(CommandError.of_call(error, "ask"))
    assert (hinted.code, hinted.hint) == ("PERMISSION_DENIED", "ask")
    assert hinted.to_text().splitlines()[-1] == "hint: ask"


def test_other_failures():
    denied = AdmissionDeniedError(
        had_credential=False, credential_file=None, our_endpoint_id="00", server_address="aster1"
    )
    assert failure_of(denied).to_text() == f"error: {denied.format_hint()}"
    assert failure_of(FileExistsError(17, "exists", "a.key")).message == "a.key already exists; refusing to overwrite"
    assert failure_of(PermissionError(13, "Permission denied", "a.key")).message == "a.key: Permission denied"
    assert failure_of(ValueError("bad")).to_dict() == {"code": None, "number": None, "message": "bad", "details": {}}
    assert failure_of(ValueError()).message == "ValueError"


def test_json_failures_are_one_line(capsys):
    assert failures.tell(CommandError("two\nlines", hint="hidden"), Settings(json=True)) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == '{"error":{"code":null,"number":null,"message":"two\\nlines","details":{}}}\n'


def test_traceback_only_if_asked(capsys):
    try:
        raise CommandError("broken")
    except CommandError as error:
        failures.tell(error, Settings())
        assert capsys.readouterr().err == "error: broken\n"
        failures.tell(error, Settings(verbose=True))
        told = capsys.readouterr().err
    assert told.startswith("Traceback")
    assert told.endswith("error: broken\n")


def test_texts_of_peers_do_not_steer_the_terminal():
    assert failure_of(ValueError("a\x1b[2Jb\x9bc\td\ne")).to_text() == "error: a\\x1b[2Jb\\x9bc\td\ne"
    assert output.compact({"a": "\x1b\x9b\u00e9"}) == '{"a":"\\u001b\\u009b\u00e9"}'
    assert json.loads(output.indented({"a": "\x1b\x9b"})) == {"a": "\x1b\x9b"}


def test_table(capsys):
    output.table(("Service", "Methods"), [("A", 10), ("Longer name", 2)], Settings())
    assert capsys.readouterr().out == "Service     Methods\nA           10\nLonger name 2\n"


def test_in_process(capsys):
    assert main(["config", "show", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["server"]
    assert main(["config"]) == 2


def test_reader_that_leaves_is_no_disaster():
    with subprocess.Popen(
        [sys.executable, "-m", "aster", "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()
        told = process.stderr.read()
        process.wait(timeout=30)
    assert b"Traceback" not in told


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo terminals there")
@pytest.mark.parametrize(("options", "shown"), [([], True), (["--json"], False)])
def test_progress_only_on_terminals_and_for_people(lab, options, shown):
    controller, terminal = os.openpty()
    done = subprocess.run(
        command("service", "ls", lab.address, *options),
        stdout=subprocess.PIPE,
        stderr=terminal,
        timeout=30,
        check=True,
        env=environment(TERM="xterm"),
    )
    os.write(terminal, b"(end)")
    told = b""
    while not told.endswith(b"(end)"):
        told += os.read(controller, 4096)
    os.close(terminal)
    os.close(controller)
    assert b"Lab" in done.stdout
    assert (b"connecting" in told) == shown, told
