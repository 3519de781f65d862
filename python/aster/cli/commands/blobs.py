"""`aster blob`: content that a peer publishes (`cli.md` section 2)."""

from __future__ import annotations

import errno
from pathlib import Path

import click

from aster.cli import output
from aster.cli.dialling import connected, dialling, dialling_options, endpoint_of, peer_arguments
from aster.cli.frame import AsterGroup
from aster.cli.places import replace_file
from aster.cli.published import Content
from aster.cli.running import asynchronous, complete
from aster.cli.settings import current


@click.group("blob", cls=AsterGroup)
def blob() -> None:
    """Content that a peer publishes."""


@blob.command("ls")
@peer_arguments()
@dialling_options
@asynchronous
async def list_blobs(peer: str, arguments: list[str]) -> None:
    """List the collections and blobs that the peer's registry names."""
    del arguments
    settings = current()
    async with connected(peer, dialling(), settings) as client:
        content = Content(client, endpoint_of(peer))
        with output.progress("reading the registry", settings):
            listed = [(one, await content.size(one)) for one in await content.listed()]
    if settings.json:
        shown = [{"name": one.name, "hash": one.hash, "size": size, "format": one.form} for one, size in listed]
        output.document(shown, settings)
        return
    rows = [(one.name, one.hash, size, one.form) for one, size in listed]
    output.table(("Name", "Hash", "Size", "Format"), rows, settings)


@blob.command("cat")
@peer_arguments("HASH")
@dialling_options
def cat(peer: str, arguments: list[str]) -> None:
    """Write the bytes of a blob to standard output: by hash, by name, or NAME/entry."""
    output.raw(complete(_downloaded(peer, arguments[0])))


@blob.command("save")
@peer_arguments("HASH", "PATH")
@click.option("--force", is_flag=True, help="Replace the file.")
@dialling_options
def save(peer: str, arguments: list[str], force: bool) -> None:
    """Write a blob to a file: by hash, by name, or NAME/entry."""
    settings = current()
    name, path = arguments[0], Path(arguments[1])
    if path.exists() and not force:
        raise FileExistsError(errno.EEXIST, "exists", str(path))
    data = complete(_downloaded(peer, name))
    _write(path, data, force=force)
    if settings.json:
        output.result(output.compact({"path": str(path), "size": len(data)}))
    else:
        output.result(f"{path}  {len(data)} bytes")


async def _downloaded(peer: str, name: str) -> bytes:
    settings = current()
    async with connected(peer, dialling(), settings) as client:
        with output.progress(f"downloading {name}", settings):
            return await Content(client, endpoint_of(peer)).find(name)


def _write(path: Path, data: bytes, *, force: bool) -> None:
    """Write a file. `FileExistsError` if it is there, unless it is to be replaced."""
    if force:
        replace_file(path, data)
        return
    with path.open("xb") as file:
        file.write(data)
