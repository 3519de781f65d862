"""A service whose call waits for ever, and tells what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from aster import rpc, server_stream, service
from peer_services import EchoReply, EchoRequest


@service(public=True)
class Slow:
    def __init__(self) -> None:
        self.notes: list[str] = []
        self.waiting = asyncio.Event()

    @rpc
    async def hold(self, request: EchoRequest) -> EchoReply:
        self.waiting.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.notes.append("cancelled")
            raise
        return EchoReply(request.message)

    @server_stream
    async def started(self, request: EchoRequest) -> AsyncIterator[EchoReply]:
        """Tell when a call waits."""
        await self.waiting.wait()
        yield EchoReply(request.message)
