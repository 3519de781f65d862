"""When credentials end: durations and dates of the command line (`cli.md` section 1)."""

from __future__ import annotations

import re
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    _Type = click.ParamType[int]
else:
    _Type = click.ParamType  # Older versions take no argument.

DEFAULT = "30d"
_UNITS = {"d": 86_400, "h": 3600, "m": 60, "s": 1}
_DURATION = re.compile(r"(?:[0-9]{1,9}[dhms])+")
_LATEST = 253_402_300_799  # The end of the year 9999, the last that can be shown.


class Expiry(_Type):
    """A duration from now (`90s 15m 24h 30d`, sums of them) or an ISO 8601 date, as seconds since 1970."""

    name = "T"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the seconds; wrong usage unless they are to come."""
        if isinstance(value, int):
            return value
        text = str(value).strip()
        now = int(time.time())
        seconds = now + _duration(text) if _DURATION.fullmatch(text) else _moment(text)
        if seconds is None:
            self.fail(f"{text!r} is no duration such as 30d, 24h, 1h30m, and no ISO 8601 date", param, ctx)
        if not now < seconds <= _LATEST:
            self.fail(f"{text!r} is not in the future", param, ctx)
        return seconds


def _duration(text: str) -> int:
    return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)([dhms])", text))


def _moment(text: str) -> int | None:
    """Read a date; without a zone it is UTC."""
    try:
        found = datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", text))
    except ValueError:
        return None
    return int((found if found.tzinfo else found.replace(tzinfo=timezone.utc)).timestamp())


def shown(seconds: int) -> str:
    """Return a moment as ISO 8601, in UTC; the number if no calendar has it."""
    if not 0 <= seconds <= _LATEST:
        return str(seconds)
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
