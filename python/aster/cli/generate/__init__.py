"""Clients made from contracts (`contract.md` section 8, `cli.md` section 4)."""

from __future__ import annotations

import importlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from aster.cli.generate import python, typescript
from aster.cli.generate._model import read_services
from aster.cli.generate._names import check_package, package_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["generate", "package_name", "write"]

_MARKS = (python.MARK, typescript.MARK)


def generate(manifests: Sequence[str], *, language: Literal["python", "typescript"], package: str) -> dict[str, str]:
    """Return the files of clients of services, by path below the output directory.

    `manifests` are texts of manifests or exported contracts. `package` names the directory, in Python the package.
    The texts depend on the contracts alone. `ValueError` for a package name that is none, for a language that is not
    known, for legacy manifests and for two contracts of one service and version; `TypeError` for a manifest that
    cannot be verified.
    """
    writers = {"python": python.python_files, "typescript": typescript.typescript_files}
    if language not in writers:
        raise ValueError(f"unknown language '{language}'; there are python and typescript")
    check_package(package, language)
    return writers[language](read_services(manifests), package)


def write(files: Mapping[str, str], directory: str | os.PathLike[str]) -> list[Path]:
    """Write files below a directory, each one whole or not at all, and return their paths in the given order.

    `FileExistsError` naming the path, before anything is written, if a file is in the way that was not generated.
    """
    targets = {Path(directory, *path.split("/")): text for path, text in files.items()}
    for target in targets:
        if target.is_symlink() or (target.exists() and not _is_generated(target)):
            raise FileExistsError(f"{target} already exists; refusing to overwrite")
    for target, text in targets.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        _replace(target, text)
    # So that the program that writes may import.
    importlib.invalidate_caches()
    return list(targets)


def _is_generated(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(64)
    return any(start.startswith(mark.encode()) for mark in _MARKS)


def _replace(target: Path, text: str) -> None:
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
