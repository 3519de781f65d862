"""Status codes of calls and one exception class per code (`wire.md` section 6)."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, ClassVar

from aster import _aster

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "AbortedError",
    "AlreadyExistsError",
    "CancelledError",
    "ContractViolationError",
    "DataLossError",
    "DeadlineExceededError",
    "FailedPreconditionError",
    "InternalError",
    "InvalidArgumentError",
    "NotFoundError",
    "OutOfRangeError",
    "PermissionDeniedError",
    "ResourceExhaustedError",
    "RpcError",
    "StatusCode",
    "UnauthenticatedError",
    "UnavailableError",
    "UnimplementedError",
    "UnknownRpcError",
]

_NUMBERS = {name: number for number, name, _ in _aster.STATUS_TABLE}


class StatusCode(enum.IntEnum):
    """Number a call ends with. Numbers without a name, from newer peers and applications, are kept."""

    OK = _NUMBERS["OK"]
    CANCELLED = _NUMBERS["CANCELLED"]
    UNKNOWN = _NUMBERS["UNKNOWN"]
    INVALID_ARGUMENT = _NUMBERS["INVALID_ARGUMENT"]
    DEADLINE_EXCEEDED = _NUMBERS["DEADLINE_EXCEEDED"]
    NOT_FOUND = _NUMBERS["NOT_FOUND"]
    ALREADY_EXISTS = _NUMBERS["ALREADY_EXISTS"]
    PERMISSION_DENIED = _NUMBERS["PERMISSION_DENIED"]
    RESOURCE_EXHAUSTED = _NUMBERS["RESOURCE_EXHAUSTED"]
    FAILED_PRECONDITION = _NUMBERS["FAILED_PRECONDITION"]
    ABORTED = _NUMBERS["ABORTED"]
    OUT_OF_RANGE = _NUMBERS["OUT_OF_RANGE"]
    UNIMPLEMENTED = _NUMBERS["UNIMPLEMENTED"]
    INTERNAL = _NUMBERS["INTERNAL"]
    UNAVAILABLE = _NUMBERS["UNAVAILABLE"]
    DATA_LOSS = _NUMBERS["DATA_LOSS"]
    UNAUTHENTICATED = _NUMBERS["UNAUTHENTICATED"]
    CONTRACT_VIOLATION = _NUMBERS["CONTRACT_VIOLATION"]

    @classmethod
    def _missing_(cls, value: object) -> StatusCode | None:
        if not isinstance(value, int) or isinstance(value, bool):
            return None
        # Not kept in the table of members: a peer may send any number.
        member = int.__new__(cls, value)
        member._name_ = f"CODE_{value}"
        member._value_ = value
        return member


class RpcError(Exception):
    """A call ended with a status other than OK. Raised by a handler, it reaches the caller as it is.

    What a call raises is always an instance of the subclass that belongs to the code, if there is one.
    """

    code: StatusCode
    message: str
    details: dict[str, str]

    def __init__(self, code: int, message: str = "", details: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.code = StatusCode(code)
        self.message = message
        self.details = dict(details or {})

    @staticmethod
    def from_status(code: int, message: str = "", details: Mapping[str, str] | None = None) -> RpcError:
        """Make the exception for a status: an instance of the subclass that belongs to the code."""
        chosen = _CLASSES.get(code)
        return RpcError(code, message, details) if chosen is None else chosen(message, details)

    def __str__(self) -> str:
        return f"[{self.code.name}] {self.message}"

    def __repr__(self) -> str:
        return f"RpcError(code={self.code!r}, message={self.message!r}, details={self.details!r})"

    def __reduce__(self) -> tuple[object, ...]:
        return RpcError.from_status, (int(self.code), self.message, self.details)


class _CodedError(RpcError):
    """An error of one code."""

    CODE: ClassVar[StatusCode]

    def __init__(self, message: str = "", details: Mapping[str, str] | None = None) -> None:
        super().__init__(self.CODE, message, details)


class CancelledError(_CodedError):
    """Cancelled by the caller. Cancelling a task raises `asyncio.CancelledError`, not this."""

    CODE = StatusCode.CANCELLED


class UnknownRpcError(_CodedError):
    """The handler failed without a status."""

    CODE = StatusCode.UNKNOWN


class InvalidArgumentError(_CodedError):
    """The caller's data is wrong."""

    CODE = StatusCode.INVALID_ARGUMENT


class DeadlineExceededError(_CodedError):
    """Time is up."""

    CODE = StatusCode.DEADLINE_EXCEEDED


class NotFoundError(_CodedError):
    """Unknown service or thing."""

    CODE = StatusCode.NOT_FOUND


class AlreadyExistsError(_CodedError):
    """It exists already."""

    CODE = StatusCode.ALREADY_EXISTS


class PermissionDeniedError(_CodedError):
    """Not allowed."""

    CODE = StatusCode.PERMISSION_DENIED


class ResourceExhaustedError(_CodedError):
    """A limit was hit."""

    CODE = StatusCode.RESOURCE_EXHAUSTED


class FailedPreconditionError(_CodedError):
    """Wrong state or scope."""

    CODE = StatusCode.FAILED_PRECONDITION


class AbortedError(_CodedError):
    """Conflict."""

    CODE = StatusCode.ABORTED


class OutOfRangeError(_CodedError):
    """Past the valid range."""

    CODE = StatusCode.OUT_OF_RANGE


class UnimplementedError(_CodedError):
    """Unknown method."""

    CODE = StatusCode.UNIMPLEMENTED


class InternalError(_CodedError):
    """Protocol or invariant broken."""

    CODE = StatusCode.INTERNAL


class UnavailableError(_CodedError):
    """Not reachable now."""

    CODE = StatusCode.UNAVAILABLE


class DataLossError(_CodedError):
    """Unrecoverable loss."""

    CODE = StatusCode.DATA_LOSS


class UnauthenticatedError(_CodedError):
    """No valid credential."""

    CODE = StatusCode.UNAUTHENTICATED


class ContractViolationError(_CodedError):
    """Data does not fit the contract; detail `location` says where."""

    CODE = StatusCode.CONTRACT_VIOLATION


_CLASSES: dict[int, type[_CodedError]] = {int(made.CODE): made for made in _CodedError.__subclasses__()}
