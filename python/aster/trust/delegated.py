"""Delegated admission: consumers of another authority, for one service each (`trust.md` section 12)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aster._native import perform
from aster.trust.admission import make_desk

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aster.net import IrohConnection
    from aster.peer_store import PeerAttributeStore
    from aster.trust.hooks import MeshEndpointHook

__all__ = ["DelegatedAdmissionPolicy", "DelegatedGrant", "handle_delegated_admission_connection"]


@dataclass(frozen=True)
class DelegatedAdmissionPolicy:
    """Whose tokens are taken for a service: `aster_root_pubkey` is the root key, 32 bytes, of the authority."""

    target_handle: str
    target_service: str
    target_contract_id: str
    aster_root_pubkey: bytes


@dataclass(frozen=True)
class DelegatedGrant:
    """What a client shows as `AsterClient(delegation=)`.

    `token` and the `attestation` of its key are JSON objects as their authority has made them, `signing_key` is the
    seed, 32 bytes, of the key that the token names.
    """

    token: Mapping[str, Any] = field(repr=False)
    attestation: Mapping[str, Any] = field(repr=False)
    signing_key: bytes = field(repr=False)

    def _native(self) -> tuple[str, str, bytes]:
        return json.dumps(dict(self.token)), json.dumps(dict(self.attestation)), self.signing_key


async def handle_delegated_admission_connection(
    conn: IrohConnection,
    *,
    policies: Sequence[DelegatedAdmissionPolicy],
    own_endpoint_id: str,
    hook: MeshEndpointHook | None = None,
    peer_store: PeerAttributeStore | None = None,
) -> None:
    """Serve delegated admission on a connection that the program accepted, until it ends, for at most a minute.

    `own_endpoint_id` is that of the endpoint that accepted it. What is granted holds for the service of the token only.
    """
    # No credential is verified here, so that no root key of ours is needed.
    desk = make_desk(bytes(32), hook, peer_store)
    fields = [
        (policy.target_handle, policy.target_service, policy.target_contract_id, policy.aster_root_pubkey)
        for policy in policies
    ]
    await perform(desk.serve_delegated, conn._native, own_endpoint_id, fields)  # noqa: SLF001 - of this library
