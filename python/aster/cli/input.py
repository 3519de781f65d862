"""Payloads: from the command line, from files, from standard input as it arrives."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from aster.cli.failures import PayloadError
from aster.cli.output import note
from aster.json_codec import json_decode
from aster.limits import MAX_BODY_SIZE
from aster.status import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from typing import BinaryIO

    Fields = Sequence[Mapping[str, Any]]
    Types = Mapping[str, Mapping[str, Any]]

_CHUNK = 65536


def parse(text: str | bytes, where: str = "") -> Any:
    """Parse JSON: strict, no key twice. `PayloadError` otherwise; `where` says which of several it is."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    try:
        return json_decode(data)
    except InvalidArgumentError as error:
        raise PayloadError(f"{where}{error.__cause__ or error}") from None


class Payload:
    """What the command line gives a call: JSON text, `@FILE`, `-` for standard input, or nothing.

    Text that is no JSON raises `PayloadError` here, before anybody is dialled; a file that is not there `OSError`.
    """

    def __init__(self, argument: str | None) -> None:
        self.text: bytes | None = None
        self._from_stdin = argument == "-"
        self._has_lines = argument is not None and argument.startswith("@")
        if argument is None or self._from_stdin:
            return
        if self._has_lines:
            self.text = Path(argument[1:]).expanduser().read_bytes()
        else:
            self.text = argument.encode("utf-8", "surrogatepass")
            parse(self.text)

    async def message(self, fields: Fields | None = None, types: Types | None = None) -> Any:
        """Return the one message; `{}` if nothing is given. What is typed without quotes needs `fields` and `types`."""
        del fields, types
        if self._from_stdin:
            return parse(b"\n".join([line async for _, line in InputLines()]))
        return {} if self.text is None else parse(self.text)

    async def items(self, fields: Fields | None = None, types: Types | None = None) -> AsyncIterator[Any]:
        """Yield the messages of a stream: of an array, of the lines of a file, or of standard input as they come."""
        del fields, types
        if self.text is None:
            if sys.stdin.isatty():
                note("one JSON message per line; Ctrl-D ends them")
            async for number, line in InputLines():
                yield parse(line, f"line {number}: ")
            return
        for item in self._listed(self.text):
            yield item

    def _listed(self, text: bytes) -> list[Any]:
        try:
            found = parse(text)
        except PayloadError:
            lines = text.splitlines()
            if not self._has_lines or len(lines) < 2:  # noqa: PLR2004 - one line is one document
                raise
            return [parse(line, f"line {number}: ") for number, line in enumerate(lines, 1) if line.strip()]
        items: list[Any] = cast("Any", found) if isinstance(found, list) else [found]
        return items


class InputLines:
    """The lines of standard input that are not blank, with their numbers, as they arrive: `async for`.

    A thread reads ahead by one chunk at most. Waiting may be cancelled: nothing is lost, and a read that hangs does
    not keep the process from ending.
    """

    def __init__(self, source: BinaryIO | None = None) -> None:
        self._source = sys.stdin.buffer if source is None else source
        self._loop = asyncio.get_running_loop()
        self._wanted = threading.Semaphore(0)
        self._reading: asyncio.Future[bytes] | None = None
        self._thread: threading.Thread | None = None

    async def __aiter__(self) -> AsyncIterator[tuple[int, bytes]]:
        number, kept = 0, bytearray()
        while True:
            chunk = await self._read()
            kept += chunk
            if not chunk:
                whole, kept = kept.split(b"\n"), bytearray()
            elif b"\n" in chunk:
                *whole, kept = kept.split(b"\n")
            else:
                whole = []
            if len(kept) > MAX_BODY_SIZE:
                raise PayloadError(f"line {number + 1} is longer than {MAX_BODY_SIZE} bytes")
            for line in whole:
                number += 1
                if line.strip():
                    yield number, bytes(line)
            if not chunk:
                return

    async def _read(self) -> bytes:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="aster-stdin", daemon=True)
            self._thread.start()
        if self._reading is None:
            self._reading = self._loop.create_future()
            self._wanted.release()
        chunk = await asyncio.shield(self._reading)
        self._reading = None
        return chunk

    def _work(self) -> None:
        # Below Python's buffers: their lock, held by a thread that waits, would hinder the exit.
        try:
            descriptor = self._source.fileno()
        except (OSError, ValueError):
            descriptor = None
        chunk = b"\n"
        while chunk:
            self._wanted.acquire()
            try:
                chunk = self._source.read(_CHUNK) if descriptor is None else os.read(descriptor, _CHUNK)
            except OSError:
                chunk = b""
            try:
                self._loop.call_soon_threadsafe(self._arrived, chunk)
            except RuntimeError:
                return  # The loop is closed: nobody waits.

    def _arrived(self, chunk: bytes) -> None:
        if self._reading is not None and not self._reading.done():
            self._reading.set_result(chunk)
