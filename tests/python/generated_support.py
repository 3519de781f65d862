"""Manifests of all kinds, the files that are generated from them, and the tools that read these."""

from __future__ import annotations

import functools
import importlib
import json
import subprocess
import sys
from pathlib import Path

from aster import _aster
from aster.cli.generate import generate, write
from aster.contract import ContractManifest
from aster.service import service_info
from conftest import VECTORS
from generated_services import ODD, EverythingService, Tally

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "made"
NATIVE = {
    "service": "Native",
    "version": 1,
    "types": {},
    "serialization_modes": ["xlang", "native"],
    "producer_language": "go",
    "methods": [{"name": "call", "pattern": "bidi_stream", "request": "int", "response": "string", "idempotent": True}],
}


@functools.cache
def manifests():
    """Return one manifest per service and version: those of the vectors, and what tests declare."""
    vectors = json.loads((VECTORS / "contract.json").read_text(encoding="utf-8"))
    described = [case["description"] for case in vectors["manifests"] + vectors["services"]]
    texts = [_aster.manifest_of(json.dumps(each)) for each in [*described, ODD, NATIVE]]
    texts += [ContractManifest.from_service(each).to_json() for each in (EverythingService, Tally)]
    found = {}
    for text in texts:
        manifest = ContractManifest.from_json(text)
        found.setdefault((manifest.service, manifest.version), text)
    return list(found.values())


def without_odd():
    """Return the manifests of services whose values equal themselves: that of odd names has a NaN."""
    return [text for text in manifests() if json.loads(text)["service"] != ODD["service"]]


def every_vector():
    """Return the manifests of every service of the vectors, also of those that share name and version."""
    vectors = json.loads((VECTORS / "contract.json").read_text(encoding="utf-8"))
    described = [case["description"] for case in vectors["manifests"] + vectors["services"]]
    return [_aster.manifest_of(json.dumps(each)) for each in described]


def make(folder, language, texts=None, package=PACKAGE):
    """Generate into a folder and return the paths."""
    return write(generate(texts or manifests(), language=language, package=package), folder)


def imported(folder, monkeypatch, package=PACKAGE):
    """Import a generated package afresh, with all its clients by file name."""
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        del sys.modules[name]
    monkeypatch.syspath_prepend(folder)
    found = importlib.import_module(package)
    stems = sorted(path.stem for path in Path(folder, package, "services").glob("*_v*.py"))
    return found, {stem: importlib.import_module(f"{package}.services.{stem}") for stem in stems}


def only_client(module):
    """Return the client class of a module of services."""
    [name] = module.__all__
    return getattr(module, name)


def ran(*command, cwd=None, env=None):
    """Run a tool that has nothing to complain about, and return what it says."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# What a server of `implemented` services is right to warn of: their declarations say nothing about who may call.
UNGUARDED = "ignore:Service .* has no authorization configured:UserWarning"


def implemented(client):
    """Return a class of handlers for a generated client; every answer is the first value of its type."""

    def handler(method):
        async def once(self, *_, **__):
            return method.response_type()

        async def stream(self, *_, **__):
            yield method.response_type()
            yield method.response_type()

        async def collect(self, requests):
            assert [request async for request in requests] == [method.request_type()] * 3
            return method.response_type()

        async def each(self, requests):
            async for request in requests:
                assert request == method.request_type()
                yield method.response_type()

        return {"unary": once, "server_stream": stream, "client_stream": collect, "bidi_stream": each}[method.pattern]

    info = service_info(client)
    members = {method.attribute: handler(method) for method in info.methods.values()}
    if info.scoped == "session":
        members["__init__"] = lambda self, peer: None
    made = type("Implemented", (), members)
    made.__aster_service_info__ = info
    return made if info.scoped == "session" else made()
