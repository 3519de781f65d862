"""Each requirement of `trust.md` section 18 has a test that bears its number, in some language."""

from __future__ import annotations

import re

from conftest import VECTORS
from generated_support import ROOT

# How the name of a test stands in the source.
TESTS = {
    "core/**/*.rs": r"#\[(?:\w+::)?test(?:\([^]]*\))?\]\s*(?:#\[[^]]*\]\s*)*(?:async )?fn (\w+)",
    "tests/interop/**/*.py": r"\bdef (test_\w+)\(",
    "tests/python/**/*.py": r"\bdef (test_\w+)\(",
    "tests/node/*.ts": r"\b(?:test|it)\(\s*[\"'`]([^\"'`]+)",
    "tests/c/**/*.c": r"^\w[\w *]*?\b(\w+)\([^;\n]*$",
    "tests/go/**/*.go": r"^func (Test\w+)\(",
}
NUMBER = r"(?:(?<![A-Za-z0-9])|(?<=Test))[Tt]r(\d+)_"


def names(patterns):
    """Return the names of all tests in the files of the patterns."""
    for pattern, name in patterns.items():
        files = list(ROOT.glob(pattern))
        assert files, pattern
        for path in files:
            yield from re.findall(name, path.read_text(encoding="utf-8"), re.MULTILINE)


def test_every_requirement_has_a_test():
    text = (VECTORS.parent / "spec" / "trust.md").read_text(encoding="utf-8")
    required = [int(number) for number in re.findall(r"^- \*\*TR-(\d+)\*\*", text, re.MULTILINE)]
    assert required == list(range(1, 32))
    tested = {int(number) for name in names(TESTS) for number in re.findall(NUMBER, name)}
    assert [f"TR-{number}" for number in required if number not in tested] == []
    assert tested <= set(required)
