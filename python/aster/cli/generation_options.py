"""The options of the commands that generate clients."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def generation_options(command: Command) -> Command:
    """Give a command `--out`, `--lang` and `--package`; it takes `out`, `language` and `package`."""
    languages = click.Choice(["python", "typescript"])
    for decorate in (
        click.option("--package", metavar="NAME", help="Name of the package."),
        click.option("--lang", "language", type=languages, default="python", show_default=True),
        click.option(
            "--out", metavar="DIR", type=click.Path(path_type=Path), required=True, help="Folder for the package."
        ),
    ):
        command = decorate(command)
    return command
