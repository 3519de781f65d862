"""Random names: tags that take every encoding of names, fields of every spelling."""

from __future__ import annotations

import keyword
import string
import unicodedata
from random import Random

from oracle_model import fory_name, wire_name

_UNREADABLE = 63
"""pyfory cannot read names of so many encoded bytes."""
_LOWER, _LETTERS = string.ascii_lowercase, string.ascii_letters
# pyfory takes ASCII tests for Unicode ones: it writes other names only if one character has no case.
_CASELESS = "你好世界語文字中ไทยשלום日本"
_WORDS = ("id", "user", "name", "HTTP", "URL", "Items", "x", "total", "a", "IO", "v2", "isOK", "ab12", "Z")


def words(random: Random, alphabet: str, low: int, high: int) -> str:
    return "".join(random.choices(alphabet, k=random.randint(low, high)))


def package(random: Random) -> str:
    """Return the package of a tag, with its slash, or nothing."""
    length = random.choice((3, 8, 20))
    made = random.choice((
        lambda: "",
        lambda: words(random, _LOWER, 1, length),
        lambda: ".".join(words(random, _LOWER + "_", 1, length) for _ in range(3)),
        lambda: "/".join(words(random, _LOWER, 1, length) for _ in range(2)),
        lambda: words(random, _LOWER, 1, length) + words(random, string.digits, 1, 3),
        lambda: words(random, _LETTERS, 1, length) + "." + words(random, _LETTERS, 1, length),
        lambda: words(random, _LOWER, 6, 20) + "X",
        lambda: words(random, _LOWER, 1, length) + random.choice("-$<|+") + words(random, _LETTERS, 0, 4),
        lambda: words(random, _LOWER, 0, 3) + words(random, _CASELESS, 1, 6),
        lambda: words(random, _LOWER, 90, 130) if random.random() < 0.1 else "pkg",
    ))()  # fmt: skip
    made = made.strip("./")
    # The crate of fory writes these names, pyfory cannot.
    first_only = made[:1].isupper() and sum(char.isupper() for char in made) == 1 and not any(map(str.isdigit, made))
    if first_only or not balanced(made):
        made = made.lower().replace("<", "")
    return f"{made}/" if made else ""


def type_name(random: Random) -> str:
    """Return the right part of a tag."""
    length = random.choice((2, 8, 24))
    return random.choice((
        lambda: words(random, string.ascii_uppercase, 1, 1) + words(random, _LOWER, 0, length),
        lambda: "".join(word.capitalize() for word in random.choices(_WORDS, k=random.randint(2, 5))),
        lambda: words(random, _LOWER, 1, length),
        lambda: words(random, string.ascii_uppercase, 1, length),
        lambda: words(random, _LETTERS + string.digits, 1, length) + "Q",
        lambda: words(random, _LETTERS + "_$", 1, length) + "q",
        lambda: words(random, _LOWER, 6, 24) + random.choice("ABC") + "b",
        lambda: words(random, _LETTERS, 1, 8) + random.choice("-|+:") + words(random, _LETTERS, 0, 4),
        lambda: words(random, _LETTERS, 0, 3) + words(random, _CASELESS, 1, 4),
        lambda: "Long" * 25 + words(random, _LETTERS, 1, 9) if random.random() < 0.1 else "Thing",
    ))()  # fmt: skip


_RESERVED = {"string", "int", "float", "bool", "bytes", "uuid", "date", "list", "set", "map"}


def balanced(text: str) -> bool:
    return text.count("<") == text.count(">")


def tag(random: Random, taken: set[tuple[str, str]]) -> str:
    """Return a tag that is new on the wire, and note it as taken."""
    while True:
        made = package(random) + type_name(random)
        name = fory_name(made)
        if name not in taken and made not in _RESERVED and not made[-1:].isspace():
            taken.add(name)
            return made


def readable(tag_text: str) -> bool:
    """Tell whether pyfory can read the name of a message, for which it must be short."""
    return all(len(part.encode()) < _UNREADABLE for part in fory_name(tag_text))


def field_name(random: Random) -> str:
    """Return the contract name of a field, often one that Python cannot spell."""
    length = random.choice((1, 6, 15, 17, 30))
    parts = random.choices(_WORDS, k=random.randint(1, 4))
    return random.choice((
        lambda: words(random, _LOWER, 1, length),
        lambda: parts[0].lower() + "".join(part[:1].upper() + part[1:] for part in parts[1:]),
        lambda: "_".join(part.lower() for part in parts),
        lambda: "".join(parts),
        lambda: words(random, _LETTERS, 1, length),
        lambda: words(random, _LOWER, 1, 5) + words(random, string.digits, 1, 3) + words(random, _LETTERS, 0, 5),
        lambda: "_" * random.randint(0, 2) + words(random, _LOWER, 1, 5) + "__" + words(random, _LOWER, 1, 5),
        lambda: random.choice(("class_", "from_", "None_", "import", "def", "self", "cls", "type", "value", "match")),
        lambda: words(random, _LETTERS, 0, 4) + words(random, _CASELESS, 1, 6),
        lambda: words(random, _LOWER, 20, 60) + words(random, string.digits, 0, 1),
        lambda: words(random, _LOWER, 1, 3) + random.choice("-$ :") + words(random, _LOWER, 1, 3),
    ))()  # fmt: skip


def field_names(random: Random, count: int) -> list[tuple[str, str]]:
    """Return contract names and attributes of the fields of a message."""
    found: list[tuple[str, str]] = []
    taken: set[str] = set()
    while len(found) < count:
        name = unicodedata.normalize("NFC", field_name(random))
        wire = wire_name(name)
        if not wire or wire in taken:
            continue
        taken.add(wire)
        spelled = name.isidentifier() and not keyword.iskeyword(name) and not name.startswith("__")
        found.append((name, name if spelled and stable(name) else f"attribute{len(found)}"))
    return found


def stable(name: str) -> bool:
    """Tell whether Python keeps the spelling of an identifier."""
    return unicodedata.normalize("NFKC", name) == name


def member_names(random: Random, count: int) -> list[str]:
    found: set[str] = set()
    while len(found) < count:
        name = random.choice((
            words(random, string.ascii_uppercase, 1, 8),
            words(random, _LETTERS, 1, 4) + "_" + words(random, string.digits, 1, 3),
            words(random, "äöüßéÄÖ你好", 1, 4),
        ))  # fmt: skip
        if (
            name.isidentifier()
            and not keyword.iskeyword(name)
            and stable(name)
            and name not in {"mro", "name", "value"}
        ):
            found.add(name)
    return sorted(found, key=lambda name: random.random())
