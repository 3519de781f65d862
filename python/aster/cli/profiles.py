"""Profiles of the operator in `~/.aster/config.toml`. Core reads and changes the text (`config.md` section 9)."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from aster import _aster
from aster.cli import private_files
from aster.cli.places import home
from aster.cli.settings import current

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# Under this name keys are kept as long as there is no profile.
UNNAMED = "default"


def path() -> Path:
    """Return the path of the file."""
    return home() / "config.toml"


def text() -> str:
    """Return the text of the file; nothing if there is none."""
    try:
        return private_files.read(path(), was_named=False)
    except FileNotFoundError:
        return ""


def asked() -> str | None:
    """Return the profile that option or variable name."""
    return current().profile or os.environ.get("ASTER_PROFILE") or None


def known() -> tuple[str | None, dict[str, Any]]:
    """Return the name of the active profile, which may be missing, and all profiles by name."""
    active, found = _aster.profiles(str(path()), text())
    return active, json.loads(found)


def selected() -> tuple[str | None, dict[str, Any]]:
    """Return the profile to use and what it says. `ValueError` if it is unknown."""
    name = _aster.select_profile(str(path()), text(), asked())
    return name, {} if name is None else known()[1][name]


def put(name: str, fields: Mapping[str, str]) -> None:
    """Set fields of a profile, which is made if it is new."""
    with private_files.changing(path()):
        private_files.replace(path(), _aster.put_profile(str(path()), text(), name, list(fields.items())))


def use(name: str) -> None:
    """Make a profile the active one."""
    with private_files.changing(path()):
        private_files.replace(path(), _aster.use_profile(str(path()), text(), name))


def remove(name: str) -> None:
    """Remove a profile; if it was active, none is."""
    with private_files.changing(path()):
        private_files.replace(path(), _aster.remove_profile(str(path()), text(), name))
