"""The check of contracts against `.aster/manifest.json` when a server starts (`python-api.md` section 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aster.contract.manifest import verify_manifest_or_fatal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aster.service import ServiceInfo


def check_manifest(infos: Iterable[ServiceInfo]) -> None:
    """Raise `RuntimeError` if a service differs from its manifest below the working directory.

    Services without a manifest are skipped; so is everything if there is no file.
    """
    verify_manifest_or_fatal(infos)
