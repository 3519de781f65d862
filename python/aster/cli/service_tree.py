"""A contract as a tree for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.text import Text
from rich.tree import Tree

from aster.cli.output import printable
from aster.cli.signatures import parameter, required, signature

if TYPE_CHECKING:
    from aster.contract import ContractManifest


def service_tree(manifest: ContractManifest) -> Tree:
    """Return identity, methods and types of a service."""
    tree = Tree(_line(f"{manifest.service} v{manifest.version}", "bold"))
    _add(tree, f"contract {manifest.contract_id}" + ("" if manifest.verified else " (legacy, not verified)"))
    _add(tree, f"pattern {manifest.scoped}")
    if manifest.requires:
        _add(tree, f"requires {required(manifest.requires)}")
    _docs(tree, manifest.data)
    methods = _add(tree, "methods", "bold")
    for method in manifest.methods:
        _method(methods, method)
    types = _add(tree, "types", "bold")
    for tag, entry in manifest.types.items():
        _type(types, tag, entry)
    return tree


def _method(tree: Tree, method: dict[str, Any]) -> None:
    branch = _add(tree, f"{method['name']} {signature(method)}", "cyan")
    _add(branch, method["pattern"])
    if method.get("timeout") is not None:
        _add(branch, f"timeout {method['timeout']:g} s")
    if method.get("idempotent"):
        _add(branch, "idempotent")
    if method.get("requires"):
        _add(branch, f"requires {required(method['requires'])}")
    _docs(branch, method)


def _type(tree: Tree, tag: str, entry: dict[str, Any]) -> None:
    if "enum" in entry:
        texts = entry.get("texts", {})
        branch = _add(tree, f"enum {tag}", "cyan")
        for member in entry["enum"]:
            name, value = (member, texts.get(member)) if isinstance(member, str) else (member[0], member[1])
            _add(branch, name if value is None else f"{name} = {value}")
        return
    branch = _add(tree, f"message {tag}", "cyan")
    for field in entry["fields"]:
        _docs(_add(branch, parameter(field)), field)


def _docs(tree: Tree, documented: dict[str, Any]) -> None:
    if documented.get("deprecated"):
        _add(tree, "deprecated", "red")
    if documented.get("description"):
        _add(tree, documented["description"], "dim")
    if documented.get("tags"):
        _add(tree, f"tags {', '.join(documented['tags'])}", "dim")


def _add(tree: Tree, text: str, style: str = "") -> Tree:
    return tree.add(_line(text, style))


def _line(text: str, style: str) -> Text:
    return Text(printable(text).replace("\n", " "), style)
