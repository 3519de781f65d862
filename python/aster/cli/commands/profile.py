"""`aster profile`: profiles of the operator (`cli.md` section 5)."""

from __future__ import annotations

import sys

import click

from aster.cli import output, profiles
from aster.cli.failures import USAGE, CommandError
from aster.cli.frame import AsterGroup
from aster.cli.key_output import show as show_facts
from aster.cli.settings import current

_SIGNER = "local"


@click.group("profile", cls=AsterGroup)
def profile() -> None:
    """Profiles in ~/.aster/config.toml: deployments that the command knows."""


@profile.command("list")
def list_all() -> None:
    """List the profiles; `*` marks the active one."""
    active, known = profiles.known()
    rows = [(name, name == active, said.get("root_pubkey"), said.get("handle")) for name, said in sorted(known.items())]
    if current().json:
        keys = ("name", "active", "root_pubkey", "handle")
        output.result(output.compact([dict(zip(keys, row)) for row in rows]))
        return
    shown = [("*" if is_active else "", name, root or "-", handle or "-") for name, is_active, root, handle in rows]
    output.table(("", "Name", "Root key", "Handle"), shown, current())


@profile.command("create")
@click.argument("name")
def create(name: str) -> None:
    """Make a profile."""
    if name in profiles.known()[1]:
        raise CommandError(f"profile '{name}' already exists")
    profiles.put(name, {"signer": _SIGNER})
    show_facts({"profile": name, "file": str(profiles.path())})


@profile.command("use")
@click.argument("name")
def use(name: str) -> None:
    """Make a profile the active one."""
    profiles.use(name)
    show_facts({"profile": name, "file": str(profiles.path())})


@profile.command("show")
@click.argument("name", required=False)
def show(name: str | None) -> None:
    """Show a profile, default the one in use."""
    if name is None:
        found, said = profiles.selected()
        if found is None:
            raise CommandError("no profile is active", hint="aster profile use NAME")
    else:
        known = profiles.known()[1]
        if name not in known:
            raise CommandError(f"no profile is named '{name}'", hint="aster profile list")
        found, said = name, known[name]
    show_facts({"profile": found, **said})


@profile.command("delete")
@click.argument("name")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def delete(name: str, yes: bool) -> None:
    """Delete a profile. Keys stay where they are."""
    if name not in profiles.known()[1]:
        raise CommandError(f"no profile is named '{name}'", hint="aster profile list")
    if not yes:
        if current().json or not sys.stdin.isatty():
            raise CommandError("nobody can be asked: give -y", status=USAGE)
        click.confirm(f"delete profile '{name}'?", abort=True, err=True)
    profiles.remove(name)
    show_facts({"deleted": name, "file": str(profiles.path())})
