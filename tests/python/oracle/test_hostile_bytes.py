"""Whatever is not ours is refused or is a value like any other; nothing hangs, crashes or takes much memory."""

from __future__ import annotations

import faulthandler
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from oracle_model import canonical
from oracle_mutations import mutated
from oracle_runs import require_seen, run

from aster import RpcError, StatusCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from oracle_runs import Case

_REFUSALS = {StatusCode.INVALID_ARGUMENT, StatusCode.CONTRACT_VIOLATION}
_SLOW_S, _HANGS_S = 5.0, 120
_EACH = 6


@pytest.fixture
def watch(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], None]]:
    """Give a call after which the process must not hang: it ends with a traceback, as nothing can interrupt core."""
    with capsys.disabled():
        stderr = os.fdopen(os.dup(sys.__stderr__.fileno() if sys.__stderr__ else 2), "w")
    with stderr:
        yield lambda: faulthandler.dump_traceback_later(_HANGS_S, exit=True, file=stderr)
        faulthandler.cancel_dump_traceback_later()


def test_damaged_bytes(watch: Callable[[], None], capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = {"refused": 0, "value": 0}
    last = [b"\x01\xff\x15\x00"]

    def check(case: Case) -> None:
        watch()
        data = case.ours.codec.encode(case.ours.value(case.schema.root, case.value, case.random))
        for _ in range(_EACH):
            damaged = mutated(case.random, data, last[0])
            outcomes[outcome(case, damaged, case.ours.codec)] += 1
        last[0] = data

    run(check, capsys)
    require_seen(outcomes)


def test_damaged_json(watch: Callable[[], None], capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = {"refused": 0, "value": 0}
    last = [b"[]"]

    def check(case: Case) -> None:
        watch()
        text = case.ours.json_codec.encode(case.ours.value(case.schema.root, case.value, case.random))
        for _ in range(_EACH):
            damaged = mutated(case.random, text, last[0])
            outcomes[outcome(case, damaged, case.ours.json_codec)] += 1
        last[0] = text

    run(check, capsys)
    require_seen(outcomes)


def outcome(case: Case, data: bytes, codec: Any) -> str:
    """Tell what decoding does. `AssertionError` if it is neither a refusal nor a proper value."""
    try:
        began = time.perf_counter()
        try:
            value = codec.decode(data, case.ours.root)
        except RpcError as error:
            assert error.code in _REFUSALS, error
            return "refused"
        finally:
            took = time.perf_counter() - began
        assert took < _SLOW_S
        root = case.schema.root
        first = canonical(case.schema, root, case.ours.plain(root, value), bits=False)
        again = case.ours.plain(root, codec.decode(codec.encode(value), case.ours.root))
        assert canonical(case.schema, root, again, bits=False) == first
    except BaseException as error:
        if not isinstance(error, Exception):
            raise AssertionError(f"{type(error).__name__}: {error}: {data.hex()}") from error
        raise AssertionError(f"{type(error).__name__}: {error} of {data[:4000].hex()}") from error
    return "value"


def test_bombs() -> None:
    """Each in a process that has seen only smaller ones, so that the growth of the process tells."""
    command = [sys.executable, str(Path(__file__).parent / "oracle_bombs.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, (done.stdout[-300:], done.stderr[-3000:])
    assert reports[-1] == {"all": len(reports) - 1}
    wrong = [report for report in reports[:-1] if not fits(report)]
    assert wrong == []


def fits(report: dict[str, Any]) -> bool:
    inside: Callable[[str, str], bool] = lambda measured, bound: report[measured] <= report[bound]  # noqa: E731
    return report["outcome"] == report["expected"] and inside("grown_mb", "most_mb") and inside("took_s", "most_s")
