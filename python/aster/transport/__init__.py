"""Transports: calls by names of services and methods, without stubs (`python-api.md` section 6)."""

from aster._streams import BidiChannel
from aster.errors import TransportError
from aster.transport.base import Transport
from aster.transport.iroh import IrohTransport
from aster.transport.local import LocalTransport

__all__ = ["BidiChannel", "IrohTransport", "LocalTransport", "Transport", "TransportError"]
