"""Where generated clients come from and what is said of them (`cli.md` section 4). The text is the generator's."""

from __future__ import annotations

import asyncio
import keyword
import re
from pathlib import Path
from typing import TYPE_CHECKING

from aster._identifiers import python_name
from aster.cli import output
from aster.cli.calling import find_service
from aster.cli.dialling import connected, dialling, is_peer
from aster.cli.failures import CommandError
from aster.cli.generate import generate, write
from aster.cli.generate._names import javascript_name
from aster.cli.manifests import contract_or_fail, load
from aster.cli.running import complete
from aster.cli.settings import Settings, current

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aster.contract import ContractManifest

_SECONDS = 30.0  # `registry.md` section 9: without the contract there is nothing to generate.
_TICKET = "aster1"
_NAME_CHARACTERS = 8
_SUFFIXES = (".json", ".aster")


def generate_client(
    source: str, folder: Path, *, language: str, package: str | None, services: Sequence[str] | None
) -> None:
    """Generate a client of what a file or peer describes, write it and say how to use it.

    `services` chooses some of a peer's. `CommandError` for a source that is none, and contracts that cannot be had or
    verified.
    """
    settings = current()
    path = Path(source)
    if path.is_file():
        manifests = load(path)
    elif is_peer(source):
        manifests = complete(_fetched(source, services, settings))
    else:
        raise CommandError(f"{source!r} is no file and no peer")
    for manifest in manifests:
        if not manifest.verified:
            raise CommandError(f"contract of '{manifest.service}' cannot be verified: a client needs one that can")
    name = package or default_package(source)
    with output.progress("generating", settings):
        texts = [manifest.to_json() for manifest in manifests]
        files = generate(texts, language="typescript" if language == "typescript" else "python", package=name)
        written = sorted(write(files, folder))
    _show(written, manifests, name, language, settings)


async def _fetched(peer: str, services: Sequence[str] | None, settings: Settings) -> list[ContractManifest]:
    async with connected(peer, dialling(), settings) as client:
        names = services or sorted({summary.name for summary in client.services})
        summaries = [find_service(client, name) for name in names]
        with output.progress("reading contracts", settings):
            return list(await asyncio.gather(*(contract_or_fail(client, summary, _SECONDS) for summary in summaries)))


def default_package(source: str) -> str:
    """Return the name of the package: stem of a file, `handle_service`, or the first characters of a ticket."""
    if source.startswith("@"):
        name = source[1:].replace("/", "_").lower()
    elif source.startswith(_TICKET):
        name = source[len(_TICKET) :][:_NAME_CHARACTERS]
    elif Path(source).is_file():
        name = Path(source).name
        for suffix in _SUFFIXES:
            name = name.removesuffix(suffix)
    else:
        name = source[:_NAME_CHARACTERS]
    name = re.sub(r"\W", "_", name)
    return f"_{name}" if not name or name[0].isdigit() or keyword.iskeyword(name) else name


def _show(
    written: Sequence[Path], manifests: Sequence[ContractManifest], package: str, language: str, settings: Settings
) -> None:
    if settings.json:
        output.result(output.compact({"package": package, "files": [str(path) for path in written]}))
        return
    output.result(f"Generated {len(written)} files")
    for path in written:
        output.result(f"  {path}")
    output.result("")
    for line in _usage(manifests[0], package, language):
        output.result(line)


def _usage(manifest: ContractManifest, package: str, language: str) -> list[str]:
    if language == "typescript":
        client = javascript_name(f"{manifest.service}Client")
        module = f"./{package}/index.js"
        return [f'import {{ {client} }} from "{module}";', f"const service = await {client}.fromConnection(client);"]
    client = python_name(f"{manifest.service}Client")
    return [f"from {package} import {client}", f"service = await {client}.from_connection(aster_client)"]
