"""`aster blob` (`cli.md` section 2): what a peer publishes, by hash and by name."""

from __future__ import annotations

import json
import subprocess

import pytest

from aster import _aster
from aster.contract import ContractManifest
from aster.service import service_info
from cli_services import Lab
from cli_support import SECONDS, command, environment, failed, succeeded

LAB = service_info(Lab).contract_id
NAMES = ["Counter-v1", "Lab-v2"]

pytestmark = pytest.mark.usefixtures("home")


def cat(lab, name):
    """Return the bytes that `blob cat` writes."""
    done = subprocess.run(
        command("blob", "cat", lab.address, name), env=environment(), capture_output=True, timeout=SECONDS, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout


def test_ls(lab):
    told = json.loads(succeeded("blob", "ls", lab.address, "--json"))
    assert [(one["name"], one["format"]) for one in told] == [(name, "collection") for name in NAMES]
    assert all(len(one["hash"]) == 64 and one["size"] > 1000 for one in told)
    head, *rows = succeeded("blob", "ls", lab.address).splitlines()
    assert head.split() == ["Name", "Hash", "Size", "Format"]
    assert [row.split() for row in rows] == [[str(value) for value in one.values()] for one in told]


def test_cat_of_what_is_in_a_collection(lab):
    manifest = ContractManifest.from_json(cat(lab, "Lab-v2/manifest.json").decode())
    assert (manifest.service, manifest.contract_id) == ("Lab", LAB)
    contract = cat(lab, "Lab-v2/contract.bin")
    assert _aster.blake3_hex(contract) == LAB
    # Blobs are named by their hash, which the contract id is.
    assert cat(lab, LAB) == cat(lab, LAB.upper()) == contract
    told = failed("blob", "cat", lab.address, "Lab-v2")
    assert told.startswith("error: 'Lab-v2' is a collection: name one of its files after a slash: contract.bin, types/")
    told = failed("blob", "cat", lab.address, "Lab-v2/nope")
    assert told.startswith("error: 'Lab-v2' has no file 'nope'. Available: contract.bin, ")
    [collection] = [
        one for one in json.loads(succeeded("blob", "ls", lab.address, "--json")) if one["name"] == "Lab-v2"
    ]
    assert cat(lab, f"{collection['hash']}/contract.bin") == contract


def test_what_is_not_there(lab):
    assert failed("blob", "cat", lab.address, "nope") == (
        "error: blob 'nope' not found. Available: Counter-v1, Lab-v2\n"
    )
    assert failed("blob", "cat", lab.address, "0" * 64) == f"error: the peer does not have blob {'0' * 64}\n"


def test_save(lab, tmp_path):
    told = succeeded("blob", "save", lab.address, "Lab-v2/contract.bin", "c.bin")
    data = (tmp_path / "c.bin").read_bytes()
    assert told == f"c.bin  {len(data)} bytes\n"
    assert _aster.blake3_hex(data) == LAB
    (tmp_path / "c.bin").write_text("mine")
    told = failed("blob", "save", lab.address, LAB, "c.bin")
    assert told == "error: c.bin already exists; refusing to overwrite\n"
    assert (tmp_path / "c.bin").read_text() == "mine"
    told = json.loads(succeeded("blob", "save", lab.address, LAB, "c.bin", "--force", "--json"))
    assert told == {"path": "c.bin", "size": len(data)}
    assert (tmp_path / "c.bin").read_bytes() == data
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.bin"]
