"""Logging of the package (`config.md` section 10): logger `aster`, formats, masks, request ids.

Core's events arrive at the same loggers, with the same attributes on their records.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import re
import sys
import time
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, cast

from aster import _aster
from aster.config import AsterConfig

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

__all__ = [
    "JsonFormatter",
    "TextFormatter",
    "configure_logging",
    "get_logger",
    "get_request_id",
    "mask_dict",
    "request_context",
    "set_request_id",
]

_ROOT = "aster"
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_FIELDS = ("request_id", "service", "method", "peer", "duration_ms", "status_code", "error", "error_type")
_ID_FIELDS = frozenset({"peer", "id", "root_pubkey"})
_LONGEST_ID = 12
_SECRET = "***"  # noqa: S105 - what stands for one
_SECRET_NAMES = re.compile(
    r"secret|password|passwd|private|privkey|token|nonce|signature|credential|authorization|cookie|api_?key|seed|salt"
    r"|rcan|ticket",
    re.IGNORECASE,
)
_HEX_ID = re.compile(r"(?<![0-9A-Za-z])[0-9a-fA-F]{32,}(?![0-9A-Za-z])")
_UNSAFE = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028-\\u202e\\u2066-\\u2069\\ud800-\\udfff]")
_MAX_DEPTH = 8


@dataclass(frozen=True)
class _Request:
    """What is known of the call that runs here."""

    request_id: str | None = None
    service: str | None = None
    method: str | None = None
    peer: str | None = None


_NOTHING = _Request()
_current: ContextVar[_Request] = ContextVar("aster_request", default=_NOTHING)


def get_request_id() -> str | None:
    """Return the request id of the running task, or `None`."""
    return _current.get().request_id


def set_request_id(request_id: str | None) -> None:
    """Set the request id of the running task, and of what it starts."""
    _current.set(replace(_current.get(), request_id=request_id))


@contextlib.contextmanager
def request_context(
    request_id: str | None = None,
    *,
    service: str | None = None,
    method: str | None = None,
    peer: str | None = None,
) -> Generator[None, None, None]:
    """Give these to every record that is logged inside; what is `None` stays as it was outside."""
    given = {"request_id": request_id, "service": service, "method": method, "peer": peer}
    changed = {name: value for name, value in given.items() if value is not None}
    token = _current.set(replace(_current.get(), **changed))
    try:
        yield
    finally:
        _current.reset(token)


def get_logger(name: str = "") -> logging.Logger:
    """Return logger `aster`, or one below it; names that begin with `aster.` are taken as they are."""
    if not name or name == _ROOT:
        return logging.getLogger(_ROOT)
    return logging.getLogger(name if name.startswith(f"{_ROOT}.") else f"{_ROOT}.{name}")


def _short(value: str) -> str:
    return value if len(value) <= _LONGEST_ID else f"{value[:8]}...{value[-4:]}"


def _is_id(name: str) -> bool:
    return name in _ID_FIELDS or name.endswith("_id")


def mask_dict(values: Mapping[str, Any], *, mask: bool = True) -> dict[str, Any]:
    """Return a copy for logs: secrets are `***`, nested ones too; with `mask`, ids longer than 12 are shortened.

    What is a secret, or an id, is told by its key. Deeper than 8 levels everything is `***`.
    """
    return {key: _masked(str(key), value, mask=mask, depth=0) for key, value in values.items()}


def _masked(key: str, value: Any, *, mask: bool, depth: int) -> Any:
    is_nested = isinstance(value, (dict, list, tuple))
    if value is not None and (_SECRET_NAMES.search(key) or (is_nested and depth >= _MAX_DEPTH)):
        return _SECRET
    nested = cast("Any", value)
    if isinstance(value, dict):
        return {name: _masked(str(name), item, mask=mask, depth=depth + 1) for name, item in nested.items()}
    if is_nested:
        return [_masked(key, item, mask=mask, depth=depth + 1) for item in nested]
    return _short(value) if mask and isinstance(value, str) and _is_id(key) else value


def _fields(record: logging.LogRecord, *, mask: bool) -> dict[str, Any]:
    """Return what is known of the call: from the record, else from the running task."""
    current = _current.get()
    found: dict[str, Any] = {}
    for name in _FIELDS:
        value = getattr(record, name, None)
        if value is None:
            value = getattr(current, name, None)
        if value is None and record.exc_info and record.exc_info[1] is not None:
            value = {"error": str(record.exc_info[1]), "error_type": type(record.exc_info[1]).__name__}.get(name)
        if value is not None:
            found[name] = _short(str(value)) if mask and _is_id(name) else _plain(value)
    return found


def _plain(value: object) -> Any:
    """Return what JSON has; anything else as text."""
    if isinstance(value, (bool, int, str)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return str(value)


def _message(record: logging.LogRecord, *, mask: bool) -> str:
    text = record.getMessage()
    return _HEX_ID.sub(lambda found: _short(found[0]), text) if mask else text


def _one_line(text: str) -> str:
    """Escape what could end a line or drive a terminal: texts of peers must not look like lines of ours."""
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


class JsonFormatter(logging.Formatter):
    """One JSON object per line: `ts level logger msg`, and what is known of the call. `ts` is UTC, milliseconds."""

    def __init__(self, *, mask: bool = True) -> None:
        super().__init__()
        self._mask = mask

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, ASCII only."""
        stamp = datetime.fromtimestamp(record.created, timezone.utc)
        line: dict[str, Any] = {
            "ts": stamp.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "msg": _message(record, mask=self._mask),
            **_fields(record, mask=self._mask),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


class TextFormatter(logging.Formatter):
    """`HH:MM:SS.mmm LEVEL name — msg [req= svc= ...]` in local time; a traceback follows in lines of its own."""

    _SHORT = {"request_id": "req", "service": "svc", "status_code": "code", "duration_ms": "ms"}  # noqa: RUF012

    def __init__(self, *, mask: bool = True) -> None:
        super().__init__()
        self._mask = mask

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; control characters of the message are escaped."""
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        message = _one_line(_message(record, mask=self._mask))
        fields = _fields(record, mask=self._mask)
        shown = " ".join(f"{self._SHORT.get(name, name)}={_one_line(str(value))}" for name, value in fields.items())
        line = f"{clock}.{int(record.msecs):03d} {record.levelname} {record.name} \u2014 {message}"
        if shown:
            line += f" [{shown}]"
        if record.exc_info:
            trace = self.formatException(record.exc_info)
            line += "\n" + "\n".join(f"    {_one_line(part)}" for part in trace.splitlines())
        return line


if TYPE_CHECKING:
    _Base = logging.StreamHandler[Any]
else:
    _Base = logging.StreamHandler  # Not generic at runtime before 3.11.


class _Handler(_Base):
    """Ours: writes to the standard error of the moment, so that redirection works."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        if self.stream is not None:
            super().emit(record)


_explicit: dict[str, Any] = {}


def configure_logging(format: str | None = None, level: str | None = None, mask: bool | None = None) -> None:  # noqa: A002
    """Set up logger `aster`; what is `None` comes from the environment, else its default: text, info, masked.

    Replaces our handler of logger `aster` and touches no other logger. If the root logger writes to the console too,
    records stop at ours, so that no line is there twice. The level also decides which events of core are kept.
    Raises `ValueError` for another format or level. A server keeps what is given here, unless its configuration says
    otherwise.
    """
    names = {"log_format": format, "log_level": level, "log_mask": mask}
    given = {name: value for name, value in names.items() if value is not None}
    config = AsterConfig.from_env(**given)
    _explicit.update(given)
    _configure(config.log_format, config.log_level, mask=config.log_mask)


def configure_at_start(config: _aster.Config) -> None:
    """Set up logger `aster` for a server: as configured, else as `configure_logging` was told, else by default."""
    values: dict[str, Any] = {}
    for name in ("log_format", "log_level", "log_mask"):
        value, source = config.get(name) or ("null", "default")
        values[name] = _explicit.get(name, json.loads(value)) if source == "default" else json.loads(value)
    _configure(values["log_format"], values["log_level"], mask=values["log_mask"])


def _configure(form: str, level: str, *, mask: bool) -> None:
    handler = _Handler()
    handler.setFormatter(JsonFormatter(mask=mask) if form == "json" else TextFormatter(mask=mask))
    logger = logging.getLogger(_ROOT)
    for old in list(logger.handlers):
        if isinstance(old, _Handler):
            logger.removeHandler(old)
    logger.addHandler(handler)
    if any(_writes_to_console(other) for other in logging.getLogger().handlers):
        logger.propagate = False
    logger.setLevel(_LEVELS[level])
    _aster.set_log_level(_LEVELS[level])


def _writes_to_console(handler: logging.Handler) -> bool:
    return getattr(handler, "stream", None) in {sys.stderr, sys.stdout} and isinstance(handler, logging.StreamHandler)
