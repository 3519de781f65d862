"""What a caller must hold to call a service or method. Core checks it."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any, Union

__all__ = ["CapabilityRequirement", "all_of", "any_of"]


@dataclass(frozen=True)
class CapabilityRequirement:
    """Roles, of which one (`role`, `any_of`) or each (`all_of`) is required."""

    kind: str
    roles: tuple[str, ...]

    def describe(self) -> Any:
        """Return the form of service descriptions."""
        return self.roles[0] if self.kind == "role" else {self.kind: list(self.roles)}


Role = Union[str, enum.Enum]
Requirement = Union[Role, CapabilityRequirement]


def _role(role: Role) -> str:
    name = role.value if isinstance(role, enum.Enum) else role
    if not isinstance(name, str) or not name:
        raise TypeError(f"a role is a string or a string enum member, got {role!r}")
    return name


def _group(kind: str, roles: tuple[Role, ...]) -> CapabilityRequirement:
    if not roles:
        raise ValueError(f"{kind} needs at least one role")
    return CapabilityRequirement(kind, tuple(_role(role) for role in roles))


def any_of(*roles: Role) -> CapabilityRequirement:
    """Require one of these roles. `ValueError` without a role, `TypeError` for what is no text."""
    return _group("any_of", roles)


def all_of(*roles: Role) -> CapabilityRequirement:
    """Require each of these roles. `ValueError` without a role, `TypeError` for what is no text."""
    return _group("all_of", roles)


def requirement(requires: Requirement | None) -> CapabilityRequirement | None:
    """Read what a decorator was given."""
    if requires is None or isinstance(requires, CapabilityRequirement):
        return requires
    return CapabilityRequirement("role", (_role(requires),))
