"""Aster RPC: peer-to-peer RPC in which the public key is the address.

Importing has no side effect: no thread, no runtime, no look at environment or files.
"""

from aster._aster import __version__
from aster.addresses import AsterTicket, NodeAddr
from aster.blobs import BlobLocalInfo, BlobObserveResult, BlobsClient, BlobStatusResult, TagInfo
from aster.capabilities import CapabilityRequirement, all_of, any_of
from aster.client import AsterClient
from aster.codec import DEFAULT_COMPRESSION_THRESHOLD, ForyCodec, ForyConfig, wire_type
from aster.config import AsterConfig
from aster.context import CallContext
from aster.decorators import rpc, service
from aster.docs import DocDownloadPolicy, DocEntry, DocEvent, DocEventReceiver, DocHandle, DocsClient
from aster.errors import (
    AdmissionDeniedError,
    BlobNotFound,
    ConnectionLostError,
    DocNotFound,
    IrohConnectionError,
    IrohError,
    LimitExceeded,
    TicketError,
    TransportError,
    TrustDomainError,
)
from aster.gossip import GossipClient, GossipTopicHandle
from aster.hooks import (
    HookConnectInfo,
    HookDecision,
    HookHandshakeInfo,
    HookManager,
    HookReceiver,
    HookRegistration,
    NodeHookDecisionSender,
    NodeHookReceiver,
)
from aster.metadata import Metadata
from aster.net import (
    ConnectionInfo,
    EndpointConfig,
    IrohConnection,
    IrohRecvStream,
    IrohSendStream,
    NetClient,
    RemoteInfo,
    create_endpoint,
    create_endpoint_with_config,
)
from aster.node import IrohNode, blobs_client, docs_client, gossip_client, net_client
from aster.rpc_types import RpcPattern, RpcScope, SerializationMode
from aster.server import AsterServer
from aster.service import MethodInfo, ServiceInfo, ServiceSummary
from aster.status import ContractViolationError, RpcError, StatusCode
from aster.stubs import ServiceClient

__all__ = [
    "DEFAULT_COMPRESSION_THRESHOLD",
    "AdmissionDeniedError",
    "AsterClient",
    "AsterConfig",
    "AsterServer",
    "AsterTicket",
    "BlobLocalInfo",
    "BlobNotFound",
    "BlobObserveResult",
    "BlobStatusResult",
    "BlobsClient",
    "CallContext",
    "CapabilityRequirement",
    "ConnectionInfo",
    "ConnectionLostError",
    "ContractViolationError",
    "DocDownloadPolicy",
    "DocEntry",
    "DocEvent",
    "DocEventReceiver",
    "DocHandle",
    "DocNotFound",
    "DocsClient",
    "EndpointConfig",
    "ForyCodec",
    "ForyConfig",
    "GossipClient",
    "GossipTopicHandle",
    "HookConnectInfo",
    "HookDecision",
    "HookHandshakeInfo",
    "HookManager",
    "HookReceiver",
    "HookRegistration",
    "IrohConnection",
    "IrohConnectionError",
    "IrohError",
    "IrohNode",
    "IrohRecvStream",
    "IrohSendStream",
    "LimitExceeded",
    "Metadata",
    "MethodInfo",
    "NetClient",
    "NodeAddr",
    "NodeHookDecisionSender",
    "NodeHookReceiver",
    "RemoteInfo",
    "RpcError",
    "RpcPattern",
    "RpcScope",
    "SerializationMode",
    "ServiceClient",
    "ServiceInfo",
    "ServiceSummary",
    "StatusCode",
    "TagInfo",
    "TicketError",
    "TransportError",
    "TrustDomainError",
    "__version__",
    "all_of",
    "any_of",
    "blobs_client",
    "create_endpoint",
    "create_endpoint_with_config",
    "docs_client",
    "gossip_client",
    "net_client",
    "rpc",
    "service",
    "wire_type",
]
