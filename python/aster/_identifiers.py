"""Identifiers of Python for what contracts call by any text."""

from __future__ import annotations

import keyword
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection


def spelled(text: str) -> str:
    """Return a text with `_` for all that cannot stand in an identifier, and before a leading digit."""
    name = "".join(char if f"a{char}".isidentifier() else "_" for char in text) or "_"
    return name if name.isidentifier() else f"_{name}"


def python_name(text: str, reserved: Collection[str] = ()) -> str:
    """Return an identifier of Python for any text; keywords and reserved names get a `_`."""
    # Python reads identifiers in this form.
    name = spelled(unicodedata.normalize("NFKC", text))
    while keyword.iskeyword(name) or name in reserved:
        name += "_"
    return name


def python_member(text: str, reserved: Collection[str] = ()) -> str:
    """Return an identifier that may stand in a class: names with two leading underscores mean something there."""
    name = python_name(text, reserved)
    return f"x{name}" if name.startswith("__") else name
