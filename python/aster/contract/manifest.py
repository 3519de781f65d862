"""Manifests: contracts as documents that people and tools read (`contract.md` sections 7 and 8)."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from aster import _aster
from aster.contract._export import export_of, manifest_of_export
from aster.service import info_of

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "MANIFEST_PATH",
    "ContractManifest",
    "FatalContractMismatch",
    "extract_method_descriptors",
    "read_manifests",
    "verify_manifest_or_fatal",
]

MANIFEST_PATH = Path(".aster") / "manifest.json"
"""Where a server looks for its manifest, below the working directory."""


class FatalContractMismatch(RuntimeError):  # noqa: N818 - name of the API
    """A service is not the one its manifest describes.

    `service` and `version` name it, `expected` is the id in the manifest, `actual` the live one, `path` the file.
    """

    def __init__(self, text: str, service: str, version: int, expected: str, actual: str, path: Path) -> None:
        super().__init__(text)
        self.service = service
        self.version = version
        self.expected = expected
        self.actual = actual
        self.path = path


class ContractManifest:
    """A manifest.

    `data` is the document, of which the attributes show the keys; `verified` tells whether core recomputed its id.
    Legacy manifests are not verified: for display and JSON calls only.
    """

    def __init__(self, text: str, data: dict[str, Any], verified: bool) -> None:
        self._text = text
        self.data = data
        self.verified = verified

    @classmethod
    def from_service(cls, service: object, **publication: Any) -> Self:
        """Return the manifest of a decorated class, an instance of one, or a `ServiceInfo`.

        `publication` gives values for `semver vcs_revision vcs_tag vcs_url changelog published_by
        published_at_epoch_ms`. `TypeError` for a class without `@service`, and for values of other types.
        """
        text = _aster.manifest_of(info_of(service).described, json.dumps(publication))
        return cls(text, json.loads(text), verified=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a manifest or an exported contract (`<Service>.aster.json`).

        `ValueError` for text that is no JSON object, `TypeError` if it does not have the contract id that it claims
        or is over a limit. A legacy manifest is read, and `verified` is false.
        """
        document = _object(text)
        if "aster_contract" in document:
            text = json.dumps(manifest_of_export(document))
        text, verified = _aster.read_manifest(text)
        return cls(text, json.loads(text), verified)

    def to_json(self) -> str:
        """Return the text of the file: two spaces of indentation, keys in their order, a final newline."""
        return self._text

    def to_export(self) -> str:
        """Return the text of `<Service>.aster.json`, which holds the contract alone, fields sorted by name."""
        if not self.verified:
            raise TypeError("a legacy manifest cannot be exported: it is not verified")
        return json.dumps(export_of(self.data), indent=2, ensure_ascii=False) + "\n"

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the file whole or not at all, making its directory, and return its path."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                file.write(self._text)
            Path(temporary).chmod(_default_mode())
            Path(temporary).replace(target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        return target

    @property
    def service(self) -> str:
        """Name of the service."""
        return cast("str", self.data.get("service", ""))

    @property
    def version(self) -> int:
        """Version of the service."""
        return cast("int", self.data.get("version", 0))

    @property
    def contract_id(self) -> str:
        """The 64 hex digits that name the contract."""
        return cast("str", self.data.get("contract_id", ""))

    @property
    def canonical_encoding(self) -> str:
        """Name of the byte layout that the id is computed from."""
        return cast("str", self.data.get("canonical_encoding", ""))

    @property
    def type_count(self) -> int:
        """Number of types, container types included."""
        return cast("int", self.data.get("type_count", 0))

    @property
    def type_hashes(self) -> list[str]:
        """Hashes of all types, ascending."""
        return cast("list[str]", self.data.get("type_hashes", []))

    @property
    def method_count(self) -> int:
        """Number of methods."""
        return cast("int", self.data.get("method_count", len(self.methods)))

    @property
    def methods(self) -> list[dict[str, Any]]:
        """Methods by name: patterns, types, fields, options, documentation."""
        return cast("list[dict[str, Any]]", self.data.get("methods", []))

    @property
    def serialization_modes(self) -> list[str]:
        """Modes in declared order."""
        return cast("list[str]", self.data.get("serialization_modes", []))

    @property
    def producer_language(self) -> str:
        """Language of the producer, empty without the mode `native`."""
        return cast("str", self.data.get("producer_language", ""))

    @property
    def scoped(self) -> str:
        """`shared` or `session`."""
        return cast("str", self.data.get("scoped", "shared"))

    @property
    def requires(self) -> dict[str, Any] | None:
        """Kind and roles that callers need, or nothing."""
        return cast("dict[str, Any] | None", self.data.get("requires"))

    @property
    def types(self) -> dict[str, dict[str, Any]]:
        """Messages and enums by tag; empty in a legacy manifest."""
        return cast("dict[str, dict[str, Any]]", self.data.get("types", {}))

    @property
    def description(self) -> str:
        """What people should know of the service."""
        return cast("str", self.data.get("description", ""))

    @property
    def tags(self) -> list[str]:
        """Labels of the service."""
        return cast("list[str]", self.data.get("tags", []))

    @property
    def deprecated(self) -> bool:
        """Whether callers should look for something else."""
        return cast("bool", self.data.get("deprecated", False))

    @property
    def semver(self) -> str | None:
        """Version of the release, if it was given."""
        return cast("str | None", self.data.get("semver"))

    @property
    def vcs_revision(self) -> str | None:
        """Commit of the sources, if it was given."""
        return cast("str | None", self.data.get("vcs_revision"))

    @property
    def vcs_tag(self) -> str | None:
        """Tag of the sources, if it was given."""
        return cast("str | None", self.data.get("vcs_tag"))

    @property
    def vcs_url(self) -> str | None:
        """Where the sources are, if it was given."""
        return cast("str | None", self.data.get("vcs_url"))

    @property
    def changelog(self) -> str | None:
        """What has changed, if it was given."""
        return cast("str | None", self.data.get("changelog"))

    @property
    def published_by(self) -> str:
        """Author of the publication, or empty."""
        return cast("str", self.data.get("published_by", ""))

    @property
    def published_at_epoch_ms(self) -> int:
        """When it was published, in milliseconds since 1970, or 0."""
        return cast("int", self.data.get("published_at_epoch_ms", 0))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ContractManifest) and self.data == other.data

    __hash__ = None  # type: ignore[assignment]  # `data` is a dict

    def __repr__(self) -> str:
        state = "" if self.verified else ", not verified"
        return f"<ContractManifest of {self.service} v{self.version} {self.contract_id[:16]}{state}>"


def extract_method_descriptors(service: object) -> list[dict[str, Any]]:
    """Return the methods of a service as its manifest has them, sorted by name."""
    return ContractManifest.from_service(service).methods


def read_manifests(path: str | os.PathLike[str]) -> list[ContractManifest]:
    """Read a file with one manifest or an array of them.

    `RuntimeError` `Failed to read manifest at <path>: <cause>` if it cannot be read, or one of them cannot be
    verified.
    """
    return [_checked(path, one) for one in _entries(path)]


def verify_manifest_or_fatal(
    services: Iterable[object] | object, path: str | os.PathLike[str] | None = None
) -> list[ContractManifest]:
    """Check services against a file with one manifest or an array; return those that it has.

    `services`: a decorated class, an instance of one, a `ServiceInfo`, or several. `path` is `.aster/manifest.json`
    below the working directory if not given; without that file everything passes. Services that it does not name pass.
    Raises `FatalContractMismatch` for a service with another id, `RuntimeError` for a file that cannot be read or
    verified.
    """
    file = Path.cwd() / (MANIFEST_PATH if path is None else path)
    if path is None and not file.exists():
        return []
    given: list[object] = list(cast("Any", services)) if isinstance(services, Iterable) else [services]
    live = [(info.name, info.version, info.contract_id) for info in map(info_of, given)]
    fault = _aster.check_live_contracts(file, live)
    if fault is not None:
        text, mismatch = fault
        raise RuntimeError(text) if mismatch is None else FatalContractMismatch(text, *mismatch, file)
    named = {(service, version) for service, version, _ in live}
    return [manifest for manifest in read_manifests(file) if (manifest.service, manifest.version) in named]


def _entries(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    try:
        text = Path(path).read_text(encoding="utf-8")
        found: Any = json.loads(text, object_pairs_hook=_without_doubles)
    except (OSError, ValueError, RecursionError) as error:
        raise _unreadable(path, error) from error
    entries: list[Any] = cast("Any", found) if isinstance(found, list) else [found]
    if not all(isinstance(one, dict) for one in entries):
        raise _unreadable(path, "expected a manifest or an array of manifests")
    return entries


def _checked(path: str | os.PathLike[str], entry: dict[str, Any]) -> ContractManifest:
    try:
        return ContractManifest.from_json(json.dumps(entry))
    except (TypeError, ValueError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: str | os.PathLike[str], cause: object) -> RuntimeError:
    return RuntimeError(f"Failed to read manifest at {path}: {cause}")


def _object(text: str) -> dict[str, Any]:
    found: Any = json.loads(text, object_pairs_hook=_without_doubles)
    if not isinstance(found, dict):
        raise ValueError("a manifest is a JSON object")  # noqa: TRY004 - as for text that is no JSON
    return cast("dict[str, Any]", found)


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice")
    return found


def _default_mode() -> int:
    """Return the mode that new files get."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
