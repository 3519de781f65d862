"""Results on standard output, a line at a time; progress on standard error."""

from __future__ import annotations

import contextlib
import json
import logging
import re
import sys
from typing import TYPE_CHECKING, Any

import click

from aster.logging import configure_logging

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from rich.console import Console

    from aster.cli.settings import Settings

# What terminals take as commands. A peer's texts must not steer the terminal of the user.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_UPPER_CONTROLS = re.compile(r"[\x7f-\x9f]")


def printable(text: str) -> str:
    """Return text without characters that steer terminals; tabs and line feeds stay."""
    return _CONTROLS.sub(lambda found: f"\\x{ord(found.group()):02x}", text)


def compact(value: Any) -> str:
    """Return JSON in one line."""
    return _safe(json.dumps(value, ensure_ascii=_is_narrow(), separators=(",", ":")))


def indented(value: Any) -> str:
    """Return JSON for people."""
    return _safe(json.dumps(value, ensure_ascii=_is_narrow(), indent=2))


def _is_narrow() -> bool:
    """Tell whether standard output takes some characters only."""
    return not (sys.stdout.encoding or "").lower().startswith("utf")


def _safe(text: str) -> str:
    # In JSON these stand in strings only, where they may be escaped.
    return _UPPER_CONTROLS.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def result(text: str) -> None:
    """Write a line of the result, at once."""
    click.echo(text)


def raw(data: bytes) -> None:
    """Write bytes as they are."""
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def note(text: str) -> None:
    """Write a line that is no result: a hint, a warning, what goes on."""
    click.echo(printable(text), err=True)


class _Warnings(logging.Handler):
    """Shows what the library warns of."""

    def emit(self, record: logging.LogRecord) -> None:
        note(f"warning: {record.getMessage()}")


@contextlib.contextmanager
def log_shown(settings: Settings) -> Generator[None, None, None]:
    """Show what the library logs: warnings, and everything to those who ask."""
    if settings.verbose:
        configure_logging(level="debug")
        yield
        return
    logger, handler = logging.getLogger("aster"), _Warnings(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def document(value: Any, settings: Settings) -> None:
    """Write a JSON document: in one line with `--json`, else for people."""
    result(compact(value) if settings.json else indented(value))


def table(titles: Sequence[str], rows: Sequence[Sequence[object]], settings: Settings) -> None:
    """Write rows in columns under their titles."""
    cells = [[printable(str(cell)).replace("\n", " ") for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in [list(titles), *cells]) for column in range(len(titles))]

    def line(row: Sequence[str]) -> str:
        return " ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()

    head = line(list(titles))
    result(click.style(head, bold=True) if settings.color and sys.stdout.isatty() else head)
    for row in cells:
        result(line(row))


def console(settings: Settings) -> Console:
    """Return a console of standard output for trees; lines are not cut or wrapped where nobody looks."""
    from rich.console import Console  # noqa: PLC0415 - it takes a while to load

    is_terminal = sys.stdout.isatty()
    return Console(
        file=sys.stdout,
        no_color=None if settings.color else True,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=True,
        width=None if is_terminal else 10_000,
    )


@contextlib.contextmanager
def progress(text: str, settings: Settings) -> Generator[None, None, None]:
    """Show a spinner while something lasts, if somebody looks."""
    if not settings.shows_progress:
        yield
        return
    from rich.console import Console  # noqa: PLC0415 - it takes a while to load

    with Console(stderr=True, no_color=None if settings.color else True).status(text):
        yield
