"""Settings: where they come from and what is refused."""

from __future__ import annotations

import asyncio
import base64
import os
import subprocess
import sys

import pytest

from aster import AsterClient, AsterConfig, AsterServer
from support import Echo, asynchronous

ROOT = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"
SECRET = bytes(range(32))


def test_inline_beats_environment(monkeypatch):
    monkeypatch.setenv("ASTER_RELAY_MODE", "staging")
    monkeypatch.setenv("ASTER_CLEAR_IP_TRANSPORTS", "yes")
    assert AsterConfig.from_env().relay_mode == "staging"
    assert AsterConfig.from_env().clear_ip_transports is True
    assert AsterConfig().relay_mode is None
    config = AsterConfig.from_env(relay_mode="disabled")
    assert config.relay_mode == "disabled"
    config.relay_mode = "default"
    assert config.relay_mode == "default"
    monkeypatch.setenv("ASTER_RELAY_MODE", "https://later.example")
    assert AsterConfig.from_env().relay_mode == "https://later.example"
    assert config.relay_mode == "default"


def test_keys(monkeypatch, tmp_path):
    monkeypatch.setenv("ASTER_SECRET_KEY", base64.b64encode(SECRET).decode())
    monkeypatch.setenv("ASTER_ROOT_PUBKEY", ROOT)
    config = AsterConfig.from_env()
    assert config.secret_key == SECRET
    assert config.root_pubkey == bytes.fromhex(ROOT)
    (tmp_path / "root.pub").write_text(f'{{"public_key": "{ROOT}"}}', encoding="utf-8")
    assert AsterConfig(root_pubkey_file=str(tmp_path / "root.pub")).root_pubkey == bytes.fromhex(ROOT)
    assert "00010203" not in repr(AsterConfig(secret_key=SECRET))


@asynchronous
async def test_the_key_makes_the_endpoint_id():
    ids = set()
    for _ in range(2):
        async with AsterServer([Echo()], config=AsterConfig.from_env(secret_key=SECRET)) as server:
            ids.add(server.endpoint_id)
    assert ids == {ROOT}


@pytest.mark.parametrize(
    ("variable", "value", "text"),
    [
        ("ASTER_ALLOW_ALL_CONSUMERS", "maybe", "ASTER_ALLOW_ALL_CONSUMERS: expected true/false/1/0, got 'maybe'"),
        ("ASTER_ALLOW_ALL_CONSUMERS", "", "ASTER_ALLOW_ALL_CONSUMERS"),
        ("ASTER_ROOT_PUBKEY", "", "ASTER_ROOT_PUBKEY"),
        ("ASTER_ROOT_PUBKEY", "abc", "root_pubkey"),
        ("ASTER_ROOT_PUBKEY_FILE", "missing.pub", "missing.pub"),
        ("ASTER_BIND_ADDR", "nowhere", "bind_addr"),
        ("ASTER_RELAY_MODE", "sometimes", "relay_mode"),
        ("ASTER_IDENTITY_FILE", "some.id", "some.id"),
    ],
)
def test_bad_settings_stop_the_server(monkeypatch, variable, value, text):
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValueError, match=text):
        AsterServer([Echo()])


def test_an_identity_file_never_goes_unnoticed(tmp_path):
    (tmp_path / ".aster-identity").write_text("", encoding="utf-8")
    with pytest.raises(ValueError, match="aster-identity"):
        AsterServer([Echo()])
    assert AsterServer([Echo()], config=AsterConfig.from_env(identity_file="")) is not None
    with pytest.raises(ValueError, match="other.id"):
        AsterServer([Echo()], identity="other.id")


def test_arguments():
    with pytest.raises(TypeError):
        AsterConfig(relay_modus="disabled")
    with pytest.raises(AttributeError):
        AsterConfig().relay_modus = "disabled"
    with pytest.raises(ValueError, match="expected a boolean"):
        AsterServer([Echo()], config=AsterConfig(allow_all_consumers="yes"))
    with pytest.raises(ValueError, match="root_pubkey is required when admission is enabled"):
        AsterServer([Echo()], config=AsterConfig(allow_all_consumers=True), allow_all_consumers=False)
    with pytest.raises(ValueError, match="node key"):
        AsterServer([Echo()], config=AsterConfig(secret_key=SECRET), root_pubkey=bytes.fromhex(ROOT))
    with pytest.raises(TypeError):
        AsterClient("aster1...")


@asynchronous
async def test_unknown_variables_are_told(monkeypatch, caplog):
    monkeypatch.setenv("ASTER_RELAY_MODUS", "x")
    async with AsterServer([Echo()]):
        pass
    assert any("ASTER_RELAY_MODUS" in record.getMessage() for record in caplog.records)


def test_only_bound_sockets_are_announced():
    async def addresses(**settings):
        async with AsterServer([Echo()], config=AsterConfig.from_env(**settings)) as server:
            return base64.b64decode(server.endpoint_addr_b64).decode().split("\n")[2:]

    [only] = asyncio.run(addresses(bind_addr="127.0.0.1:0"))
    assert only.startswith("127.0.0.1:")


def test_importing_has_no_side_effect(tmp_path):
    """No thread, no file, no look at the environment, no event loop policy."""
    program = """
import os, sys, threading, asyncio.events
class Env(dict):
    def __getitem__(self, key): raise AssertionError(key)
    def get(self, key, default=None): raise AssertionError(key)
import aster._aster, dataclasses, asyncio, inspect, typing, logging, ast, pathlib
opened = []
sys.addaudithook(lambda event, args: opened.append(args[0]) if event == "open" else None)
for name in [name for name in sys.modules if name.startswith("aster") and name != "aster._aster"]:
    del sys.modules[name]
os.environ = Env()
import aster
assert aster.AsterServer
assert threading.active_count() == 1
assert len(os.listdir("/proc/self/task")) == 1 or sys.platform != "linux"
assert asyncio.events._event_loop_policy is None
assert not [path for path in opened if ".aster" in str(path)], opened
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env=dict(os.environ)
    )
    assert done.returncode == 0, done.stderr
