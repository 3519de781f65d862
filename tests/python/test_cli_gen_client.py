"""Clients that the command generates: sources, names, what is said (`cli.md` section 4)."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from aster.cli.client_generation import default_package
from aster.service import service_info
from cli_services import Lab
from cli_support import environment, failed, know_contracts, succeeded

LAB = service_info(Lab).contract_id


@pytest.fixture(autouse=True)
def _contracts(home):
    know_contracts()


@pytest.fixture
def manifest(tmp_path):
    succeeded("contract", "gen", "--service", "cli_services:Lab", "cli_services:Counter", "--out", "lab.json")
    return tmp_path / "lab.json"


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_from_a_manifest(manifest, tmp_path):
    told = succeeded("contract", "gen-client", "lab.json", "--out", "gen").splitlines()
    written = contents(tmp_path / "gen")
    assert told[0] == f"Generated {len(written)} files"
    assert told[1 : 1 + len(written)] == [f"  gen/{path.as_posix()}" for path in written]
    assert "from lab import LabClient" in told
    program = "import lab; print(lab.LabClient._contract_id)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path / "gen",
        env=environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout.strip() == LAB
    # The same input gives the same bytes, over what was generated before.
    succeeded("contract", "gen-client", "lab.json", "--out", "gen")
    assert contents(tmp_path / "gen") == written


def test_from_an_exported_contract(manifest, tmp_path):
    succeeded("contract", "export", "--manifest", "lab.json")
    told = json.loads(succeeded("contract", "gen-client", "Lab.aster.json", "--out", "gen", "--json"))
    assert told["package"] == "Lab"
    assert "gen/Lab/services/lab_v2.py" in told["files"]


def test_from_a_peer(lab, tmp_path):
    told = succeeded("contract", "gen-client", lab.address, "--out", "gen", "--package", "mc")
    assert "from mc import CounterClient" in told
    succeeded("service", "generate-client", lab.address, "Lab", "--out", "one", "--package", "mc")
    assert (tmp_path / "one/mc/services/lab_v2.py").exists()
    assert not (tmp_path / "one/mc/services/counter_v1.py").exists()
    told = failed("service", "generate-client", lab.address, "Nope", "--out", "none")
    assert told == "error: service 'Nope' not found. Available: Counter, Lab\n"


def test_what_is_not_generated_is_not_overwritten(manifest, tmp_path):
    mine = tmp_path / "gen" / "lab" / "__init__.py"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine = 1\n")
    told = failed("contract", "gen-client", "lab.json", "--out", "gen")
    assert told == "error: gen/lab/__init__.py already exists; refusing to overwrite\n"
    assert contents(tmp_path / "gen").keys() == {mine.relative_to(tmp_path / "gen")}


def test_sources_that_are_none(manifest, tmp_path):
    assert failed("contract", "gen-client", "nope.json", "--out", "gen") == (
        "error: 'nope.json' is no file and no peer\n"
    )
    (tmp_path / "bad.json").write_text(manifest.read_text().replace('"idempotent": true', '"idempotent": false'))
    assert failed("contract", "gen-client", "bad.json", "--out", "gen").startswith("error: bad.json: ")
    assert not (tmp_path / "gen").exists()


@pytest.mark.parametrize(
    ("source", "package"),
    [
        ("@alice/Vault", "alice_vault"),
        ("aster1FcMASQn4AzYoiqJ8uguWmK", "FcMASQn4"),
        ("aster11cMASQn4AzYoiqJ8uguWmK", "_1cMASQn4"),
        ("ab" * 32, "abababab"),
    ],
)
def test_default_packages(source, package):
    assert default_package(source) == package


@pytest.mark.parametrize(
    ("file", "package"), [("my-app.json", "my_app"), ("Lab.aster.json", "Lab"), ("class", "_class")]
)
def test_default_packages_of_files(tmp_path, file, package):
    (tmp_path / file).write_text("{}")
    assert default_package(file) == package
