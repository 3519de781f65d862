"""`aster contract` (`cli.md` section 2, `contract.md` section 8)."""

from __future__ import annotations

import json
import subprocess

import pytest

from aster.contract import ContractManifest
from aster.service import service_info
from cli_services import Counter, Lab
from cli_support import aster, failed, succeeded

LAB = service_info(Lab).contract_id
COUNTER = service_info(Counter).contract_id
GEN = ["contract", "gen", "--service", "cli_services:Lab"]
BOTH = [*GEN, "--service", "cli_services:Counter"]

pytestmark = pytest.mark.usefixtures("home")


def test_gen_writes_one_manifest(tmp_path):
    told = succeeded(*GEN)
    assert told == f".aster/manifest.json\n  Lab v2  contract_id={LAB[:16]}...  methods=12\n"
    written = (tmp_path / ".aster" / "manifest.json").read_text(encoding="utf-8")
    assert written == ContractManifest.from_service(Lab).to_json()


def test_gen_is_reproducible_and_checks(tmp_path):
    succeeded(*BOTH, "--out", "a.json")
    succeeded(*BOTH, "--out", "b.json", process=True, PYTHONHASHSEED="7", TZ="Asia/Tokyo", LANG="C")
    first = (tmp_path / "a.json").read_bytes()
    assert first == (tmp_path / "b.json").read_bytes()
    assert first.endswith(b"]\n")
    assert [one["contract_id"] for one in json.loads(first)] == [LAB, COUNTER]
    # Several after one option.
    assert succeeded(*GEN, "cli_services:Counter", "--out", "c.json").count("contract_id=") == 2
    assert (tmp_path / "c.json").read_bytes() == first
    assert succeeded(*BOTH, "--out", "a.json", "--check").startswith("a.json\n")


def test_check_writes_nothing(tmp_path):
    assert failed(*GEN, "--check").startswith("error: .aster/manifest.json does not exist\nhint: ")
    assert list(tmp_path.iterdir()) == []
    path = tmp_path / "m.json"
    path.write_text("{}")
    assert failed(*GEN, "--check", "--out", "m.json").startswith("error: m.json is out of date\n")
    assert path.read_text() == "{}"


def test_gen_json_and_semver(tmp_path):
    told = json.loads(succeeded(*GEN, "--json", "--semver", "1.2.3", "--out", "m.json"))
    assert told == {
        "path": "m.json",
        "services": [{"name": "Lab", "version": 2, "contract_id": LAB, "methods": 12}],
    }
    written = json.loads((tmp_path / "m.json").read_text())
    assert (written["semver"], written["vcs_revision"], written["published_at_epoch_ms"]) == ("1.2.3", None, 0)


def git(*arguments):
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    return subprocess.run(["git", *identity, *arguments], capture_output=True, text=True, check=True).stdout.strip()


def test_gen_vcs(tmp_path):
    assert failed(*GEN, "--vcs") == "error: --vcs needs a git work tree with a commit\n"
    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "first", "--date", "2020-01-01T00:00:00Z")
    git("tag", "v1")
    git("remote", "add", "origin", "https://user:secret@example.org/repo.git")
    succeeded(*GEN, "--vcs")
    path = tmp_path / ".aster" / "manifest.json"
    written = json.loads(path.read_text())
    assert written["vcs_revision"] == git("rev-parse", "HEAD")
    assert (written["vcs_tag"], written["vcs_url"]) == ("v1", "https://example.org/repo.git")
    assert written["published_at_epoch_ms"] == int(git("show", "-s", "--format=%ct")) * 1000
    assert succeeded(*GEN, "--vcs", "--check")
    # Without the option nothing of the repository is in the file.
    succeeded(*GEN)
    assert written["vcs_revision"] not in path.read_text()


@pytest.mark.parametrize(
    ("spec", "message", "status"),
    [
        ("cli_services", "expected MODULE:CLASS, got 'cli_services'", 2),
        ("no_such_module:A", "cannot import 'no_such_module': ModuleNotFoundError: No module named", 1),
        ("cli_services:Nope", "module 'cli_services' has no 'Nope'", 1),
        ("cli_services:Num", "Num is not @service-decorated (missing __aster_service_info__)", 1),
    ],
)
def test_services_that_are_none(spec, message, status):
    assert failed("contract", "gen", "--service", spec, status=status).startswith(f"error: {message}")


def test_service_given_twice():
    assert failed(*GEN, "cli_services:Lab", status=2) == "error: service 'Lab' v2 is given twice\n"


def test_modules_of_the_working_directory_may_print(tmp_path):
    program = "from cli_services import Lab as Mine\nprint('hello from the module')\n"
    (tmp_path / "mine.py").write_text(program)
    done = aster("contract", "gen", "--service", "mine:Mine", "--json", process=True)
    assert done.stderr == "hello from the module\n"
    assert json.loads(done.stdout)["services"][0]["contract_id"] == LAB


def test_export_import_verify(tmp_path, home):
    succeeded(*BOTH)
    assert succeeded("contract", "export", "-o", "out") == "out/Lab.aster.json\nout/Counter.aster.json\n"
    exported = tmp_path / "out" / "Lab.aster.json"
    assert exported.read_text() == ContractManifest.from_service(Lab).to_export()
    assert json.loads(exported.read_text())["contract_id"] == f"blake3:{LAB}"
    succeeded("contract", "export", "-o", "out")
    kept = home / ".aster" / "contracts" / "Lab" / f"{LAB[:16]}.aster.json"
    assert succeeded("contract", "import", str(exported)) == f"{kept}\n"
    assert kept.read_text() == exported.read_text()
    told = f"Lab v2  contract_id={LAB}  ok\n"
    assert succeeded("contract", "verify", str(exported)) == told
    assert succeeded("contract", "verify", str(exported), "--manifest", ".aster/manifest.json") == told
    as_json = json.loads(succeeded("contract", "verify", ".aster/manifest.json", "--json"))
    assert [one["contract_id"] for one in as_json] == [LAB, COUNTER]


def test_export_overwrites_nothing_else(tmp_path):
    succeeded(*GEN)
    (tmp_path / "Lab.aster.json").write_text('{"mine": true}')
    assert failed("contract", "export") == "error: Lab.aster.json already exists; refusing to overwrite\n"
    assert (tmp_path / "Lab.aster.json").read_text() == '{"mine": true}'


def test_changed_contracts_are_refused(tmp_path, home):
    succeeded(*GEN)
    succeeded("contract", "export")
    path = tmp_path / "Lab.aster.json"
    path.write_text(path.read_text().replace('"idempotent": true', '"idempotent": false'))
    for command in ("verify", "import"):
        assert failed("contract", command, str(path)).startswith(f"error: {path}: ")
    assert not (home / ".aster" / "contracts").exists()
    assert failed("contract", "verify", "nope.json") == "error: nope.json: No such file or directory\n"
    path.write_text("not JSON")
    assert failed("contract", "verify", str(path)).startswith(f"error: {path}: ")


def test_verify_against_another_manifest(tmp_path):
    succeeded(*GEN)
    succeeded("contract", "export")
    text = (tmp_path / ".aster" / "manifest.json").read_text()
    described = ContractManifest.from_json(text)
    assert described.contract_id == LAB
    succeeded("contract", "gen", "--service", "cli_services:Counter", "--out", "other.json")
    told = failed("contract", "verify", "Lab.aster.json", "--manifest", "other.json")
    assert told == "error: other.json has no service 'Lab' v2\n"


def test_names_cannot_leave_the_folder(home):
    from aster.cli.manifests import imported_path

    root = home / ".aster" / "contracts"
    for name in ("..", ".", "a/../../b", "/etc", "a\\b"):
        path = imported_path(name, LAB)
        assert path.parent.parent == root
        assert path.parent.name not in {"..", "."}


def test_preview(tmp_path):
    told = succeeded("contract", "preview", "--service", "cli_services:Lab")
    for line in (
        "service Lab v2",
        f"  contract_id  {LAB}",
        "method count  server_stream",
        "  signature    (Num) -> stream Num",
        "  requires     any of (lab.read, lab.admin)",
        "message lab/Sample",
        "  fory name    namespace='lab' name='Sample'",
        "  field        at  wire=at  fory=nullable timestamp",
        "  field        level  wire=level  fory=enum by ordinal lab/Level",
        "  field        labels  wire=labels  fory=map<string, string>",
        "enum lab/Level",
        "  mode         ordinal",
        "  members      LOW=0, HIGH=1",
    ):
        assert line in told.splitlines(), told
    succeeded(*GEN)
    assert succeeded("contract", "preview", "--manifest", ".aster/manifest.json") == told
    told = failed("contract", "preview", status=2)
    assert told == "error: give one of --service and --manifest\n"
