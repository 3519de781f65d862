"""Tests run in an empty directory, offline, without settings of the machine."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from pathlib import Path

import pytest

from aster import IrohNode, create_endpoint
from cli_support import server
from key_support import STAND_INS, Command

VECTORS = Path(os.environ.get("ASTER_VECTORS_DIR", Path(__file__).resolve().parents[3] / "shared" / "vectors"))


@pytest.fixture(autouse=True)
def _isolated(tmp_path, monkeypatch):
    for name in list(os.environ):
        if name.startswith("ASTER_") and name != "ASTER_VECTORS_DIR":
            monkeypatch.delenv(name)
    monkeypatch.setenv("ASTER_RELAY_MODE", "disabled")
    monkeypatch.setenv("ASTER_BIND_ADDR", "127.0.0.1:0")
    monkeypatch.chdir(tmp_path)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    """Escape what a test wrote that is no Unicode: a report that goes from one process to another has none of it."""
    report = yield
    report.sections = [(name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections]
    return report


@pytest.fixture(scope="session")
def wire_vectors():
    return json.loads((VECTORS / "wire.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def contract_vectors():
    return json.loads((VECTORS / "contract.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def codec_vectors():
    return json.loads((VECTORS / "codec.json").read_text(encoding="utf-8"))


@pytest.fixture
def home(tmp_path_factory, monkeypatch):
    """A home folder of this test alone, as the command sees it."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    return folder


@pytest.fixture(autouse=True)
def _logger_as_before():
    """Take back what a server of the test did to the logger: commands of later tests would show its lines."""
    logger = logging.getLogger("aster")
    handlers, level, propagate = list(logger.handlers), logger.level, logger.propagate
    yield
    logger.handlers[:], logger.propagate = handlers, propagate
    logger.setLevel(level)


@pytest.fixture(autouse=True)
def _no_keyring(monkeypatch):
    """Keep the keyring of the machine out of the tests."""
    for name in ("keyring", "keyring.errors"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(str(STAND_INS))
    monkeypatch.setenv("STAND_IN_KEYRING", "none")
    yield
    for name in ("keyring", "keyring.errors"):
        sys.modules.pop(name, None)


@pytest.fixture
def keyring(tmp_path_factory, monkeypatch):
    """A keyring of this test alone: the path of its entries."""
    path = tmp_path_factory.mktemp("keyring") / "entries.json"
    monkeypatch.setenv("STAND_IN_KEYRING", str(path))
    return path


@pytest.fixture
def cli(home, capsys):
    """The command, within the process and with a home of its own."""
    del home
    return Command(capsys)


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """A server of the services in `cli_services`, in another process, for all tests of the command."""
    with server(HOME=str(tmp_path_factory.mktemp("lab"))) as running:
        yield running


# Nodes belong to no event loop, so that tests may use these in loops of their own.


@pytest.fixture
def node():
    """A node in memory that accepts `test/1`, closed afterwards."""
    opened = asyncio.run(IrohNode.memory_with_alpns([b"test/1"]))
    yield opened
    asyncio.run(opened.close())


@pytest.fixture
def node_pair():
    """Two nodes that know each other's addresses and accept `test/1`."""
    first, second = (asyncio.run(IrohNode.memory_with_alpns([b"test/1"])) for _ in range(2))
    first.add_node_addr(second.node_addr_info())
    second.add_node_addr(first.node_addr_info())
    yield first, second
    asyncio.run(first.close())
    asyncio.run(second.close())


@pytest.fixture
def endpoint_pair():
    """Two bare endpoints for `test/1`, of which the second has dialled the first: endpoints and connections."""

    async def connect():
        first, second = await create_endpoint(b"test/1"), await create_endpoint(b"test/1")
        dialled = await second.connect_node_addr(first.endpoint_addr_info(), b"test/1")
        return (first, second), (await first.accept(), dialled)

    ends, connections = asyncio.run(connect())
    yield ends, connections
    for end in ends:
        asyncio.run(end.close())
