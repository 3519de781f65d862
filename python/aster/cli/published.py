"""Content that a peer's registry names (`cli.md` section 2, `blob`)."""

from __future__ import annotations

import asyncio
import contextlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aster.cli.failures import CommandError
from aster.errors import BlobNotFound

if TYPE_CHECKING:
    from aster.client import AsterClient
    from aster.registry.models import ArtifactRef

_HASH = re.compile(r"[0-9a-fA-F]{64}")
_SHORT_ID = 16
_SYNC_SECONDS = 6.0
_COLLECTION = "hash_seq"


@dataclass(frozen=True)
class Published:
    """A collection or blob; `form` is `collection` or `raw`."""

    name: str
    hash: str
    form: str


class Content:
    """What a peer publishes. Everything is verified while it is fetched."""

    def __init__(self, client: AsterClient, peer_id: str) -> None:
        self._client = client
        self._peer = peer_id

    async def listed(self) -> list[Published]:
        """Return what the registry names, sorted by name."""
        names = {summary.contract_id: f"{summary.name}-v{summary.version}" for summary in self._client.services}
        found = {
            Published(
                names.get(ref.contract_id, f"contract-{ref.contract_id[:_SHORT_ID]}"),
                ref.collection_hash,
                "raw" if ref.collection_format == "raw" else "collection",
            )
            for ref in await self._artifacts()
        }
        return sorted(found, key=lambda one: (one.name, one.hash))

    async def _artifacts(self) -> list[ArtifactRef]:
        """Return the artefacts, once those of all announced services have arrived, or after some seconds."""
        registry, announced = self._client.registry, {summary.contract_id for summary in self._client.services}
        found: list[ArtifactRef] = []

        async def arrive() -> None:
            nonlocal found
            async for _ in registry.on_change():
                found = await registry.artifacts()
                if announced <= {ref.contract_id for ref in found}:
                    return

        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(arrive(), _SYNC_SECONDS)
        return found

    async def entries(self, one: Published) -> list[tuple[str, str, int]]:
        """Fetch a collection; return name, hash and size of its files."""
        await self._client.blobs.download_hash(one.hash, self._peer, _COLLECTION)
        return await self._client.blobs.list_collection(one.hash)

    async def size(self, one: Published) -> int:
        """Return the bytes of a blob, or of all files of a collection."""
        if one.form == "raw":
            return len(await self.read(one.hash))
        return sum(size for _, _, size in await self.entries(one))

    async def read(self, digest: str) -> bytes:
        """Fetch the bytes of a blob."""
        return await self._client.blobs.download_hash(digest, self._peer)

    async def find(self, name: str) -> bytes:
        """Fetch what a hash, a name of the list, or `NAME/entry` means.

        `CommandError` for names that mean nothing, or a collection of several files.
        """
        outer, _, entry = name.partition("/")
        if _HASH.fullmatch(name):
            return await self._by_hash(name.lower())
        if _HASH.fullmatch(outer):
            return await self._entry(Published(outer, outer.lower(), "collection"), entry)
        listed = await self.listed()
        for one in listed:
            if name == one.name and one.form == "raw":
                return await self.read(one.hash)
            if outer == one.name and one.form == "collection":
                return await self._entry(one, entry)
        available = ", ".join(one.name for one in listed) or "none"
        raise CommandError(f"blob '{name}' not found. Available: {available}")

    async def _by_hash(self, digest: str) -> bytes:
        try:
            return await self.read(digest)
        except BlobNotFound:
            raise CommandError(f"the peer does not have blob {digest}") from None

    async def _entry(self, one: Published, entry: str) -> bytes:
        files = await self.entries(one)
        names = [name for name, _, _ in files]
        if not entry and len(files) == 1:
            entry = names[0]
        for name, digest, _ in files:
            if name == entry:
                return await self.read(digest)
        available = ", ".join(names)
        if not entry:
            raise CommandError(f"'{one.name}' is a collection: name one of its files after a slash: {available}")
        raise CommandError(f"'{one.name}' has no file '{entry}'. Available: {available}")
