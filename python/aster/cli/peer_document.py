"""The document that a peer shares with those it admits: its registry."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from aster.cli.failures import CommandError
from aster.errors import BlobNotFound

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Coroutine

    from aster.client import AsterClient
    from aster.docs import DocEntry, DocEventReceiver, DocHandle

_SYNC_SECONDS = 10.0
_QUIET_SECONDS = 0.2
_CONTENT = frozenset({"content_ready", "pending_content_ready"})
_INSERTED = frozenset({"insert_remote", "insert_local"})


class PeerDocument:
    """A document that is kept in step with a peer, for reading."""

    def __init__(self, document: DocHandle, events: DocEventReceiver) -> None:
        self._document = document
        self._events = events

    @classmethod
    @contextlib.asynccontextmanager
    async def opened(cls, client: AsterClient, peer: str) -> AsyncGenerator[PeerDocument, None]:
        """Join the document of a peer and wait until it is here. `CommandError` if it does not come."""
        if not client.registry_namespace:
            raise CommandError("the peer shares no documents")
        document, events = await client.docs.join_and_subscribe_namespace(client.registry_namespace, peer)
        try:
            found = cls(document, events)
            await _in_time(found._arrive())
            yield found
        finally:
            await document.leave()

    async def _arrive(self) -> None:
        """Wait until the entries are here. A synchronisation that both sides began may end without any."""
        await self._until(frozenset({"sync_finished"}))
        while not await self._document.query_key_prefix(b""):
            await self._until(frozenset({"sync_finished"}))
        with contextlib.suppress(asyncio.TimeoutError):
            while True:
                await asyncio.wait_for(self._events.recv(), _QUIET_SECONDS)

    async def _until(self, kinds: frozenset[str]) -> None:
        while (await self._events.recv()).kind not in kinds:
            pass

    async def entries(self, prefix: str = "") -> list[DocEntry]:
        """Return the newest entry of each key, sorted by key."""
        newest: dict[bytes, DocEntry] = {}
        for entry in await self._document.query_key_prefix(prefix.encode()):
            kept = newest.get(entry.key)
            if kept is None or (entry.timestamp, entry.author_id) > (kept.timestamp, kept.author_id):
                newest[entry.key] = entry
        return [newest[key] for key in sorted(newest)]

    async def value(self, key: str) -> bytes:
        """Return the newest value under a key. `CommandError` if there is none."""
        for entry in await self.entries(key):
            if entry.key == key.encode():
                return await self._content(entry)
        raise CommandError(f"document has no key '{key}'")

    async def _content(self, entry: DocEntry) -> bytes:
        while True:
            with contextlib.suppress(BlobNotFound):
                return await self._document.read_entry_content(entry.content_hash)
            await _in_time(self._until(_CONTENT))

    async def changes(self, prefix: str = "") -> AsyncIterator[DocEntry]:
        """Yield what is written from now on under keys that begin so, without end."""
        async for event in self._events:
            if event.kind in _INSERTED and event.entry is not None and event.entry.key.startswith(prefix.encode()):
                yield event.entry


async def _in_time(work: Coroutine[Any, Any, None]) -> None:
    try:
        await asyncio.wait_for(work, _SYNC_SECONDS)
    except asyncio.TimeoutError:
        raise CommandError(f"the document did not arrive within {_SYNC_SECONDS:g} s") from None
