"""Integer and float types of other widths than `int` and `float` (`python-api.md` section 2.3).

Values are plain `int` and `float`; the width is checked when a message is sent and when it is read. `Int32` and the
like are written in as few bytes as the number needs, `FixedInt32` and the like always in full.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated


@dataclass(frozen=True)
class NumberType:
    """Mark of an annotation: the contract type of a number."""

    name: str


Int8 = Annotated[int, NumberType("int8")]
Int16 = Annotated[int, NumberType("int16")]
Int32 = Annotated[int, NumberType("varint32")]
UInt8 = Annotated[int, NumberType("uint8")]
UInt16 = Annotated[int, NumberType("uint16")]
UInt32 = Annotated[int, NumberType("var_uint32")]
UInt64 = Annotated[int, NumberType("var_uint64")]
Float32 = Annotated[float, NumberType("float32")]
FixedInt32 = Annotated[int, NumberType("int32")]
FixedInt64 = Annotated[int, NumberType("int64")]
FixedUInt32 = Annotated[int, NumberType("uint32")]
FixedUInt64 = Annotated[int, NumberType("uint64")]

__all__ = [
    "FixedInt32",
    "FixedInt64",
    "FixedUInt32",
    "FixedUInt64",
    "Float32",
    "Int8",
    "Int16",
    "Int32",
    "NumberType",
    "UInt8",
    "UInt16",
    "UInt32",
    "UInt64",
]
