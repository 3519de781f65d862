"""The beginning of a mesh (`trust.md` section 11)."""

from __future__ import annotations

import secrets

from aster import _aster
from aster.trust.mesh import MeshState

__all__ = ["make_ephemeral_mesh_state"]

_SALT_BYTES = 32


def make_ephemeral_mesh_state(root_pubkey: bytes | None = None, *, salt: bytes | None = None) -> MeshState:
    """Make the state of a mesh that nobody is in yet, with a random salt of 32 bytes unless one is given.

    Without `root_pubkey` whoever uses it brings the root key.
    """
    salt = secrets.token_bytes(_SALT_BYTES) if salt is None else salt
    topic = b"" if root_pubkey is None else _aster.mesh_topic(root_pubkey, salt)
    return MeshState(salt=salt, topic_id=topic, root_pubkey=root_pubkey)
