"""`aster enroll`: identity files for nodes (`cli.md` section 5)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from aster import _aster
from aster.cli import expiry, output, private_files, root_keys, signing
from aster.cli.failures import USAGE, CommandError
from aster.cli.frame import AsterGroup
from aster.cli.git_ignore import ignore
from aster.cli.key_output import show
from aster.cli.node_keys import node_key
from aster.cli.settings import current, settings_of
from aster.trust.credentials import parts

_ROLE, _NAME = "aster.role", "aster.name"
_PATH = click.Path(path_type=Path)


def _use_profile(context: click.Context, _: click.Parameter, given: str | None) -> None:
    if given:
        settings_of(context).profile = given


@click.group("enroll", cls=AsterGroup)
def enroll() -> None:
    """Identities: node keys with credentials."""


@enroll.command("node")
@click.option("-r", "--role", type=click.Choice(["producer", "consumer"]), required=True)
@click.option("-n", "--name", metavar="N", required=True, help="Name of the entry, and of the peer.")
@click.option("-p", metavar="P", expose_value=False, is_eager=True, callback=_use_profile, help="As --profile.")
@click.option("-t", "--type", "kind", type=click.Choice(["policy", "ott"]), help="Of a consumer; default policy.")
@click.option("-c", "--capabilities", metavar="a,b", help="What it may do (default: the role).")
@click.option("-a", "--attributes", metavar="k=v,..", help="More attributes; or a JSON object of texts.")
@click.option("-e", "--expires", metavar="T", type=expiry.Expiry(), default=expiry.DEFAULT, help="30d, 24h, a date.")
@click.option("--root-key", metavar="F", type=_PATH, help="Default: keyring, then ~/.aster/root.key.")
@click.option("--signer", type=click.Choice(["local"]), default="local", show_default=True)
@click.option("-i", "--identity", metavar="F", type=_PATH, help="File with the node key to use.")
@click.option("-o", "--out", type=_PATH, default=".aster-identity", show_default=True)
@click.option("--unbound", is_flag=True, help="Whoever holds the credential may present it.")
@click.option("-q", "--quiet", is_flag=True, help="Print `PATH ENDPOINT_ID EXPIRES_ISO` only.")
def node(
    role: str,
    name: str,
    kind: str | None,
    capabilities: str | None,
    attributes: str | None,
    expires: int,
    root_key: Path | None,
    signer: str,
    identity: Path | None,
    out: Path,
    unbound: bool,
    quiet: bool,
) -> None:
    """Sign a credential for a node and add it to an identity file, with the node key. The same name replaces."""
    del signer  # There is one.
    current().quiet = quiet
    _check(role, name, kind, unbound=unbound)
    granted = _attributes(role, name, capabilities, attributes)
    out = out.expanduser()
    root = root_keys.find(root_key)
    with private_files.changing(out):
        own = node_key(identity, out)
        if own.seed == root.seed:
            raise CommandError("the root key is no node key")
        made = signing.signed(
            root,
            signing.PRODUCER if role == "producer" else kind or signing.POLICY,
            None if unbound else own.endpoint_id,
            granted,
            expires,
        )
        text = private_files.read(out) if out.exists() else ""
        private_files.replace(out, _aster.enrolled_identity(str(out), text, name, own.seed, parts(made)))
    is_ignored = ignore(out)
    _show(out, own.endpoint_id, name, signing.facts(made), quiet=quiet, is_ignored=is_ignored)


def _check(role: str, name: str, kind: str | None, *, unbound: bool) -> None:
    if not name:
        raise CommandError("an entry needs a name", status=USAGE)
    if role == "producer" and kind is not None:
        raise CommandError("--type is for consumers", status=USAGE)
    if role == "producer" and unbound:
        raise CommandError("a producer's credential is always bound", status=USAGE)


def _attributes(role: str, name: str, capabilities: str | None, more: str | None) -> dict[str, str]:
    """Return what is signed: role or capabilities, name, and what the user adds."""
    held = role
    if capabilities is not None:
        held = ",".join(filter(None, (one.strip() for one in capabilities.split(","))))
        if not held:
            raise CommandError("--capabilities names none", status=USAGE)
    granted = {_ROLE: held, _NAME: name}
    for key, value in _pairs(more or ""):
        if key in granted:
            raise CommandError(f"attribute '{key}' is given twice", status=USAGE)
        granted[key] = value
    return granted


def _pairs(text: str) -> list[tuple[str, str]]:
    if text.lstrip().startswith("{"):
        return list(signing.json_attributes(text).items())
    pairs: list[tuple[str, str]] = []
    for one in filter(None, (part.strip() for part in text.split(","))):
        key, equals, value = one.partition("=")
        if not equals or not key.strip():
            raise CommandError(f"attributes are written k=v, got {one!r}", status=USAGE)
        pairs.append((key.strip(), value.strip()))
    return pairs


def _show(path: Path, endpoint_id: str, name: str, facts: dict[str, Any], *, quiet: bool, is_ignored: bool) -> None:
    if quiet and not current().json:
        output.result(output.printable(f"{path} {endpoint_id} {facts['expires at']}"))
        return
    shown = {"path": str(path), "name": name, **facts, "endpoint id": endpoint_id}
    show({**shown, "bound": facts["endpoint id"] is not None})
    if is_ignored and not current().json:
        output.note(f"{path.name} is now in .gitignore: it holds a secret")
