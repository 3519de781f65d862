"""Root keys of the operator: how they are kept, and which one signs (`trust.md` sections 2 and 16)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aster import _aster
from aster.cli import key_ring, private_files, profiles
from aster.cli.failures import CommandError
from aster.cli.places import home

if TYPE_CHECKING:
    from pathlib import Path

FILE = "~/.aster/root.key"
_NONE = "no root key found. Use --root-key PATH or create one: aster trust keygen"


@dataclass(frozen=True)
class RootKey:
    """A root key and where it was found."""

    seed: bytes = field(repr=False)
    public: bytes
    source: str


def key_text(seed: bytes, public: bytes) -> str:
    """Return the text of a file with a root key."""
    return json.dumps({"private_key": seed.hex(), "public_key": public.hex()}, indent=2) + "\n"


def public_text(public: bytes) -> str:
    """Return the text of the file beside it."""
    return json.dumps({"public_key": public.hex()}) + "\n"


def public_path(path: Path) -> Path:
    """Return the path of the public half of a key file."""
    return path.with_suffix(".pub")


def find(named: Path | None) -> RootKey:
    """Return the key to sign with: of the file that is named, else of the keyring, else of `~/.aster/root.key`.

    `CommandError` if there is none, or if the profile in use has another one.
    """
    profile, said = profiles.selected()
    expected: Any = said.get("root_pubkey")
    if named is not None:
        # It may be of another deployment than the active profile, not than one that is asked for.
        found, must_match = read(named), profiles.asked() is not None
    else:
        found, must_match = _kept(profile or profiles.UNNAMED), True
    if must_match and expected is not None and str(expected).lower() != found.public.hex():
        raise CommandError(f"the root key of {found.source} is not that of profile '{profile}'")
    return found


def _kept(profile: str) -> RootKey:
    ring = key_ring.key_ring()
    seed = None if ring is None else ring.get(profile)
    if seed is not None:
        return _root_key(seed, key_ring.shown(profile))
    path = home() / "root.key"
    try:
        return read(path, was_named=False)
    except FileNotFoundError:
        raise CommandError(_NONE) from None


def read(path: Path, *, was_named: bool = True) -> RootKey:
    """Read a key file. `FileNotFoundError` without one, `CommandError` for what is none."""
    path = path.expanduser()
    try:
        content = json.loads(private_files.read(path, was_named=was_named))
        seed, public = content["private_key"], content.get("public_key")
    except (ValueError, KeyError, TypeError, AttributeError):
        raise CommandError(f"{path}: not a root key") from None
    found = _root_key(seed, str(path))
    if public is not None and str(public).lower() != found.public.hex():
        raise CommandError(f"{path}: 'public_key' does not belong to 'private_key'")
    return found


def _root_key(seed: Any, source: str) -> RootKey:
    try:
        raw = bytes.fromhex(seed)
        return RootKey(raw, _aster.ed25519_public_from_secret(raw), source)
    except (ValueError, TypeError):
        raise CommandError(f"{source}: 'private_key': expected 64 hex digits") from None


def read_public(text: str) -> bytes:
    """Read a public root key: hex, or a file with hex or with JSON that has `public_key`. `CommandError` for others."""
    found = _public(text)
    if found is None:
        from pathlib import Path  # noqa: PLC0415 - of this branch only

        content = Path(text).expanduser().read_text(encoding="utf-8").strip()
        if content.startswith("{"):
            try:
                content = str(json.loads(content).get("public_key"))
            except ValueError:
                content = ""
        found = _public(content)
    if found is None:
        raise CommandError(f"{text}: not a public root key")
    return found


def _public(text: str) -> bytes | None:
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        return None
    return raw if len(raw) == 32 else None  # noqa: PLR2004 - bytes of a key
