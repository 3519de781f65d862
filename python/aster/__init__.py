"""Aster RPC: peer-to-peer RPC in which the public key is the address.

Importing has no side effect: no thread, no runtime, no look at environment or files.
"""

from aster._aster import __version__
from aster.capabilities import CapabilityRequirement, all_of, any_of
from aster.client import AsterClient
from aster.codec import DEFAULT_COMPRESSION_THRESHOLD, ForyCodec, ForyConfig, wire_type
from aster.config import AsterConfig
from aster.context import CallContext
from aster.decorators import rpc, service
from aster.errors import (
    AdmissionDeniedError,
    ConnectionLostError,
    IrohConnectionError,
    IrohError,
    LimitExceeded,
    TransportError,
    TrustDomainError,
)
from aster.metadata import Metadata
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
    "CallContext",
    "CapabilityRequirement",
    "ConnectionLostError",
    "ContractViolationError",
    "ForyCodec",
    "ForyConfig",
    "IrohConnectionError",
    "IrohError",
    "LimitExceeded",
    "Metadata",
    "MethodInfo",
    "RpcError",
    "RpcPattern",
    "RpcScope",
    "SerializationMode",
    "ServiceClient",
    "ServiceInfo",
    "ServiceSummary",
    "StatusCode",
    "TransportError",
    "TrustDomainError",
    "__version__",
    "all_of",
    "any_of",
    "rpc",
    "service",
    "wire_type",
]
