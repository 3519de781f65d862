"""Verification of credentials, and producer admission (`trust.md` sections 4, 11 and 15). Core verifies."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aster import _aster
from aster._native import loop_queue, perform, settle
from aster.peer_store import PeerAttributeStore
from aster.trust.credentials import parts
from aster.trust.iid import asker
from aster.trust.nonces import native_nonces

if TYPE_CHECKING:
    from aster.net import IrohConnection
    from aster.trust.credentials import Credential
    from aster.trust.hooks import MeshEndpointHook
    from aster.trust.iid import IIDBackend
    from aster.trust.mesh import MeshState
    from aster.trust.nonces import AnyNonceStore

__all__ = [
    "AdmissionResult",
    "admit",
    "check_offline",
    "check_runtime",
    "handle_admission_rpc",
    "handle_producer_admission_connection",
]


@dataclass(frozen=True)
class AdmissionResult:
    """What a verification has found. Tell no peer the `reason`.

    `attributes` are what is granted, none if it is not `admitted`; then `reason` says why, and contains `expired`,
    `endpoint_id`, `signature`, `nonce` or `nonce_store` for what these are about.
    """

    admitted: bool
    attributes: dict[str, str] = field(default_factory=dict[str, str])
    reason: str = ""


async def check_offline(
    cred: Credential,
    peer_endpoint_id: str | None = None,
    nonce_store: AnyNonceStore | None = None,
    *,
    root_pubkey: bytes | None = None,
    now: int | None = None,
) -> AdmissionResult:
    """Check structure, expiry, binding and signature, and then spend the nonce of a one-time token.

    Without a store one-time tokens are denied. Without `root_pubkey` the credential's own key is taken: compare it with
    yours. `now` is in seconds since 1970. Raises `TypeError` or `ValueError` for what is no credential.
    """
    return await _check("offline", cred, peer_endpoint_id, nonce_store, None, "", root_pubkey, now)


async def check_runtime(
    cred: Credential,
    iid_backend: IIDBackend | None = None,
    iid_token: str = "",
    *,
    peer_endpoint_id: str | None = None,
) -> AdmissionResult:
    """Check the instance identity that a credential asks for; one that asks for none holds.

    Without a backend a credential that asks for one is denied.
    """
    return await _check("runtime", cred, peer_endpoint_id, None, iid_backend, iid_token, None, None)


async def admit(
    cred: Credential,
    peer_endpoint_id: str | None = None,
    nonce_store: AnyNonceStore | None = None,
    iid_backend: IIDBackend | None = None,
    iid_token: str = "",
    *,
    root_pubkey: bytes | None = None,
    now: int | None = None,
) -> AdmissionResult:
    """Check everything that `check_offline` and `check_runtime` do; a denial spends nothing."""
    return await _check("all", cred, peer_endpoint_id, nonce_store, iid_backend, iid_token, root_pubkey, now)


async def _check(
    checks: str,
    cred: Credential,
    peer: str | None,
    nonce_store: AnyNonceStore | None,
    iid_backend: IIDBackend | None,
    iid_token: str,
    root_pubkey: bytes | None,
    now: int | None,
) -> AdmissionResult:
    queue = loop_queue()
    nonces = None if nonce_store is None else native_nonces(nonce_store, queue)
    proves = None if iid_backend is None else asker(iid_backend)
    operation = _aster.check_credential(queue, parts(cred), checks, root_pubkey, peer, now, nonces, proves, iid_token)
    return AdmissionResult(*await settle(operation))


def make_desk(
    root_pubkey: bytes,
    hook: MeshEndpointHook | None,
    peer_store: PeerAttributeStore | None,
    nonce_store: AnyNonceStore | None = None,
    require_bound_credentials: bool = False,
) -> _aster.AdmissionDesk:
    """Make what admits to the list of a hook or a store."""
    store = PeerAttributeStore() if peer_store is None else peer_store
    peers = store._peers if hook is None else hook._gate  # noqa: SLF001 - of this library
    nonces = None if nonce_store is None else native_nonces(nonce_store, loop_queue())
    return _aster.AdmissionDesk(peers, root_pubkey, nonces, require_bound_credentials)


async def handle_admission_rpc(
    request: str | bytes,
    *,
    root_pubkey: bytes,
    mesh_state: MeshState,
    own_endpoint_id: str,
    peer_endpoint_id: str | None = None,
    hook: MeshEndpointHook | None = None,
    peer_store: PeerAttributeStore | None = None,
) -> dict[str, object]:
    """Answer the request of a producer, and admit it to list and mesh: the JSON object that it is told.

    Without `peer_endpoint_id`, which is what the handshake has proved, the word of the credential is taken. Whatever is
    wrong with the request denies; nothing about it raises.
    """
    desk = make_desk(root_pubkey, hook, peer_store)
    data = request.encode("utf-8", "surrogatepass") if isinstance(request, str) else request
    mesh = mesh_state._native(own_endpoint_id, root_pubkey)  # noqa: SLF001 - of this library
    answer: dict[str, object] = json.loads(await perform(desk.answer_producer, data, peer_endpoint_id, mesh))
    mesh_state._read(mesh)  # noqa: SLF001 - of this library
    return answer


async def handle_producer_admission_connection(
    conn: IrohConnection,
    *,
    root_pubkey: bytes,
    mesh_state: MeshState,
    own_endpoint_id: str,
    hook: MeshEndpointHook | None = None,
    peer_store: PeerAttributeStore | None = None,
) -> None:
    """Serve producer admission on a connection that the program accepted, until it ends, for at most a minute.

    `own_endpoint_id` is that of the endpoint that accepted it.
    """
    desk = make_desk(root_pubkey, hook, peer_store)
    mesh = mesh_state._native(own_endpoint_id, root_pubkey)  # noqa: SLF001 - of this library
    try:
        await perform(desk.serve_producers, conn._native, mesh)  # noqa: SLF001 - of this library
    finally:
        mesh_state._read(mesh)  # noqa: SLF001 - of this library
