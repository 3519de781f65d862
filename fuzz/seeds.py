#!/usr/bin/env python3
"""Writes the seeds of the fuzz targets from the shared vectors: `seeds.py VECTORS_DIR OUT_DIR`."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

Vectors = dict[str, Any]


def codec_seeds(vectors: Vectors) -> tuple[list[bytes], list[bytes]]:
    """Returns bodies in XLANG and in JSON, each behind the number of its subject (`fuzz/src/subject.rs`)."""
    subjects = {name: index for index, name in enumerate(vectors["schemas"])}
    xlang: list[bytes] = []
    text: list[bytes] = []

    def add(into: list[bytes], subject: int, body: bytes) -> None:
        into.append(subject.to_bytes(2, "little") + body)

    for case in vectors["cases"]:
        subject = subjects[case["schema"]]
        add(xlang, subject, bytes.fromhex(case["hex"]))
        add(text, subject, json.dumps(case["value"], ensure_ascii=False).encode())
    for case in vectors["decode"]:
        add(xlang, subjects[case["schema"]], bytes.fromhex(case["hex"]))
    for index, case in enumerate(vectors["evolution"], len(subjects)):
        add(xlang, index, bytes.fromhex(case["hex"]))
        add(text, index, json.dumps(case["value"], ensure_ascii=False).encode())
    for case in vectors["json"]:
        body = case["text"].encode() if "text" in case else bytes.fromhex(case["hex"])
        add(text, subjects[case["schema"]], body)
    return xlang, text


def canonical_seeds(vectors: Vectors) -> list[bytes]:
    """Returns canonical bytes, sets of them and manifests behind their kind (`fuzz/targets/canonical.rs`)."""
    out = [b"\0" + bytes.fromhex(case["hex"]) for case in vectors["type_defs"]]
    out += [b"\1" + bytes.fromhex(case["hex"]) for case in vectors["contracts"]]
    for case in vectors["negative"]:
        if "hex" in case:
            kind = b"\1" if case["kind"] == "service_contract" else b"\0"
            out.append(kind + bytes.fromhex(case["hex"]))
    for case in vectors["graphs"]:
        bodies = [bytes.fromhex(body["hex"]) for body in case["type_defs"].values()]
        out += [b"\0" + body for body in bodies]
        # The type that refers to the others comes last in a graph, and first in a set.
        out.append(b"\2" + b"".join(len(body).to_bytes(2, "little") + body for body in reversed(bodies)))
    out += [b"\3" + json.dumps(case["manifest"]).encode() for case in vectors["manifests"]]
    return out


def config_seeds(vectors: Vectors) -> list[bytes]:
    """Returns files of settings, identity files and credentials behind their kind (`fuzz/targets/config.rs`)."""
    out = [b"\2" + case["credential_json"].encode() for case in [*vectors["credentials"], *vectors["tolerated"]]]
    out += [b"\2" + case["credential_json"].encode() for case in vectors["negative"] if "credential_json" in case]
    key = vectors["keys"]["root"]["public"]
    node = f'[node]\nsecret_key = "{vectors["keys"]["node"]["seed"]}"\n'
    for case in vectors["identity_restore"]:
        attributes = ", ".join(f"{json.dumps(name)} = {json.dumps(v)}" for name, v in case["stored_attributes"].items())
        entry = f'[[peers]]\nname = "{case["peer_name"]}"\nrole = "{case["role"]}"\ntype = "policy"\n'
        entry += f'root_pubkey = "{key}"\n'
        entry += f'endpoint_id = "{case["endpoint_id"]}"\nexpires_at = {case["expires_at"]}\n'
        entry += f'signature = "{case["signature"]}"\nattributes = {{ {attributes} }}\n'
        out += [kind + (node + entry).encode() for kind in (b"\1", b"\2")]
    out.append(
        b"\0[trust]\nallow_all_consumers = false\n[trust.iid]\naws_certificates = ['a']\n[storage]\npath = 's'\n"
    )
    out.append(
        b"\0[network]\nrelay_mode = 'https://a.example'\nbind_addr = '127.0.0.1:0'\nproxy_url = 'http://a:b@c'\n"
    )
    return out


def trust_seeds(vectors: Vectors) -> list[bytes]:
    """Returns what peers present, behind its kind (`fuzz/targets/trust.rs`)."""
    documents = [*vectors["credentials"], *vectors["tolerated"], *vectors["negative"]]
    out = [b"\0" + case["credential_json"].encode() for case in documents if "credential_json" in case]
    admission = vectors["admission"]
    requests = [*admission["requests"], *admission["producer"]]
    out += [b"\1" + case["request"].encode() for case in requests if "request" in case]
    out += [b"\1" + case["json"].encode() for case in admission["responses"]]
    out += [b"\2" + case["envelope"].encode() for case in vectors["mesh"]["messages"]]
    out += [b"\3" + text.encode() for text in vectors["delegated"]["messages"].values()]
    out += [b"\4" + case["iid_token"].encode() for case in vectors["iid"]["cases"]]
    return out


def main() -> None:
    vectors, target = Path(sys.argv[1]), Path(sys.argv[2])
    xlang, text = codec_seeds(json.loads((vectors / "codec.json").read_text()))
    canonical = canonical_seeds(json.loads((vectors / "contract.json").read_text()))
    trust = json.loads((vectors / "trust.json").read_text())
    rows = [seed[:2] + b"\0" + seed[2:] for seed in xlang]
    targets = {
        "codec_decode": xlang,
        "type_definition": xlang,
        "json": text,
        "canonical": canonical,
        "rows": rows,
        "config": config_seeds(trust),
        "trust": trust_seeds(trust),
    }
    for name, seeds in targets.items():
        folder = target / name
        folder.mkdir(parents=True, exist_ok=True)
        for seed in seeds:
            (folder / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)


if __name__ == "__main__":
    main()
