"""CF-3: network settings reach the endpoint, of servers and of clients."""

from __future__ import annotations

import asyncio
import base64
import os
import sys
from pathlib import Path

import pytest

from aster import AsterClient, AsterConfig, AsterServer
from support import Echo, asynchronous

PEER = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"


def sockets():
    """Return local address and port of every UDP socket of this process."""
    inodes = set()
    for entry in Path("/proc/self/fd").iterdir():
        try:
            target = os.readlink(entry)
        except OSError:
            continue  # The one that lists the folder.
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    found = set()
    for table in ("udp", "udp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            columns = line.split()
            if columns[9] in inodes:
                address, _, port = columns[1].partition(":")
                found.add((address, int(port, 16)))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="sockets are listed in /proc")
@asynchronous
async def test_only_the_sockets_that_were_asked_for_are_bound():
    loopback = "0100007F"
    before = sockets()
    settings = {"relay_mode": "disabled", "bind_addr": "127.0.0.1:0", "portmapper_config": "disabled"}
    async with AsterServer([Echo()], config=AsterConfig(**settings)) as server:
        of_server = sockets() - before
        assert [address for address, _ in of_server] == [loopback]
        async with AsterClient(config=AsterConfig(endpoint_addr=server.address, **settings)):
            of_client = sockets() - before - of_server
            assert [address for address, _ in of_client] == [loopback]


async def proxied(make):
    """Return the first line that a proxy gets from what is started."""
    first = asyncio.get_running_loop().create_future()

    async def accept(reader, writer):
        line = await reader.readline()
        if not first.done():
            first.set_result(line.decode())
        writer.close()

    proxy = await asyncio.start_server(accept, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
    starting = asyncio.ensure_future(
        make(AsterConfig(bind_addr="127.0.0.1:0", relay_mode="http://relay.invalid", proxy_url=url))
    )
    try:
        return await first
    finally:
        starting.cancel()
        await asyncio.wait([starting])
        proxy.close()
        await proxy.wait_closed()


@asynchronous
async def test_relays_are_reached_through_the_proxy():
    async def call(config):
        # Dialling a peer at a relay needs that relay.
        config.endpoint_addr = base64.b64encode(f"{PEER}\nhttp://relay.invalid/".encode()).decode()
        async with AsterClient(config=config):
            pass

    assert "relay.invalid" in await proxied(call)


@pytest.mark.parametrize(
    "settings",
    [
        {"clear_ip_transports": True, "clear_relay_transports": True},
        {"clear_ip_transports": True, "relay_mode": "disabled"},
    ],
)
@asynchronous
async def test_no_transport_is_left(settings):
    with pytest.raises(ValueError, match="no transport is left"):
        async with AsterServer([Echo()], config=AsterConfig(**settings)):
            pass
    config = AsterConfig(endpoint_addr=PEER, **settings)
    with pytest.raises(ValueError, match="no transport is left"):
        await AsterClient(config=config).connect()
