"""Records of a registry as Python objects (`registry.md` section 4)."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from aster import _aster
from aster.service import ServiceSummary

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Self

__all__ = [
    "DEGRADED",
    "DRAINING",
    "READY",
    "STARTING",
    "ArtifactRef",
    "EndpointLease",
    "GossipEvent",
    "ServiceSummary",
]

STARTING = "starting"
"""The endpoint does not accept calls yet."""
READY = "ready"
"""The endpoint accepts calls."""
DEGRADED = "degraded"
"""The endpoint is used if no other is ready."""
DRAINING = "draining"
"""The endpoint takes no new calls."""


class _Record:
    _checked: ClassVar[staticmethod[[bytes], str]]
    """Core's check of a record, which returns it as it is written."""

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read a record, which core checks: `TypeError` if it is malformed."""
        return cls.from_dict(json.loads(cls._checked(text.encode() if isinstance(text, str) else text)))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Take the members that are known; others are ignored."""
        names = {entry.name for entry in dataclasses.fields(cls)}  # type: ignore[arg-type]  # subclasses are dataclasses
        return cls(**{name: value for name, value in values.items() if name in names})

    def to_json(self) -> str:
        """Return the record as it is written: compact, members in their order. `TypeError` if it is malformed."""
        return self._checked(json.dumps(dataclasses.asdict(self)).encode())  # type: ignore[call-overload]


@dataclass(frozen=True)
class ArtifactRef(_Record):
    """Where the collection of a contract is. Times are milliseconds since 1970."""

    _checked = staticmethod(_aster.checked_artifact)

    contract_id: str
    collection_hash: str
    provider_endpoint_id: str | None = None
    relay_url: str | None = None
    ticket: str | None = None
    published_by: str = ""
    published_at_epoch_ms: int = 0
    collection_format: str = "raw"


@dataclass(frozen=True)
class EndpointLease(_Record):
    """An endpoint that serves a contract for some seconds. Times are milliseconds since 1970."""

    _checked = staticmethod(_aster.checked_lease)

    endpoint_id: str
    contract_id: str
    service: str
    version: int
    lease_expires_epoch_ms: int
    lease_seq: int
    alpn: str = _aster.ALPNS["rpc"].decode()
    serialization_modes: list[str] = field(default_factory=list[str])
    feature_flags: list[str] = field(default_factory=list[str])
    relay_url: str | None = None
    direct_addrs: list[str] = field(default_factory=list[str])
    load: float | None = None
    language_runtime: str = ""
    aster_version: str = ""
    policy_realm: str | None = None
    health_status: str = STARTING
    tags: list[str] = field(default_factory=list[str])
    updated_at_epoch_ms: int = 0
    lease_epoch: int = 0


@dataclass(frozen=True)
class GossipEvent(_Record):
    """A hint that something of the registry changed (`registry.md` section 8). Nothing of it is believed."""

    _checked = staticmethod(_aster.checked_hint)

    type: int
    service: str | None = None
    version: int | None = None
    channel: str | None = None
    contract_id: str | None = None
    endpoint_id: str | None = None
    key_prefix: str | None = None
    timestamp_ms: int = 0
