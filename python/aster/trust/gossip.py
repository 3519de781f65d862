"""Messages of the producers' mesh (`trust.md` section 11). Core makes, signs and reads them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from enum import IntEnum

from aster import _aster

__all__ = [
    "ProducerMessage",
    "ProducerMessageType",
    "derive_gossip_topic",
    "read_producer_message",
    "sign_producer_message",
]


class ProducerMessageType(IntEnum):
    """What a message is."""

    INTRODUCE = 1
    DEPART = 2
    CONTRACT_PUBLISHED = 3
    LEASE_UPDATE = 4


@dataclass(frozen=True)
class ProducerMessage:
    """A message that its `sender` has signed; `epoch_ms` is the sender's clock in milliseconds since 1970."""

    type: ProducerMessageType
    payload: bytes = field(repr=False)
    sender: str
    epoch_ms: int
    signature: bytes = field(repr=False)


def derive_gossip_topic(root_pubkey: bytes, salt: bytes) -> bytes:
    """Return the topic of a deployment's mesh, 32 bytes. `ValueError` unless key and salt have 32 bytes."""
    return _aster.mesh_topic(root_pubkey, salt)


def sign_producer_message(
    type: ProducerMessageType,  # noqa: A002 - its name on the wire
    payload: bytes,
    node_key: bytes,
    *,
    epoch_ms: int | None = None,
) -> bytes:
    """Return a message as it is broadcast, signed with a node key, 32 bytes. `epoch_ms` is now by default.

    The clock of a sender's messages must grow: receivers drop what is not newer.
    """
    now = time.time_ns() // 1_000_000 if epoch_ms is None else epoch_ms
    return _aster.sign_mesh_message(int(type), payload, now, node_key).encode()


def read_producer_message(data: bytes) -> ProducerMessage:
    """Read a message strictly and check its signature. `ValueError` says what is wrong.

    Whether its sender is a member and its clock counts is another question.
    """
    number, payload, sender, epoch_ms, signature = _aster.read_mesh_message(data)
    return ProducerMessage(ProducerMessageType(number), payload, sender, epoch_ms, signature)
