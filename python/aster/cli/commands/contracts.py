"""`aster contract`: contracts as files (`cli.md` section 2, `contract.md` section 8)."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import click

from aster.cli import output, vcs
from aster.cli.contract_preview import preview_lines
from aster.cli.declared import load_service
from aster.cli.dialling import dialling_options
from aster.cli.failures import USAGE, CommandError
from aster.cli.frame import AsterGroup
from aster.cli.generation_options import generation_options
from aster.cli.manifests import imported_path, load
from aster.cli.places import private_folder, replace_text
from aster.cli.settings import current
from aster.contract import ContractManifest
from aster.contract.manifest import MANIFEST_PATH

_SHOWN_DIGITS = 16
_MANIFEST_OPTION = click.option(
    "--manifest", metavar="FILE", type=click.Path(path_type=Path), help=f"Manifest (default: {MANIFEST_PATH})."
)


@click.group("contract", cls=AsterGroup)
def contract() -> None:
    """Contracts: write, share, check and generate from them."""


@contract.command("gen")
@click.option("--service", "services", metavar="MODULE:CLASS", multiple=True, required=True, help="May be repeated.")
@click.argument("more", nargs=-1, metavar="[MODULE:CLASS ..]")
@click.option("--out", type=click.Path(path_type=Path), default=MANIFEST_PATH, show_default=True)
@click.option("--semver", metavar="V", help="Version of the release.")
@click.option("--vcs", "with_vcs", is_flag=True, help="Add commit, tag, remote and time of the commit, from git.")
@click.option("--check", is_flag=True, help="Write nothing; status 1 if the file would change.")
def gen(
    services: tuple[str, ...], more: tuple[str, ...], out: Path, semver: str | None, with_vcs: bool, check: bool
) -> None:
    """Write the manifest of services, without dialling anybody."""
    beyond: dict[str, Any] = {"semver": semver, **(vcs.facts() if with_vcs else {})}
    manifests = [ContractManifest.from_service(load_service(spec), **beyond) for spec in (*services, *more)]
    named = sorted((manifest.service, manifest.version) for manifest in manifests)
    for name, version in {one for one in named if named.count(one) > 1}:
        raise CommandError(f"service '{name}' v{version} is given twice", status=USAGE)
    text = _file_text(manifests)
    if check:
        if not out.exists():
            raise CommandError(f"{out} does not exist", hint="aster contract gen writes it")
        if out.read_bytes() != text.encode():
            raise CommandError(f"{out} is out of date", hint="aster contract gen writes it anew")
    else:
        replace_text(out, text)
    _show_written(out, manifests)


def _file_text(manifests: list[ContractManifest]) -> str:
    """Return the one manifest, or an array of several, as a file."""
    if len(manifests) == 1:
        return manifests[0].to_json()
    return json.dumps([manifest.data for manifest in manifests], indent=2, ensure_ascii=False) + "\n"


def _show_written(path: Path, manifests: list[ContractManifest]) -> None:
    if current().json:
        shown = [
            {
                "name": manifest.service,
                "version": manifest.version,
                "contract_id": manifest.contract_id,
                "methods": manifest.method_count,
            }
            for manifest in manifests
        ]
        output.result(output.compact({"path": str(path), "services": shown}))
        return
    output.result(str(path))
    for manifest in manifests:
        short = manifest.contract_id[:_SHOWN_DIGITS]
        output.result(
            f"  {manifest.service} v{manifest.version}  contract_id={short}...  methods={manifest.method_count}"
        )


@contract.command("export")
@_MANIFEST_OPTION
@click.option("-o", "folder", metavar="DIR", type=click.Path(path_type=Path), default=Path(), help="Default: here.")
def export(manifest: Path | None, folder: Path) -> None:
    """Write every contract of a manifest as `<Service>.aster.json`."""
    found = load(manifest or MANIFEST_PATH)
    names = [one.service for one in found]
    for name in names:
        if names.count(name) > 1:
            raise CommandError(f"the manifest has several versions of '{name}', which would be one file")
        if "/" in name or "\\" in name:
            raise CommandError(f"'{name}' cannot be the name of a file")
    written: list[str] = []
    for one in found:
        path = folder / f"{one.service}.aster.json"
        _refuse_foreign(path)
        replace_text(path, one.to_export())
        written.append(str(path))
    _show_paths(written)


def _refuse_foreign(path: Path) -> None:
    """Refuse to overwrite what is no exported contract."""
    if not path.exists():
        return
    try:
        ours = "aster_contract" in json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, TypeError):
        ours = False
    if not ours:
        raise FileExistsError(errno.EEXIST, "exists", str(path))


def _show_paths(paths: list[str]) -> None:
    if current().json:
        output.result(output.compact({"paths": paths}))
    else:
        for path in paths:
            output.result(path)


@contract.command("import")
@click.argument("file", type=click.Path(path_type=Path))
def import_contract(file: Path) -> None:
    """Verify a contract and keep it, so that calls need not fetch it."""
    paths: list[str] = []
    for manifest in _verified(file):
        path = imported_path(manifest.service, manifest.contract_id)
        private_folder(path.parent)
        replace_text(path, manifest.to_export())
        paths.append(str(path))
    _show_paths(paths)


def _verified(file: Path) -> list[ContractManifest]:
    found = load(file)
    for manifest in found:
        if not manifest.verified:
            raise CommandError(f"{file}: contract of '{manifest.service}' cannot be verified: the format is too old")
    return found


@contract.command("verify")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--manifest", metavar="FILE", type=click.Path(path_type=Path), help="Compare with this manifest.")
def verify(file: Path, manifest: Path | None) -> None:
    """Recompute the id of a contract; status 1 if it is another one."""
    found = _verified(file)
    others = {} if manifest is None else {(one.service, one.version): one for one in _verified(manifest)}
    for one in found:
        other = others.get((one.service, one.version))
        if manifest is not None and other is None:
            raise CommandError(f"{manifest} has no service '{one.service}' v{one.version}")
        if other is not None and other.contract_id != one.contract_id:
            raise CommandError(
                f"Contract identity mismatch for '{one.service}' v{one.version}:\n"
                f"  {manifest}: {other.contract_id}\n"
                f"  {file}: {one.contract_id}"
            )
    if current().json:
        shown = [{"name": one.service, "version": one.version, "contract_id": one.contract_id} for one in found]
        output.result(output.compact(shown))
    else:
        for one in found:
            output.result(f"{one.service} v{one.version}  contract_id={one.contract_id}  ok")


@contract.command("preview")
@click.option("--service", metavar="MODULE:CLASS", help="A declared service.")
@click.option("--manifest", metavar="FILE", type=click.Path(path_type=Path), help="A manifest or exported contract.")
def preview(service: str | None, manifest: Path | None) -> None:
    """Show methods and types as they are on the wire."""
    if (service is None) == (manifest is None):
        raise CommandError("give one of --service and --manifest", status=USAGE)
    found = load(manifest) if manifest is not None else [ContractManifest.from_service(load_service(service or ""))]
    if current().json:
        output.result(output.compact([one.data for one in found]))
        return
    for one in found:
        for line in preview_lines(one):
            output.result(line)


@contract.command("gen-client")
@click.argument("source", metavar="SOURCE")
@generation_options
@dialling_options
def gen_client(source: str, out: Path, language: str, package: str | None) -> None:
    """Generate a typed client from a manifest, an exported contract, or a peer."""
    # It loads the generator, which no other command needs.
    from aster.cli.client_generation import generate_client  # noqa: PLC0415

    generate_client(source, out, language=language, package=package, services=None)
