"""Exported contracts, `<Service>.aster.json`: manifests without anything but the contract (`contract.md` section 8)."""

from __future__ import annotations

from typing import Any, cast

# The version of manifests and the layout of the ids in them, which an export leaves out.
_MANIFEST = {"v": 1, "canonical_encoding": "aster-contract/2"}
_VERSION = "1"
_PREFIX = "blake3:"
_EXPORTED = (
    "service",
    "version",
    "scoped",
    "serialization_modes",
    "producer_language",
    "requires",
    "methods",
    "types",
    "description",
    "tags",
    "deprecated",
)


def export_of(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return the exported form of a manifest, fields sorted by name."""
    kept = {key: manifest[key] for key in _EXPORTED}
    kept["methods"] = [_sorted_fields(entry, "fields", "response_fields") for entry in kept["methods"]]
    kept["types"] = {tag: _sorted_fields(entry, "fields") for tag, entry in kept["types"].items()}
    return {"aster_contract": _VERSION, "contract_id": f"{_PREFIX}{manifest['contract_id']}", **kept}


def manifest_of_export(document: dict[str, Any]) -> dict[str, Any]:
    """Return an exported contract as the manifest that it was made from.

    `TypeError` for another version and for an id of another form. Core checks the rest.
    """
    claimed: Any = document.get("contract_id")
    if document["aster_contract"] != _VERSION:
        raise TypeError(f"unknown version of exported contracts: {document['aster_contract']!r}")
    if not isinstance(claimed, str) or not claimed.startswith(_PREFIX):
        raise TypeError(f"the `contract_id` of an exported contract begins with {_PREFIX!r}")
    kept = {key: document[key] for key in _EXPORTED if key in document}
    _restore_parameters(kept)
    return {**_MANIFEST, "contract_id": claimed[len(_PREFIX) :], **kept}


def _restore_parameters(document: dict[str, Any]) -> None:
    """Put the fields of inline requests back in the order of the parameters; an export has sorted them."""
    try:
        for method in document["methods"]:
            order = [entry["name"] for entry in method["inline_params"]]
            if order:
                fields: list[dict[str, Any]] = document["types"][method["request_wire_tag"]]["fields"]
                fields.sort(key=lambda entry: order.index(entry["name"]))
    except (AttributeError, KeyError, TypeError, ValueError):
        return  # core says what is wrong with it


def _sorted_fields(entry: dict[str, Any], *keys: str) -> dict[str, Any]:
    ordered = {key: sorted(entry[key], key=lambda field: cast("str", field["name"])) for key in keys if key in entry}
    return {**entry, **ordered}
