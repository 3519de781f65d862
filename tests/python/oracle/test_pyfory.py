"""Random schemas and values against pyfory 1.7.7 (`codec.md` sections 3, 7 and 11).

`ASTER_PROPERTY_CASES` says how many cases run, `ASTER_PROPERTY_SEED` repeats a run or one schema of it. Left out, as
pyfory does not have them: names of 63 or more encoded bytes are written alike but not read back; ASCII rules for
letters outside ASCII; packages whose only upper-case letter is the first; times that a double does not hold exactly.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from oracle_model import canonical
from oracle_runs import Case, run

if TYPE_CHECKING:
    import pytest


def test_same_bytes_and_values(capsys: pytest.CaptureFixture[str]) -> None:
    run(check_bytes, capsys)


def check_bytes(case: Case) -> None:
    schema, ours, theirs = case.schema, case.ours, case.theirs()
    given = ours.value(schema.root, case.value, case.random)
    written = ours.codec.encode(given)
    # After ours, which tells the order of sets.
    expected = theirs.encode(case.value)
    assert written == expected, f"bytes differ\n  ours   {written.hex()}\n  pyfory {expected.hex()}"
    assert ours.codec.encode(given) == written, "not the same bytes twice"
    want = canonical(schema, schema.root, case.value)
    for _ in range(2):
        # The second time a codec knows the definitions.
        decoded = ours.plain(schema.root, ours.codec.decode(expected, ours.root))
        assert canonical(schema, schema.root, decoded) == want, f"we read {decoded!r}"
    if schema.readable:
        read = theirs.decode(written)
        assert canonical(schema, schema.root, read) == want, f"pyfory reads {read!r}"


def test_json_round_trip(capsys: pytest.CaptureFixture[str]) -> None:
    run(check_json, capsys)


def check_json(case: Case) -> None:
    schema, ours = case.schema, case.ours
    codec = ours.json_codec
    text = codec.encode(ours.value(schema.root, case.value, case.random))
    decoded = ours.plain(schema.root, codec.decode(text, ours.root))
    want = canonical(schema, schema.root, case.value, bits=False)
    assert canonical(schema, schema.root, decoded, bits=False) == want, f"{text!r} is {decoded!r}"
    assert codec.encode(codec.decode(text, ours.root)) == text or "set" in repr(schema)
    message = schema.messages.get(schema.root.name)
    parsed = json.loads(text, parse_constant=refuse)
    if message is not None:
        assert list(parsed) == [part.name for part in message.fields]


def refuse(name: str) -> Any:
    raise AssertionError(f"{name} is no JSON")
