"""Names for what contracts call by any text."""

from __future__ import annotations

import keyword
import re
from typing import TYPE_CHECKING

from aster._identifiers import python_name, spelled

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

_LONGEST_STEM = 100


def words(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(text.split())


_JAVASCRIPT = words(
    """
    any arguments as async await boolean break case catch class const continue debugger declare default delete
    do else enum eval export extends false finally for from function get if implements import in infer
    instanceof interface is keyof let module namespace never new null number object of package private protected
    public readonly require return set static string super switch symbol this throw true try type typeof
    undefined unique unknown var void while with yield
    """
)
_IMPORTED = words("aster builtins collections dataclasses datetime decimal enum typing")
_TYPESCRIPT_TYPES = words(
    """
    any bigint boolean never null number object string symbol undefined unknown void
    """
)


class Names:
    """Names of one scope, each given once."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)

    def take(self, wanted: str) -> str:
        """Return a name, with `_2`, `_3` behind it if it is taken."""
        name, number = wanted, 1
        while name in self._taken:
            number += 1
            name = f"{wanted}_{number}"
        self._taken.add(name)
        return name


def simple_name(tag: str) -> str:
    """Return the name of a type as people say it."""
    return tag.rpartition("/")[2].rpartition(".")[2]


def javascript_name(text: str, reserved: Collection[str] = ()) -> str:
    """Return an identifier of TypeScript for any text; keywords and reserved names get a `_`."""
    name = spelled(text)
    while name in _JAVASCRIPT or name in _TYPESCRIPT_TYPES or name in reserved:
        name += "_"
    return name


def camel_case(text: str) -> str:
    """Return the name of a property: `uptime_s` gives `uptimeS`. Other characters than `_` stay."""
    words = [word for word in text.split("_") if word]
    if len(words) < 2 or text.isupper():  # noqa: PLR2004 - nothing to join
        return text
    return words[0] + "".join(word[:1].upper() + word[1:] for word in words[1:])


def file_stem(service: str, version: int, separator: str) -> str:
    """Return the name of a file for a service, in lower case: `MissionControl` gives `mission_control_v1`."""
    words = re.sub(r"([a-z0-9])([A-Z])|([A-Z])(?=[A-Z][a-z])", r"\1\3_\2", service)
    plain = re.sub(r"[^a-z0-9]+", separator, words.lower()).strip(separator)[:_LONGEST_STEM].rstrip(separator)
    stem = f"{plain or 'service'}{separator}v{version}"
    return f"_{stem}" if stem[0].isdigit() and separator == "_" else stem


def package_name(text: str, language: str) -> str:
    """Return a package name for any text, such as the stem of a file."""
    separator = "_" if language == "python" else "-"
    plain = re.sub(r"[^A-Za-z0-9]+", separator, text).strip(separator).lower()[:_LONGEST_STEM] or "client"
    return python_name(plain, _IMPORTED) if language == "python" else plain


def check_package(package: str, language: str) -> None:
    """Raise `ValueError` for a package name that is none: an identifier in Python, a plain folder name elsewhere.

    In Python not a name either that the clients themselves import.
    """
    if language == "python":
        fits = package.isidentifier() and not keyword.iskeyword(package) and package not in _IMPORTED
    else:
        fits = re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", package) is not None
    if not fits:
        raise ValueError(f"'{package}' is no package name; try '{package_name(package, language)}'")
