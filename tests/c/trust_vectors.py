#!/usr/bin/env python3
"""Prints trust.json as lines for credential_vectors.c, columns in hex between tabs.

- `now`: the time of all.
- `credential`: name, draft, seed, document as signing writes it, signed bytes, peer, root key.
- `negative` and `tolerated`: name, document, peer, root key, whether the document by itself is to be refused.
- `signature`: name, a credential with that key and signature, the key.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

# What a document alone does not show: revocation, spent tokens, options and instances of servers.
OF_SERVERS = {"unbound", "nonce_used", "nonce_store"}

# Good ones, presented to the wrong protocol.
AT_THE_OTHER_DOOR = {"producer-credential-in-consumer-admission", "consumer-credential-in-producer-admission"}


def line(group: str, *columns: bytes | str) -> None:
    texts = [column if isinstance(column, bytes) else column.encode() for column in columns]
    print("\t".join([group, *(text.hex() for text in texts)]))


def document(entry: dict) -> bytes:
    raw = entry.get("credential_hex")
    return entry["credential_json"].encode() if raw is None else bytes.fromhex(raw)


def signed(entry: dict) -> str:
    """The document with its attributes in the order in which they are signed."""
    made = json.loads(entry["credential_json"])
    made["attributes"] = dict(sorted(made["attributes"].items()))
    return json.dumps(made, separators=(",", ":")).replace("\x7f", "\\u007f")


def main() -> None:
    vectors = json.loads((Path(sys.argv[1]) / "trust.json").read_text())
    keys = vectors["keys"]
    root = bytes.fromhex(keys["root"]["public"])
    line("now", str(vectors["now"]))
    for entry in vectors["credentials"]:
        draft = json.loads(entry["credential_json"])
        del draft["signature"], draft["root_pubkey"]
        seed = bytes.fromhex(keys[entry["key"]]["seed"])
        signed_bytes = bytes.fromhex(entry["signed_bytes"])
        peer = entry["endpoint_id"] or ""
        line("credential", entry["name"], json.dumps(draft), seed, signed(entry), signed_bytes, peer, root)
    for entry in vectors["negative"]:
        judged = entry["cause"] not in OF_SERVERS and entry["name"] not in AT_THE_OTHER_DOOR
        of_server = bytes.fromhex(keys[entry["server_root"]]["public"])
        line("negative", entry["name"], document(entry), entry["peer"], of_server, str(int(judged)))
    for entry in vectors["tolerated"]:
        line("tolerated", entry["name"], document(entry), entry["peer"], root, "0")
    for entry in vectors["signatures"]:
        policy = {"credential_type": "policy", "root_pubkey": entry["public_key"], "expires_at": 1893456000}
        policy |= {"attributes": {}, "signature": entry["signature"]}
        line("signature", entry["name"], json.dumps(policy), bytes.fromhex(entry["public_key"]))


if __name__ == "__main__":
    main()
