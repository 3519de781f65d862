"""Keeps identity files out of git (`config.md` section 7)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aster.cli.places import replace_text

if TYPE_CHECKING:
    from pathlib import Path

# What patterns of git take as more than itself.
_SPECIAL = re.compile(r"([\\*?\[\]]|^[#!]| +$)")


def ignore(path: Path) -> bool:
    """Add a file to the `.gitignore` beside it, if that is in a work tree and does not name it yet."""
    folder = path.resolve().parent
    if not any((above / ".git").exists() for above in (folder, *folder.parents)) or "\n" in path.name:
        return False
    pattern = _SPECIAL.sub(lambda found: "".join(f"\\{char}" for char in found.group()), path.name)
    listed = folder / ".gitignore"
    text = listed.read_text(encoding="utf-8") if listed.exists() else ""
    if {pattern, f"/{pattern}"} & set(text.splitlines()):
        return False
    separator = "" if not text or text.endswith("\n") else "\n"
    replace_text(listed, f"{text}{separator}{pattern}\n")
    return True
