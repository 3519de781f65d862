"""Node keys of enrolment: taken from a file, or made (`cli.md` section 5)."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aster import AsterConfig, _aster
from aster.cli import private_files
from aster.cli.failures import CommandError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class NodeKey:
    """A node key and the id that it makes."""

    seed: bytes = field(repr=False)
    endpoint_id: str

    @classmethod
    def of(cls, seed: bytes) -> NodeKey:
        """Take a seed of 32 bytes."""
        return cls(seed, _aster.ed25519_public_from_secret(seed).hex())


def node_key(identity: Path | None, out: Path) -> NodeKey:
    """Return the key of the identity that is given, else of the file that is written, else a new one.

    The identity may be an identity file, or a key file as `aster keygen producer` writes it.
    """
    if identity is not None:
        return _of_file(identity.expanduser())
    with contextlib.suppress(FileNotFoundError):
        seed, _ = AsterConfig().load_identity_from_path(out)
        if seed is not None:
            return NodeKey.of(seed)
    return NodeKey.of(_aster.ed25519_generate_keypair()[0])


def _of_file(path: Path) -> NodeKey:
    text = private_files.read(path)
    if text.lstrip().startswith("{"):
        try:
            return NodeKey.of(bytes.fromhex(json.loads(text)["secret_key"]))
        except (ValueError, KeyError, TypeError):
            raise CommandError(f"{path}: not a node key") from None
    seed, _ = AsterConfig().load_identity_from_path(path)
    if seed is None:
        raise CommandError(f"{path}: it has no node key")
    return NodeKey.of(seed)
