"""Tests run in an empty directory, offline, without settings of the machine."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

VECTORS = Path(os.environ.get("ASTER_VECTORS_DIR", Path(__file__).resolve().parents[3] / "shared" / "vectors"))


@pytest.fixture(autouse=True)
def _isolated(tmp_path, monkeypatch):
    for name in list(os.environ):
        if name.startswith("ASTER_") and name != "ASTER_VECTORS_DIR":
            monkeypatch.delenv(name)
    monkeypatch.setenv("ASTER_RELAY_MODE", "disabled")
    monkeypatch.setenv("ASTER_BIND_ADDR", "127.0.0.1:0")
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def wire_vectors():
    return json.loads((VECTORS / "wire.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def contract_vectors():
    return json.loads((VECTORS / "contract.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def codec_vectors():
    return json.loads((VECTORS / "codec.json").read_text(encoding="utf-8"))
