"""The check of contracts against `.aster/manifest.json` when a server starts (`python-api.md` section 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aster.contract.manifest import verify_manifest_or_fatal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aster.service import ServiceInfo


def check_manifest(infos: Iterable[ServiceInfo]) -> str | None:
    """Raise `RuntimeError` if a service differs from its manifest below the working directory.

    Services without a manifest are skipped; so is everything if there is no file. Core compares. Returns the manifests
    of the services as a JSON array, for publication, or nothing.
    """
    manifests = verify_manifest_or_fatal(infos)
    return f"[{','.join(manifest.to_json() for manifest in manifests)}]" if manifests else None
