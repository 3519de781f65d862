"""Formats, masks, request ids, and core's events at logger `aster`."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import sys

import pytest

from aster import AsterConfig
from aster.config import settle
from aster.logging import (
    JsonFormatter,
    TextFormatter,
    configure_at_start,
    configure_logging,
    get_logger,
    get_request_id,
    mask_dict,
    request_context,
    set_request_id,
)
from support import Echo, asynchronous, raised, served

ID = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def _restored(monkeypatch):
    logger = logging.getLogger("aster")
    before = (logger.handlers[:], logger.level, logger.propagate)
    monkeypatch.setattr("aster.logging._explicit", {})
    yield
    logger.handlers[:], logger.level, logger.propagate = before[0], before[1], before[2]
    logger.setLevel(before[1])
    from aster import _aster

    _aster.set_log_level(30)


@pytest.fixture
def lines(capsys):
    """Return all lines that were written so far."""
    written = []

    def read():
        written.extend(capsys.readouterr().err.splitlines())
        return written

    return read


def test_json(lines):
    configure_logging("json", "debug", True)
    get_logger("x").info(
        "hello %s\n%s", "you", ID, extra={"service": "S", "duration_ms": 1.5, "peer": ID, "status_code": 5, "other": 1}
    )
    try:
        raise ValueError("bad\nvalue")
    except ValueError:
        get_logger("x").exception("failed")
    first, second = map(json.loads, lines())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first.pop("ts"))
    assert first == {
        "level": "info",
        "logger": "aster.x",
        "msg": "hello you\n01234567...cdef",
        "service": "S",
        "peer": "01234567...cdef",
        "duration_ms": 1.5,
        "status_code": 5,
    }
    assert (second["error"], second["error_type"]) == ("bad\nvalue", "ValueError")
    assert "Traceback" in second["traceback"]


def test_text(lines):
    configure_logging("text", "info", True)
    with request_context("request-number-one", service="Billing", method="pay"):
        get_logger("x").warning("hello")
    get_logger("x").debug("not shown")
    [line] = lines()
    expected = r"\d\d:\d\d:\d\d\.\d{3} WARNING aster\.x \u2014 hello \[req=request-\.\.\.-one svc=Billing method=pay\]"
    assert re.fullmatch(expected, line)


def test_no_text_makes_a_line_of_its_own(lines):
    configure_logging("text", "info", False)
    get_logger("x").info("a\n00:00:00.000 INFO aster \u2014 forged\x1b[2J\u2028\u202e\ud800", extra={"service": "S\nT"})
    [line] = lines()
    assert r"a\n00:00:00.000 INFO aster" in line
    assert r"forged\x1b[2J\u2028\u202e\ud800 [svc=S\nT]" in line
    configure_logging("json")
    get_logger("x").info("a\nb\u2028", extra={"duration_ms": float("nan"), "error": ValueError("e")})
    parsed = json.loads(lines()[-1])
    assert (parsed["msg"], parsed["duration_ms"], parsed["error"]) == ("a\nb\u2028", "nan", "e")


def test_tracebacks_are_indented(lines):
    configure_logging("text")
    try:
        raise ValueError("x\n00:00:00.000 INFO forged")
    except ValueError:
        get_logger().exception("failed")
    assert all(line.startswith("    ") for line in lines()[1:])


def test_masks():
    values = {
        "peer": ID,
        "call_id": "short",
        "password": "x",
        "nested": {"api_key": 1, "session_id": ID, "list": [{"token": "t", "name": "n"}]},
        "secret_key": None,
        "tags": ("a",),
    }
    nested = {"api_key": "***", "session_id": "01234567...cdef", "list": [{"token": "***", "name": "n"}]}
    masked = {**values, "peer": "01234567...cdef", "password": "***", "nested": nested, "tags": ["a"]}
    assert mask_dict(values) == masked
    assert mask_dict(values, mask=False)["peer"] == ID
    assert mask_dict(values, mask=False)["password"] == "***"
    assert mask_dict({"id": "x" * 12, "node_id": "y" * 13}) == {"id": "x" * 12, "node_id": "yyyyyyyy...yyyy"}
    deep: dict = {}
    inner = deep
    for _ in range(1000):
        inner["a"] = {}
        inner = inner["a"]
    assert "***" in json.dumps(mask_dict(deep))


def test_without_mask(lines):
    configure_logging("json", mask=False)
    get_logger().info("peer %s", ID, extra={"peer": ID})
    parsed = json.loads(lines()[0])
    assert (parsed["msg"], parsed["peer"]) == (f"peer {ID}", ID)


def test_request_ids():
    async def run():
        set_request_id("outer")

        async def other():
            with request_context("inner", peer="p"):
                await asyncio.sleep(0)
                return get_request_id()

        found = await asyncio.gather(other(), other())
        return [*found, get_request_id()]

    assert asyncio.run(run()) == ["inner", "inner", "outer"]
    assert get_request_id() is None


def test_only_our_logger_is_touched(monkeypatch, lines):
    monkeypatch.setenv("ASTER_LOG_LEVEL", "error")
    root, other = logging.getLogger(), logging.getLogger("other")
    users = logging.NullHandler()
    logger = logging.getLogger("aster")
    logger.addHandler(users)
    before = (root.handlers[:], root.level, other.handlers[:], other.level)
    configure_logging()
    configure_logging()
    assert (root.handlers, root.level, other.handlers, other.level) == before
    assert users in logger.handlers
    assert len([handler for handler in logger.handlers if handler is not users]) == 1
    assert (logger.level, logger.propagate) == (logging.ERROR, True)
    for wrong in ({"format": "xml"}, {"level": "loud"}):
        with pytest.raises(ValueError, match="expected one of"):
            configure_logging(**wrong)
    console = logging.StreamHandler(sys.stderr)
    root.addHandler(console)
    try:
        configure_logging("text", "info")
        get_logger("x").info("once")
    finally:
        root.removeHandler(console)
    assert len([line for line in lines() if "once" in line]) == 1


def test_a_server_keeps_what_was_told_unless_configured(monkeypatch):
    logger = logging.getLogger("aster")
    configure_logging("json", "debug")
    configure_at_start(settle(AsterConfig(), {}))
    ours = logger.handlers[-1]
    assert (type(ours.formatter), logger.level) == (JsonFormatter, logging.DEBUG)
    configure_at_start(settle(AsterConfig(log_format="text", log_level="warning"), {}))
    assert (type(logger.handlers[-1].formatter), logger.level) == (TextFormatter, logging.WARNING)


@asynchronous
async def test_a_level_that_is_set_later_reaches_core(caplog):
    def ended():
        return [record for record in caplog.records if record.getMessage().startswith("call ended")]

    async with served(Echo()) as (_, client):
        stub = await client.client(Echo)
        await raised(stub.refuse(3, "no", {}))
        assert not ended()
        configure_logging("json", "debug")
        await raised(stub.refuse(3, "no", {}))
        while not ended():
            await raised(stub.refuse(3, "no", {}))
        configure_logging("json", "info")
        count = len(ended())
        await raised(stub.refuse(3, "no", {}))
        assert len(ended()) <= count + 1, "what was under way"


@asynchronous
async def test_fields_of_core_are_attributes(caplog):
    configure_logging("json", "info")
    async with served(Echo()):
        pass
    [record] = [record for record in caplog.records if "admission.allow" in record.getMessage()]
    assert re.fullmatch(r"[0-9a-f]{8}\.\.\.[0-9a-f]{4}", record.peer)
    assert json.loads(JsonFormatter().format(record))["peer"] == f"{record.peer[:8]}...{record.peer[-4:]}"
