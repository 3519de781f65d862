"""Generated TypeScript clients: they compile strictly, have the ids, and call a Python server."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "python"))

from aster import AsterConfig, AsterServer  # noqa: E402
from aster.cli.generate._names import file_stem  # noqa: E402
from aster.contract import ContractManifest  # noqa: E402
from generated_services import EverythingService, Tally  # noqa: E402
from generated_support import (  # noqa: E402
    ROOT,
    UNGUARDED,
    every_vector,
    implemented,
    imported,
    make,
    manifests,
    only_client,
    ran,
    without_odd,
)

OPTIONS = {
    "target": "ES2022",
    "module": "NodeNext",
    "lib": ["ES2023", "ESNext.Disposable"],
    "types": ["node"],
    "typeRoots": [str(ROOT / "ts/node_modules/@types")],
    "rootDir": ".",
    "outDir": "dist",
    "declaration": True,
    "strict": True,
    "noImplicitOverride": True,
    "noUncheckedIndexedAccess": True,
    "noUnusedLocals": True,
    "noUnusedParameters": True,
    "verbatimModuleSyntax": True,
    "isolatedModules": True,
    "exactOptionalPropertyTypes": True,
    "noImplicitReturns": True,
    "noPropertyAccessFromIndexSignature": True,
}
EXPECTED = {
    "same": True,
    "classes": [True, True, True],
    # The list that the handler starts from is made in Python, so that a client cannot know it.
    "inline": [6, 2],
    "none": 1,
    "total": 2,
    "counted": [1, 2],
    "listed": [1, 1],
    "negated": [-1, -5],
    "denied": "PERMISSION_DENIED",
    "started": 10,
    "tallied": [1, 3, 13, 1],
}


def environment() -> dict[str, str]:
    """Return the environment of this process, without settings of Aster."""
    return {name: value for name, value in os.environ.items() if not name.startswith("ASTER_")}


def compiled(folder: Path) -> None:
    """Compile what is in a folder, as a project that uses the package does."""
    link = folder / "node_modules" / "@aster" / "rpc"
    link.parent.mkdir(parents=True)
    link.symlink_to(ROOT / "ts", target_is_directory=True)
    (folder / "package.json").write_text('{"type": "module", "private": true}', encoding="utf-8")
    (folder / "tsconfig.json").write_text(json.dumps({"compilerOptions": OPTIONS, "include": ["**/*.ts"]}))
    ran(ROOT / "ts/node_modules/.bin/tsc", "-p", folder)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A compiled project with the clients of all services."""
    folder = tmp_path_factory.mktemp("typescript")
    make(folder, "typescript")
    for name in ("use.ts", "ids.mjs", "every.mjs"):
        (folder / name).write_text((HERE / "generated" / name).read_text(encoding="utf-8"), encoding="utf-8")
    compiled(folder)
    return folder


def test_ids_are_those_of_the_source(project: Path) -> None:
    ids = json.loads(ran("node", "ids.mjs", cwd=project, env=environment()))
    assert set(ids) == {ContractManifest.from_json(text).contract_id for text in manifests()}
    assert all(found == given for given, found in ids.items())


def test_every_service_of_the_vectors(tmp_path: Path) -> None:
    """Those that share name and version one after the other, as one package cannot have both."""
    waiting = {json.loads(text)["contract_id"]: text for text in every_vector()}
    rounds = 0
    while waiting:
        taken: dict[tuple[str, int], str] = {}
        for contract_id, text in waiting.items():
            data = json.loads(text)
            taken.setdefault((data["service"], data["version"]), contract_id)
        folder = tmp_path / str(rounds)
        make(folder, "typescript", [waiting.pop(contract_id) for contract_id in taken.values()])
        (folder / "ids.mjs").write_text((HERE / "generated/ids.mjs").read_text(encoding="utf-8"), encoding="utf-8")
        compiled(folder)
        ids = json.loads(ran("node", "ids.mjs", cwd=folder, env=environment()))
        assert ids == {contract_id: contract_id for contract_id in taken.values()}
        rounds += 1
    assert rounds > 1


def told_by(program: str, project: Path, services: list[Any]) -> Any:
    """Serve, run a program of the project with the address, and return what it prints."""

    async def run() -> tuple[int | None, bytes, bytes]:
        config = AsterConfig(relay_mode="disabled", bind_addr="127.0.0.1:0", allow_all_consumers=True)
        async with AsterServer(services, config=config) as server:
            process = await asyncio.create_subprocess_exec(
                "node",
                program,
                server.address,
                cwd=project,
                env=environment(),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            try:
                told, errors = await asyncio.wait_for(process.communicate(), 60)
            finally:
                if process.returncode is None:
                    process.kill()
            return process.returncode, told, errors

    status, told, errors = asyncio.run(run())
    assert status == 0, errors.decode()
    return json.loads(told)


@pytest.mark.filterwarnings(UNGUARDED)
def test_every_client_calls_every_method(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "python")
    clients = [only_client(module) for module in imported(tmp_path, monkeypatch)[1].values()]
    read = [json.loads(text) for text in without_odd()]
    listed = [{"manifest": one, "file": file_stem(one["service"], one["version"], "-")} for one in read]
    (project / "manifests.json").write_text(json.dumps(listed), encoding="utf-8")
    numbers: dict[str, Any] = {"unary": 1, "server_stream": 2, "client_stream": 1, "bidi_stream": 3}
    assert told_by("every.mjs", project, [implemented(client) for client in clients]) == {
        f"{one['service']}.{one['version']}.{method['name']}": "PERMISSION_DENIED"
        if one["requires"] or method["requires"]
        else numbers[method["pattern"]]
        for one in read
        for method in one["methods"]
    }


def test_calls_to_a_python_server(project: Path) -> None:
    result = told_by("dist/use.js", project, [EverythingService(), Tally])
    defaults = result.pop("defaults")
    assert result == EXPECTED
    assert (defaults["text"], defaults["big"], defaults["odd"], defaults["level"]) == (
        "it's\t\u65e5\\", f"{2**64 - 1}n", "-Infinity", -20,
    )  # fmt: skip
    assert (defaults["raw"], defaults["at"], defaults["day"]) == ([0, 39, 34, 255], 1714979289123, "2024-02-29")
    assert (defaults["span"], defaults["price"], defaults["mood"]) == (-86399995, "-12.3400", "going\ndown")
