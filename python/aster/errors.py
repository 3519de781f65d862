"""Exceptions beside `RpcError`, and which of core's errors becomes which (`python-api.md` section 8)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from aster import _aster
from aster.status import RpcError, StatusCode, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Self


class TransportError(Exception):
    """The transport of a call failed."""


class StreamClosedError(TransportError):
    """A channel takes no more messages, or has no more to give."""


class ClientError(Exception):
    """A client cannot be made this way."""


class ClientTimeoutError(ClientError):
    """A local wait of a client ended; the operation may go on."""


class ServerError(Exception):
    """A server cannot do this, or not now."""


class ServiceNotFoundError(ServerError):
    """There is no such service."""


class MethodNotFoundError(ServerError):
    """The service has no such method."""


class SerializationModeError(ServerError):
    """The service does not accept this mode."""


class ConnectionLostError(UnavailableError, TransportError, ConnectionError):
    """The connection to the peer was lost, or could not be established, during a call."""

    def __new__(cls, message: str = "", details: Mapping[str, str] | None = None) -> Self:  # noqa: ARG004
        """Keep message and details from being read as errno and strerror."""
        return super().__new__(cls)


class IrohError(Exception):
    """Something of the node failed. `code` is the number that the peer gave with it, if it gave one."""

    code: int | None = None


class BlobNotFound(IrohError):  # noqa: N818 - name of the API
    """The blob is not on the node in full."""


class DocNotFound(IrohError):  # noqa: N818 - name of the API
    """The document is not on the node."""


class TicketError(IrohError, ValueError):
    """The text or bytes are no ticket of the wanted kind."""


class IrohConnectionError(IrohError, ConnectionError):
    """The peer is unreachable, or was lost."""


class TrustDomainError(PermissionError):
    """The server trusts another root key than ours."""


class LimitExceeded(ValueError):  # noqa: N818 - name of the API
    """A local limit was hit."""

    def __init__(self, field: str, limit: int, actual: int | None = None) -> None:
        got = "" if actual is None else f" (got {actual})"
        super().__init__(f"{field} exceeds limit of {limit}{got}")
        self.field = field
        self.limit = limit
        self.actual = actual


class AdmissionDeniedError(PermissionError):
    """The server refused admission. Final: trying again with the same credential is of no use."""

    def __init__(
        self,
        *,
        had_credential: bool,
        credential_file: str | None,
        our_endpoint_id: str,
        server_address: str,
    ) -> None:
        self.had_credential = had_credential
        self.credential_file = credential_file
        self.our_endpoint_id = our_endpoint_id
        self.server_address = server_address
        super().__init__(self.format_hint())

    def format_hint(self) -> str:
        """Say what to do about it, in a few lines."""
        presented = str(self.credential_file) if self.had_credential else None
        return _aster.denial_hint(presented, self.our_endpoint_id)


class DeniedByServer(Exception):  # noqa: N818 - never leaves the package
    """A refusal, before the client adds what it knows."""

    def __init__(self, our_endpoint_id: str) -> None:
        super().__init__("admission denied")
        self.our_endpoint_id = our_endpoint_id


class TomlSyntaxError(ValueError):
    """A text that is not TOML, before the decoder of Python says so too."""


def _io(message: str, details: Mapping[str, str]) -> OSError:
    kind = details.get("os")
    if kind == "missing":
        return FileNotFoundError(errno.ENOENT, "no such file", details.get("path"))
    return PermissionError(message) if kind == "permission" else OSError(message)


def _limit(message: str, details: Mapping[str, str]) -> Exception:
    field, limit, actual = details.get("field"), details.get("limit"), details.get("actual")
    if field is None or limit is None:
        return ValueError(message)
    return LimitExceeded(field, int(limit), None if actual is None else int(actual))


_OF_NODE: dict[tuple[str, str], type[IrohError]] = {
    ("NOT_FOUND", "blob"): BlobNotFound,
    ("NOT_FOUND", "document"): DocNotFound,
    ("ADDRESS", "ticket"): TicketError,
}


def _node_error(kind: str, message: str, details: Mapping[str, str]) -> IrohError:
    found = IrohConnectionError if kind == "CONNECT" else _OF_NODE.get((kind, details["object"]), IrohError)
    error = found(message)
    if "code" in details:
        error.code = int(details["code"])
    return error


def _config(message: str, details: Mapping[str, str]) -> ValueError:
    return TomlSyntaxError(message) if "syntax" in details else ValueError(message)


_WITH_DETAILS = {"LIMIT": _limit, "IO": _io, "CONFIG": _config}

_BUILT_IN: dict[str, type[Exception]] = {
    "NULL_ARGUMENT": ValueError,
    "INVALID_ARGUMENT": ValueError,
    "INVALID_UTF8": ValueError,
    "ADDRESS": ValueError,
    "NOT_FOUND": LookupError,
    "ALREADY_EXISTS": ValueError,
    "CREDENTIAL": TrustDomainError,
    "CONTRACT": TypeError,
}


def make_error(kind: str, code: int | None, message: str, details: dict[str, str], lost: bool) -> Exception:
    """Make the exception for an error of core. The native module calls this."""
    if kind in {"RPC", "CODEC"} and code is not None:
        if lost and code == StatusCode.UNAVAILABLE:
            return ConnectionLostError(message, details)
        return RpcError.from_status(code, message, details)
    if kind == "ADMISSION_DENIED":
        # Without our id the refusal is about a channel, not about admission.
        node = details.get("our_endpoint_id")
        return PermissionError(message) if node is None else DeniedByServer(node)
    if kind == "CONNECT" or "object" in details:
        return _node_error(kind, message, details)
    if kind in _WITH_DETAILS:
        return _WITH_DETAILS[kind](message, details)
    return _BUILT_IN.get(kind, RuntimeError)(message)
