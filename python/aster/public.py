"""The names that most programs need."""

from aster.capabilities import all_of, any_of
from aster.client import AsterClient
from aster.codec import wire_type
from aster.config import AsterConfig
from aster.context import CallContext
from aster.decorators import rpc, service
from aster.errors import AdmissionDeniedError
from aster.rpc_types import SerializationMode
from aster.server import AsterServer
from aster.status import ContractViolationError, RpcError, StatusCode

__all__ = [
    "AdmissionDeniedError",
    "AsterClient",
    "AsterConfig",
    "AsterServer",
    "CallContext",
    "ContractViolationError",
    "RpcError",
    "SerializationMode",
    "StatusCode",
    "all_of",
    "any_of",
    "rpc",
    "service",
    "wire_type",
]
