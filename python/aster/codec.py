"""Wire types and the codec for single values (`python-api.md` sections 2.3 and 6, `codec.md`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aster import _aster
from aster._annotations import message_class, shown
from aster._codecs import RootTable
from aster._wire_type import wire_type
from aster.rpc_types import SerializationMode
from aster.status import ContractViolationError, RpcError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["DEFAULT_COMPRESSION_THRESHOLD", "ForyCodec", "ForyConfig", "wire_type"]

DEFAULT_COMPRESSION_THRESHOLD: int = _aster.COMPRESSION_THRESHOLD
"""Bodies above so many bytes are compressed."""


@dataclass(frozen=True)
class ForyConfig:
    """Options of earlier versions, kept so that programs still run. Nothing depends on them."""

    xlang: bool | None = None
    extra_kwargs: dict[str, Any] = field(default_factory=dict[str, Any])


class ForyCodec:
    """Encodes and decodes wire types, and bare `str int float bool bytes`.

    - `mode`: XLANG bytes (the default; NATIVE is an alias), JSON text, or ROW with exactly one dataclass in `types`.
    - `types`: compiled at once; others are compiled when they are first used.
    - `compression_threshold`: `encode_compressed` compresses bodies above so many bytes; -1 never.
    - `fory_config`: accepted and without effect.

    A class without a tag is a `TypeError`. A value that does not fit its type raises `ContractViolationError` with
    the detail `location`; bytes that are no payload raise `InvalidArgumentError`. One codec may serve many threads.
    """

    def __init__(
        self,
        mode: SerializationMode | int = SerializationMode.XLANG,
        types: Iterable[Any] | None = None,
        compression_threshold: int = DEFAULT_COMPRESSION_THRESHOLD,
        fory_config: ForyConfig | None = None,
    ) -> None:
        self.mode = SerializationMode(mode)
        self.compression_threshold = compression_threshold
        self.fory_config = fory_config
        given = list(types or ())
        if self.mode is SerializationMode.ROW and (len(given) != 1 or message_class(given[0]) is None):
            raise ValueError("ROW needs exactly one dataclass in types")
        self._roots = RootTable(given)
        self._encode, self._decode = {
            SerializationMode.JSON: (_aster.RootCodec.encode_json, _aster.RootCodec.decode_json),
            SerializationMode.ROW: (_aster.RootCodec.encode_row, self._decode_row),
        }.get(self.mode, (_aster.RootCodec.encode, _aster.RootCodec.decode))
        # The definitions that were read last, with what they make of rows.
        self._row_reader: tuple[bytes, _aster.RowReader] | None = None

    @property
    def registered_types(self) -> set[Any]:
        """The message types that were given or used so far."""
        return set(self._roots.types)

    def encode(self, obj: Any) -> bytes:
        """Return the body of a value."""
        return self._encode(self._roots.of_value(obj), obj)

    def decode(self, data: bytes, expected_type: Any = None) -> Any:
        """Return the value of a body.

        Without `expected_type` the body tells its type, which must be registered. `TypeError` if it is a registered
        type other than the expected one.
        """
        if expected_type is None:
            return self._decode(self._named(data), data)
        root = self._roots.expected(expected_type)
        try:
            return self._decode(root, data)
        except ContractViolationError:
            self._refuse_other(data, expected_type)
            raise

    def _named(self, data: bytes) -> _aster.RootCodec:
        """Return the root that a body names."""
        if self.mode is SerializationMode.ROW:
            return self._roots.expected(self._roots.types[0])
        if self.mode is SerializationMode.JSON:
            raise TypeError("JSON does not tell its type; give expected_type")
        return self._roots.of_body(data)

    def _refuse_other(self, data: bytes, expected_type: Any) -> None:
        """Say more of a body that holds a registered message, but not the expected one."""
        if self.mode in {SerializationMode.JSON, SerializationMode.ROW}:
            return
        try:
            found = self._roots.by_wire_name(_aster.root_name(data))
        except RpcError:
            return
        if found is not None and found[0] != expected_type and message_class(found[0]) is not None:
            raise TypeError(f"Expected {shown(expected_type)}, got {shown(found[0])}") from None

    def encode_compressed(self, obj: Any) -> tuple[bytes, bool]:
        """Return the body of a value, compressed if that is worth it, and whether it is."""
        body = self.encode(obj)
        packed = _aster.compress(body, self.mode is SerializationMode.JSON, self.compression_threshold)
        return (body, False) if packed is None else (packed, True)

    def decode_compressed(self, data: bytes, compressed: bool, expected_type: Any = None) -> Any:
        """Return the value of a body that `encode_compressed` made. `LimitExceeded` if it grows beyond 16 MiB."""
        return self.decode(_aster.decompress(data) if compressed else data, expected_type)

    @staticmethod
    def compress(data: bytes) -> bytes:
        """Return bytes as one zstd frame."""
        return _aster.zstd_frame(data)

    @staticmethod
    def decompress(data: bytes) -> bytes:
        """Return what one zstd frame holds. `LimitExceeded` beyond 16 MiB, `InvalidArgumentError` if it is none."""
        return _aster.decompress(data)

    def encode_row_schema(self) -> bytes:
        """Return the type definitions that precede rows. `ValueError` unless the mode is ROW."""
        return self._row_root().row_schema()

    def decode_row_data(self, data: bytes, schema: bytes | None = None) -> Any:
        """Return the value of a row that was written with these type definitions, else with our own."""
        return self._decode_row(self._row_root(), data, schema)

    def _row_root(self) -> _aster.RootCodec:
        if self.mode is not SerializationMode.ROW:
            raise ValueError("rows need a codec with mode=SerializationMode.ROW")
        return self._named(b"")

    def _decode_row(self, root: _aster.RootCodec, data: bytes, schema: bytes | None = None) -> Any:
        if schema is None:
            schema = root.row_schema()
        kept = self._row_reader
        if kept is None or kept[0] != schema:
            kept = self._row_reader = (schema, root.row_reader(schema))
        return kept[1].decode(data)
