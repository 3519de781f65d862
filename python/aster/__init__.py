"""Aster RPC: peer-to-peer RPC in which the public key is the address.

Importing has no side effect: no thread, no runtime, no look at environment or files.
"""

import warnings as _warnings
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from aster._aster import __version__
from aster._clients import create_client, create_local_client
from aster._streams import BidiChannel
from aster.addresses import AsterTicket, NodeAddr
from aster.blobs import BlobLocalInfo, BlobObserveResult, BlobsClient, BlobStatusResult, TagInfo
from aster.capabilities import CapabilityRequirement, all_of, any_of
from aster.client import AsterClient
from aster.codec import DEFAULT_COMPRESSION_THRESHOLD, ForyCodec, ForyConfig, wire_type
from aster.config import AsterConfig, load_endpoint_config
from aster.context import CallContext
from aster.decorators import bidi_stream, client_stream, rpc, server_stream, service
from aster.docs import DocDownloadPolicy, DocEntry, DocEvent, DocEventReceiver, DocHandle, DocsClient
from aster.endpoint_server import Server
from aster.errors import (
    AdmissionDeniedError,
    BlobNotFound,
    ClientError,
    ClientTimeoutError,
    ConnectionLostError,
    DocNotFound,
    IrohConnectionError,
    IrohError,
    LimitExceeded,
    MethodNotFoundError,
    SerializationModeError,
    ServerError,
    ServiceNotFoundError,
    StreamClosedError,
    TicketError,
    TransportError,
    TrustDomainError,
)
from aster.framing import (
    CALL,
    CANCEL,
    COMPRESSED,
    HEADER,
    MAX_FRAME_SIZE,
    ROW_SCHEMA,
    TRAILER,
    FramingError,
    encode_frame,
    read_frame,
    write_frame,
)
from aster.gossip import GossipClient, GossipTopicHandle
from aster.health import HealthServer, check_health, check_ready, metrics_snapshot
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
from aster.interceptors import (
    AuditLogInterceptor,
    AuthInterceptor,
    CapabilityInterceptor,
    CircuitBreakerInterceptor,
    CompressionInterceptor,
    DeadlineInterceptor,
    ExponentialBackoff,
    Interceptor,
    MetricsInterceptor,
    RateLimitInterceptor,
    RetryInterceptor,
    RetryPolicy,
)
from aster.metadata import Description, Metadata, describe
from aster.net import (
    RPC_ALPN,
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
from aster.protocol import CallHeader, RpcStatus, StreamHeader
from aster.proxies import ProxyClient, SessionProxyClient
from aster.rpc_types import RpcPattern, RpcScope, SerializationMode
from aster.server import AsterServer
from aster.service import (
    MethodInfo,
    ServiceInfo,
    ServiceRegistry,
    ServiceSummary,
    get_default_registry,
    set_default_registry,
)
from aster.session import ClientSession, create_session
from aster.status import ContractViolationError, RpcError, StatusCode
from aster.stubs import ServiceClient, as_client, with_options
from aster.transport import IrohTransport, LocalTransport, Transport
from aster.trust import (
    ConsumerEnrollmentCredential,
    EnrollmentCredential,
    generate_root_keypair,
    sign_credential,
)

__all__ = [
    "CALL",
    "CANCEL",
    "COMPRESSED",
    "DEFAULT_COMPRESSION_THRESHOLD",
    "HEADER",
    "MAX_FRAME_SIZE",
    "ROW_SCHEMA",
    "RPC_ALPN",
    "TRAILER",
    "AdmissionDeniedError",
    "AsterClient",
    "AsterConfig",
    "AsterServer",
    "AsterTicket",
    "AuditLogInterceptor",
    "AuthInterceptor",
    "BidiChannel",
    "BlobLocalInfo",
    "BlobNotFound",
    "BlobObserveResult",
    "BlobStatusResult",
    "BlobsClient",
    "CallContext",
    "CallHeader",
    "CapabilityInterceptor",
    "CapabilityRequirement",
    "CircuitBreakerInterceptor",
    "ClientError",
    "ClientSession",
    "ClientTimeoutError",
    "CompressionInterceptor",
    "ConnectionInfo",
    "ConnectionLostError",
    "ConsumerEnrollmentCredential",
    "ContractViolationError",
    "DeadlineInterceptor",
    "Description",
    "DocDownloadPolicy",
    "DocEntry",
    "DocEvent",
    "DocEventReceiver",
    "DocHandle",
    "DocNotFound",
    "DocsClient",
    "EndpointConfig",
    "EnrollmentCredential",
    "ExponentialBackoff",
    "ForyCodec",
    "ForyConfig",
    "FramingError",
    "GossipClient",
    "GossipTopicHandle",
    "HealthServer",
    "HookConnectInfo",
    "HookDecision",
    "HookHandshakeInfo",
    "HookManager",
    "HookReceiver",
    "HookRegistration",
    "Interceptor",
    "IrohConnection",
    "IrohConnectionError",
    "IrohError",
    "IrohNode",
    "IrohRecvStream",
    "IrohSendStream",
    "IrohTransport",
    "LimitExceeded",
    "LocalTransport",
    "Metadata",
    "MethodInfo",
    "MethodNotFoundError",
    "MetricsInterceptor",
    "NetClient",
    "NodeAddr",
    "NodeHookDecisionSender",
    "NodeHookReceiver",
    "ProxyClient",
    "RateLimitInterceptor",
    "RemoteInfo",
    "RetryInterceptor",
    "RetryPolicy",
    "RpcError",
    "RpcPattern",
    "RpcScope",
    "RpcStatus",
    "SerializationMode",
    "SerializationModeError",
    "Server",
    "ServerError",
    "ServiceClient",
    "ServiceInfo",
    "ServiceNotFoundError",
    "ServiceRegistry",
    "ServiceSummary",
    "SessionProxyClient",
    "StatusCode",
    "StreamClosedError",
    "StreamHeader",
    "TagInfo",
    "TicketError",
    "Transport",
    "TransportError",
    "TrustDomainError",
    "__version__",
    "all_of",
    "any_of",
    "as_client",
    "bidi_stream",
    "blobs_client",
    "check_health",
    "check_ready",
    "client_stream",
    "create_client",
    "create_endpoint",
    "create_endpoint_with_config",
    "create_local_client",
    "create_session",
    "describe",
    "docs_client",
    "encode_frame",
    "generate_root_keypair",
    "get_default_registry",
    "gossip_client",
    "load_endpoint_config",
    "metrics_snapshot",
    "net_client",
    "read_frame",
    "rpc",
    "server_stream",
    "service",
    "set_default_registry",
    "sign_credential",
    "wire_type",
    "with_options",
    "write_frame",
]


if not _TYPE_CHECKING:  # Checkers would take every name for granted.

    def __getattr__(name: str) -> _Any:
        """Give `IrohConnectionError` under the name of earlier versions, which hides a builtin."""
        if name == "ConnectionError":
            _warnings.warn("aster.ConnectionError is IrohConnectionError", DeprecationWarning, stacklevel=2)
            return IrohConnectionError
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
