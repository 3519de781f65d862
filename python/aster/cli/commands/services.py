"""`aster service`: what a peer offers (`cli.md` section 2)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from aster.cli import output
from aster.cli.calling import CallOptions, find_service
from aster.cli.commands.call import Request, invoke, split_target
from aster.cli.dialling import connected, dialling, dialling_options, peer_arguments
from aster.cli.frame import AsterGroup
from aster.cli.generation_options import generation_options
from aster.cli.manifests import contract_of, contract_or_fail
from aster.cli.running import asynchronous
from aster.cli.service_tree import service_tree
from aster.cli.settings import current
from aster.cli.shell_arguments import Arguments

if TYPE_CHECKING:
    from pathlib import Path

    from aster.client import AsterClient


@click.group("service", cls=AsterGroup)
def service() -> None:
    """Services of a peer."""


@service.command("ls")
@peer_arguments()
@dialling_options
@asynchronous
async def list_services(peer: str, arguments: list[str]) -> None:
    """List the services of a peer."""
    del arguments
    settings = current()
    async with connected(peer, dialling(), settings) as client:
        with output.progress("reading contracts", settings):
            services = await _listed(client)
    if settings.json:
        output.document(services, settings)
        return
    rows = [
        (
            found["name"],
            "?" if found["methods"] is None else found["methods"],
            f"v{found['version']}",
            found["pattern"],
        )
        for found in services
    ]
    output.table(("Service", "Methods", "Version", "Pattern"), rows, settings)


async def _listed(client: AsterClient) -> list[dict[str, Any]]:
    summaries = sorted(client.services, key=lambda summary: (summary.name, summary.version))
    manifests = await asyncio.gather(*(contract_of(client, summary) for summary in summaries))
    return [
        {
            "name": summary.name,
            "version": summary.version,
            "pattern": summary.pattern,
            "methods": None if manifest is None else manifest.method_count,
            "contract_id": summary.contract_id,
            "serialization_modes": summary.serialization_modes,
        }
        for summary, manifest in zip(summaries, manifests)
    ]


@service.command("describe")
@peer_arguments("SERVICE")
@dialling_options
@asynchronous
async def describe(peer: str, arguments: list[str]) -> None:
    """Show the contract of a service: methods, types, requirements."""
    settings = current()
    async with connected(peer, dialling(), settings) as client:
        with output.progress("reading the contract", settings):
            manifest = await contract_or_fail(client, find_service(client, arguments[0]))
    if settings.json:
        output.document(manifest.data, settings)
    else:
        output.console(settings).print(service_tree(manifest))


@service.command("invoke")
@peer_arguments("SERVICE.METHOD", "[K=V ..]")
@dialling_options
def invoke_method(peer: str, arguments: list[str]) -> None:
    """Call a method with arguments as in the shell.

    `key=value` (JSON if it parses, else text; dotted keys nest), one `{json}`, or one bare value for a single field.
    """
    target, *pairs = arguments
    split_target(target)
    invoke(Request(peer, target, Arguments(pairs), CallOptions(), None, current()))


@service.command("generate-client")
@peer_arguments("SERVICE")
@generation_options
@dialling_options
def generate_service_client(peer: str, arguments: list[str], out: Path, language: str, package: str | None) -> None:
    """Generate a typed client of one service."""
    # It loads the generator, which no other command of this group needs.
    from aster.cli.client_generation import generate_client  # noqa: PLC0415

    generate_client(peer, out, language=language, package=package, services=arguments)
