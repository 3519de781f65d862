"""Where the command takes contracts from, and calls without one (`registry.md` section 9)."""

from __future__ import annotations

import json
import os
import time
from types import SimpleNamespace

import pytest

from aster import ServiceSummary
from aster.cli import calling, main, manifests
from aster.contract import ContractManifest
from cli_services import Counter, Lab
from cli_support import aster, know_contracts
from support import asynchronous

LAB, COUNTER = ContractManifest.from_service(Lab), ContractManifest.from_service(Counter)
SUMMARY = ServiceSummary("Lab", 2, LAB.contract_id, {}, "shared", ["fory1", "json"])
MONTH = 30 * 24 * 3600

pytestmark = pytest.mark.usefixtures("home")


class Registry:
    """A registry that has one manifest, or fails."""

    def __init__(self, found=None):
        self.found = found
        self.asked = 0

    async def fetch_contract(self, service, version=None, *, timeout=None):
        self.asked += 1
        assert (service, version) == ("Lab", 2)
        if self.found is None:
            raise LookupError("no such contract")
        return self.found


async def contract(registry):
    return await manifests.contract_of(SimpleNamespace(registry=registry), SUMMARY)


@asynchronous
async def test_what_was_fetched_is_kept():
    registry = Registry(LAB)
    assert (await contract(registry)).contract_id == LAB.contract_id
    assert (await contract(registry)).contract_id == LAB.contract_id
    assert registry.asked == 1
    [kept] = manifests.cache_folder().iterdir()
    assert kept.name == LAB.contract_id
    assert kept.stat().st_mode & 0o777 == 0o600
    assert manifests.cache_folder().stat().st_mode & 0o777 == 0o700


@asynchronous
async def test_what_is_old_is_fetched_again_and_forgotten():
    folder = manifests.cache_folder()
    know_contracts()
    for path in folder.iterdir():
        os.utime(path, (time.time() - MONTH - 60,) * 2)
    registry = Registry(LAB)
    await contract(registry)
    assert registry.asked == 1
    assert [path.name for path in folder.iterdir()] == [LAB.contract_id]
    os.utime(folder / LAB.contract_id, (time.time() - MONTH + 60,) * 2)
    await contract(registry)
    assert registry.asked == 1


CHANGED = LAB.to_json().replace("lab/Num", "lab/Nun")


@pytest.mark.parametrize("text", ["not JSON", "[]", "{}", COUNTER.to_json(), CHANGED])
@asynchronous
async def test_what_was_changed_is_not_believed(text):
    folder = manifests.cache_folder()
    folder.mkdir(parents=True)
    (folder / LAB.contract_id).write_text(text)
    registry = Registry(LAB)
    assert (await contract(registry)).contract_id == LAB.contract_id
    assert registry.asked == 1


@asynchronous
async def test_imported_contracts_are_used(tmp_path):
    path = manifests.imported_path("Lab", LAB.contract_id)
    path.parent.mkdir(parents=True)
    path.write_text(LAB.to_export())
    registry = Registry()
    assert (await contract(registry)).contract_id == LAB.contract_id
    assert registry.asked == 0


@asynchronous
async def test_legacy_manifests_are_not_kept():
    legacy = ContractManifest.from_json(
        json.dumps({"service": "Lab", "version": 2, "contract_id": LAB.contract_id, "methods": []})
    )
    assert await contract(Registry(legacy)) is legacy
    assert not manifests.cache_folder().exists()


@asynchronous
async def test_nobody_has_it(caplog):
    assert await contract(Registry()) is None
    assert "contract of 'Lab' v2 is unavailable: no such contract" in caplog.text


@pytest.fixture
def unknown(monkeypatch):
    """No contract can be had."""

    async def nothing(client, summary):
        return None

    monkeypatch.setattr(calling, "contract_of", nothing)


@pytest.mark.usefixtures("unknown")
def test_calls_without_a_contract_are_json(lab, capsys):
    assert main(["call", lab.address, "Lab.double", '{"value":4}', "--json"]) == 0
    assert capsys.readouterr().out == '{"value":8}\n'
    assert main(["call", lab.address, "Counter.add", '{"value":4}', "--json"]) == 0
    assert capsys.readouterr().out == '{"value":4}\n'
    # The server says what it does not have, and what does not fit.
    assert main(["call", lab.address, "Lab.nope", "--json"]) == 1
    assert json.loads(capsys.readouterr().err)["error"]["code"] == "UNIMPLEMENTED"
    assert main(["call", lab.address, "Lab.double", '{"valeu":4}', "--json"]) == 1
    assert json.loads(capsys.readouterr().err)["error"]["code"] == "CONTRACT_VIOLATION"
    assert main(["call", lab.address, "Lab.guarded"]) == 1
    assert capsys.readouterr().err.endswith("hint: you have no roles\n")


def test_warnings_are_told(lab):
    know_contracts()
    done = aster("service", "ls", lab.address, ASTER_NOPE="1")
    assert done.returncode == 0
    assert [line.startswith("warning: ") and "ASTER_NOPE" in line for line in done.stderr.splitlines()] == [True]
