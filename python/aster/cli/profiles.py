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


def selected() -> tuple[str | None, dict[str, Any]]:
    """Return the profile to use and all by name. `ValueError` if the one that is named is unknown."""
    name, found = _aster.profiles(str(path()), text(), asked())
    return name, json.loads(found)


def everything() -> dict[str, Any]:
    """Return all profiles by name, whichever is selected."""
    return json.loads(_aster.profiles(str(path()), _without_selection(text()), None)[1])


def _without_selection(given: str) -> str:
    """Return the text with an empty selection if the selected profile is missing, so that it can be repaired."""
    try:
        _aster.profiles(str(path()), given, None)
    except ValueError:
        return given
    return given


def put(name: str, fields: Mapping[str, str]) -> None:
    """Set fields of a profile, which is made if it is new."""
    private_files.replace(path(), _aster.put_profile(str(path()), text(), name, list(fields.items())))


def use(name: str) -> None:
    """Make a profile the active one."""
    private_files.replace(path(), _aster.use_profile(str(path()), text(), name))


def remove(name: str) -> None:
    """Remove a profile; if it was active, none is."""
    private_files.replace(path(), _aster.remove_profile(str(path()), text(), name))
