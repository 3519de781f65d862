"""The command `aster` (`cli.md`). Importing this loads no library of the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with these arguments, default those of the process, and return its exit status.

    0 is success, 1 failure, 2 wrong usage, 130 the end by Ctrl-C.
    """
    try:
        from aster.cli.frame import run  # noqa: PLC0415 - it needs click, which the package does not

        return run(arguments)
    except KeyboardInterrupt:
        return 130  # While modules are loaded; later Ctrl-C cancels what runs.
