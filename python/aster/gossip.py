"""Topics that many nodes share (`python-api.md` section 11)."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from aster._native import perform, receive
from aster.addresses import AddressLike, peer_parts
from aster.errors import IrohError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aster import _aster
    from aster.net import OwnedNode


class GossipTopicHandle:
    """A topic that was joined. It is left when the handle is dropped."""

    def __init__(self, native: _aster.Topic, owner: OwnedNode | None = None) -> None:
        self._native = native
        self._owner = owner

    async def broadcast(self, data: bytes) -> None:
        """Send a message to everybody on the topic. `LimitExceeded` beyond some 4,000 bytes."""
        await perform(self._native.broadcast, data)

    async def recv(self) -> tuple[str, bytes | str | None]:
        """Wait for the next event: kind and data.

        `received` has the message, `neighbor_up` and `neighbor_down` the id of the neighbour, 64 hex digits;
        `lagged` has `None` and tells that messages were dropped because nobody read them. `IrohError` once the topic
        has ended or the node is closed.
        """
        found = await receive(self._native.next)
        if found is None:
            raise IrohError("the topic has ended")
        return cast("tuple[str, bytes | str | None]", found)


class GossipClient:
    """The gossip of a node."""

    def __init__(self, native: _aster.Gossip, owner: OwnedNode | None = None) -> None:
        self._native = native
        self._owner = owner

    async def subscribe(self, topic: bytes, peers: Iterable[AddressLike]) -> GossipTopicHandle:
        """Join a topic of 32 bytes through peers, by ids or addresses, without waiting for them.

        `ValueError` for a topic of another length, and for what is no peer.
        """
        with_peers = [peer_parts(peer) for peer in peers]
        return GossipTopicHandle(await perform(self._native.subscribe, topic, with_peers), self._owner)
