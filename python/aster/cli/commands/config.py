"""`aster config`: the configuration in force (`config.md` section 5)."""

from __future__ import annotations

from pathlib import Path

import click

from aster.cli.frame import AsterGroup
from aster.cli.settings import current
from aster.config import AsterConfig

_FILE = "aster.toml"


@click.group("config", cls=AsterGroup)
def config() -> None:
    """The configuration in force."""


@config.command("show")
@click.option("--file", "file", metavar="PATH", help=f"TOML file (default: {_FILE}, if there is one).")
def show(file: str | None) -> None:
    """Show every setting and where it comes from. Secrets are masked."""
    path = _FILE if file is None and Path(_FILE).exists() else file
    found = AsterConfig.from_env() if path is None else AsterConfig.from_file(path)
    found.print_config(json=current().json)
