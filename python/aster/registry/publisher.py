"""The registry as a server writes it (`registry.md` sections 1, 2 and 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from aster._native import settle

if TYPE_CHECKING:
    from aster import _aster

__all__ = ["RegistryPublisher"]


class RegistryPublisher:
    """The registry in which a server publishes, which goes on by itself. `AsterServer.registry` makes it."""

    def __init__(self, native: _aster.ServerRegistry, queue: _aster.Queue) -> None:
        self._native = native
        self._queue = queue

    @property
    def namespace(self) -> str:
        """Id of the registry's document, 64 hex digits."""
        return self._native.namespace

    @property
    def author_id(self) -> str:
        """Id of the author as whom the server writes, 64 hex digits."""
        return self._native.author_id

    @property
    def is_failing(self) -> bool:
        """Whether something could not be published yet. It is tried again; the log says what it is."""
        return self._native.is_failing

    async def share(self, mode: str = "read") -> str:
        """Return a ticket of the registry, to `read` or to `write`; the latter is a secret.

        Another server takes it as `registry_ticket`. Raises `ValueError` for another mode.
        """
        return cast("str", await settle(self._native.share(self._queue, mode)))

    async def allow_author(self, author_id: str) -> None:
        """Let consumers believe what another author writes.

        Raises `ValueError` for a text that is no id, `PermissionError` unless this server is creator or admin.
        """
        await settle(self._native.allow_author(self._queue, author_id))

    def set_health(self, health: str) -> None:
        """Say in the leases how the server feels: `ready` or `degraded`. `ValueError` for anything else."""
        self._native.set_health(health)
