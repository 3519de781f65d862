"""Consumer admission on connections that a program accepts by itself (`trust.md` section 6)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aster import _aster
from aster._native import perform
from aster.service import ServiceSummary
from aster.trust.admission import make_desk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aster.net import IrohConnection
    from aster.peer_store import PeerAttributeStore
    from aster.trust.hooks import MeshEndpointHook
    from aster.trust.nonces import AnyNonceStore

_Told = tuple[list[tuple[str, int, str, dict[str, str], str, list[str]]], str, str]

__all__ = [
    "ConsumerAdmissionRequest",
    "ConsumerAdmissionResponse",
    "handle_consumer_admission_connection",
    "handle_consumer_admission_rpc",
]


@dataclass
class ConsumerAdmissionRequest:
    """What a consumer presents: a credential as JSON text, or nothing, and a document of its instance."""

    credential_json: str = field(default="", repr=False)
    iid_token: str = field(default="", repr=False)

    def to_json(self) -> str:
        """Return the document."""
        return _aster.admission_request(self.credential_json, self.iid_token)


@dataclass
class ConsumerAdmissionResponse:
    """What a consumer is told. A denial is the same for every cause."""

    admitted: bool = False
    attributes: dict[str, str] = field(default_factory=dict[str, str])
    services: list[ServiceSummary] = field(default_factory=list[ServiceSummary])
    registry_namespace: str = ""
    root_pubkey: str = ""
    reason: str = ""
    gossip_topic: str = ""

    @classmethod
    def from_json(cls, text: str | bytes) -> ConsumerAdmissionResponse:
        """Read an answer as core has written it."""
        fields: dict[str, Any] = json.loads(text)
        services = [ServiceSummary(**summary) for summary in fields.pop("services")]
        return cls(services=services, **fields)


async def handle_consumer_admission_rpc(
    request: ConsumerAdmissionRequest | str | bytes,
    peer_endpoint_id: str,
    *,
    root_pubkey: bytes,
    hook: MeshEndpointHook | None = None,
    peer_store: PeerAttributeStore | None = None,
    nonce_store: AnyNonceStore | None = None,
    services: Sequence[ServiceSummary] = (),
    registry_namespace: str = "",
    gossip_topic: str = "",
    require_bound_credentials: bool = False,
) -> ConsumerAdmissionResponse:
    """Answer the request of a consumer and put it on the list of `hook` or `peer_store`.

    `peer_endpoint_id` is what the handshake has proved, 64 hex digits. Whatever is wrong with the request denies;
    nothing about it raises. Without `nonce_store` one-time tokens are denied.
    """
    desk = make_desk(root_pubkey, hook, peer_store, nonce_store, require_bound_credentials)
    text = request.to_json() if isinstance(request, ConsumerAdmissionRequest) else request
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    told = _told(services, registry_namespace, gossip_topic)
    return ConsumerAdmissionResponse.from_json(await perform(desk.answer_consumer, data, peer_endpoint_id, told))


async def handle_consumer_admission_connection(
    conn: IrohConnection,
    *,
    root_pubkey: bytes,
    hook: MeshEndpointHook | None = None,
    peer_store: PeerAttributeStore | None = None,
    nonce_store: AnyNonceStore | None = None,
    services: Sequence[ServiceSummary] = (),
    registry_namespace: str = "",
    gossip_topic: str = "",
    require_bound_credentials: bool = False,
) -> None:
    """Serve consumer admission on a connection that the program accepted, until it ends, for at most a minute.

    Who is admitted is on the list of `hook` or `peer_store`, and is told the `services`. Without `nonce_store` one-time
    tokens are denied. The connections of one list share their rates.
    """
    desk = make_desk(root_pubkey, hook, peer_store, nonce_store, require_bound_credentials)
    told = _told(services, registry_namespace, gossip_topic)
    await perform(desk.serve_consumers, conn._native, told)  # noqa: SLF001 - of this library


def _told(services: Sequence[ServiceSummary], registry_namespace: str, gossip_topic: str) -> _Told:
    summaries = [
        (
            summary.name,
            summary.version,
            summary.contract_id,
            summary.channels,
            summary.pattern,
            summary.serialization_modes,
        )
        for summary in services
    ]
    return summaries, registry_namespace, gossip_topic
