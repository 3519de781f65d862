"""Ctrl-C: status 130, and the call is cancelled at the peer (`cli.md` section 1)."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys

import pytest

from aster import _aster
from cli_support import SECONDS, command, environment, know_contracts, server

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to other processes there")


@pytest.fixture(autouse=True)
def _contracts(home):
    know_contracts()


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A server of these tests alone: what it prints was caused by them."""
    with server(HOME=str(tmp_path_factory.mktemp("interrupted"))) as running:
        yield running


@contextlib.contextmanager
def running(*arguments):
    """Run the command with an open standard input."""
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(command(*arguments), env=environment(), text=True, **pipes) as process:
        yield process


def interrupted(process, number=signal.SIGINT):
    """Press Ctrl-C, or send another signal; return what was said after it."""
    process.send_signal(number)
    assert process.wait(timeout=SECONDS) == 128 + number
    return process.stdout.read(), process.stderr.read()


def test_unary(lab):
    with running("call", lab.address, "Lab.hang") as process:
        lab.wait_for("hang started")
        assert interrupted(process) == ("", "")
        lab.wait_for("hang cancelled")


def test_termination_is_graceful(lab):
    with running("call", lab.address, "Lab.hang") as process:
        lab.wait_for("hang started")
        assert interrupted(process, signal.SIGTERM) == ("", "")
        lab.wait_for("hang cancelled")


def test_json_says_no_more(lab):
    with running("call", lab.address, "Lab.hang", "--json") as process:
        lab.wait_for("hang started")
        assert interrupted(process) == ("", "")
        lab.wait_for("hang cancelled")


def test_server_stream(lab):
    with running("call", lab.address, "Lab.forever") as process:
        assert process.stdout.readline() == '{"value":0}\n'
        _, said = interrupted(process)
        assert said == ""
        lab.wait_for("forever ended")


def test_stream_that_waits_for_its_input(lab):
    """The thread that reads standard input does not keep the process."""
    with running("call", lab.address, "Lab.negate") as process:
        process.stdin.write('{"value":1}\n')
        process.stdin.flush()
        assert process.stdout.readline() == '{"value":-1}\n'
        assert interrupted(process) == ("", "")


def test_reader_that_leaves(lab):
    with running("call", lab.address, "Lab.forever") as process:
        assert process.stdout.readline() == '{"value":0}\n'
        process.stdout.close()
        assert process.wait(timeout=SECONDS) == 1
        assert process.stderr.read() == ""
        lab.wait_for("forever ended")


def test_while_connecting():
    _, public = _aster.ed25519_generate_keypair()
    # Nobody answers there (RFC 5737).
    peer = _aster.addr_text((public.hex(), None, ["192.0.2.1:9"]))
    controller, terminal = os.openpty()
    with subprocess.Popen(command("service", "ls", peer), env=environment(TERM="xterm"), stderr=terminal) as process:
        told = b""
        while b"connecting" not in told:
            told += os.read(controller, 4096)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=SECONDS) == 130
    os.close(terminal)
    os.close(controller)


def test_session(lab):
    with running("call", lab.address, "Counter", "--session") as process:
        process.stdin.write('{"id":1,"method":"hang"}\n')
        process.stdin.flush()
        lab.wait_for("counter hang started")
        assert interrupted(process) == ("", "")
        lab.wait_for("counter hang ended")
