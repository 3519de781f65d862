"""What the options say that every command takes."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import click

_KEY = "aster.cli.settings"


@dataclass
class Settings:
    """The common options of one run."""

    json: bool = False
    color: bool = True
    verbose: bool = False
    quiet: bool = False
    profile: str | None = None

    @property
    def shows_progress(self) -> bool:
        """Whether spinners and progress bars may be shown."""
        return sys.stderr.isatty() and not self.json and not self.quiet


def settings_of(context: click.Context) -> Settings:
    """Return the settings of the run that a context belongs to."""
    found = context.meta.setdefault(_KEY, Settings())
    if not isinstance(found, Settings):
        raise TypeError("the settings of the command were replaced")
    return found


def current() -> Settings:
    """Return the settings of the command that runs."""
    return settings_of(click.get_current_context())
