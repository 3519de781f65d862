"""The gate as programs see it (`trust.md` section 9). Core decides, without any of this code."""

from __future__ import annotations

import asyncio
import weakref
from typing import TYPE_CHECKING

from aster.errors import IrohError
from aster.hooks import HookDecision
from aster.peer_store import PeerAdmission, PeerAttributeStore

if TYPE_CHECKING:
    from aster import _aster
    from aster.hooks import NodeHookReceiver
    from aster.server import AsterServer

__all__ = ["MeshEndpointHook"]


class MeshEndpointHook:
    """Who may connect: a view of a gate, to look at and to add to.

    Given to a server as `hook=` it shows that server's gate, which takes over what was admitted before. By itself it
    is a gate of `peer_store` (default: a new one), to be asked with `should_allow`; `allow_unenrolled` lets everybody
    in. A server's gate is opened by its configuration only.
    """

    def __init__(self, allow_unenrolled: bool = False, peer_store: PeerAttributeStore | None = None) -> None:
        self.allow_unenrolled = allow_unenrolled
        self.peer_store = PeerAttributeStore() if peer_store is None else peer_store
        self._server: weakref.ref[AsterServer] | None = None

    @property
    def _gate(self) -> _aster.Peers:
        peers = self.peer_store._peers  # noqa: SLF001 - both are views of core
        # A server's gate is as it is.
        return peers if self._server is not None else peers.behind(self.allow_unenrolled)

    @property
    def admitted(self) -> set[str]:
        """The endpoint ids that are admitted now."""
        return self.peer_store._peers.names  # noqa: SLF001 - both are views of core

    def add_peer(self, endpoint_id: str, attributes: dict[str, str] | None = None) -> None:
        """Admit a peer, for as long as the store lets it. Errors as in `PeerAttributeStore.admit`."""
        self.peer_store.admit(PeerAdmission(endpoint_id, attributes=attributes or {}))

    def remove_peer(self, endpoint_id: str) -> bool:
        """End the admission of a peer and its connections. False: it had none."""
        return self.peer_store.remove(endpoint_id)

    def should_allow(self, endpoint_id: str, alpn: bytes) -> bool:
        """Tell whether a peer may connect for a protocol now. Those of admission are open to everybody."""
        return self._gate.should_allow(endpoint_id, alpn)

    async def run_hook_loop(self, receiver: NodeHookReceiver | None = None) -> None:
        """Wait for the end: of the server, else for cancellation. A server's gate does not need it.

        With the `receiver` of a node that the program made, its handshakes are decided here until it is closed. Raises
        `RuntimeError` before the start of its server.
        """
        if receiver is not None:
            await self._decide(receiver)
            return
        server = None if self._server is None else self._server()
        if server is None:
            await asyncio.get_running_loop().create_future()
        else:
            await asyncio.shield(server.serve())

    async def _decide(self, receiver: NodeHookReceiver) -> None:
        while True:
            try:
                handshake, decision = await receiver.recv()
            except IrohError:
                return  # The node is closed.
            allowed = self.should_allow(handshake.remote_endpoint_id, handshake.alpn)
            decision.send(HookDecision.create_allow() if allowed else HookDecision.create_deny())

    def _check_free(self, server: AsterServer) -> None:
        """`RuntimeError` if another server that lives has it."""
        other = None if self._server is None else self._server()
        if other is not None and other is not server and not other._closed:  # noqa: SLF001 - of this library
            raise RuntimeError("a hook belongs to one server")

    def _view(self, server: AsterServer, peers: _aster.Peers) -> None:
        self.peer_store._view(peers)  # noqa: SLF001 - both are views of core
        self._server = weakref.ref(server)
