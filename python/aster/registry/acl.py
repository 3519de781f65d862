"""Who may write in a registry (`registry.md` section 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aster.registry.publisher import RegistryPublisher

__all__ = ["RegistryACL"]


class RegistryACL:
    """The access list of a registry, as a server that may change it sees it."""

    def __init__(self, publisher: RegistryPublisher) -> None:
        self._publisher = publisher

    async def add_writer(self, author_id: str) -> None:
        """Let consumers believe what another author writes, as `RegistryPublisher.allow_author` does."""
        await self._publisher.allow_author(author_id)
