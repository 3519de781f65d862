"""The names that most programs need."""

from aster.capabilities import all_of, any_of
from aster.client import AsterClient
from aster.codec import wire_type
from aster.config import AsterConfig
from aster.context import CallContext
from aster.decorators import bidi_stream, client_stream, rpc, server_stream, service
from aster.errors import AdmissionDeniedError
from aster.interceptors import (
    AuditLogInterceptor,
    AuthInterceptor,
    CircuitBreakerInterceptor,
    DeadlineInterceptor,
    Interceptor,
    MetricsInterceptor,
    RetryInterceptor,
)
from aster.rpc_types import SerializationMode
from aster.server import AsterServer
from aster.status import ContractViolationError, RpcError, StatusCode

__all__ = [
    "AdmissionDeniedError",
    "AsterClient",
    "AsterConfig",
    "AsterServer",
    "AuditLogInterceptor",
    "AuthInterceptor",
    "CallContext",
    "CircuitBreakerInterceptor",
    "ContractViolationError",
    "DeadlineInterceptor",
    "Interceptor",
    "MetricsInterceptor",
    "RetryInterceptor",
    "RpcError",
    "SerializationMode",
    "StatusCode",
    "all_of",
    "any_of",
    "bidi_stream",
    "client_stream",
    "rpc",
    "server_stream",
    "service",
    "wire_type",
]
