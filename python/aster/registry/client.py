"""The registry as a client reads it (`registry.md` sections 7 and 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from aster._native import settle
from aster.contract.manifest import ContractManifest
from aster.registry.models import ArtifactRef, EndpointLease

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from aster import _aster

__all__ = ["RegistryClient"]


class RegistryClient:
    """The registry of the producer that admitted a client: joined at the first use, followed until the client closes.

    `AsterClient.registry` makes it. Every coroutine raises `LookupError` if the producer has no registry.
    """

    def __init__(self, native: _aster.Client, queue: _aster.Queue) -> None:
        self._native = native
        self._queue = queue
        self._joined: _aster.ClientRegistry | None = None

    async def _join(self) -> _aster.ClientRegistry:
        if self._joined is None:
            self._joined = cast("_aster.ClientRegistry", await settle(self._native.registry(self._queue)))
        return self._joined

    async def resolve(
        self,
        service: str,
        version: int | None = None,
        *,
        channel: str | None = None,
        tag: str | None = None,
        contract_id: str | None = None,
        strategy: str = "round_robin",
        modes: Sequence[str] = (),
        realm: str | None = None,
    ) -> EndpointLease:
        """Return the best endpoint for a service: the first of `resolve_all`."""
        found = await self.resolve_all(
            service,
            version,
            channel=channel,
            tag=tag,
            contract_id=contract_id,
            strategy=strategy,
            modes=modes,
            realm=realm,
        )
        return found[0]

    async def resolve_all(
        self,
        service: str,
        version: int | None = None,
        *,
        channel: str | None = None,
        tag: str | None = None,
        contract_id: str | None = None,
        strategy: str = "round_robin",
        modes: Sequence[str] = (),
        realm: str | None = None,
    ) -> list[EndpointLease]:
        """Return the endpoints that serve a contract and can be used now, the best first.

        The contract is `contract_id`, else that of `tag`, `channel`, `version`, or of the highest version. `strategy`
        is `round_robin`, `least_load` or `random`; of `modes` one must be common, `realm` leaves others out. Waits for
        the document in its first three seconds. Raises `LookupError` if there is none, `ValueError` for another
        strategy.
        """
        wish = (service, version, channel, tag, contract_id, strategy, list(modes), realm)
        joined = await self._join()
        found = await settle(joined.resolve_all(self._queue, wish))
        return [EndpointLease.from_json(text) for text in found]

    async def explain(self, service: str, version: int | None = None) -> list[tuple[str, str | None]]:
        """Return every endpoint of a contract, with the reason why it is not used, if it is not."""
        joined = await self._join()
        return joined.explain((service, version, None, None, None, "round_robin", [], None))

    async def fetch_contract(
        self, service: str, version: int | None = None, *, timeout: float | None = None
    ) -> ContractManifest:
        """Return the verified manifest of a service that the producer offers; without a version the highest.

        `timeout` is in seconds (default 6). Raises `LookupError` with the cause if it is not offered or not to be had.
        """
        operation = self._native.contract(self._queue, service, version, timeout)
        return ContractManifest.from_json(await settle(operation))

    async def artifacts(self) -> list[ArtifactRef]:
        """Return the artefacts of all contracts that are published in the registry.

        Waits for the document in its first three seconds.
        """
        joined = await self._join()
        return [ArtifactRef.from_json(text) for text in await settle(joined.artifacts(self._queue))]

    async def on_change(self) -> AsyncIterator[None]:
        """Iterate over changes: one item whenever the registry may have changed. Ends when the client closes."""
        joined = await self._join()
        seen = 0
        while True:
            try:
                seen = cast("int", await settle(joined.changed(self._queue, seen)))
            except RuntimeError:
                return
            yield
