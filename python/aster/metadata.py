"""Documentation of services, methods, parameters and fields. Never part of a contract id."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Description", "Metadata", "describe"]

T = TypeVar("T")
FIELD_DOCS = "aster_docs"


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


@dataclass(frozen=True)
class Description:
    """What people should know of an inline parameter: `name: Annotated[str, Description("who is greeted")]`."""

    text: str
    tags: Sequence[str] = ()


@overload
def describe(text: str, *, tags: Sequence[str] = (), default: T) -> T: ...
@overload
def describe(text: str, *, tags: Sequence[str] = (), default_factory: Callable[[], T]) -> T: ...
def describe(
    text: str,
    *,
    tags: Sequence[str] = (),
    default: Any = dataclasses.MISSING,
    default_factory: Any = dataclasses.MISSING,
) -> Any:
    """Return a field of a dataclass that is documented.

    In `name: str = describe("who is greeted", default="")` it takes the place of `dataclasses.field`, whose `default`
    and `default_factory` it has. `ValueError` for both.
    """
    docs = {FIELD_DOCS: Metadata(text, list(tags))}
    return field(default=default, default_factory=default_factory, metadata=docs)
