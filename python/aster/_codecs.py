"""Root types that are encoded outside of services: compiled once per class, shared by every codec."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any, cast

from aster import _aster
from aster._annotations import message_class, shown
from aster._messages import MessageTable
from aster._wire_type import is_tagged

if TYPE_CHECKING:
    from collections.abc import Iterable

_HEADER = slice(4, 12)
BARE: dict[Any, str] = {str: "string", int: "int", float: "float", bool: "bool", bytes: "bytes"}


class RootTable:
    """Compiled roots by class. A class that is not there yet is compiled when it is first used."""

    def __init__(self, types: Iterable[Any] = ()) -> None:
        self._roots: dict[Any, _aster.RootCodec] = {}
        self._instances: dict[type[Any], _aster.RootCodec | None] = {}
        self._by_wire_name: dict[str, tuple[Any, _aster.RootCodec]] = {}
        self._by_header: dict[bytes, _aster.RootCodec] = {}
        self._registering = threading.Lock()
        scalars = _aster.Codec(json.dumps({}), {}, {})
        for scalar, text in BARE.items():
            self._enter(scalar, text, scalars)
        self.register(types)

    @property
    def types(self) -> list[Any]:
        """The registered message types, in the order they came."""
        return [root for root in self._roots if root not in BARE]

    def register(self, types: Iterable[Any]) -> None:
        """Compile types together, so that equal tags of different classes are found."""
        with self._registering:
            new = [root for root in types if root not in self._roots]
            if not new:
                return
            table = MessageTable({})
            for root in new:
                _require_tag(root)
            tags = [table.add(root) for root in new]
            codec = table.codec()
            for root, tag in zip(new, tags):
                self._enter(root, tag, codec)

    def _enter(self, root: Any, tag: str, codec: _aster.Codec) -> None:
        compiled = codec.root(tag)
        known, _ = self._by_wire_name.setdefault(compiled.wire_name, (root, compiled))
        if known != root:
            raise ValueError(f"Duplicate wire_type tag '{tag}': {shown(known)} and {shown(root)}")
        self._roots[root] = compiled
        if compiled.header is not None:
            self._by_header[compiled.header] = compiled
        origin = message_class(root) or root
        # A generic class with two lists of arguments does not tell which one an instance is of.
        self._instances[origin] = None if origin in self._instances else compiled

    def expected(self, root: Any) -> _aster.RootCodec:
        """Return the root for a type that a caller names."""
        found = self._roots.get(root)
        if found is None:
            self.register([root])
            found = self._roots[root]
        return found

    def of_value(self, value: Any) -> _aster.RootCodec:
        """Return the root for a value: its class, or the nearest base that is registered."""
        cls = cast("Any", type(value))
        found = self._instances.get(cls)
        if found is None:
            found = self._find(cls)
        return found

    def _find(self, cls: type[Any]) -> _aster.RootCodec:
        if cls in self._instances:
            raise TypeError(f"{cls.__name__} is registered with several type arguments; tag a subclass for each")
        if not is_tagged(cls):
            # A subclass without a tag of its own is what its base is.
            for base in cls.__mro__[1:-1]:
                found = self._instances.get(base)
                if found is not None:
                    return found
        return self.expected(cls)

    def of_body(self, data: bytes) -> _aster.RootCodec:
        """Return the root that an XLANG body names. `TypeError` if it is not registered."""
        # Bodies of our own version tell it by the header of their first type definition.
        found = self._by_header.get(data[_HEADER]) if type(data) is bytes else None
        if found is not None:
            return found
        name = _aster.root_name(data)
        named = self._by_wire_name.get(name)
        if named is None:
            raise TypeError(f"'{name}' is not a registered type; give types or expected_type")
        return named[1]

    def by_wire_name(self, name: str) -> tuple[Any, _aster.RootCodec] | None:
        """Return the registered type that a body names."""
        return self._by_wire_name.get(name)


def _require_tag(root: Any) -> None:
    cls = message_class(root)
    if cls is None:
        raise TypeError(f"{shown(root)} is not a message: a dataclass with @wire_type, str, int, float, bool or bytes")
    if not is_tagged(cls):
        raise TypeError(f'{cls.__name__} has no tag; decorate it with @wire_type("package/{cls.__name__}")')
