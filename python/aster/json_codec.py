"""JSON bodies for dynamic use and debugging (`python-api.md` section 6, `codec.md` section 7).

Wire types go through the strict codec of core, in both directions. Dicts and lists without a declared type stay
parsed JSON.
"""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

from aster import _aster
from aster._annotations import message_class
from aster._codecs import BARE, RootTable
from aster.status import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["JsonProxyCodec", "json_decode", "json_encode", "safe_decompress"]

_KEPT = "__aster_json_codec__"
_UNTYPED: tuple[Any, ...] = (None, object, Any, dict, list)


class JsonProxyCodec:
    """Encodes and decodes JSON bodies: wire types strictly, dicts and lists as they are.

    `types` are compiled at once, others when they are first used. Values or members that do not fit raise
    `ContractViolationError` with `location`, `expected_class` and `unexpected_fields`; text that is no JSON raises
    `InvalidArgumentError`.
    """

    def __init__(self, types: Iterable[Any] | None = None) -> None:
        self._roots = RootTable(types or ())

    def encode(self, obj: Any) -> bytes:
        """Return the JSON text of a value."""
        if message_class(type(obj)) is not None or type(obj) in BARE:
            return self._roots.of_value(obj).encode_json(obj)
        try:
            text = json.dumps(obj, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain)
            return text.encode()
        except (ValueError, RecursionError) as error:
            raise InvalidArgumentError(f"value is no JSON: {error}") from error

    def decode(self, data: bytes, expected_type: Any = None) -> Any:
        """Return the value of JSON text: an instance of `expected_type`, or parsed JSON without one."""
        if expected_type in _UNTYPED:
            return _parse(data)
        return self._roots.expected(expected_type).decode_json(data)

    def encode_compressed(self, obj: Any) -> tuple[bytes, bool]:
        """Return the JSON text of a value and false: JSON bodies are never compressed."""
        return self.encode(obj), False

    def decode_compressed(self, data: bytes, compressed: bool, expected_type: Any = None) -> Any:
        """Return the value of JSON text that may be compressed. `LimitExceeded` if it grows beyond 16 MiB."""
        return self.decode(safe_decompress(data) if compressed else data, expected_type)


def _plain(obj: Any) -> Any:
    """Return a wire type inside of a dict or list as parsed JSON."""
    if message_class(type(obj)) is None:
        raise InvalidArgumentError(f"value is no JSON: {type(obj).__name__} has no JSON form without its type")
    return json.loads(json_encode(obj))


def json_encode(obj: Any) -> bytes:
    """Return the JSON text of a wire type, scalar, dict or list, as `JsonProxyCodec.encode` does."""
    return _codec_of(type(obj)).encode(obj)


def json_decode(data: bytes, expected_type: Any = None) -> Any:
    """Return the value of JSON text: an instance of `expected_type`, or parsed JSON without one."""
    return _codec_of(expected_type).decode(data, expected_type)


def _codec_of(annotation: Any) -> JsonProxyCodec:
    """Return the codec that a class keeps with itself, so that it lives as long as the class."""
    cls = message_class(annotation)
    if cls is None:
        return _untyped()
    codec = cls.__dict__.get(_KEPT)
    if codec is None:
        codec = JsonProxyCodec()
        setattr(cls, _KEPT, codec)
    return codec


@functools.lru_cache(maxsize=1)
def _untyped() -> JsonProxyCodec:
    """Return the codec for scalars, dicts and lists, which registers nothing."""
    return JsonProxyCodec()


def _parse(data: bytes) -> Any:
    """Parse JSON that has no type: strict, no key twice, no numbers that are none."""
    try:
        return json.loads(bytes(data).decode(), object_pairs_hook=_members, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidArgumentError(f"not valid JSON: {error}") from error


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key occurs twice")
    return found


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def safe_decompress(data: bytes) -> bytes:
    """Return what one zstd frame holds. `LimitExceeded` beyond 16 MiB, `InvalidArgumentError` if it is none."""
    return _aster.decompress(data)
