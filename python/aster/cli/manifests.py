"""Contracts of a peer's services: from the cache, from what was imported, from the peer's registry.

Every manifest is verified when it is read, so that nobody needs to trust where it was kept.
"""

from __future__ import annotations

import contextlib
import json
import logging
import time
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from aster.cli.failures import CommandError
from aster.cli.places import home, private_folder, replace_text
from aster.contract import ContractManifest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aster.client import AsterClient
    from aster.service import ServiceSummary

_KEPT_SECONDS = 30 * 24 * 3600
_SHORT_ID = 16

logger = logging.getLogger("aster.cli")


def cache_folder() -> Path:
    """Return where verified manifests are kept for thirty days."""
    return home() / "cache" / "manifests"


def imported_path(service: str, contract_id: str) -> Path:
    """Return where `contract import` keeps a contract."""
    # A name may be anything; dots alone would lead out of the folder.
    folder = quote(service, safe="").replace(".", "%2E") if set(service) <= {"."} else quote(service, safe="")
    return home() / "contracts" / folder / f"{contract_id[:_SHORT_ID]}.aster.json"


async def contract_of(
    client: AsterClient, summary: ServiceSummary, seconds: float | None = None
) -> ContractManifest | None:
    """Return the contract of an announced service; nothing, and a warning, if nobody has it within some seconds."""
    found = _kept(summary)
    if found is not None:
        return found
    try:
        found = await client.registry.fetch_contract(summary.name, summary.version, timeout=seconds)
    except Exception as error:  # noqa: BLE001 - calls work without
        logger.warning("contract of '%s' v%d is unavailable: %s", summary.name, summary.version, error)
        return None
    if found.contract_id == summary.contract_id and found.verified:
        _keep(found)
    return found


async def contract_or_fail(
    client: AsterClient, summary: ServiceSummary, seconds: float | None = None
) -> ContractManifest:
    """Return the contract of an announced service, or raise `CommandError`."""
    found = await contract_of(client, summary, seconds)
    if found is None:
        raise CommandError(f"contract of '{summary.name}' v{summary.version} is unavailable")
    return found


def load(path: Path) -> list[ContractManifest]:
    """Read a file with a manifest, an array of them, or an exported contract. `CommandError` if it is none."""
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
        entries: list[Any] = cast("Any", found) if isinstance(found, list) else [found]
        return [ContractManifest.from_json(json.dumps(entry)) for entry in entries]
    except (ValueError, TypeError, RecursionError) as error:
        raise CommandError(f"{path}: {error}") from error


def _kept(summary: ServiceSummary) -> ContractManifest | None:
    for path in _places(summary):
        # Unreadable, changed, of another contract: as if it were not there.
        with contextlib.suppress(OSError, ValueError, TypeError):
            found = ContractManifest.from_json(path.read_text(encoding="utf-8"))
            if found.verified and found.contract_id == summary.contract_id:
                return found
    return None


def _places(summary: ServiceSummary) -> Iterator[Path]:
    cached = cache_folder() / summary.contract_id
    with contextlib.suppress(OSError):
        if cached.stat().st_mtime > time.time() - _KEPT_SECONDS:
            yield cached
    yield imported_path(summary.name, summary.contract_id)


def _keep(manifest: ContractManifest) -> None:
    # A home that cannot be written to costs a download.
    with contextlib.suppress(OSError):
        folder = private_folder(cache_folder())
        replace_text(folder / manifest.contract_id, manifest.to_json(), mode=0o600)
        for path in folder.iterdir():
            if path.stat().st_mtime <= time.time() - _KEPT_SECONDS:
                path.unlink()
