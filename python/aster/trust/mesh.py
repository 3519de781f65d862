"""The state of a producer's mesh, as its file has it (`trust.md` section 11)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from aster import _aster

__all__ = ["MeshState"]


@dataclass
class MeshState:
    """What a producer knows of its mesh. `salt` is a secret of the deployment; `topic_id` follows from it.

    `members` are the other producers with the second since 1970 in which each membership ends; `accepted_producers`
    tells the same without times, ourselves included, and is not read. `epochs` are the clocks of the last messages.
    """

    accepted_producers: set[str] = field(default_factory=set[str])
    salt: bytes = field(default=b"", repr=False)
    topic_id: bytes = field(default=b"", repr=False)
    peer_offsets: dict[str, int] = field(default_factory=dict[str, int])
    drift_isolated: set[str] = field(default_factory=set[str])
    last_heartbeat_epoch_ms: int = 0
    mesh_joined_at_epoch_ms: int = 0
    mesh_dead: bool = False
    root_pubkey: bytes | None = None
    members: dict[str, int] = field(default_factory=dict[str, int])
    epochs: dict[str, int] = field(default_factory=dict[str, int])

    def to_json(self, root_pubkey: bytes | None = None) -> str:
        """Return the content of its file. `ValueError` if neither it nor the caller knows the root key."""
        root = self.root_pubkey if self.root_pubkey is not None else root_pubkey
        if root is None:
            raise ValueError("a mesh state needs root_pubkey")
        document = {
            "accepted_producers": sorted(self.accepted_producers),
            "salt": self.salt.hex(),
            "topic_id": (self.topic_id or _aster.mesh_topic(root, self.salt)).hex(),
            "peer_offsets": self.peer_offsets,
            "drift_isolated": sorted(self.drift_isolated),
            "last_heartbeat_epoch_ms": self.last_heartbeat_epoch_ms,
            "mesh_joined_at_epoch_ms": self.mesh_joined_at_epoch_ms,
            "mesh_dead": self.mesh_dead,
            "root_pubkey": root.hex(),
            "members": self.members,
            "epochs": self.epochs,
        }
        return json.dumps(document)

    @classmethod
    def from_json(cls, text: str | bytes) -> MeshState:
        """Read the content of a file. `ValueError` if it is none; who uses it checks the rest."""
        state = cls()
        try:
            state._fill(json.loads(text))
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError("not the state of a mesh") from error
        return state

    def _fill(self, document: dict[str, Any]) -> None:
        self.accepted_producers = set(document["accepted_producers"])
        self.salt = bytes.fromhex(document["salt"])
        self.topic_id = bytes.fromhex(document["topic_id"])
        self.peer_offsets = dict(document["peer_offsets"])
        self.drift_isolated = set(document["drift_isolated"])
        self.last_heartbeat_epoch_ms = document["last_heartbeat_epoch_ms"]
        self.mesh_joined_at_epoch_ms = document["mesh_joined_at_epoch_ms"]
        self.mesh_dead = document["mesh_dead"]
        self.root_pubkey = bytes.fromhex(document["root_pubkey"])
        self.members = dict(document["members"])
        self.epochs = dict(document["epochs"])

    def _native(self, own_endpoint_id: str, root_pubkey: bytes) -> _aster.Mesh:
        """Return core's mesh of this state. The same one as long as somebody uses it, so that nobody is forgotten."""
        kept: tuple[str, bytes, _aster.Mesh] | None = self.__dict__.get("_kept")
        if kept is None or kept[:2] != (own_endpoint_id, root_pubkey):
            mesh = _aster.Mesh(self.to_json(root_pubkey), own_endpoint_id, root_pubkey, None)
            kept = self.__dict__["_kept"] = (own_endpoint_id, root_pubkey, mesh)
        return kept[2]

    def _read(self, mesh: _aster.Mesh) -> None:
        self._fill(json.loads(mesh.to_json()))
