"""`aster gossip`: messages among producers (`cli.md` section 2)."""

from __future__ import annotations

import base64

import click

from aster.cli import output
from aster.cli.dialling import connected, dialling, dialling_options, peer_arguments
from aster.cli.failures import CommandError
from aster.cli.frame import AsterGroup
from aster.cli.running import asynchronous
from aster.cli.settings import current


@click.group("gossip", cls=AsterGroup)
def gossip() -> None:
    """Messages among producers."""


@gossip.command("tail")
@peer_arguments()
@dialling_options
@asynchronous
async def tail(peer: str, arguments: list[str]) -> None:
    """Tell every message of the producers' mesh, until Ctrl-C. The peer must admit us as operators."""
    del arguments
    settings = current()
    async with connected(peer, dialling(), settings) as client:
        if not client.gossip_topic:
            raise CommandError("the peer does not let us listen to its mesh", hint="operators may, see trust")
        topic = await client.gossip.subscribe(bytes.fromhex(client.gossip_topic), [peer])
        while True:
            kind, data = await topic.recv()
            if settings.json:
                output.result(output.compact({"kind": kind, "data": _plain(data)}))
            else:
                output.result(output.printable(f"{kind}  {_plain(data) or ''}".rstrip()))


def _plain(data: bytes | str | None) -> str | None:
    """Return text as it is, other bytes in base64."""
    if not isinstance(data, bytes):
        return data
    try:
        return data.decode()
    except UnicodeDecodeError:
        return base64.b64encode(data).decode()
