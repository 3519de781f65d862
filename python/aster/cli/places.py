"""Files of the user, below `~/.aster`."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path


def home() -> Path:
    """Return the folder of the user's files."""
    return Path("~/.aster").expanduser()


def private_folder(path: Path) -> Path:
    """Make a folder, and those above it, that only the user may enter."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def replace_text(path: Path, text: str, *, mode: int = 0o666) -> None:
    """Write a text file, as `replace_file` does."""
    replace_file(path, text.encode(), mode=mode)


def replace_file(path: Path, data: bytes, *, mode: int = 0o666) -> None:
    """Write a file so that readers see the old content or the new one, never a part. The user's mask applies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, scratch = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(scratch).chmod(mode & ~_mask())
        Path(scratch).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(scratch).unlink()
        raise


def _mask() -> int:
    """Return the mask of the process, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
