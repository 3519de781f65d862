"""`aster docs` and `aster gossip` (`cli.md` section 2)."""

from __future__ import annotations

import json
import signal
import subprocess

import pytest

from aster.service import service_info
from cli_services import Lab
from cli_support import SECONDS, command, environment, failed, lines, server, succeeded

LAB = service_info(Lab).contract_id

pytestmark = pytest.mark.usefixtures("home")


def test_ls(lab):
    keys = [one["key"] for one in json.loads(succeeded("docs", "ls", lab.address, "--json"))]
    assert keys == sorted(keys)
    assert f"manifests/{LAB}" in keys
    some = [one["key"] for one in json.loads(succeeded("docs", "ls", lab.address, "services/Lab/v", "--json"))]
    assert some == ["services/Lab/versions/v2"]
    told = succeeded("docs", "ls", lab.address, "services/Lab/v").splitlines()
    assert told[0].split() == ["Key", "Size", "Author"]
    assert told[1].split()[:2] == ["services/Lab/versions/v2", "64"]


def test_cat(lab):
    assert succeeded("docs", "cat", lab.address, "services/Lab/versions/v2") == LAB
    assert failed("docs", "cat", lab.address, "services/Lab") == "error: document has no key 'services/Lab'\n"


def test_watch(tmp_path_factory):
    with server(HOME=str(tmp_path_factory.mktemp("watched"))) as watched:
        call = command("docs", "watch", watched.address, "services/Lab/contracts/", "--json")
        with subprocess.Popen(call, env=environment(), stdout=subprocess.PIPE, text=True) as process:
            # Nobody knows when the watch has begun: the health changes until it shows one.
            watched.process.stdin.write("change\n")
            watched.process.stdin.flush()
            [told] = lines(process.stdout.readline())
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=SECONDS) == 130
    assert told["key"].startswith(f"services/Lab/contracts/{LAB}/endpoints/")


def test_the_mesh_is_for_operators(lab):
    told = failed("gossip", "tail", lab.address)
    assert told.splitlines()[0] == "error: the peer does not let us listen to its mesh"
