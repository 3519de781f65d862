"""A contract as it is on the wire, in lines for people (`contract.md` section 8, `preview`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aster import _aster
from aster.cli.output import printable
from aster.cli.signatures import required, signature

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aster.contract import ContractManifest


def preview_lines(manifest: ContractManifest) -> Iterator[str]:
    """Yield methods, then types with the names and Fory types of their fields."""
    yield from (printable(line) for line in _lines(manifest))


def _lines(manifest: ContractManifest) -> Iterator[str]:
    yield f"service {manifest.service} v{manifest.version}"
    yield f"  contract_id  {manifest.contract_id}" + ("" if manifest.verified else " (legacy, not verified)")
    yield f"  scoped       {manifest.scoped}"
    yield f"  modes        {', '.join(manifest.serialization_modes)}"
    if manifest.requires:
        yield f"  requires     {required(manifest.requires)}"
    for method in manifest.methods:
        yield f"method {method['name']}  {method['pattern']}"
        yield f"  signature    {signature(method)}"
        yield f"  request      {method['request_wire_tag'] or method['request_type']}"
        yield f"  response     {method['response_wire_tag'] or method['response_type']}"
        if method.get("timeout") is not None:
            yield f"  timeout      {method['timeout']:g} s"
        if method.get("idempotent"):
            yield "  idempotent"
        if method.get("requires"):
            yield f"  requires     {required(method['requires'])}"
    for tag, entry in manifest.types.items():
        yield from _type_lines(tag, entry, manifest.types)


def _type_lines(tag: str, entry: Mapping[str, Any], types: Mapping[str, Any]) -> Iterator[str]:
    namespace, _, name = tag.rpartition("/")
    kind = "enum" if "enum" in entry else "message"
    yield f"{kind} {tag}"
    yield f"  fory name    namespace={namespace!r} name={name!r}"
    yield f"  hash         {entry['hash']}"
    if kind == "enum":
        yield f"  mode         {_enum_mode(entry)}"
        members = (member if isinstance(member, str) else f"{member[0]}={member[1]}" for member in entry["enum"])
        yield f"  members      {', '.join(members)}"
        return
    for field in entry["fields"]:
        fory = _fory_type(_aster.type_tree(field["type"]), types)
        yield f"  field        {field['name']}  wire={_aster.wire_name(field['name'])}  fory={fory}"


def _enum_mode(entry: Mapping[str, Any]) -> str:
    """Tell how members travel; shown only: core decides (`codec.md` section 2)."""
    values = sorted(member[1] for member in entry["enum"] if not isinstance(member, str))
    by_ordinal = bool(values) and values == list(range(len(entry["enum"])))
    return "ordinal" if by_ordinal else "name"


def _fory_type(tree: Any, types: Mapping[str, Any]) -> str:
    if isinstance(tree, str):
        entry = types.get(tree)
        if entry is None:
            return tree
        return f"enum by {_enum_mode(entry)} {tree}" if "enum" in entry else f"struct {tree}"
    kind, *parts = tree
    inner = ", ".join(_fory_type(part, types) for part in parts)
    return f"nullable {inner}" if kind == "optional" else f"{kind}<{inner}>"
