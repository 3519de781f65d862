"""Servers and clients under one name."""

from aster.client import AsterClient
from aster.server import AsterServer

__all__ = ["AsterClient", "AsterServer"]
