"""The check of contracts against `.aster/manifest.json` when a server starts (`python-api.md` section 3)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aster import _aster

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aster.service import ServiceInfo

_PATH = Path(".aster") / "manifest.json"


def check_manifest(infos: Iterable[ServiceInfo]) -> None:
    """Raise `RuntimeError` if a service differs from its manifest below the working directory.

    Services without a manifest are skipped; so is everything if there is no file. Core compares.
    """
    live = [(info.name, info.version, info.contract_id) for info in infos]
    fault = _aster.check_live_contracts(Path.cwd() / _PATH, live)
    if fault is not None:
        raise RuntimeError(fault[0])
