"""`aster blob`: content that a peer publishes (`cli.md` section 2)."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

import click

from aster.cli import output
from aster.cli.dialling import connected, dialling, dialling_options, endpoint_of, peer_arguments
from aster.cli.frame import AsterGroup
from aster.cli.published import Content
from aster.cli.running import asynchronous
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
@asynchronous
async def cat(peer: str, arguments: list[str]) -> None:
    """Write the bytes of a blob to standard output: by hash, by name, or NAME/entry."""
    settings = current()
    async with connected(peer, dialling(), settings) as client:
        with output.progress("downloading", settings):
            data = await Content(client, endpoint_of(peer)).find(arguments[0])
    stream = click.get_binary_stream("stdout")
    stream.write(data)
    stream.flush()


@blob.command("save")
@peer_arguments("HASH", "PATH")
@click.option("--force", is_flag=True, help="Replace the file.")
@dialling_options
@asynchronous
async def save(peer: str, arguments: list[str], force: bool) -> None:
    """Write a blob to a file: by hash, by name, or NAME/entry."""
    settings = current()
    name, path = arguments[0], Path(arguments[1])
    if path.exists() and not force:
        raise FileExistsError(17, "exists", str(path))
    async with connected(peer, dialling(), settings) as client:
        with output.progress(f"downloading {name}", settings):
            data = await Content(client, endpoint_of(peer)).find(name)
    _write(path, data, force=force)
    if settings.json:
        output.result(output.compact({"path": str(path), "size": len(data)}))
    else:
        output.result(f"{path}  {len(data)} bytes")


def _write(path: Path, data: bytes, *, force: bool) -> None:
    """Write a file whole or not at all. `FileExistsError` if it has come into being meanwhile."""
    handle, scratch = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        if force:
            Path(scratch).replace(path)
        else:
            # Unlike a rename, a link fails if the name is taken.
            os.link(scratch, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            Path(scratch).unlink()
