"""Documentation of services and methods. Never part of a contract id."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Metadata:
    """What people should know of a service or method."""

    description: str = ""
    tags: list[str] = field(default_factory=list[str])
    deprecated: bool = False
    since_version: int | None = None

    def describe(self) -> dict[str, Any]:
        """Return the form of service descriptions."""
        return {"description": self.description, "tags": list(self.tags), "deprecated": self.deprecated}
