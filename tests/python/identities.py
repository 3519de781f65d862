"""Identity and credential files of the tests, signed by the keys of the vectors."""

from __future__ import annotations

import base64
import json

from conftest import VECTORS

TRUST = json.loads((VECTORS / "trust.json").read_text(encoding="utf-8"))
KEYS = TRUST["keys"]
NODE = KEYS["node"]
ROOT = KEYS["root"]["public"]
OTHER_ROOT = KEYS["other_root"]["public"]
EXPIRES = 1893456000


def credential(name):
    """Return a credential of the vectors."""
    return next(case for case in TRUST["credentials"] if case["name"] == name)


def toml(value):
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {toml(item)}" for key, item in value.items()) + " }"
    return json.dumps(value)


def table(head, fields):
    return "\n".join([head, *(f"{key} = {toml(value)}" for key, value in fields.items() if value is not None), ""])


def node(**fields):
    seed = base64.b64encode(bytes.fromhex(NODE["seed"])).decode()
    return table("[node]", {"secret_key": seed, "endpoint_id": NODE["public"], **fields})


def producer(name="billing", **fields):
    """Return an entry that verifies."""
    signed = credential("producer-billing")
    return table(
        "[[peers]]",
        {
            "name": name,
            "role": "producer",
            "root_pubkey": ROOT,
            "endpoint_id": signed["endpoint_id"],
            "expires_at": signed["expires_at"],
            "signature": signed["signature"],
            "attributes": signed["attributes"],
            **fields,
        },
    )


def consumer(case="stored-verbatim", **fields):
    """Return an entry of the restore group; `no-variant-verifies` does not verify."""
    signed = next(found for found in TRUST["identity_restore"] if found["name"] == case)
    return table(
        "[[peers]]",
        {
            "name": signed["peer_name"],
            "role": "consumer",
            "type": "policy",
            "root_pubkey": ROOT,
            "endpoint_id": signed["endpoint_id"],
            "expires_at": signed["expires_at"],
            "signature": signed["signature"],
            "attributes": signed["stored_attributes"],
            **fields,
        },
    )


def write(path, *parts, mode=0o600):
    path.write_text("".join(parts), encoding="utf-8")
    path.chmod(mode)
    return path
