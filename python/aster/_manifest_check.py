"""The check of contracts against `.aster/manifest.json` when a server starts (`python-api.md` section 3)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aster.service import ServiceInfo

_PATH = Path(".aster") / "manifest.json"


def check_manifest(infos: Iterable[ServiceInfo]) -> None:
    """Raise `RuntimeError` if a service differs from its manifest below the working directory.

    Services without a manifest are skipped; so is everything if there is no file.
    """
    path = Path.cwd() / _PATH
    if not path.exists():
        return
    expected = {(one.get("service"), one.get("version")): one.get("contract_id") for one in _read(path)}
    for info in infos:
        wanted = expected.get((info.name, info.version))
        if wanted is not None and wanted != info.contract_id:
            raise RuntimeError(
                f"Contract identity mismatch for '{info.name}' v{info.version}:\n"
                f"  Expected (manifest): {wanted}\n"
                f"  Actual (live):       {info.contract_id}\n"
                f"  Manifest: {path}\n"
                "The service has changed since its manifest was written. If that is intended, rerun\n"
                "`aster contract gen`."
            )


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
        manifests = cast("Any", found) if isinstance(found, list) else [found]
        if not all(isinstance(one, dict) for one in manifests):
            raise ValueError("expected a manifest or an array of manifests")
    except (OSError, ValueError, RecursionError) as error:
        raise RuntimeError(f"Failed to read manifest at {path}: {error}") from error
    return manifests
