"""What a field starts from that has no declared default."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import typing
import uuid
from typing import Any

from aster._annotations import number_type, optional_of

_ZEROS: dict[Any, Any] = {
    **{scalar: scalar() for scalar in (str, int, float, bool, bytes, dt.timedelta, decimal.Decimal)},
    dt.datetime: dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc),
    dt.date: dt.date(1970, 1, 1),
    uuid.UUID: uuid.UUID(int=0),
}


def zero(annotation: Any) -> Any:
    """Return the zero value of a supported annotation: empty, 0, 1970, the first member, null if optional."""
    if optional_of(annotation)[1]:
        return None
    if number_type(annotation) is not None:
        annotation = typing.get_args(annotation)[0]
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return next(iter(annotation))
    found = _ZEROS.get(annotation)
    return (typing.get_origin(annotation) or annotation)() if found is None else found
