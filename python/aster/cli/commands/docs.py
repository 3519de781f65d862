"""`aster docs`: documents that a peer shares (`cli.md` section 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from aster.cli import output
from aster.cli.dialling import connected, dialling, dialling_options, peer_arguments
from aster.cli.frame import AsterGroup
from aster.cli.peer_document import PeerDocument
from aster.cli.running import asynchronous
from aster.cli.settings import current

if TYPE_CHECKING:
    from aster.docs import DocEntry


@click.group("docs", cls=AsterGroup)
def docs() -> None:
    """Documents that a peer shares."""


@docs.command("ls")
@peer_arguments("[KEY]")
@dialling_options
@asynchronous
async def list_keys(peer: str, arguments: list[str]) -> None:
    """List the keys of the peer's document, those that begin with KEY."""
    settings = current()
    async with connected(peer, dialling(), settings) as client, PeerDocument.opened(client, peer) as document:
        entries = await document.entries(*arguments)
    if settings.json:
        output.document([_shown(entry) for entry in entries], settings)
    else:
        output.table(("Key", "Size", "Author"), [_row(entry) for entry in entries], settings)


@docs.command("cat")
@peer_arguments("KEY")
@dialling_options
@asynchronous
async def cat(peer: str, arguments: list[str]) -> None:
    """Write the newest value under a key to standard output."""
    async with connected(peer, dialling(), current()) as client, PeerDocument.opened(client, peer) as document:
        value = await document.value(arguments[0])
    output.raw(value)


@docs.command("watch")
@peer_arguments("[KEY]")
@dialling_options
@asynchronous
async def watch(peer: str, arguments: list[str]) -> None:
    """Tell what is written under keys that begin with KEY, until Ctrl-C."""
    settings = current()
    async with connected(peer, dialling(), settings) as client, PeerDocument.opened(client, peer) as document:
        async for entry in document.changes(*arguments):
            if settings.json:
                output.result(output.compact(_shown(entry)))
            else:
                output.result(output.printable("  ".join(map(str, _row(entry)))))


def _row(entry: DocEntry) -> tuple[str, int, str]:
    return entry.key.decode(errors="replace"), entry.content_len, entry.author_id[:16]


def _shown(entry: DocEntry) -> dict[str, Any]:
    return {
        "key": entry.key.decode(errors="replace"),
        "author": entry.author_id,
        "hash": entry.content_hash,
        "size": entry.content_len,
        "timestamp": entry.timestamp,
    }
