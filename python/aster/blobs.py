"""Content by its hash (`python-api.md` section 11)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from aster._native import perform

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aster import _aster
    from aster.net import OwnedNode


@dataclass(frozen=True)
class BlobStatusResult:
    """How much of a blob is here: `status` is `complete`, `partial` or `missing`; `size` is 0 if unknown."""

    status: str
    size: int


@dataclass(frozen=True)
class BlobObserveResult:
    """Whether a blob is whole, and its size in bytes as far as it is known."""

    is_complete: bool
    size: int


@dataclass(frozen=True)
class BlobLocalInfo:
    """Whether nothing is missing, and how many bytes are here."""

    is_complete: bool
    local_bytes: int


@dataclass(frozen=True)
class TagInfo:
    """A name for content, which keeps it. `format` is `raw` or `hash_seq`."""

    name: str
    hash: str
    format: str


class BlobsClient:
    """The content store of a node. Hashes are 64 hex digits.

    What is added is tagged `aster-blob/<hash>` and stays until that tag is deleted. What is fetched stays while a tag
    or a document names it; else it is removed some minutes later. `ValueError` for texts that are no hashes.
    """

    def __init__(self, native: _aster.Blobs, owner: OwnedNode | None = None) -> None:
        self._native = native
        self._owner = owner

    async def add_bytes(self, data: bytes) -> str:
        """Add bytes and return their hash."""
        return cast("str", await perform(self._native.add_bytes, data))

    async def read_to_bytes(self, hash: str) -> bytes:
        """Read a blob. `BlobNotFound` if it is not here in full, `LimitExceeded` beyond 1 GiB."""
        return cast("bytes", await perform(self._native.read, hash))

    def create_ticket(self, hash: str) -> str:
        """Return a text with which others can fetch a blob from here."""
        return self._native.ticket(hash, "raw")

    def create_collection_ticket(self, hash: str) -> str:
        """Return a text with which others can fetch a collection with its files from here."""
        return self._native.ticket(hash, "hash_seq")

    async def add_bytes_as_collection(self, name: str, data: bytes) -> str:
        """Add a collection of one file and return its hash."""
        return await self.add_collection([(name, data)])

    async def add_collection(self, files: Iterable[tuple[str, bytes]]) -> str:
        """Add files under their names, in this order, and return the hash. `ValueError` for a name twice."""
        return cast("str", await perform(self._native.add_collection, list(files)))

    async def list_collection(self, hash: str) -> list[tuple[str, str, int]]:
        """Return name, hash and size of the files of a collection; size 0 if a file is not here.

        `BlobNotFound` if the list is not here, `ValueError` if the hash is of something else.
        """
        return cast("list[tuple[str, str, int]]", await perform(self._native.list_collection, hash))

    async def download_blob(self, ticket: str) -> bytes:
        """Fetch what a ticket names and return its bytes; of a collection, those of its only file.

        `TicketError` for a text that is no ticket, `IrohConnectionError` if its node is unreachable, `BlobNotFound`
        if that has not got it, `LimitExceeded` beyond 1 GiB. `ValueError` for a collection of several files; they
        are here then, see `list_collection`.
        """
        return cast("bytes", await perform(self._native.download_ticket, ticket))

    async def download_hash(self, hash: str, node_id: str, format: str = "raw") -> bytes:
        """Fetch a blob from a node, with `hash_seq` also what it lists, and return the bytes of the hash itself.

        Errors as for `download_blob`.
        """
        return cast("bytes", await perform(self._native.download, hash, node_id, format))

    async def download_collection_hash(self, hash: str, node_id: str) -> list[tuple[str, bytes]]:
        """Fetch a collection from a node and return names and bytes of its files. Errors as for `download_blob`."""
        return cast("list[tuple[str, bytes]]", await perform(self._native.download_collection, hash, node_id))

    async def tag_set(self, name: str, hash: str, format: str = "raw") -> None:
        """Name content, so that it stays. A tag of that name is replaced."""
        await perform(self._native.tag_set, name, hash, format)

    async def tag_get(self, name: str) -> TagInfo | None:
        """Return a tag, or nothing if there is none of that name."""
        found = await perform(self._native.tag_get, name)
        return None if found is None else TagInfo(*found)

    async def tag_delete(self, name: str) -> int:
        """Delete a tag and return how many there were: 0 or 1."""
        return cast("int", await perform(self._native.tag_delete, name, False))

    async def tag_delete_prefix(self, prefix: str) -> int:
        """Delete the tags whose names begin so and return how many there were."""
        return cast("int", await perform(self._native.tag_delete, prefix, True))

    async def tag_list(self) -> list[TagInfo]:
        """Return every tag, in the order of their names."""
        return await self._tags("", None)

    async def tag_list_prefix(self, prefix: str) -> list[TagInfo]:
        """Return the tags whose names begin so."""
        return await self._tags(prefix, None)

    async def tag_list_hash_seq(self) -> list[TagInfo]:
        """Return the tags of collections and other lists of hashes."""
        return await self._tags("", "hash_seq")

    async def _tags(self, prefix: str, only: str | None) -> list[TagInfo]:
        return [TagInfo(*found) for found in await perform(self._native.tag_list, prefix, only)]

    async def blob_status(self, hash: str) -> BlobStatusResult:
        """Tell how much of a blob is here."""
        return BlobStatusResult(*await perform(self._native.state, hash))

    async def blob_has(self, hash: str) -> bool:
        """Tell whether a blob is here in full."""
        return (await self.blob_status(hash)).status == "complete"

    async def blob_observe_snapshot(self, hash: str) -> BlobObserveResult:
        """Tell whether a blob is whole now, as far as it is verified."""
        return BlobObserveResult(*await perform(self._native.observe, hash))

    async def blob_observe_complete(self, hash: str) -> None:
        """Wait until a blob is whole."""
        await perform(self._native.completed, hash)

    async def blob_local_info(self, hash: str, format: str = "raw") -> BlobLocalInfo:
        """Tell how much of a blob is here; with `hash_seq` also of what it lists."""
        return BlobLocalInfo(*await perform(self._native.local, hash, format))
