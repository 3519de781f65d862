"""What is said of keys and credentials that were made. Secrets are in files only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aster.cli import output
from aster.cli.settings import current

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aster.cli.key_making import MadeKey


def show_made(made: MadeKey, *, public: str = "public key") -> None:
    """Say where a key is, and its public half."""
    show(
        {
            "key file": str(made.path),
            "public file": None if made.public_path is None else str(made.public_path),
            public: made.public,
            "profile": made.profile,
            "keyring": made.entry,
        }
    )


def show(facts: Mapping[str, Any]) -> None:
    """Write facts as lines `name: value`, with `--json` as one object. What is `None` is left out of the lines."""
    if current().json:
        output.result(output.compact({name.replace(" ", "_"): value for name, value in facts.items()}))
        return
    width = max(len(name) for name in facts) + 1
    for name, value in facts.items():
        if value is not None:
            output.result(output.printable(f"{name + ':':<{width}} {_text(value)}"))


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return output.compact(value) if isinstance(value, dict) else str(value)
