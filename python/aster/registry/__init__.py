"""The registry: contracts and live endpoints that producers publish, and how consumers find them (`registry.md`).

All rules are core's. Servers publish by themselves; `AsterServer.registry` shares and steers that, and
`AsterClient.registry` reads it.
"""

from __future__ import annotations

from aster.registry.acl import RegistryACL
from aster.registry.client import RegistryClient
from aster.registry.gossip import RegistryGossip
from aster.registry.keys import (
    acl_key,
    channel_key,
    config_key,
    contract_key,
    lease_key,
    manifest_key,
    tag_key,
    version_key,
)
from aster.registry.models import (
    DEGRADED,
    DRAINING,
    READY,
    STARTING,
    ArtifactRef,
    EndpointLease,
    GossipEvent,
    ServiceSummary,
)
from aster.registry.publisher import RegistryPublisher

__all__ = [
    "DEGRADED",
    "DRAINING",
    "READY",
    "STARTING",
    "ArtifactRef",
    "EndpointLease",
    "GossipEvent",
    "RegistryACL",
    "RegistryClient",
    "RegistryGossip",
    "RegistryPublisher",
    "ServiceSummary",
    "acl_key",
    "channel_key",
    "config_key",
    "contract_key",
    "lease_key",
    "manifest_key",
    "tag_key",
    "version_key",
]
