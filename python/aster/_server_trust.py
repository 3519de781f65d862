"""What a server lets its program do about trust (`python-api.md` section 3, `trust.md` sections 8 and 9)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aster._native import LoopBound
from aster.peer_store import PeerAttributeStore
from aster.trust.credentials import Credential, parse_credential
from aster.trust.drift import ClockDriftConfig
from aster.trust.nonces import native_nonces

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    from aster import _aster
    from aster.trust.hooks import MeshEndpointHook
    from aster.trust.mesh import MeshState
    from aster.trust.nonces import AnyNonceStore


class Underway:
    """Something that was started at once; awaiting it waits until it is kept, and raises what went wrong.

    It goes on if the wait is cancelled.
    """

    def __init__(self, operation: _aster.Operation) -> None:
        self._operation = operation

    def __await__(self) -> Generator[Any, None, None]:
        return asyncio.shield(self._operation.future).__await__()


class TrustChoice:
    """What the program chose beside the configuration."""

    def __init__(
        self,
        hook: MeshEndpointHook | None,
        nonce_store: AnyNonceStore | None,
        mesh_state: MeshState | None,
        clock_drift_config: ClockDriftConfig | None,
        persist_mesh_state: bool,
    ) -> None:
        self.hook = hook
        self.nonce_store = nonce_store
        self._mesh_state = mesh_state
        self._drift = ClockDriftConfig() if clock_drift_config is None else clock_drift_config
        self._persist = persist_mesh_state

    def mesh(self, root_pubkey: bytes | None) -> tuple[tuple[int, int, int, int, int], bool, str | None]:
        """Return clocks, persistence and state of the mesh, as the native module takes them."""
        state = None if self._mesh_state is None else self._mesh_state.to_json(root_pubkey)
        return self._drift._native(), self._persist, state  # noqa: SLF001 - of this library

    def give_nonces(self, native: _aster.Server, queue: _aster.Queue) -> None:
        """Let core ask the program's store of nonces, if there is one."""
        if self.nonce_store is not None:
            native.set_nonces(native_nonces(self.nonce_store, queue))


class ServesTrust(LoopBound):
    """The members of a server that are about peers."""

    _native: _aster.Server
    _queue: _aster.Queue | None
    _peer_store: PeerAttributeStore | None = None
    _revoking: set[_aster.Operation]

    def remove_peer(self, endpoint_id: str) -> bool:
        """End the admission of a peer and its connections within a second; it may be admitted again.

        False: it had none.
        """
        return self._native.peers.remove(endpoint_id)

    def revoke(
        self,
        *,
        endpoint_id: str | None = None,
        credential: Credential | str | bytes | None = None,
        until: float | None = None,
    ) -> Underway:
        """Refuse an endpoint, or a credential, until a time in seconds since 1970 or for ever, and end what it has.

        A credential may be given as its document, too. It is done at once; await it to know that it is kept in
        `storage_path`. Raises `ValueError` for what is neither and for a time that has passed, `OSError` if it could
        not be written and holds until the server ends, `RuntimeError` before `start()`.
        """
        self._check_loop()
        if self._queue is None:
            raise RuntimeError("AsterServer not started; call start() first")
        if isinstance(credential, (str, bytes)):
            credential = parse_credential(credential)
        signature = None if credential is None else bytes(credential.signature)
        second = None if until is None else int(until)
        operation = self._native.revoke(self._queue, endpoint_id, signature, second)
        # Dropped, it would be given up.
        self._revoking.add(operation)
        operation.future.add_done_callback(lambda _: self._revoking.discard(operation))
        return Underway(operation)

    @property
    def peer_store(self) -> PeerAttributeStore:
        """The peers that are admitted, and what they were granted."""
        if self._peer_store is None:
            self._peer_store = PeerAttributeStore()
            self._peer_store._view(self._native.peers)  # noqa: SLF001 - of this library
        return self._peer_store

    @property
    def mesh_members(self) -> list[str]:
        """Endpoint ids of the other producers of the mesh, as far as they are known."""
        return self._native.mesh_members
