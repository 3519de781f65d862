"""Making keys: everything or nothing, and never over an old one (`trust.md` section 16)."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable

from aster import _aster
from aster.cli import key_ring, private_files, profiles, root_keys
from aster.cli.failures import USAGE, CommandError
from aster.trust import generate_root_keypair

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class MadeKey:
    """What was made, and where it is. Of a root key both paths, profile and keyring entry, if they were written."""

    path: Path
    public: str
    public_path: Path | None = None
    profile: str | None = None
    entry: str | None = None


def make_root_key(path: Path) -> MadeKey:
    """Write a root key and its public half. `FileExistsError` if either file exists."""
    path, public_path = _free_paths(path)
    seed, public = generate_root_keypair()
    with contextlib.ExitStack() as undo:
        _write_pair(undo, path, public_path, seed, public)
        undo.pop_all()
    return MadeKey(path, public.hex(), public_path)


def make_profile_key(path: Path) -> MadeKey:
    """Write a root key, and keep it for a profile: public half there, private half in the keyring if there is one."""
    path, public_path = _free_paths(path)
    active, known = profiles.known()
    profile = profiles.asked() or active or profiles.UNNAMED
    if known.get(profile, {}).get("root_pubkey"):
        raise CommandError(f"profile '{profile}' already has a root key; refusing to overwrite")
    ring = key_ring.key_ring()
    if ring is not None and ring.get(profile) is not None:
        raise CommandError(f"{key_ring.shown(profile)} already exists; refusing to overwrite")
    seed, public = generate_root_keypair()
    with contextlib.ExitStack() as undo:
        _write_pair(undo, path, public_path, seed, public)
        if ring is not None:
            _on_failure(undo, lambda: ring.remove(profile))
            ring.add(profile, seed.hex())
        profiles.put(profile, {"root_pubkey": public.hex()})
        undo.pop_all()
    entry = None if ring is None else key_ring.shown(profile)
    return MadeKey(path, public.hex(), public_path, profile, entry)


def make_node_key(path: Path) -> MadeKey:
    """Write a node key. `FileExistsError` if the file exists."""
    path = path.expanduser()
    private_files.refuse_existing(path)
    seed, public = _aster.ed25519_generate_keypair()
    text = json.dumps({"secret_key": seed.hex(), "node_id": public.hex()}, indent=2) + "\n"
    private_files.create(path, text)
    return MadeKey(path, public.hex())


def _free_paths(path: Path) -> tuple[Path, Path]:
    path = path.expanduser()
    public_path = root_keys.public_path(path)
    if public_path == path:
        raise CommandError(f"{path} is the name of a public key", status=USAGE)
    for one in (path, public_path):
        private_files.refuse_existing(one)
    return path, public_path


def _write_pair(undo: contextlib.ExitStack, path: Path, public_path: Path, seed: bytes, public: bytes) -> None:
    private_files.create(path, root_keys.key_text(seed, public))
    _on_failure(undo, path.unlink)
    private_files.create(public_path, root_keys.public_text(public), mode=private_files.PUBLIC)
    _on_failure(undo, public_path.unlink)


def _on_failure(undo: contextlib.ExitStack, step: Callable[[], object]) -> None:
    def attempt() -> None:
        # The failure that leads here is told; this one would hide it.
        with contextlib.suppress(OSError, CommandError):
            step()

    undo.callback(attempt)
