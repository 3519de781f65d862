"""Lines of code: what fits on one is written on one, everything else one part per line with a comma behind each."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Union

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH = 120
Part = Union[str, "Group"]


@dataclass(frozen=True)
class Group:
    """Parts between brackets, such as the arguments of a call; `head` ends with the bracket, `tail` begins with it."""

    head: str
    parts: Sequence[Part]
    tail: str
    padding: str = ""

    def flat(self) -> str:
        """Return everything on one line."""
        inner = ", ".join(flat(part) for part in self.parts)
        return f"{self.head}{self.padding}{inner}{self.padding}{self.tail}" if inner else f"{self.head}{self.tail}"

    def wrapped(self, tail: str) -> Group:
        """Return the same with more behind it."""
        return Group(self.head, self.parts, self.tail + tail, self.padding)


def flat(part: Part) -> str:
    """Return a part on one line."""
    return part if isinstance(part, str) else part.flat()


def lines(part: Part, indent: str, step: str, tail: str = "") -> list[str]:
    """Return the lines of a part at an indentation; `step` is what each level adds."""
    whole = f"{indent}{flat(part)}{tail}"
    if isinstance(part, str) or not part.parts or width(whole) <= WIDTH:
        return [whole]
    inner = [line for one in part.parts for line in lines(one, indent + step, step, ",")]
    return [f"{indent}{part.head}", *inner, f"{indent}{part.tail}{tail}"]


def width(line: str) -> int:
    """Return how many columns a line takes."""
    if line.isascii():
        return len(line)
    return sum(_columns(char) for char in line)


def _columns(char: str) -> int:
    if unicodedata.category(char) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1


def is_plain(char: str) -> bool:
    """Tell whether a character may stand in sources as it is: it is visible, or a space."""
    return char == " " or unicodedata.category(char)[0] not in "CZ"
