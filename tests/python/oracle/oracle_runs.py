"""How many random cases run, from which seed, and what is said of one that fails."""

from __future__ import annotations

import contextlib
import functools
import os
import secrets
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

from oracle_pyfory import Theirs
from oracle_schemas import random_schema
from oracle_shrink import shrink
from oracle_source import Ours, source
from oracle_values import random_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest
    from oracle_model import Schema

# Read when imported: tests run without settings of the machine.
CASES = int(os.environ.get("ASTER_PROPERTY_CASES", "400"))
SEED = os.environ.get("ASTER_PROPERTY_SEED") or secrets.token_hex(4)
"""A seed; with `/` and a number, of one schema of a run."""
_LONGEST = 4000
_VALUES = 40 if "/" in SEED else max(5, min(40, CASES // 50))


@dataclass
class Case:
    """A schema with both libraries, pyfory when it is asked for, and a value."""

    schema: Schema
    ours: Ours
    theirs: Callable[[], Theirs]
    random: Random
    value: Any = None


def run(check: Callable[[Case], None], terminal: pytest.CaptureFixture[str], cases: int = CASES) -> None:
    """Check so many random cases. `AssertionError` with a way to replay it on the first that fails."""
    say(terminal, f"ASTER_PROPERTY_SEED={SEED}")
    done = 0
    seed, _, only = SEED.partition("/")
    schemas = [int(only)] if only else range((cases + _VALUES - 1) // _VALUES)
    for number in schemas:
        random = Random(f"{seed}/{number}")
        schema = random_schema(random)
        with described(f"{seed}/{number}", schema):
            theirs, ours = lazily(schema), Ours(schema)
        with contextlib.closing(ours):
            for at in range(_VALUES):
                case = Case(schema, ours, theirs, random, random_value(random, schema))
                try:
                    check(case)
                except Exception as error:
                    raise AssertionError(_report(f"{seed}/{number} (value {at})", case, check)) from error
                done += 1
    assert done >= cases or only
    say(terminal, f"{done} cases")


def say(terminal: pytest.CaptureFixture[str], text: str) -> None:
    with terminal.disabled():
        print(f" {text} ", end="", flush=True)


def require_seen(counts: dict[str, int]) -> None:
    """Fail if something never came up in a whole run."""
    assert min(counts.values()) > 0 or "/" in SEED, counts


def lazily(schema: Schema) -> Callable[[], Theirs]:
    """Return what makes the classes of pyfory once: some checks do without."""
    return functools.lru_cache(maxsize=1)(lambda: Theirs(schema))


@contextlib.contextmanager
def described(replay: str, schema: Schema) -> Iterator[None]:
    """Add to an error how to get there."""
    try:
        yield
    except Exception as error:
        raise AssertionError(f"ASTER_PROPERTY_SEED={replay}\n{source(schema)}") from error


def _report(replay: str, case: Case, check: Callable[[Case], None]) -> str:
    schema, value, reason = shrink(case.schema, case.value, lambda schema, value: _failure(check, schema, value))
    parts = [f"ASTER_PROPERTY_SEED={replay}", f"a smaller case: {reason}", source(schema), f"root: {schema.root.name}"]
    return "\n".join([*parts, f"value: {value!r}"[:_LONGEST]])


def _failure(check: Callable[[Case], None], schema: Schema, value: Any) -> str | None:
    """Return what is wrong with a case, if anything."""
    random = Random(0)
    try:
        theirs = lazily(schema)
        with contextlib.closing(Ours(schema)) as ours:
            for _ in range(5):
                check(Case(schema, ours, theirs, random, value))
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:_LONGEST]
    return None
