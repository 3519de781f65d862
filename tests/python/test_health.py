"""Health over HTTP: what it says, and that bad peers do not matter."""

from __future__ import annotations

import asyncio
import json

import pytest

import aster.health
from aster import AsterConfig
from aster.config import settle
from aster.health import HealthServer, check_health, check_ready, metrics_snapshot
from support import asynchronous, raised


class Source:
    def __init__(self, **facts):
        self.facts = {"started": True, "draining": False, "closed": False, "running_calls": 3, **facts}

    def _health(self):
        return self.facts


async def ask(port, request):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.decode(), body.decode()


async def get(port, path, method="GET"):
    head, body = await ask(port, f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert "Connection: close" in head
    return int(head.split(" ")[1]), body


def test_functions():
    assert check_health(Source())["status"] == "ok"
    assert check_health(Source(closed=True))["status"] == "closed"
    for facts, status in (
        ({}, "ready"),
        ({"started": False}, "starting"),
        ({"draining": True}, "draining"),
        ({"closed": True, "draining": True}, "closed"),
    ):
        assert check_ready(Source(**facts)) == {"ready": status == "ready", "status": status}
    failing = {"ready": True, "status": "ready", "registry": "failing"}
    assert check_ready(Source(registry_failing=True)) == failing
    assert check_ready(Source(registry_failing=False)) == {"ready": True, "status": "ready"}
    found = metrics_snapshot(Source(metrics={"calls_total": 7}))
    assert found == {"ready": 1, "running_calls": 3, "calls_total": 7}


@asynchronous
async def test_endpoints():
    source = Source(metrics={"calls_total": 7, 'odd name{x="y"}\n': 1})
    async with HealthServer(source, ephemeral=True) as health:
        assert (await get(health.port, "/healthz"))[0] == 200
        assert (await get(health.port, "/readyz?x=1")) == (200, '{"ready": true, "status": "ready"}\n')
        status, body = await get(health.port, "/metrics")
        assert (status, json.loads(body)["running_calls"], json.loads(body)["calls_total"]) == (200, 3, 7)
        status, body = await get(health.port, "/metrics/prometheus")
        assert status == 200
        assert "# TYPE aster_calls_total counter\naster_calls_total 7\n" in body
        assert "# TYPE aster_running_calls gauge\naster_running_calls 3\n" in body
        assert "aster_odd_name_x__y___ 1\n" in body
        assert await get(health.port, "/healthz", "HEAD") == (200, "")
        source.facts["draining"] = True
        assert (await get(health.port, "/readyz"))[0] == 503
        assert (await get(health.port, "/healthz"))[0] == 200
        source.facts["closed"] = True
        assert (await get(health.port, "/healthz"))[0] == 503


BAD = [
    (b"GET /nothing HTTP/1.1\r\n\r\n", "404"),
    (b"GET /healthz/../metrics HTTP/1.1\r\n\r\n", "404"),
    (b"POST /healthz HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "405"),
    (b"GET /healthz\r\n\r\n", "400"),
    (b"\x16\x03\x01\x02\x00\r\n\r\n", "400"),
    (b"GET /healthz HTTP/9.9 x\r\n\r\n", "400"),
    (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n", "431"),
    (b"GET /healthz HTTP/1.1\r\n" + b"X: y\r\n" * 5000 + b"\r\n", "431"),
]


@pytest.mark.parametrize(("request_bytes", "status"), BAD)
@asynchronous
async def test_bad_requests(request_bytes, status):
    async with HealthServer(Source(), ephemeral=True) as health:
        head, _ = await ask(health.port, request_bytes)
        assert head.split(" ")[1] == status
        assert (await get(health.port, "/healthz"))[0] == 200


@asynchronous
async def test_slow_peers_are_dropped(monkeypatch):
    monkeypatch.setattr(aster.health, "_REQUEST_SECONDS", 0.05)
    async with HealthServer(Source(), ephemeral=True) as health:
        reader, writer = await asyncio.open_connection("127.0.0.1", health.port)
        writer.write(b"GET /healthz HTTP/1.1\r\n")
        assert await reader.read() == b""
        writer.close()


@asynchronous
async def test_whoever_holds_on_gives_way(monkeypatch):
    monkeypatch.setattr(aster.health, "_MAX_CONNECTIONS", 4)
    async with HealthServer(Source(), ephemeral=True) as health:
        held = [await asyncio.open_connection("127.0.0.1", health.port) for _ in range(20)]
        assert (await get(health.port, "/healthz"))[0] == 200
        assert await held[0][0].read() == b""
        assert len(health._connections) <= 5
        for _, writer in held:
            writer.close()


@asynchronous
async def test_stop_does_not_wait_for_peers():
    health = HealthServer(Source(), ephemeral=True)
    await health.start()
    await health.start()
    port = health.port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await get(port, "/healthz")
    await health.stop()
    await health.stop()
    assert (health.port, health._connections) == (0, {})
    assert await reader.read() == b""
    writer.close()
    assert isinstance(await raised(asyncio.open_connection("127.0.0.1", port)), OSError)


@asynchronous
async def test_a_source_that_fails(caplog):
    class Broken:
        def _health(self):
            raise RuntimeError("inner text")

    async with HealthServer(Broken(), ephemeral=True) as health:
        assert await get(health.port, "/healthz") == (500, "internal error\n")
    assert "health could not be told" in caplog.text


@asynchronous
async def test_ports(caplog):
    source = Source()
    health = HealthServer(source)
    await health.start()
    assert health.port == 0, "off"
    async with HealthServer(source, ephemeral=True) as taken:
        second = HealthServer(source, port=taken.port)
        assert isinstance(await raised(second.start()), OSError)
        await second.stop()
        free = taken.port
    source._config = settle(AsterConfig(health_port=free), {})
    async with HealthServer(source) as health:
        assert health.port == free
    async with HealthServer(Source(), "0.0.0.0", ephemeral=True):
        assert "health server listens on 0.0.0.0, which is not loopback, without authentication" in caplog.text
