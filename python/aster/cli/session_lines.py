"""A session as JSON lines: requests on standard input, results on standard output (`cli.md` section 2)."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, cast

from aster.cli import output
from aster.cli.failures import FAILURE, USAGE, CommandError, failure_of
from aster.cli.input import InputLines, parse
from aster.rpc_types import RpcPattern
from aster.status import CancelledError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aster.cli.calling import Calls, Service

# So many requests and items wait for their turn; then the input waits.
_WAITING = 1024
_STREAMED_INPUT = frozenset({RpcPattern.CLIENT_STREAM, RpcPattern.BIDI_STREAM})
_NO_FIELDS: dict[str, Any] = {}
_FORMS = 'expected {"id", "method", "request"}, {"id", "item"}, {"id", "end": true} or {"cancel": true}'


class _Room:
    """Counts what waits."""

    def __init__(self) -> None:
        self._taken = 0
        self._changed = asyncio.Event()

    async def take(self) -> None:
        while self._taken >= _WAITING:
            self._changed.clear()
            await self._changed.wait()
        self._taken += 1

    def give(self, count: int = 1) -> None:
        self._taken -= count
        self._changed.set()


class _Request:
    """A request that waits, runs or is over, with the items that were sent for it."""

    def __init__(self, number: int | str, method: str, message: Any, room: _Room) -> None:
        self.id = number
        self.method = method
        self.message = message
        self.over = False
        self.is_cancelled = False
        self.task: asyncio.Future[None] | None = None
        self._items: deque[Any] = deque()
        self._arrived = asyncio.Event()
        self._complete = False
        self._room = room

    def put(self, item: Any) -> None:
        """Take an item, for which there is room."""
        if self.over or self._complete:
            self._room.give()
            return
        self._items.append(item)
        self._arrived.set()

    def end(self) -> None:
        """No more items come."""
        self._complete = True
        self._arrived.set()

    async def items(self) -> AsyncIterator[Any]:
        """Yield the items as they arrive."""
        while self._items or not self._complete:
            if self._items:
                self._room.give()
                yield self._items.popleft()
                continue
            self._arrived.clear()
            await self._arrived.wait()

    def cancel(self) -> None:
        """End the call; one that has not begun is not begun."""
        self.is_cancelled = True
        if self.task is not None:
            self.task.cancel()

    def finish(self) -> None:
        """Drop what nobody takes any more."""
        self.over = True
        self._room.give(len(self._items))
        self._items.clear()


class SessionLines:
    """Runs the calls of one session, in order."""

    def __init__(self, service: Service, calls: Calls) -> None:
        self._service = service
        self._calls = calls
        self._room = _Room()
        self._known: dict[int | str, _Request] = {}
        self._queue: asyncio.Queue[_Request | None] = asyncio.Queue()
        self._failed = False

    async def run(self) -> int:
        """Run what standard input asks for, to its end. Returns 1 if a call failed; input that is no line raises."""
        reader, runner = asyncio.ensure_future(self._read()), asyncio.ensure_future(self._work())
        try:
            await asyncio.wait({reader, runner}, return_when=asyncio.FIRST_EXCEPTION)
            for task in (reader, runner):
                if task.done():
                    task.result()
        finally:
            await _stop(reader, runner)
        return FAILURE if self._failed else 0

    async def _read(self) -> None:
        async for number, text in InputLines():
            where = f"line {number}: "
            line = parse(text, where)
            if not isinstance(line, dict):
                raise CommandError(where + _FORMS, status=USAGE)
            await self._accept(cast("dict[str, Any]", line), where)
        for request in self._known.values():
            request.end()
        self._queue.put_nowait(None)

    async def _accept(self, line: dict[str, Any], where: str) -> None:
        if line == {"cancel": True}:
            current = next((request for request in self._known.values() if not request.over), None)
            if current is not None:
                current.cancel()
            return
        number = line.pop("id", None)
        if isinstance(number, bool) or not isinstance(number, (int, str)):
            raise CommandError(where + _FORMS, status=USAGE)
        if "method" in line and isinstance(line["method"], str) and line.keys() <= {"method", "request"}:
            await self._room.take()
            self._forget_finished()
            request = _Request(number, line["method"], line.get("request"), self._room)
            self._known[number] = request
            self._queue.put_nowait(request)
        elif line.keys() == {"item"} or line == {"end": True}:
            await self._continue(number, line)
        else:
            raise CommandError(where + _FORMS, status=USAGE)

    async def _continue(self, number: int | str, line: dict[str, Any]) -> None:
        """Take an item, or their end."""
        request = self._known.get(number)
        if request is None:
            self._tell(number, CommandError(f"no call has the id {number!r}"))
        elif "item" in line:
            await self._room.take()
            request.put(line["item"])
        else:
            request.end()

    def _forget_finished(self) -> None:
        if len(self._known) >= _WAITING:
            self._known = {number: request for number, request in self._known.items() if not request.over}

    async def _work(self) -> None:
        while (request := await self._queue.get()) is not None:
            await self._take_turn(request)

    async def _take_turn(self, request: _Request) -> None:
        try:
            await self._run(request)
        except Exception as error:  # noqa: BLE001 - told in its place
            self._tell(request.id, error)
        finally:
            request.finish()
            self._room.give()

    async def _run(self, request: _Request) -> None:
        """Do one call, in a task of its own, which may be cancelled."""
        if request.is_cancelled:
            raise CancelledError("cancelled")
        request.task = task = asyncio.ensure_future(self._call(request))
        try:
            await asyncio.wait({task})
        finally:
            await _stop(task)
        if task.cancelled():
            raise CancelledError("cancelled")
        task.result()

    async def _call(self, request: _Request) -> None:
        pattern = self._service.pattern(request.method) or RpcPattern.UNARY
        if pattern in _STREAMED_INPUT:
            if request.message is not None:
                raise CommandError(f"'{request.method}' takes a stream: send its messages as items")
        elif request.message is None:
            request.message = _NO_FIELDS
        if pattern is RpcPattern.UNARY:
            self._write(request, result=await self._calls.unary(request.method, request.message))
        elif pattern is RpcPattern.CLIENT_STREAM:
            self._write(request, result=await self._calls.client_stream(request.method, request.items()))
        else:
            await self._stream(request, pattern)

    async def _stream(self, request: _Request, pattern: RpcPattern) -> None:
        if pattern is RpcPattern.SERVER_STREAM:
            responses = self._calls.server_stream(request.method, request.message)
        else:
            responses = self._calls.bidi(request.method, request.items())
        try:
            async for item in responses:
                self._write(request, item=item)
        finally:
            await responses.aclose()
        self._write(request, end=True)

    def _write(self, request: _Request, **outcome: Any) -> None:
        output.result(output.compact({"id": request.id, **outcome}))

    def _tell(self, number: int | str, error: BaseException) -> None:
        self._failed = True
        output.result(output.compact({"id": number, "error": failure_of(error).to_dict()}))


async def _stop(*tasks: asyncio.Future[Any]) -> None:
    """Cancel what still runs and wait for its end."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
