"""Tags of wire types (`python-api.md` section 2.3). `aster.codec` has what is public."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from aster.metadata import Metadata

T = TypeVar("T", bound="type[Any]")

_SHOWN = "__wire_type__"
_FIELD_METADATA = "__wire_type_field_metadata__"
_NAMESPACE = "__fory_namespace__"
_NAME = "__fory_typename__"


def wire_type(tag: str, *, metadata: dict[str, Metadata] | None = None) -> Callable[[T], T]:
    """Name a dataclass or enum on the wire: `package/Name`, or a name alone. Goes above or below `@dataclass`.

    `metadata` documents fields by name. `ValueError` for an empty tag, or a dot right of the slash.
    """
    if not isinstance(tag, str):  # pyright: ignore[reportUnnecessaryIsInstance] - @wire_type without a tag
        raise TypeError('@wire_type needs a tag: @wire_type("package/Name")')
    name = tag.rpartition("/")[2]
    if not name:
        raise ValueError("the tag of a wire type must not be empty")
    if "." in name:
        raise ValueError(f"the name '{name}' of a wire type must not contain a dot")

    def decorate(cls: T) -> T:
        assign_tag(cls, tag)
        if metadata is not None:
            setattr(cls, _FIELD_METADATA, metadata)
        return cls

    return decorate


def wire_tag(cls: type[Any]) -> str:
    """Return the tag of a class; one without is named after its module and qualified name."""
    if not is_tagged(cls):
        _name(cls, f"{cls.__module__}.{cls.__qualname__}", cls.__module__, cls.__qualname__)
    namespace, name = cls.__dict__[_NAMESPACE], cls.__dict__[_NAME]
    return f"{namespace}/{name}" if namespace else str(name)


def assign_tag(cls: type[Any], tag: str) -> None:
    """Give a class a tag of a contract, which need not follow the rules for tags that people write."""
    namespace, _, name = tag.rpartition("/")
    _name(cls, tag, namespace, name)


def is_tagged(cls: type[Any]) -> bool:
    """Tell whether the class itself, not a base of it, has a tag."""
    return _NAME in cls.__dict__


def _name(cls: type[Any], shown: str, namespace: str, name: str) -> None:
    setattr(cls, _SHOWN, shown)
    setattr(cls, _NAMESPACE, namespace)
    setattr(cls, _NAME, name)
