"""Enums of Python as declared types (`contract.md` section 3)."""

from __future__ import annotations

import enum
import unicodedata
from typing import Any

from aster._annotations import UnsupportedTypeError

CONTRACT_NAMES = "__wire_names__"
"""Attribute of an enum: the contract names of members that Python cannot spell, by their names."""


def describe(cls: type[enum.Enum]) -> dict[str, Any]:
    """Return the declaration of an enum. Aliases of members are not members.

    `UnsupportedTypeError` for flags, and for values other than all int or all str.
    """
    values = [member.value for member in cls]
    if issubclass(cls, enum.Flag) or not values:
        raise UnsupportedTypeError
    if all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        return {"enum": [[name, int(member.value)] for name, member in members(cls).items()]}
    if all(isinstance(value, str) for value in values):
        texts = {name: str.__str__(member.value) for name, member in members(cls).items()}
        return {"enum": list(texts), "texts": texts}
    raise UnsupportedTypeError


def members(cls: type[enum.Enum]) -> dict[str, enum.Enum]:
    """Return the members by their contract names."""
    return {contract_name(member): member for member in cls}


def contract_name(member: enum.Enum) -> str:
    """Return the contract name of a member: its own, unless the enum has another one for it."""
    names: dict[str, str] = getattr(type(member), CONTRACT_NAMES, {})
    return unicodedata.normalize("NFC", names.get(member.name, member.name))
