"""Aster RPC: peer-to-peer RPC in which the public key is the address.

Importing has no side effect: no thread, no runtime, no look at environment or files.
"""

from aster._aster import __version__
from aster._service_registry import ServiceRegistry, get_default_registry, set_default_registry
from aster._streams import BidiChannel
from aster.capabilities import CapabilityRequirement, all_of, any_of
from aster.client import AsterClient
from aster.codec import DEFAULT_COMPRESSION_THRESHOLD, ForyCodec, ForyConfig, wire_type
from aster.config import AsterConfig
from aster.context import CallContext
from aster.decorators import bidi_stream, client_stream, rpc, server_stream, service
from aster.errors import (
    AdmissionDeniedError,
    ClientError,
    ClientTimeoutError,
    ConnectionLostError,
    IrohConnectionError,
    IrohError,
    LimitExceeded,
    MethodNotFoundError,
    SerializationModeError,
    ServerError,
    ServiceNotFoundError,
    StreamClosedError,
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
from aster.metadata import Metadata
from aster.protocol import CallHeader, RpcStatus, StreamHeader
from aster.proxies import ProxyClient, SessionProxyClient
from aster.rpc_types import RpcPattern, RpcScope, SerializationMode
from aster.server import AsterServer
from aster.service import MethodInfo, ServiceInfo, ServiceSummary
from aster.session import ClientSession
from aster.status import ContractViolationError, RpcError, StatusCode
from aster.stubs import ServiceClient, as_client, with_options

__all__ = [
    "CALL",
    "CANCEL",
    "COMPRESSED",
    "DEFAULT_COMPRESSION_THRESHOLD",
    "HEADER",
    "MAX_FRAME_SIZE",
    "ROW_SCHEMA",
    "TRAILER",
    "AdmissionDeniedError",
    "AsterClient",
    "AsterConfig",
    "AsterServer",
    "AuditLogInterceptor",
    "AuthInterceptor",
    "BidiChannel",
    "CallContext",
    "CallHeader",
    "CapabilityInterceptor",
    "CapabilityRequirement",
    "CircuitBreakerInterceptor",
    "ClientError",
    "ClientSession",
    "ClientTimeoutError",
    "CompressionInterceptor",
    "ConnectionLostError",
    "ContractViolationError",
    "DeadlineInterceptor",
    "ExponentialBackoff",
    "ForyCodec",
    "ForyConfig",
    "FramingError",
    "Interceptor",
    "IrohConnectionError",
    "IrohError",
    "LimitExceeded",
    "Metadata",
    "MethodInfo",
    "MethodNotFoundError",
    "MetricsInterceptor",
    "ProxyClient",
    "RateLimitInterceptor",
    "RetryInterceptor",
    "RetryPolicy",
    "RpcError",
    "RpcPattern",
    "RpcScope",
    "RpcStatus",
    "SerializationMode",
    "SerializationModeError",
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
    "TransportError",
    "TrustDomainError",
    "__version__",
    "all_of",
    "any_of",
    "as_client",
    "bidi_stream",
    "client_stream",
    "get_default_registry",
    "rpc",
    "server_stream",
    "service",
    "set_default_registry",
    "wire_type",
    "with_options",
]
