"""Says which messages of a call are compressed (`wire.md` section 12)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aster import _aster
from aster.interceptors.base import Decider

if TYPE_CHECKING:
    from aster.context import CallContext

__all__ = ["CompressionInterceptor"]

# A local note in the metadata: decimal bytes, -1 turns compression off. Never sent, dropped on receipt.
COMPRESSION_THRESHOLD_NOTE = "_aster_compression_threshold"
_OFF = -1


class CompressionInterceptor(Decider):
    """Sets from which size on the messages that this side of a call sends are compressed; it receives both forms.

    On a client these are the requests, on a server the responses. A note that the call has already is left alone.
    """

    def __init__(self, threshold: int = _aster.COMPRESSION_THRESHOLD, enabled: bool = True) -> None:
        """Compress messages of more than `threshold` bytes; -1, or `enabled=False`, compresses none."""
        if threshold < _OFF:
            raise ValueError("threshold must be -1 or a number of bytes")
        self.threshold = threshold
        self.enabled = enabled

    def _decide(self, ctx: CallContext) -> None:
        ctx.metadata.setdefault(COMPRESSION_THRESHOLD_NOTE, str(self.threshold if self.enabled else _OFF))
