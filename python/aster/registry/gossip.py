"""Hints of a registry as they are sent (`registry.md` section 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aster import _aster
from aster.registry.models import GossipEvent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from aster.gossip import GossipClient

__all__ = ["RegistryGossip"]


class RegistryGossip:
    """Listens to the hints of a registry, for tools that watch it. Nothing that hints say is to be believed."""

    def __init__(self, gossip: GossipClient, namespace: str) -> None:
        self._gossip = gossip
        self.topic = _aster.registry_topic(namespace)

    async def events(self, peers: Sequence[str]) -> AsyncIterator[GossipEvent]:
        """Iterate over the hints that arrive, joining through these endpoints. What is no hint is left out."""
        topic = await self._gossip.subscribe(self.topic, list(peers))
        while True:
            kind, data = await topic.recv()
            if kind == "received" and isinstance(data, bytes):
                try:
                    hint = GossipEvent.from_json(data)
                except TypeError:
                    continue
                yield hint
