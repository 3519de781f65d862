"""Files with secrets: private from creation, whole or not at all (`trust.md` section 2)."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if sys.platform != "win32":
    import fcntl

from aster.cli.output import note
from aster.cli.places import home

if TYPE_CHECKING:
    from collections.abc import Generator

PRIVATE = 0o600
PUBLIC = 0o644
_HAS_MODES = os.name == "posix"
_LOCK_SECONDS = 10.0
_LOCK_PAUSE = 0.01


def refuse_existing(path: Path) -> None:
    """Raise `FileExistsError` if there is anything at a path, also a link to nowhere."""
    if os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, "exists", str(path))


def create(path: Path, text: str, *, mode: int = PRIVATE) -> None:
    """Write a new file; `FileExistsError` if there is one. It appears whole, with its final mode."""
    refuse_existing(path)
    with _written(path, text, mode) as scratch:
        _name_new(scratch, path)
    _sync_folder(path.parent)


def replace(path: Path, text: str) -> None:
    """Write a private file so that readers see the old content or the new one, never a part. Links stay links."""
    target = Path(os.path.realpath(path))
    with _written(target, text, PRIVATE) as scratch:
        scratch.replace(target)
    _sync_folder(target.parent)


@contextlib.contextmanager
def changing(path: Path) -> Generator[None, None, None]:
    """Keep other commands from changing a file between what is read of it and what is written; they wait.

    `TimeoutError` if another command does not end in ten seconds. The lock is on the folder and leaves no file behind;
    Windows has none.
    """
    folder = Path(os.path.realpath(path)).parent
    _make_folder(folder)
    if sys.platform == "win32":
        yield
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _lock(handle, folder)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, folder: Path) -> None:
    if sys.platform == "win32":
        return None
    until = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                raise TimeoutError(f"another command is changing files in {folder}") from None
        time.sleep(_LOCK_PAUSE)


def read(path: Path, *, was_named: bool = True) -> str:
    """Read a file with a secret. Modes that let others read it are told.

    Modes that let others write are told if the path was named by the user; else they raise `PermissionError`, and so
    does a file of another user.
    """
    with path.open(encoding="utf-8") as file:
        facts = os.fstat(file.fileno())
        if _HAS_MODES:
            _check(path, facts, was_named=was_named)
        return file.read()


def _check(path: Path, facts: os.stat_result, *, was_named: bool) -> None:
    mode = stat.S_IMODE(facts.st_mode)
    if mode & 0o022:
        if not was_named:
            raise PermissionError(f"{path} is writable by others (mode {mode:04o})")
        note(f"warning: {path} holds a secret and is writable by others (mode {mode:04o})")
    elif mode & 0o044:
        note(f"warning: {path} holds a secret and is readable by others (mode {mode:04o})")
    if not was_named and facts.st_uid not in {0, os.geteuid()}:
        raise PermissionError(f"{path} belongs to another user")


@contextlib.contextmanager
def _written(path: Path, text: str, mode: int) -> Generator[Path, None, None]:
    """Write and sync a temporary file beside a path; it is gone at the end, unless it was renamed."""
    _make_folder(path.parent)
    scratch = path.parent / f".{path.name}.{secrets.token_hex(8)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    try:
        with os.fdopen(os.open(scratch, flags, mode), "wb") as file:
            if _HAS_MODES:
                os.fchmod(file.fileno(), mode)  # The mask of the user took bits away, and never adds any.
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        yield scratch
    finally:
        with contextlib.suppress(FileNotFoundError):
            scratch.unlink()


def _name_new(scratch: Path, path: Path) -> None:
    """Give a file its name, which must be free."""
    try:
        os.link(scratch, path)
    except FileExistsError:
        raise FileExistsError(errno.EEXIST, "exists", str(path)) from None
    except (OSError, AttributeError, NotImplementedError):
        # A file system without links. Between this look and the renaming somebody could still be faster.
        refuse_existing(path)
        scratch.rename(path)


def _make_folder(folder: Path) -> None:
    if os.path.realpath(folder) == os.path.realpath(home()):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if _HAS_MODES and stat.S_IMODE(folder.stat().st_mode) & 0o077:
            folder.chmod(0o700)
    else:
        folder.mkdir(parents=True, exist_ok=True)


def _sync_folder(folder: Path) -> None:
    if not _HAS_MODES:
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
