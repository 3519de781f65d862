"""Standard input as lines that arrive, and payloads of calls."""

from __future__ import annotations

import asyncio
import io
import os

import pytest

from aster.cli import input as cli_input
from aster.cli.failures import PayloadError
from aster.cli.input import InputLines, Payload, parse
from support import asynchronous


@pytest.fixture
def pipe():
    """Both ends of a pipe; the reading one as standard input would be."""
    reading, writing = os.pipe()
    with open(reading, "rb") as source:
        yield source, writing


async def collected(source):
    return [line async for line in InputLines(source)]


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"a", [(1, b"a")]),
        (b"a\nb\n", [(1, b"a"), (2, b"b")]),
        (b"\n \na\r\n\nb", [(3, b"a\r"), (5, b"b")]),
        (b"x" * 200_000 + b"\ny", [(1, b"x" * 200_000), (2, b"y")]),
    ],
)
@asynchronous
async def test_lines(data, lines):
    assert await collected(io.BytesIO(data)) == lines


@asynchronous
async def test_lines_come_as_they_are_written(pipe):
    source, writing = pipe
    lines = InputLines(source).__aiter__()
    for number, part in enumerate([b"one\n", b"two\n"], 1):
        os.write(writing, part)
        assert await lines.__anext__() == (number, part.strip())
    os.write(writing, b"thr")
    os.write(writing, b"ee")
    os.close(writing)
    assert await lines.__anext__() == (3, b"three")
    with pytest.raises(StopAsyncIteration):
        await lines.__anext__()


@asynchronous
async def test_a_wait_that_is_given_up_loses_nothing(pipe):
    source, writing = pipe
    lines = InputLines(source)
    waiting = asyncio.ensure_future(lines._read())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    os.write(writing, b"kept\n")
    assert await lines._read() == b"kept\n"
    os.close(writing)


@asynchronous
async def test_lines_are_bounded(monkeypatch):
    monkeypatch.setattr(cli_input, "MAX_BODY_SIZE", 100_000)
    with pytest.raises(PayloadError, match="line 2 is longer than 100000 bytes"):
        await collected(io.BytesIO(b"a\n" + b"x" * 300_000))


@pytest.mark.parametrize("text", ["", "{", "NaN", '{"a":1,"a":2}', "1 2", "\ud800", '{"a":Infinity}', "[" * 100_000])
def test_what_is_no_json(text):
    with pytest.raises(PayloadError, match="^payload is not valid JSON: ") as caught:
        parse(text)
    assert caught.value.status == 2


async def given(argument):
    payload = Payload(argument)
    return await payload.message(), [item async for item in payload.items()]


@asynchronous
async def test_arguments(tmp_path):
    assert await Payload(None).message() == {}
    assert await given('{"a":1}') == ({"a": 1}, [{"a": 1}])
    assert await given("[1,2]") == ([1, 2], [1, 2])
    (tmp_path / "one").write_text('{\n"a": 1\n}\n')
    assert await given("@one") == ({"a": 1}, [{"a": 1}])
    (tmp_path / "lines").write_text("1\n\n2\n")
    assert [item async for item in Payload("@lines").items()] == [1, 2]
    (tmp_path / "bad").write_text("1\n{\n")
    with pytest.raises(PayloadError, match="line 2: "):
        [item async for item in Payload("@bad").items()]
    with pytest.raises(PayloadError):
        Payload("{")
    with pytest.raises(FileNotFoundError):
        Payload("@missing")
