"""Documents: replicated maps from keys to content, written by authors (`python-api.md` section 11)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from aster._native import perform, receive
from aster.addresses import AddressLike, peer_parts
from aster.errors import IrohError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aster import _aster
    from aster.net import OwnedNode


@dataclass(frozen=True)
class DocEntry:
    """What an author wrote last under a key. `timestamp` is in microseconds since 1970, by the author's clock."""

    author_id: str
    key: bytes
    content_hash: str
    content_len: int
    timestamp: int


@dataclass(frozen=True)
class DocEvent:
    """Something that happened to a document.

    `kind` is `insert_local` (with `entry`), `insert_remote` (`entry`, `from_peer`), `content_ready` (`hash`),
    `pending_content_ready`, `neighbor_up`, `neighbor_down`, `sync_finished` (`peer`), or `lagged` if events were
    dropped because more than 16,384 were unread.
    """

    kind: str
    entry: DocEntry | None = None
    from_peer: str | None = None
    hash: str | None = None
    peer: str | None = None


@dataclass(frozen=True)
class DocDownloadPolicy:
    """Which values are fetched as soon as their keys are known.

    `mode` is `everything`, `everything_except` or `nothing_except`; `prefixes` are beginnings of keys.
    """

    mode: str
    prefixes: list[bytes]


class DocEventReceiver:
    """A subscription to a document, which ends when it is dropped."""

    def __init__(self, native: _aster.DocumentEvents, owner: OwnedNode | None = None) -> None:
        self._native = native
        self._owner = owner

    async def recv(self) -> DocEvent:
        """Wait for the next event. `IrohError` once the subscription has ended or the node is closed."""
        event = await self._next()
        if event is None:
            raise IrohError("the subscription has ended")
        return event

    async def _next(self) -> DocEvent | None:
        found = await receive(self._native.next)
        if found is None:
            return None
        kind, entry, sender, content, peer = found
        return DocEvent(kind, None if entry is None else DocEntry(*entry), sender, content, peer)

    def __aiter__(self) -> DocEventReceiver:
        return self

    async def __anext__(self) -> DocEvent:
        event = await self._next()
        if event is None:
            raise StopAsyncIteration
        return event


class DocHandle:
    """A document that a node has.

    `DocNotFound` if it is not there any more; `IrohError` for writing to one that may only be read.
    """

    def __init__(self, native: _aster.Document, owner: OwnedNode | None = None) -> None:
        self._native = native
        self._owner = owner

    def doc_id(self) -> str:
        """Return the id of the document, 64 hex digits."""
        return self._native.id

    async def set_bytes(self, author: str, key: bytes, value: bytes) -> str:
        """Write a value under a key, as an author of this node, and return the hash of the value.

        `LookupError` if the author is not of this node, `ValueError` for an empty key or value.
        """
        return cast("str", await perform(self._native.set, author, key, value))

    async def get_exact(self, author: str, key: bytes) -> DocEntry | None:
        """Return what an author wrote last under a key."""
        found = await perform(self._native.get, author, key)
        return None if found is None else DocEntry(*found)

    async def query_key_exact(self, key: bytes) -> list[DocEntry]:
        """Return what each author wrote last under a key."""
        return [DocEntry(*found) for found in await perform(self._native.by_key, key)]

    async def query_key_prefix(self, prefix: bytes) -> list[DocEntry]:
        """Return what each author wrote last under the keys that begin so. `LimitExceeded` beyond 100,000."""
        return [DocEntry(*found) for found in await perform(self._native.by_prefix, prefix)]

    async def read_entry_content(self, hash: str) -> bytes:
        """Read a value by its hash. `BlobNotFound` if it is not here in full, `LimitExceeded` beyond 1 GiB."""
        return cast("bytes", await perform(self._native.read, hash))

    async def share(self, mode: str) -> str:
        """Return a ticket to `read` or `write` the document, with the id of this node only."""
        return cast("str", await perform(self._native.share, mode, False))

    async def share_with_addr(self, mode: str) -> str:
        """Return a ticket with the id and addresses of this node."""
        return cast("str", await perform(self._native.share, mode, True))

    async def subscribe(self) -> DocEventReceiver:
        """Subscribe to what happens from now on."""
        return DocEventReceiver(await perform(self._native.subscribe), self._owner)

    async def start_sync(self, peers: Iterable[AddressLike]) -> None:
        """Synchronise with peers, by ids or addresses, until the document is left."""
        await perform(self._native.start_sync, [peer_parts(peer) for peer in peers])

    async def leave(self) -> None:
        """End synchronisation. What is here stays."""
        await perform(self._native.leave)

    async def set_download_policy(self, mode: str, prefixes: Sequence[bytes] = ()) -> None:
        """Say which values are fetched: `everything`, `everything_except`, `nothing` or `nothing_except`.

        The exceptions are the keys that begin with one of `prefixes`. `ValueError` for another mode.
        """
        await perform(self._native.set_policy, mode, list(prefixes))

    async def get_download_policy(self) -> DocDownloadPolicy:
        """Return which values are fetched."""
        return DocDownloadPolicy(*await perform(self._native.policy))

    def __repr__(self) -> str:
        return f"<DocHandle {self._native.id[:16]}...>"


class DocsClient:
    """The documents of a node. Ids of documents and authors are 64 hex digits."""

    def __init__(self, native: _aster.Docs, owner: OwnedNode | None = None) -> None:
        self._native = native
        self._owner = owner

    async def create(self) -> DocHandle:
        """Make a document that this node may write."""
        return DocHandle(await perform(self._native.create), self._owner)

    async def create_author(self) -> str:
        """Make an author, whose key this node keeps, and return its id."""
        return cast("str", await perform(self._native.create_author))

    async def join(self, ticket: str) -> DocHandle:
        """Take a shared document and begin to synchronise it. `TicketError` for a text that is no ticket."""
        return DocHandle(await perform(self._native.join, ticket), self._owner)

    async def join_and_subscribe(self, ticket: str) -> tuple[DocHandle, DocEventReceiver]:
        """Take a shared document, with every event from the beginning on. `TicketError` as for `join`."""
        return self._opened(await perform(self._native.join_and_subscribe, ticket))

    async def join_and_subscribe_namespace(
        self, namespace: str, peer: AddressLike
    ) -> tuple[DocHandle, DocEventReceiver]:
        """Take a document by its id, for reading, and synchronise it with a peer."""
        return self._opened(await perform(self._native.join_namespace, namespace, peer_parts(peer)))

    def _opened(self, pair: tuple[_aster.Document, _aster.DocumentEvents]) -> tuple[DocHandle, DocEventReceiver]:
        document, events = pair
        return DocHandle(document, self._owner), DocEventReceiver(events, self._owner)
