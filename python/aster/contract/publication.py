"""Contracts as collections of files that peers fetch (`registry.md` section 2, steps 1 and 2)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aster import _aster
from aster.contract.manifest import ContractManifest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aster.blobs import BlobsClient

__all__ = ["build_collection", "fetch_from_collection", "upload_collection", "verify_collection"]

_CONTRACT = "contract.bin"
_MANIFEST = "manifest.json"


def build_collection(service: object | ContractManifest, **publication: Any) -> list[tuple[str, bytes]]:
    """Return names and bytes of the files of a contract: `contract.bin`, `types/<hash>.bin` by hash, `manifest.json`.

    `service` is a decorated class, an instance of one, a `ServiceInfo`, or a verified manifest; `publication` are
    values as for `ContractManifest.from_service`. `TypeError` for anything else.
    """
    if isinstance(service, ContractManifest):
        if publication:
            raise TypeError("a manifest has its publication values already")
        manifest = service
    else:
        manifest = ContractManifest.from_service(service, **publication)
    return [*_binaries(manifest), (_MANIFEST, manifest.to_json().encode())]


def _binaries(manifest: ContractManifest) -> list[tuple[str, bytes]]:
    if not manifest.verified:
        raise TypeError("a legacy manifest cannot be published: it is not verified")
    description = _aster.description_of_manifest(manifest.to_json())
    identity = json.loads(_aster.contract_identity(description))
    graph = json.loads(_aster.type_graph(json.dumps(json.loads(description)["types"])))["types"]
    bodies = {node["hash"]: bytes.fromhex(node["canonical"]) for node in graph.values()}
    types = [(f"types/{digest}.bin", bodies[digest]) for digest in sorted(identity["type_hashes"])]
    return [(_CONTRACT, bytes.fromhex(identity["canonical"])), *types]


async def upload_collection(blobs: BlobsClient, entries: Sequence[tuple[str, bytes]]) -> str:
    """Store the files of a contract as a collection and return its hash."""
    return await blobs.add_collection(entries)


async def fetch_from_collection(
    blobs: BlobsClient, collection_hash: str, node_id: str | None = None
) -> ContractManifest:
    """Return the manifest of a stored contract after checking all its files.

    With `node_id` they are fetched from that node first, else they must be here. `TypeError` if the files are not
    those of one contract; errors of `BlobsClient.download_hash` for what cannot be fetched.
    """
    if node_id is not None:
        return verify_collection(await blobs.download_collection_hash(collection_hash, node_id))
    files = await blobs.list_collection(collection_hash)
    return verify_collection([(name, await blobs.read_to_bytes(digest)) for name, digest, _ in files])


def verify_collection(entries: Sequence[tuple[str, bytes]]) -> ContractManifest:
    """Return the manifest among the files of a contract. `TypeError` unless they are exactly those of that contract.

    Files are found by name; others than those of the contract are refused.
    """
    files = dict(entries)
    if len(files) < len(entries):
        raise TypeError("the collection has a name twice")
    if _MANIFEST not in files:
        raise TypeError(f"the collection has no {_MANIFEST}")
    try:
        manifest = ContractManifest.from_json(files.pop(_MANIFEST).decode())
    except ValueError as error:
        raise TypeError(f"{_MANIFEST} cannot be read: {error}") from error
    expected = dict(_binaries(manifest))
    wrong = sorted(name for name in {*expected, *files} if expected.get(name) != files.get(name))
    if wrong:
        raise TypeError(f"the collection is not that of contract {manifest.contract_id}: {', '.join(wrong[:3])}")
    return manifest
