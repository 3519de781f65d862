"""Settings: where they come from and what is refused."""

from __future__ import annotations

import asyncio
import base64
import copy
import itertools
import json
import os
import pickle
import subprocess
import sys
import typing
from pathlib import Path

import pytest

from aster import AsterClient, AsterConfig, AsterServer
from aster.config import endpoint_arguments, load_endpoint_config, settle
from support import Echo, asynchronous

ROOT = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"
OTHER = "29acbae141bccaf0b22e1a94d34d0bc7361e526d0bfe12c89794bc9322966dd7"
SECRET = bytes(range(32))
KEY_TEXT = "expected 64 hex digits or base64 of 32 bytes"


@pytest.fixture(autouse=True)
def _bare(monkeypatch):
    monkeypatch.delenv("ASTER_RELAY_MODE")
    monkeypatch.delenv("ASTER_BIND_ADDR")


# Field, variable without prefix, section and key of the TOML file, default, two values.
KEYS = bytes.fromhex(ROOT), bytes.fromhex(OTHER)
FIELDS = [
    ("root_pubkey", "ROOT_PUBKEY", "trust", "root_pubkey", None, *KEYS),
    ("root_pubkey_file", "ROOT_PUBKEY_FILE", "trust", "root_pubkey_file", None, "a", "b"),
    ("enrollment_credential_file", "ENROLLMENT_CREDENTIAL", "trust", "enrollment_credential", None, "a", "b"),
    ("enrollment_credential_iid", "ENROLLMENT_CREDENTIAL_IID", "trust", "enrollment_credential_iid", None, "a", "b"),
    ("allow_all_consumers", "ALLOW_ALL_CONSUMERS", "trust", "allow_all_consumers", False, True, False),
    ("allow_all_producers", "ALLOW_ALL_PRODUCERS", "trust", "allow_all_producers", True, False, True),
    (
        "require_bound_credentials",
        "REQUIRE_BOUND_CREDENTIALS",
        "trust",
        "require_bound_credentials",
        False,
        True,
        False,
    ),
    ("peer_ttl_s", "PEER_TTL_S", "trust", "peer_ttl_s", 86400, 1, 31536000),
    ("iid_aws_certificates", "IID_AWS_CERTS", "trust.iid", "aws_certificates", [], ["a", "b"], ["c"]),
    ("iid_gcp_jwks", "IID_GCP_JWKS", "trust.iid", "gcp_jwks", None, "a", "b"),
    ("iid_azure_jwks", "IID_AZURE_JWKS", "trust.iid", "azure_jwks", None, "a", "b"),
    ("iid_azure_tenants", "IID_AZURE_TENANTS", "trust.iid", "azure_tenants", [], ["a"], ["b"]),
    ("iid_azure_audience", "IID_AZURE_AUDIENCE", "trust.iid", "azure_audience", "api://aster", "a", "b"),
    ("identity_file", "IDENTITY_FILE", "trust", "identity_file", None, "a", "b"),
    ("endpoint_addr", "ENDPOINT_ADDR", "connect", "endpoint_addr", None, ROOT, OTHER),
    ("allow_foreign_channels", "ALLOW_FOREIGN_CHANNELS", "connect", "allow_foreign_channels", False, True, False),
    ("storage_path", "STORAGE_PATH", "storage", "path", None, "a", "b"),
    ("secret_key", "SECRET_KEY", "network", "secret_key", None, SECRET, bytes(32)),
    ("relay_mode", "RELAY_MODE", "network", "relay_mode", None, "disabled", "staging"),
    ("bind_addr", "BIND_ADDR", "network", "bind_addr", None, "127.0.0.1:0", "127.0.0.1:1"),
    ("enable_monitoring", "ENABLE_MONITORING", "network", "enable_monitoring", False, True, False),
    ("enable_hooks", "ENABLE_HOOKS", "network", "enable_hooks", False, True, False),
    ("hook_timeout_ms", "HOOK_TIMEOUT_MS", "network", "hook_timeout_ms", 5000, 0, 7),
    ("clear_ip_transports", "CLEAR_IP_TRANSPORTS", "network", "clear_ip_transports", False, True, False),
    ("clear_relay_transports", "CLEAR_RELAY_TRANSPORTS", "network", "clear_relay_transports", False, True, False),
    ("portmapper_config", "PORTMAPPER_CONFIG", "network", "portmapper_config", None, "enabled", "disabled"),
    ("proxy_url", "PROXY_URL", "network", "proxy_url", None, "http://a", "http://b"),
    ("proxy_from_env", "PROXY_FROM_ENV", "network", "proxy_from_env", False, True, False),
    ("local_discovery", "LOCAL_DISCOVERY", "network", "local_discovery", False, True, False),
    ("mesh_bootstrap", "MESH_BOOTSTRAP", "mesh", "bootstrap", [], [ROOT], [OTHER]),
    ("mesh_state_dir", "MESH_STATE_DIR", "mesh", "state_dir", None, "a", "b"),
    ("expose_errors", "EXPOSE_ERRORS", "server", "expose_errors", None, True, False),
    ("log_format", "LOG_FORMAT", "logging", "format", "text", "json", "text"),
    ("log_level", "LOG_LEVEL", "logging", "level", "info", "debug", "error"),
    ("log_mask", "LOG_MASK", "logging", "mask", True, False, True),
    ("health_port", "HEALTH_PORT", "health", "port", 0, 8080, 65535),
    ("health_host", "HEALTH_HOST", "health", "host", "127.0.0.1", "::1", "0.0.0.0"),
]


def text_of(value):
    if isinstance(value, list):
        return ",".join(value)
    return value.hex() if isinstance(value, bytes) else str(value)


def toml_of(section, key, value):
    return f"[{section}]\n{key} = {json.dumps(value.hex() if isinstance(value, bytes) else value)}\n"


@pytest.mark.parametrize("row", FIELDS, ids=[row[0] for row in FIELDS])
def test_precedence_and_label(row, monkeypatch, tmp_path):
    """CF-1: of every pair of sources the higher one wins, and is named."""
    field, variable, section, key, default, first, second = row
    labels = ["inline", f"ASTER_{variable}", f"a.toml [{section}]"]
    for high, low in itertools.combinations_with_replacement(range(3), 2):
        monkeypatch.delenv(f"ASTER_{variable}", raising=False)
        inline = {}
        (tmp_path / "a.toml").write_text("")
        for level, value in ((low, second), (high, first)):
            if level == 0:
                inline = {field: value}
            elif level == 1:
                monkeypatch.setenv(f"ASTER_{variable}", text_of(value))
            else:
                (tmp_path / "a.toml").write_text(toml_of(section, key, value))
        config = AsterConfig.from_file("a.toml", **inline)
        settled = config.__dict__["_settled"]
        assert getattr(config, field) == first
        assert settled.sources[field] == labels[high]
        if high == 0:
            assigned = AsterConfig.from_file("a.toml")
            setattr(assigned, field, first)
            assert getattr(assigned, field) == first
    monkeypatch.delenv(f"ASTER_{variable}", raising=False)
    assert getattr(AsterConfig.from_env(), field) == default
    assert AsterConfig.from_env().__dict__["_settled"].sources[field] == "default"


def test_every_field_is_in_the_table():
    assert {row[0] for row in FIELDS} == AsterConfig._FIELDS
    assert set(AsterConfig.__init__.__annotations__) - {"return"} == AsterConfig._FIELDS
    assert set(AsterConfig()._sources) == AsterConfig._FIELDS
    assert set(AsterConfig()._sources.values()) == {"default"}


def test_arguments_of_servers_count_as_inline():
    config = AsterConfig(allow_all_consumers=False, relay_mode="disabled")
    settled = settle(config, {"allow_all_consumers": True})
    assert settled.get("allow_all_consumers") == ("true", "inline")
    assert config.allow_all_consumers is False
    config.relay_mode = None
    assert (config.relay_mode, config._sources["relay_mode"]) == (None, "inline")


def test_only_what_was_asked_for_is_read(monkeypatch, tmp_path):
    (tmp_path / "a.toml").write_text("[network]\nbind_addr = '127.0.0.1:9'\n")
    monkeypatch.setenv("ASTER_RELAY_MODE", "staging")
    assert AsterConfig().relay_mode is None
    config = AsterConfig.from_file(Path("a.toml"))
    assert (config.relay_mode, config.bind_addr) == ("staging", "127.0.0.1:9")
    assert config._sources["bind_addr"] == "a.toml [network]"
    monkeypatch.setenv("ASTER_RELAY_MODE", "disabled")
    (tmp_path / "a.toml").write_text("")
    assert (config.relay_mode, config.bind_addr) == ("staging", "127.0.0.1:9")


BAD_VARIABLES = [
    *(
        (name, "", f"{name}: expected true/false/1/0, got ''")
        for name in ("ASTER_ALLOW_ALL_CONSUMERS", "ASTER_LOG_MASK")
    ),
    ("ASTER_ALLOW_ALL_CONSUMERS", " maybe ", "ASTER_ALLOW_ALL_CONSUMERS: expected true/false/1/0, got 'maybe'"),
    ("ASTER_PEER_TTL_S", "", "ASTER_PEER_TTL_S: expected an integer from 1 to 31536000, got ''"),
    ("ASTER_PEER_TTL_S", "0", "ASTER_PEER_TTL_S: expected an integer from 1 to 31536000, got '0'"),
    ("ASTER_HEALTH_PORT", "65536", "ASTER_HEALTH_PORT: expected an integer from 0 to 65535, got '65536'"),
    ("ASTER_HOOK_TIMEOUT_MS", "-1", "ASTER_HOOK_TIMEOUT_MS: expected an integer of at least 0, got '-1'"),
    *(
        (f"ASTER_{name}", "", f"ASTER_{name}: is empty")
        for name in ("ROOT_PUBKEY", "ROOT_PUBKEY_FILE", "IDENTITY_FILE", "ENROLLMENT_CREDENTIAL")
    ),
    ("ASTER_ROOT_PUBKEY", ROOT[1:], f"ASTER_ROOT_PUBKEY: field 'root_pubkey': {KEY_TEXT}"),
    ("ASTER_ROOT_PUBKEY", "00" * 32, "ASTER_ROOT_PUBKEY: field 'root_pubkey': not a valid Ed25519 public key"),
    ("ASTER_SECRET_KEY", "s3cret", f"ASTER_SECRET_KEY: field 'secret_key': {KEY_TEXT}"),
    ("ASTER_LOG_LEVEL", "loud", "ASTER_LOG_LEVEL: expected one of info, debug, warning, error, got 'loud'"),
]


@pytest.mark.parametrize(("variable", "value", "text"), BAD_VARIABLES)
def test_bad_variables(monkeypatch, variable, value, text):
    monkeypatch.setenv(variable, value)
    for make in (AsterConfig.from_env, lambda: AsterServer([Echo()]), lambda: AsterClient(address=ROOT)):
        with pytest.raises(ValueError) as caught:
            make()
        assert str(caught.value) == text


BAD_NETWORK = [
    ("bind_addr", "nowhere", "expected ip:port, or one IPv4 and one IPv6 separated by a comma"),
    ("relay_mode", "sometimes", "expected default, staging, disabled or a list of https URLs"),
    ("relay_mode", "custom:", "expected default, staging, disabled or a list of https URLs"),
    ("portmapper_config", "on", "expected enabled or disabled"),
]


@pytest.mark.parametrize(("field", "value", "text"), BAD_NETWORK)
def test_bad_network_settings(monkeypatch, tmp_path, field, value, text):
    (tmp_path / "a.toml").write_text(f"[network]\n{field} = '{value}'\n")
    monkeypatch.setenv(f"ASTER_{field.upper()}", value)
    configs = {
        f"ASTER_{field.upper()}: field '{field}': {text}": AsterConfig.from_env(),
        f"inline: field '{field}': {text}": AsterConfig(**{field: value}),
    }
    monkeypatch.delenv(f"ASTER_{field.upper()}")
    configs[f"a.toml: field '{field}': {text}"] = AsterConfig.from_file("a.toml")
    for expected, config in configs.items():
        with pytest.raises(ValueError) as caught:
            AsterServer([Echo()], config=config)
        assert str(caught.value) == expected


def test_empty_variables_clear_lower_levels(monkeypatch, tmp_path):
    text = "[network]\nrelay_mode = 'disabled'\nsecret_key = '" + SECRET.hex() + "'\n[mesh]\nbootstrap = ['a']\n"
    (tmp_path / "a.toml").write_text(text + "[logging]\nformat = 'json'\n")
    for name in ("RELAY_MODE", "SECRET_KEY", "MESH_BOOTSTRAP", "LOG_FORMAT"):
        monkeypatch.setenv(f"ASTER_{name}", " ")
    config = AsterConfig.from_file("a.toml")
    assert (config.relay_mode, config.secret_key, config.mesh_bootstrap, config.log_format) == (None, None, [], "text")
    assert config._sources["secret_key"] == "ASTER_SECRET_KEY"


BAD_FILES = [
    ("[trust]\nallow_all_consumers = 'false'", "field 'allow_all_consumers': expected a boolean"),
    ("[trust]\nallow_all = true", "field 'allow_all': unknown key in [trust], the nearest is 'allow_all_consumers'"),
    ("[trust.idd]\na = 1", "field 'idd': unknown key in [trust], the nearest is 'iid'"),
    ("[network]\nrelaymode = 'x'", "field 'relaymode': unknown key in [network], the nearest is 'relay_mode'"),
    ("[network]\nhook_timeout_ms = '5'", "field 'hook_timeout_ms': expected an integer of at least 0"),
    ("[mesh]\nbootstrap = 'a'", "field 'mesh_bootstrap': expected a list of strings"),
    ("[network]\nsecret_key = 's3cret'", f"field 'secret_key': {KEY_TEXT}"),
    ("[trust]\nroot_pubkey = ''", f"field 'root_pubkey': {KEY_TEXT}"),
    ("[trust]\nidentity_file = ''", "field 'identity_file': expected a text that is not empty"),
    ("allow_all_consumers = true", "field 'allow_all_consumers': expected in section [trust]"),
]


@pytest.mark.parametrize(("text", "message"), BAD_FILES)
def test_bad_files(tmp_path, text, message):
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(ValueError) as caught:
        AsterConfig.from_file("a.toml")
    assert str(caught.value) == f"a.toml: {message}"


def test_files_that_are_none(tmp_path):
    with pytest.raises(FileNotFoundError):
        AsterConfig.from_file("missing.toml")
    (tmp_path / "bad.toml").write_text("[network]\nsecret_key = s3cret\n")
    with pytest.raises(ValueError) as caught:
        AsterConfig.from_file("bad.toml")
    assert "s3cret" not in str(caught.value)
    if sys.version_info >= (3, 11):
        assert type(caught.value).__name__ == "TOMLDecodeError"
    (tmp_path / "latin.toml").write_bytes(b"a = '\xff'")
    with pytest.raises(ValueError, match="latin.toml: not UTF-8"):
        AsterConfig.from_file("latin.toml")


@asynchronous
async def test_unknown_names_are_told(monkeypatch, caplog, tmp_path):
    (tmp_path / "a.toml").write_text("[tool.other]\nx = 1\n[network]\nrelay_mode = 'disabled'\n")
    monkeypatch.setenv("ASTER_RELAY_MODUS", "x")
    monkeypatch.setenv("ASTER_OTHER", "x")
    async with AsterServer([Echo()], config=AsterConfig.from_file("a.toml", bind_addr="127.0.0.1:0")):
        pass
    told = [record.getMessage() for record in caplog.records if record.name == "aster.config"]
    assert "a.toml: unknown section [tool]" in told
    assert [text for text in told if text.startswith("unknown environment variables:")] == [
        next(text for text in told if "ASTER_OTHER" in text and "ASTER_RELAY_MODUS" in text)
    ]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, "root.pub: cannot be read: no such file"),
        ("{}", "root.pub: expected the key 'public_key'"),
        (ROOT[:62], f"root.pub: {KEY_TEXT}"),
        ("00" * 32, "root.pub: not a valid Ed25519 public key"),
    ],
)
def test_key_files(tmp_path, content, text):
    if content is not None:
        (tmp_path / "root.pub").write_text(content)
    with pytest.raises(ValueError) as caught:
        AsterServer([Echo()], config=AsterConfig(root_pubkey_file="root.pub"))
    assert str(caught.value) == text


def test_keys(monkeypatch, tmp_path):
    monkeypatch.setenv("ASTER_SECRET_KEY", base64.b64encode(SECRET).decode())
    monkeypatch.setenv("ASTER_ROOT_PUBKEY", ROOT.upper())
    config = AsterConfig.from_env()
    assert (config.secret_key, config.root_pubkey) == (SECRET, bytes.fromhex(ROOT))
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "root.pub").write_text(f'{{"public_key": "{OTHER}"}}')
    config = AsterConfig.from_env(root_pubkey_file="~/root.pub")
    assert config.root_pubkey == bytes.fromhex(OTHER), "a file of a higher level beats the key of a lower one"
    assert config._sources["root_pubkey"] == "inline"
    both = AsterConfig(root_pubkey=bytes.fromhex(ROOT), root_pubkey_file="missing.pub")
    assert both.root_pubkey == bytes.fromhex(ROOT)
    assert "00010203" not in repr(AsterConfig(secret_key=SECRET))


def test_arguments():
    with pytest.raises(TypeError):
        AsterConfig(relay_modus="disabled")
    with pytest.raises(AttributeError):
        AsterConfig().relay_modus = "disabled"
    with pytest.raises(ValueError, match="inline: field 'allow_all_consumers': expected a boolean"):
        AsterConfig(allow_all_consumers="yes")
    config = AsterConfig(peer_ttl_s=5)
    with pytest.raises(ValueError, match="inline: field 'peer_ttl_s'"):
        config.peer_ttl_s = 0
    assert config.peer_ttl_s == 5
    with pytest.raises(ValueError, match="root_pubkey is required when admission is enabled"):
        AsterServer([Echo()], config=AsterConfig(allow_all_consumers=True), allow_all_consumers=False)
    with pytest.raises(ValueError, match="node key"):
        AsterServer([Echo()], config=AsterConfig(secret_key=SECRET), root_pubkey=bytes.fromhex(ROOT))
    with pytest.raises(TypeError):
        AsterClient("aster1...")


def test_copies(monkeypatch):
    monkeypatch.setenv("ASTER_BIND_ADDR", "127.0.0.1:9")
    config = AsterConfig.from_env(secret_key=SECRET)
    for copied in (copy.copy(config), copy.deepcopy(config), pickle.loads(pickle.dumps(config))):
        copied.relay_mode = "staging"
        assert (copied.secret_key, copied.bind_addr, config.relay_mode) == (SECRET, "127.0.0.1:9", None)


def test_ephemeral_root_keys():
    config = AsterConfig()
    assert (config.root_pubkey, config._ephemeral_privkey) == (None, None)
    key = config.resolve_root_pubkey()
    assert key is not None
    assert (config.resolve_root_pubkey(), config.root_pubkey) == (key, key)
    assert len(config._ephemeral_privkey) == 32
    assert config._sources["root_pubkey"] == "ephemeral (dev mode)"
    server = AsterServer([Echo()], config=config)
    assert (server.root_pubkey, server._native.is_open) == (key, True), "dev mode stays dev mode"
    opened = AsterConfig(allow_all_consumers=True)
    assert (opened.resolve_root_pubkey(), opened._ephemeral_privkey) == (None, None)
    server = AsterServer([Echo()], config=opened)
    assert server.root_pubkey == opened.root_pubkey == opened.resolve_root_pubkey()
    closed = AsterConfig(allow_all_consumers=False)
    assert closed.resolve_root_pubkey() is not None
    configured = AsterConfig(root_pubkey=bytes.fromhex(ROOT))
    assert configured.resolve_root_pubkey() == bytes.fromhex(ROOT)
    assert configured._ephemeral_privkey is None
    client = AsterConfig(endpoint_addr=ROOT)
    AsterClient(config=client)
    assert (client.root_pubkey, client._ephemeral_privkey) == (None, None)


def test_endpoint_configs(monkeypatch, tmp_path):
    assert AsterConfig(relay_mode=None, storage_path="x").to_endpoint_config() is None
    made = AsterConfig(secret_key=SECRET, enable_hooks=True).to_endpoint_config()
    assert (made.alpns, made.secret_key, made.enable_hooks, made.relay_mode) == ([], SECRET, True, None)
    (tmp_path / "ep.toml").write_text("alpns = ['a/1']\nrelay_mode = 'disabled'\nother = 1\nhook_timeout_ms = 9\n")
    monkeypatch.setenv("ASTER_RELAY_MODE", "staging")
    loaded = load_endpoint_config("ep.toml")
    assert (loaded.alpns, loaded.relay_mode, loaded.hook_timeout_ms) == ([b"a/1"], "staging", 9)
    monkeypatch.setenv("ASTER_ALPNS", "b/1, c/1")
    monkeypatch.setenv("ASTER_SECRET_KEY", SECRET.hex())
    loaded = load_endpoint_config()
    assert (loaded.alpns, loaded.secret_key) == ([b"b/1", b"c/1"], SECRET)
    # It replaces all network fields; the key only if it has one.
    config = AsterConfig(bind_addr="127.0.0.1:1", enable_monitoring=True, secret_key=SECRET)
    loaded.secret_key = None
    settled = settle(config, endpoint_arguments(loaded))
    assert [settled.get(name)[0] for name in ("bind_addr", "enable_monitoring")] == ["null", "false"]
    assert json.loads(settled.get("secret_key")[0]) == SECRET.hex()


@asynchronous
async def test_the_key_makes_the_endpoint_id():
    ids = set()
    for _ in range(2):
        config = AsterConfig(secret_key=SECRET, relay_mode="disabled", bind_addr="127.0.0.1:0")
        async with AsterServer([Echo()], config=config) as server:
            ids.add(server.endpoint_id)
    assert ids == {ROOT}


def test_only_bound_sockets_are_announced():
    async def addresses(**settings):
        async with AsterServer([Echo()], config=AsterConfig(relay_mode="disabled", **settings)) as server:
            return base64.b64decode(server.endpoint_addr_b64).decode().split("\n")[2:]

    [only] = asyncio.run(addresses(bind_addr="127.0.0.1:0"))
    assert only.startswith("127.0.0.1:")


def test_attributes_have_types():
    hints = typing.get_type_hints(AsterConfig) if sys.version_info >= (3, 10) else AsterConfig.__annotations__
    assert set(hints) >= AsterConfig._FIELDS


def test_importing_has_no_side_effect(tmp_path):
    """No thread, no file, no look at the environment, no event loop policy."""
    program = """
import os, sys, threading, asyncio.events
class Env(dict):
    def __getitem__(self, key): raise AssertionError(key)
    def get(self, key, default=None): raise AssertionError(key)
    def items(self): raise AssertionError("items")
import aster._aster, dataclasses, asyncio, inspect, typing, logging, ast, pathlib, ipaddress, contextlib
opened = []
sys.addaudithook(lambda event, args: opened.append(args[0]) if event == "open" else None)
for name in [name for name in sys.modules if name.startswith("aster") and name != "aster._aster"]:
    del sys.modules[name]
os.environ = Env()
import aster, aster.config, aster.logging, aster.health, aster.banner
assert aster.AsterServer
assert logging.getLogger("aster").handlers == []
assert threading.active_count() == 1
assert len(os.listdir("/proc/self/task")) == 1 or sys.platform != "linux"
assert asyncio.events._event_loop_policy is None
assert not [path for path in opened if ".aster" in str(path) or ".toml" in str(path)], opened
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env=dict(os.environ)
    )
    assert done.returncode == 0, done.stderr
