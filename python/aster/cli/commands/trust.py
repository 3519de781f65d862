"""`aster trust` and `aster authorize`: the root key and what it signs (`cli.md` section 5)."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Callable, TypeVar

import click

from aster.cli import expiry, root_keys, signing
from aster.cli.failures import USAGE, CommandError
from aster.cli.frame import AsterCommand, AsterGroup
from aster.cli.key_making import make_root_key
from aster.cli.key_output import show, show_made
from aster.trust import verify_signature
from aster.trust.credentials import Credential, parse_credential

Command = TypeVar("Command", bound=Callable[..., Any])

_TYPES = (signing.PRODUCER, signing.POLICY, signing.ONE_TIME)
_MAX_BYTES = 65_536


def _signing_options(command: Command) -> Command:
    for decorate in (
        click.option("--expires", metavar="T", type=expiry.Expiry(), default=expiry.DEFAULT, help="30d, 24h, a date."),
        click.option("--attributes", metavar="JSON", default="{}", help="Object of texts."),
        click.option("--root-key", metavar="F", type=click.Path(path_type=Path), help="Default: keyring, ~/.aster."),
    ):
        command = decorate(command)
    return command


@click.group("trust", cls=AsterGroup)
def trust() -> None:
    """The root key of a deployment, and credentials."""


@trust.command("keygen")
@click.option("--out-key", type=click.Path(path_type=Path), default=root_keys.FILE, show_default=True)
def keygen(out_key: Path) -> None:
    """Make a root key, and a file with its public half beside it."""
    show_made(make_root_key(out_key))


@trust.command("sign")
@click.option("--type", "kind", type=click.Choice(_TYPES), default=signing.PRODUCER, show_default=True)
@click.option("--endpoint-id", metavar="HEX", help="The only node that may present it.")
@click.option("--out", type=click.Path(path_type=Path), default=".aster/credential.json", show_default=True)
@_signing_options
def sign(kind: str, endpoint_id: str | None, out: Path, root_key: Path | None, attributes: str, expires: int) -> None:
    """Sign a credential, offline."""
    _sign(kind, endpoint_id, out, root_key, attributes, expires)


@click.command("authorize", cls=AsterCommand)
@click.option("--producer-id", metavar="HEX", required=True, help="Node id of the producer.")
@click.option("--out", type=click.Path(path_type=Path), default="enrollment.token", show_default=True)
@_signing_options
def authorize(producer_id: str, out: Path, root_key: Path | None, attributes: str, expires: int) -> None:
    """Sign the credential of a producer, offline."""
    _sign(signing.PRODUCER, producer_id, out, root_key, attributes, expires)


def _sign(kind: str, endpoint_id: str | None, out: Path, root_key: Path | None, attributes: str, expires: int) -> None:
    if kind == signing.PRODUCER and not endpoint_id:
        raise CommandError("a producer's credential is bound to a node: give --endpoint-id", status=USAGE)
    wanted = signing.json_attributes(attributes)
    made = signing.signed(root_keys.find(root_key), kind, endpoint_id or None, wanted, expires)
    signing.write_credential(out.expanduser(), made)


@trust.command("verify")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--root-pubkey", metavar="HEX|F", help="The root key to trust (default: the credential's own).")
def verify(file: Path, root_pubkey: str | None) -> None:
    """Show a credential file; status 1 if signature or expiry is bad. Nonce and signature are not shown."""
    trusted = None if root_pubkey is None else root_keys.read_public(root_pubkey)
    try:
        with file.open("rb") as content:
            credential = parse_credential(content.read(_MAX_BYTES + 1))
    except ValueError as error:
        raise CommandError(f"{file}: not a credential: {error}") from None
    wrong = _defects(credential, trusted)
    bound = credential.endpoint_id is not None
    show(
        {
            **signing.facts(credential),
            "bound": bound,
            "root key": "given" if trusted is not None else "its own",
            "valid": not wrong,
        }
    )
    if wrong:
        raise CommandError(f"{file}: {', '.join(wrong)}")


def _defects(credential: Credential, trusted: bytes | None) -> list[str]:
    wrong: list[str] = []
    if trusted is not None and trusted != credential.root_pubkey:
        wrong.append("of another root key")
    if credential.expires_at <= time.time():
        wrong.append("expired")
    if not verify_signature(credential):
        wrong.append("the signature is not that of its root key")
    return wrong
