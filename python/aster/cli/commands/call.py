"""`aster call`: one call, or a session as JSON lines (`cli.md` section 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from aster.cli import output
from aster.cli.calling import CallOptions, Calls, Service, option_pairs
from aster.cli.dialling import connected, dialling, dialling_options, peer_arguments
from aster.cli.failures import USAGE, CommandError
from aster.cli.frame import AsterCommand
from aster.cli.input import Payload
from aster.cli.running import complete
from aster.cli.session_lines import SessionLines
from aster.cli.settings import Settings, current
from aster.rpc_types import RpcPattern
from aster.status import RpcError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from typing import Any

    from aster.client import AsterClient


@dataclass(frozen=True)
class Request:
    """What the command line asks for."""

    peer: str
    target: str
    payload: Payload
    options: CallOptions
    max_items: int | None
    settings: Settings


@click.command("call", cls=AsterCommand)
@peer_arguments("SERVICE.METHOD", "[JSON]")
@click.option("--metadata", metavar="K=V", multiple=True, help="Metadata of the call; may be repeated.")
@click.option("--deadline", metavar="S", type=click.FloatRange(0, min_open=True), help="Time limit of the call.")
@click.option("--max-items", metavar="N", type=click.IntRange(1), help="Stop a response stream after N items.")
@click.option("--session", "as_session", is_flag=True, help="PEER SERVICE: calls of one session as JSON lines.")
@dialling_options
def call(
    peer: str,
    arguments: list[str],
    metadata: tuple[str, ...],
    deadline: float | None,
    max_items: int | None,
    as_session: bool,
) -> int:
    """Call a method of a peer's service.

    JSON is the message, `@FILE`, or `-` for standard input. Methods that take a stream read one message per line of
    standard input, or an array.
    """
    settings = current()
    options = CallOptions(_pairs(metadata), deadline)
    if as_session:
        if len(arguments) > 1:
            raise CommandError(f"unexpected argument {arguments[1]!r}", status=USAGE)
        return complete(_session(peer, arguments[0], options, settings))
    payload = Payload(arguments[1] if len(arguments) > 1 else None)
    invoke(Request(peer, arguments[0], payload, options, max_items, settings))
    return 0


def _pairs(metadata: tuple[str, ...]) -> dict[str, str]:
    try:
        return option_pairs(metadata)
    except ValueError as error:
        raise CommandError(f"--metadata: {error}", status=USAGE) from None


def split_target(target: str) -> tuple[str, str]:
    """Return service and method of `SERVICE.METHOD`: the service may have dots in its name."""
    service, _, method = target.rpartition(".")
    if not service or not method:
        raise CommandError(f"expected SERVICE.METHOD, got {target!r}", status=USAGE)
    return service, method


def invoke(request: Request) -> None:
    """Do one call and write what comes."""
    service, method = split_target(request.target)
    complete(_invoke(request, service, method))


async def _invoke(request: Request, service_name: str, method: str) -> None:
    async with connected(request.peer, dialling(), request.settings, request.options) as client:
        service = await Service.of(client, service_name)
        service.method(method)  # Unknown methods are told before a session is opened.
        try:
            async with Calls.opened(service) as calls:
                await _Call(service, calls, method, request).run()
        except RpcError as error:
            raise service.explained(error, method) from error


class _Call:
    """One call, by the pattern of its method."""

    def __init__(self, service: Service, calls: Calls, method: str, request: Request) -> None:
        self._pattern = service.pattern(method)
        self._known = service.fields(method), service.types
        self._calls = calls
        self._method = method
        self._payload = request.payload
        self._settings = request.settings
        self._max_items = request.max_items

    async def run(self) -> None:
        # Without a contract the pattern is not known: a message is given to what takes one.
        pattern = self._pattern or RpcPattern.UNARY
        if pattern is RpcPattern.UNARY:
            response = await self._calls.unary(self._method, await self._payload.message(*self._known))
            output.document(response, self._settings)
        elif pattern is RpcPattern.CLIENT_STREAM:
            response = await self._calls.client_stream(self._method, self._payload.items(*self._known))
            output.document(response, self._settings)
        elif pattern is RpcPattern.SERVER_STREAM:
            await self._show(self._calls.server_stream(self._method, await self._payload.message(*self._known)))
        else:
            await self._show(self._calls.bidi(self._method, self._payload.items(*self._known)))

    async def _show(self, items: AsyncGenerator[Any, None]) -> None:
        left = self._max_items
        try:
            async for item in items:
                output.result(output.compact(item))
                if left is not None:
                    left -= 1
                    if not left:
                        return
        finally:
            await items.aclose()


async def _session(peer: str, name: str, options: CallOptions, settings: Settings) -> int:
    async with connected(peer, dialling(), settings, options) as client:
        return await _session_of(client, name)


async def _session_of(client: AsterClient, name: str) -> int:
    service = await Service.of(client, name)
    if not service.is_session:
        raise CommandError(f"'{name}' is not session-scoped")
    async with Calls.opened(service) as calls:
        return await SessionLines(service, calls).run()
