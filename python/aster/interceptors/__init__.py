"""Interceptors: what runs around calls, on servers and clients (`python-api.md` section 7)."""

from aster.interceptors.audit import AuditLogInterceptor
from aster.interceptors.auth import AuthInterceptor
from aster.interceptors.base import Interceptor
from aster.interceptors.capability import CapabilityInterceptor
from aster.interceptors.circuit_breaker import CircuitBreakerInterceptor
from aster.interceptors.compression import CompressionInterceptor
from aster.interceptors.deadline import DeadlineInterceptor
from aster.interceptors.metrics import MetricsInterceptor
from aster.interceptors.rate_limit import RateLimitInterceptor
from aster.interceptors.retry import ExponentialBackoff, RetryInterceptor, RetryPolicy

__all__ = [
    "AuditLogInterceptor",
    "AuthInterceptor",
    "CapabilityInterceptor",
    "CircuitBreakerInterceptor",
    "CompressionInterceptor",
    "DeadlineInterceptor",
    "ExponentialBackoff",
    "Interceptor",
    "MetricsInterceptor",
    "RateLimitInterceptor",
    "RetryInterceptor",
    "RetryPolicy",
]
